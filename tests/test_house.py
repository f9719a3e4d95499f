"""The house rules: which way imports go, how long a file may be, what never stands in the repository."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("ledger", "schema", "jobs")
SOURCES = sorted(path for package in (*PACKAGES, "tests") for path in (ROOT / package).rglob("*.py"))
AT_THE_ROOT = {
    ".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "docs", "jobs",
    "ledger", "pyproject.toml", "requirements-dev.lock", "requirements.lock", "schema", "tests",
}  # fmt: skip
LONGEST_FILE = 300
KEPT_BESIDE = {".sql", ".csv", ".yaml", ".typ"}
# Written apart, so that this file does not name them itself.
NEVER_NAMED = [
    "py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "npmjs" + ".org", "deb." + "debian.org",
    "/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "DESIGN" + ".md", "../sha" + "red",
]  # fmt: skip


def tracked() -> list[Path]:
    """Return every file that is in the repository or would be added to it; outside of one, nothing."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        return []
    return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


def test_imports_go_one_way():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "ledger" / "core").rglob("*.py")), ids=lambda path: path.name)
def test_the_core_imports_the_standard_library_and_itself_and_nothing_that_reads_a_clock_or_a_file(path):
    forbidden = {"io", "logging", "os", "pathlib", "random", "secrets", "shutil", "socket", "sqlite3", "subprocess",
                 "tempfile", "threading", "time", "urllib"}  # fmt: skip
    for node in ast.walk(ast.parse(text_of(path))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            top = name.split(".")[0]
            assert name.startswith("ledger.core") or top in sys.stdlib_module_names - forbidden, name


@pytest.mark.parametrize("path", sorted((ROOT / "ledger" / "core").rglob("*.py")), ids=lambda path: path.name)
def test_the_core_asks_no_clock_and_has_no_binary_fraction(path):
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float), f"line {node.lineno}: {node.value}"
        if isinstance(node, ast.Name):
            assert node.id != "float", f"line {node.lineno}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("now", "today", "utcnow"), f"line {node.lineno}"


def test_no_source_file_is_longer_than_a_person_reads_at_once():
    # A test file is a list of promises: it is read one at a time.
    lengths = {str(path.relative_to(ROOT)): text_of(path).count("\n") for path in SOURCES}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE and not name.startswith("tests")} == {}


def test_the_root_holds_only_what_it_may():
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} - AT_THE_ROOT == set()


def test_no_tracked_file_names_a_package_registry_or_a_path_of_one_machine():
    named = [f"{path.relative_to(ROOT)}: {word}" for path in tracked() for word in NEVER_NAMED if word in text_of(path)]
    assert named == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_pins_by_hash_and_names_no_address(name):
    lock = text_of(ROOT / name)
    assert not re.search(r"://|^-", lock, re.MULTILINE)
    pins = re.findall(r"^(\S+)==\S+.* \\\n    --hash=sha256:", lock, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^\w", lock, re.MULTILINE)) > 0


def test_the_locks_agree_and_hold_every_stated_dependency():
    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)==(\S+)", text_of(ROOT / name), re.MULTILINE))

    def stated(lines: list[str]) -> set[str]:
        return {re.match(r"[\w-]+", line).group().lower() for line in lines}

    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    groups = project["dependency-groups"]
    runtime, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert runtime.items() <= dev.items()
    assert stated(project["project"]["dependencies"] + groups["build"]) <= runtime.keys()
    assert stated(groups["dev"]) <= dev.keys()
    assert groups["build"] == project["build-system"]["requires"]


def test_what_is_kept_beside_the_code_is_part_of_the_package():
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(PACKAGES)
    # Whole folders are packed, but never what git ignores.
    beside = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in KEPT_BESIDE}
    assert {path.suffix for path in beside} == KEPT_BESIDE
    if known := set(tracked()):
        assert beside <= known


def test_every_test_is_named_as_a_sentence():
    short = [
        f"{path.name}: {node.name}"
        for path in SOURCES
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test") and node.name.count("_") < 3
    ]
    assert short == []
