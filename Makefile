# Needs GNU make and Python 3.11 or newer with venv. `make` alone lists what it can do.
PY ?= $(shell command -v python3.11 || command -v python3)
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types bench lock clean browser

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  make %-8s%s\n' "$$name" "$$text"; done

setup: $(VENV)/.dev ## make .venv with the program and the tools that test it

demo: $(VENV)/.runtime ## show the ledger at work, on an embedded database
	$(BIN)/capledger demo

test: lint types browser ## set up, lint, check types and run every test
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.dev ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev ## check types
	$(BIN)/mypy

bench: $(VENV)/.dev ## measure speed against plain PostgreSQL; never part of the tests
	$(BIN)/python -m tests.bench

# What looks at the pages. Only root can install it; without it those tests say that they did not run.
browser:
	@for name in chromium chromium-browser google-chrome "$$CAPLEDGER_CHROMIUM"; do \
	  if command -v "$$name" >/dev/null; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium, which looks at the pages ..."; apt-get update -qq >/dev/null 2>&1; \
	  if DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1; \
	  then exit 0; fi; fi; \
	echo "No Chromium, and it cannot be installed here: no page is looked at in a browser."

lock: ## pin dependencies anew: hashes only, needs uv
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  pyproject.toml --group build --output-file requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  pyproject.toml --group build --group dev --constraints requirements.lock --output-file requirements-dev.lock

clean: ## remove the environment and every cache; the ledger's data stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find ledger schema jobs tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp for each lock: a second run costs nothing, a changed lock installs what changed.
$(VENV)/.runtime: requirements.lock pyproject.toml
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PY=/path/to/python3.11"; exit 1; }
	$(PY) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@
