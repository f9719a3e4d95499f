"""The pages in a real browser, without scripts: the main journeys of each role, one by keyboard, and axe on every page.

Chromium is Debian's, or the one that CAPLEDGER_CHROMIUM names. Without one these tests do not run, and the summary of
the run says so; CAPLEDGER_BROWSER=required makes that a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvicorn

from ledger.access import sessions
from tests.conftest import NO_BROWSER, in_database
from tests.test_web_pages import EXPORTERS, FIT, HEADER, LINE, OFFICIAL, PUBLIC, code_of
from tests.webworld import NOW, World, app_of, fill
from tests.world import DIFFUSION, GB300, LICENSING

FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
NARROW, WIDE = {"width": 320, "height": 640}, {"width": 1280, "height": 900}
HTML = [path for path in PUBLIC if not path.endswith((".csv", ".json"))]
UNKNOWN = f"/exporter/fit?recipient=nobody&destination=AE&chip={GB300}&quantity=5"
OFTEN = 40  # tabs to press before giving up


def chromium() -> str:
    """Return where Chromium is, "" where there is none."""
    stated = os.environ.get("CAPLEDGER_CHROMIUM", "")
    return stated or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")


@pytest.fixture(scope="module")
def served(databases: Any, template: str) -> Iterator[tuple[World, str]]:
    """A filled ledger, and the address where its pages are served."""
    if not chromium():
        if os.environ.get("CAPLEDGER_BROWSER") == "required":
            pytest.fail(NO_BROWSER)
        pytest.skip(NO_BROWSER)
    name = databases.make(template)
    world = fill(in_database(databases.server, name))
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app_of(world.dsn), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield world, f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()
    databases.done.append(name)


@pytest.fixture(scope="module")
def browser(served: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What opens a page in a browser of its own: `browser(person)`, scripts off unless they are asked for."""
    from playwright.sync_api import sync_playwright

    world, base = served
    with sync_playwright() as playwright, ExitStack() as opened:

        def open_page(person: str = "", *, scripts: bool = False) -> Any:
            context = playwright.chromium.launch_persistent_context(
                tmp_path_factory.mktemp("browser"), executable_path=chromium(), headless=True, base_url=base,
                args=[*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])], viewport=WIDE,
                java_script_enabled=scripts, accept_downloads=True,
            )  # fmt: skip
            opened.callback(context.close)
            if person:
                with psycopg.connect(world.dsn) as conn:
                    session = sessions.open_session(conn, world.keys[person], at=NOW)
                context.add_cookies([{"name": "capledger_session", "value": session.token, "url": base}])
            page = context.pages[0]
            page.set_default_timeout(30_000)
            return page

        yield open_page


@contextmanager
def only_from(page: Any, base: str) -> Iterator[None]:
    """Fail if the page fetches anything from elsewhere, or from us in vain."""
    strange: list[str] = []
    page.on("request", lambda asked: asked.url.startswith((base, "data:")) or strange.append(asked.url))
    page.on("response", lambda answer: answer.status < 400 or strange.append(f"{answer.status} {answer.url}"))
    yield
    assert strange == []


def test_a_regulator_goes_from_the_overview_to_the_record_behind_a_figure(served, browser):
    world, base = served
    page = browser()
    with only_from(page, base):
        page.goto("/caps")
        page.get_by_label("Access key").fill(world.keys["rita"])
        page.get_by_role("button", name="Sign in").click()
        assert page.url == f"{base}/caps"
        page.get_by_role("link", name="Overview").click()
        page.get_by_role("link", name="812,280,000").first.click()
        assert page.get_by_role("heading", level=1).inner_text() == "country-allocation: United Arab Emirates (AE)"
        assert page.get_by_role("img", name="Use by day from 2025-01-01").is_visible()
        page.get_by_label("As known at").fill(str(world.granted))
        page.get_by_role("button", name="Show").click()
        assert f"as known at record {world.granted}" in page.inner_text(".stamp")
        assert "subject=destination%3DAE" in page.url
        page.get_by_role("region", name="Entries behind the figure").get_by_role("link").first.click()
        assert page.get_by_role("heading", level=1).inner_text().startswith("Record ")
        page.get_by_role("button", name="Sign out").click()
        assert page.url == f"{base}/sign-in"
        page.goto("/caps")
        assert "/sign-in" in page.url


def test_an_exporter_asks_whether_it_fits_and_uploads_a_file(served, browser, tmp_path):
    _, base = served
    page = browser("ned")
    with only_from(page, base):
        page.goto("/exporter")
        page.get_by_role("link", name="MY-1").click()
        page.get_by_label("How many chips").fill("2,000")
        page.get_by_role("button", name="Ask").click()
        assert page.get_by_role("heading", name="It would fit the caps").is_visible()
        page.get_by_role("link", name="Upload").click()
        file = tmp_path / "shipments.csv"
        file.write_text(HEADER + LINE.format(key="b1", quantity=10) + LINE.format(key="b2", quantity=99_999))
        page.get_by_label("CSV file of movements").set_input_files(file)
        page.get_by_role("button", name="Try it out").click()
        assert page.get_by_role("heading", name="2 rows tried out: 1 would be in, 1 would be refused").is_visible()
        page.get_by_role("button", name="Post these rows").click()
        assert page.get_by_role("heading", name="2 rows answered: 1 in, 1 refused").is_visible()
        page.get_by_role("link", name="Your history").click()
        assert page.get_by_role("cell", name="b1", exact=True).is_visible()
        assert page.get_by_role("cell", name="b2", exact=True).is_visible()


def test_anybody_reads_the_figures_fetches_the_data_and_checks_a_license(served, browser):
    world, base = served
    page = browser()
    with only_from(page, base):
        page.goto("/public")
        assert page.get_by_role("rowheader", name="Malaysia (MY)").is_visible()
        page.get_by_role("link", name="Open data: CSV").click()
        with page.expect_download() as fetched:
            page.get_by_role("link", name="CSV", exact=True).click()
        assert Path(fetched.value.path()).read_text().startswith("on,journal,rulebook,country")
        page.get_by_role("link", name="Check a license").click()
        for code, verdict in ((code_of(world, "MY-1"), "valid"), ("1234-1234-1234", "not valid")):
            page.get_by_label("License number").fill("MY-1")
            page.get_by_label("Code", exact=True).fill(code)
            page.get_by_role("button", name="Check").click()
            assert page.get_by_role("heading", name=f"License MY-1: {verdict}", exact=True).is_visible()


def test_a_regulator_needs_no_mouse(served, browser):
    world, base = served
    page = browser(scripts=True)  # to look at what has the focus; the page has none

    def press_until(key: str, words: str) -> None:
        for _ in range(OFTEN):
            page.keyboard.press(key)
            shown = "document.activeElement.innerText || document.activeElement.id"
            if page.evaluate(shown).strip() == words:
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
                assert outline == "4px", f"{words} has the focus and does not show it"
                return
        pytest.fail(f"{words} is not reached by {key}")

    page.goto("/sign-in")
    press_until("Tab", "Skip to the content")
    page.keyboard.press("Enter")
    press_until("Tab", "secret")
    page.keyboard.type(world.keys["rita"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/")
    press_until("Tab", "Caps")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/caps")
    press_until("Tab", "named")
    page.keyboard.type("malaysia")
    page.keyboard.press("Enter")
    page.wait_for_url("**named=malaysia*")
    press_until("Tab", "country-allocation")
    page.keyboard.press("Enter")
    page.wait_for_url("**/caps/country-allocation?**")
    assert page.get_by_role("heading", level=1).inner_text() == "country-allocation: Malaysia (MY)"


def test_an_exporter_asks_about_any_recipient_by_keyboard_and_takes_what_is_suggested(served, browser):
    _, base = served
    page = browser("ned", scripts=True)
    with only_from(page, base):
        page.goto("/exporter/fit")
        page.get_by_label("Recipient").focus()
        for typed in ("selangor-dc", "Malaysia", "license"):
            page.keyboard.type(typed)
            page.keyboard.press("Tab")
        page.keyboard.type("GB300")
        page.keyboard.press("Tab")
        page.keyboard.type("2,000")
        page.keyboard.press("Enter")
        page.wait_for_url("**quantity=2*")
        assert page.get_by_role("heading", name="It would not fit: cap exceeded").is_visible()
        page.get_by_role("link", name="Ask for 230 chips").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**quantity=230*")
        assert page.get_by_role("heading", name="It would fit the caps").is_visible()
        assert page.get_by_label("Recipient").input_value() == "selangor-dc"


def test_a_search_a_comparison_and_a_back_test_need_no_mouse(served, browser):
    _, base = served
    page = browser("rita", scripts=True)
    with only_from(page, base):
        page.goto("/records")
        page.get_by_label("About").focus()
        page.keyboard.type("emirates")
        page.keyboard.press("Enter")
        page.wait_for_url("**about=emirates*")
        page.get_by_role("region", name="Did you mean").get_by_role("link", name="AE", exact=True).focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**about=AE*")
        assert page.get_by_role("region", name="Records about AE, newest first").is_visible()
        page.goto(f"/rulebooks/{DIFFUSION}")
        page.get_by_label("What differs to").focus()
        page.keyboard.type("us-l")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**with={LICENSING}*")
        page.get_by_role("link", name="Back-test both").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/back-test?**")
        assert page.get_by_role("region", name="Side by side").is_visible()
        page.get_by_role("checkbox", name=DIFFUSION).focus()
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/back-test?book={LICENSING}")


@pytest.mark.parametrize(("person", "paths"), [("rita", OFFICIAL), ("otto", []), ("olga", []),
                                               ("ned", [*EXPORTERS, f"{FIT}&quantity=x", UNKNOWN]),
                                               ("", [*HTML, "/sign-in", "/public?on=2999-01-01"])])  # fmt: skip
def test_no_page_has_a_serious_barrier_or_needs_scrolling_sideways(served, browser, person, paths):
    from axe_playwright_python.sync_playwright import Axe

    world, _ = served
    page, axe = browser(person, scripts=True), Axe()
    more = [f"/runs/{world.run}", f"/records/{world.refused}"] if person == "rita" else []
    if person in ("otto", "olga", "rita"):
        more += [f"/proposals/{world.proposed}", f"/discrepancies/{world.disputed}"]
    found, wide = [], []
    for path in [*paths, *more]:
        page.set_viewport_size(WIDE)
        page.goto(path)
        found += [
            f"{path}: {each['id']}, {each['nodes'][0]['html'][:120]}"
            for each in axe.run(page).response["violations"] if each["impact"] in ("serious", "critical")
        ]  # fmt: skip
        page.set_viewport_size(NARROW)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wide.append(path)
    assert found == []
    assert wide == []
