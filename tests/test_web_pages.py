"""Every page: who gets it, with which headers, and that it says what the ledger says."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ledger.access import sessions
from ledger.reports import Reader, standings, usage
from ledger.web.app import PAGES, router_of
from ledger.web.rendering import POLICY, style_name
from ledger.web.showing.authorizations import check_code
from ledger.web.showing.totals import STAGES, Totals
from ledger.web.showing.worldmap import HEIGHT, WIDTH, outlines
from tests.conftest import in_database
from tests.webworld import NOW, Desk, World, app_of, fill
from tests.world import DIFFUSION, H100, LICENSING, Ledger, adopt, book, move

ON = NOW.date()
CAP = "/caps/country-allocation?subject=destination%3DMY"
FIT = f"/exporter/fit?authorization=MY-1&chip={H100}"
OFFICIAL = [
    "/", "/?on=2025-07-05&known=20", f"/?rulebook={LICENSING}", "/?on=2020-01-01", "/caps", "/caps?state=over",
    "/caps?named=malay", "/caps/country-allocation", CAP, f"{CAP}&on=2025-07-02&known=23", "/caps/uveu-total",
    "/caps/lpp-year?subject=booked_to%3Dnobody", "/countries", "/countries?named=emir&tier=2", "/countries/MY",
    "/countries/HK", "/recipients", "/recipients?named=gulf", "/recipients/selangor-dc", "/authorizations/MY-1",
    "/authorizations/IN-1", "/rulebooks", f"/rulebooks/{DIFFUSION}", f"/rulebooks/{DIFFUSION}?with={LICENSING}",
    "/rulebooks/anthropic-comment-2025", f"/back-test?book={LICENSING}", "/runs", "/discrepancies",
    "/back-test", f"/back-test?book={LICENSING}&book={DIFFUSION}", "/records?about=gulf",
    "/discrepancies?state=all&owner=amd", "/duties",
    "/duties?state=all&named=nvidia", "/proposals", "/proposals?state=all", "/records", "/records?about=MY-1",
    "/records?about=nobody", "/records?key=ship-1", "/records?kind=request.refused", "/caps?state=all", "/statements",
    "/statements?recipient=selangor-dc&first=2025-06-01&last=2026-06-30",
    "/statements?country=AE&exporter=amd&first=2025-01-01&last=2026-06-30&known=30",
]  # fmt: skip
EXPORTERS = ["/exporter", "/exporter?named=my", "/exporter?on=2027-02-01", "/exporter/fit", f"{FIT}&quantity=2000",
             "/exporter/upload", "/exporter/history", "/exporter/statements", "/exporter/duties",
             "/exporter/duties?state=all"]  # fmt: skip
PUBLIC = ["/public", "/public?on=2025-07-02", "/public/data", "/public/data.csv", "/public/data.json",
          "/public/license"]  # fmt: skip


@pytest.fixture(scope="module")
def world(databases: Any, template: str) -> Iterator[World]:
    """A filled ledger for tests that only read."""
    name = databases.make(template)
    yield fill(in_database(databases.server, name))
    databases.done.append(name)


@pytest.fixture
def own_world(dsn: str) -> World:
    """A filled ledger of a test's own."""
    return fill(dsn)


def as_(world: World, person: str, **how: Any) -> TestClient:
    """Return a browser in which somebody is signed in; nobody is where the name is blank."""
    client = TestClient(app_of(world.dsn, **how), follow_redirects=False)
    if person:
        with psycopg.connect(world.dsn) as conn:
            session = sessions.open_session(conn, world.keys[person], at=NOW)
        client.cookies.set("capledger_session", session.token)
    return client


def csrf(text: str) -> str:
    return re.findall(r'name="csrf" value="([^"]+)"', text)[-1]


def said(text: str) -> str:
    """Return what a page says, without its tags."""
    text = re.sub(r'<span class="day">([^<]+)</span>', r"\1", text)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.mark.parametrize("path", OFFICIAL)
@pytest.mark.parametrize("person", ["rita", "aud"])
def test_every_official_page_is_shown_to_regulators_and_auditors(world, person, path):
    answer = as_(world, person).get(path)
    assert answer.status_code == 200, said(answer.text)
    assert answer.text.count("<h1>") == 1
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", EXPORTERS)
def test_every_exporter_page_is_shown_to_an_exporter(world, path):
    answer = as_(world, "ned").get(path)
    assert answer.status_code == 200, said(answer.text)
    assert answer.text.count("<h1>") == 1


@pytest.mark.parametrize("path", PUBLIC)
def test_every_public_page_needs_no_key(world, path):
    assert as_(world, "").get(path).status_code == 200


@pytest.mark.parametrize("path", [path for path in OFFICIAL if path[:2] not in ("/", "/?")])
def test_no_official_page_is_shown_to_an_exporter(world, path):
    answer = as_(world, "ned").get(path)
    assert answer.status_code == 403
    assert "not for your role" in answer.text


@pytest.mark.parametrize("path", EXPORTERS)
def test_no_exporter_page_is_shown_to_a_regulator(world, path):
    assert as_(world, "rita").get(path).status_code == 403


@pytest.mark.parametrize("path", [*OFFICIAL, *EXPORTERS])
def test_who_is_not_signed_in_is_asked_to_and_comes_back(world, path):
    answer = as_(world, "").get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_are_not_there_unless_they_are_switched_on(world, path):
    assert as_(world, "", is_public=False).get(path).status_code == 404
    assert "/public" not in as_(world, "rita", is_public=False).get("/").text


def test_every_page_there_is_stands_in_these_lists(world):
    listed = {path.partition("?")[0] for path in [*OFFICIAL, *EXPORTERS, *PUBLIC]}
    listed |= {f"/proposals/{world.proposed}", f"/discrepancies/{world.disputed}"}
    listed |= {f"/runs/{world.run}", f"/records/{world.granted}", "/sign-in", f"/static/{style_name()}"}
    patterns = [re.compile(re.sub(r"{\w+}", "[^/]+", where)) for method, where, _ in PAGES if method == "GET"]
    assert [each.pattern for each in patterns if not any(each.fullmatch(path) for path in listed)] == []


@pytest.mark.parametrize("path", ["/sign-in", "/public", "/public/data.csv", "/nowhere-signed-in", "/records/1"])
def test_every_answer_forbids_what_a_page_here_never_needs(world, path):
    client = as_(world, "rita" if path.startswith("/records") else "")
    answer = client.get(path if path != "/nowhere-signed-in" else "/caps")
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "<script" not in answer.text
    assert "style=" not in answer.text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/?on=yesterday", 400, "is not a day"),
        ("/?known=soon", 400, "neither a record nor a moment"),
        ("/?known=999999", 404, "is not one of them"),
        ("/?rulebook=/etc/passwd", 404, "There is no rulebook"),
        ("/rulebooks/..%2f..%2fpyproject.toml", 404, "Not Found"),
        ("/rulebooks/no-such-book", 404, "There is no rulebook"),
        ("/back-test?book=a&book=b&book=c&book=d", 400, "Choose three at the most"),
        ("/back-test?book=/etc/passwd", 404, "There is no rulebook"),
        ("/countries/XX", 404, "not the code of a listed country"),
        ("/recipients/nobody", 404, "is known at record"),
        ("/authorizations/none", 404, "is known at record"),
        ("/caps/none", 404, "has no cap"),
        ("/records/0", 404, "has no record 0"),
        ("/records/x", 400, "not the number of a record"),
        ("/runs/1", 404, "is not a reconciliation"),
        ("/public?on=2999-01-01", 400, "has not come yet"),
    ],
)
def test_what_cannot_be_shown_is_said_with_a_way_out(world, path, status, words):
    answer = as_(world, "rita").get(path)
    assert (answer.status_code, words in answer.text) == (status, True), said(answer.text)


def test_a_question_that_takes_the_database_too_long_is_given_up_with_a_page(world):
    class Slow(Desk):
        def _on(self, ask: Any) -> Any:
            with psycopg.connect(self.dsn, options="-c statement_timeout=1") as conn:
                conn.execute("SELECT pg_sleep(5)")

    app = FastAPI()
    app.include_router(router_of(Slow(world.dsn), is_public=True, now=lambda: NOW))
    answer = TestClient(app).get("/public")
    assert (answer.status_code, "too long" in answer.text) == (503, True)
    assert "retry-after" in answer.headers


def test_what_people_wrote_is_text_and_never_markup(own_world):
    with psycopg.connect(own_world.dsn) as conn:
        from tests.world import party

        Ledger(conn).must(party("evil", name="<script>alert(1)</script>", note="a & b"))
    shown = as_(own_world, "rita").get("/recipients/evil").text
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


# Signing in.


def test_signing_in_and_out_with_an_access_key(world):
    client = as_(world, "")
    form = client.get("/sign-in?to=%2Fcaps").text
    sent = {"secret": world.keys["rita"], "csrf": csrf(form), "to": "/caps"}
    done = client.post("/sign-in", data=sent)
    assert (done.status_code, done.headers["location"]) == (303, "/caps")
    cookie = next(each for each in done.headers.get_list("set-cookie") if each.startswith("capledger_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = client.get("/caps")
    assert page.status_code == 200
    assert client.post("/sign-out", data={"csrf": "wrong"}).status_code == 403
    assert client.post("/sign-out", data={"csrf": csrf(page.text)}).status_code == 303
    assert client.get("/caps").status_code == 303


def test_the_cookie_is_secure_where_the_connection_is(world):
    client = TestClient(app_of(world.dsn), follow_redirects=False, base_url="https://testserver")
    sent = {"secret": world.keys["ned"], "csrf": csrf(client.get("/sign-in").text)}
    done = client.post("/sign-in", data=sent)
    assert done.headers["location"] == "/exporter"
    assert all("Secure" in each for each in done.headers.get_list("set-cookie") if "Max-Age=0" not in each)


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_leads_nowhere_else(world, to):
    client = as_(world, "")
    sent = {"secret": world.keys["rita"], "csrf": csrf(client.get("/sign-in").text), "to": to}
    assert client.post("/sign-in", data=sent).headers["location"] == "/"


def test_a_wrong_key_is_said_once_in_a_summary_and_once_at_the_field(world):
    client = as_(world, "")
    answer = client.post("/sign-in", data={"secret": "wrong", "csrf": csrf(client.get("/sign-in").text)})
    assert answer.status_code == 401
    assert '<a href="#secret">This access key is not valid' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<title>Error: Sign in" in answer.text
    assert "wrong</" not in answer.text


def test_too_many_tries_are_told_to_wait(own_world):
    client = as_(own_world, "")
    token = csrf(client.get("/sign-in").text)
    answers = [client.post("/sign-in", data={"secret": "wrong", "csrf": token}) for _ in range(11)]
    assert [each.status_code for each in answers] == [401] * 10 + [429]
    assert "too many tries" in answers[-1].text
    assert "retry-after" in answers[-1].headers


@pytest.mark.parametrize("path", [re.sub("{.+}", "1", where) for method, where, _ in PAGES if method == "POST"])
def test_no_form_is_taken_without_its_token_or_from_another_site(world, path):
    is_official = path.startswith(("/proposals", "/discrepancies"))
    client = as_(world, "olga" if is_official else "ned")
    good = csrf(client.get("/duties" if is_official else "/exporter/upload").text)
    assert client.post(path, data={"csrf": "guessed"}).status_code == 403
    away = {"sec-fetch-site": "cross-site"}
    assert client.post(path, data={"csrf": good}, headers=away).status_code == 403


# What pages say.


def test_the_overview_says_what_is_over_near_and_changed(world):
    words = said(as_(world, "rita").get("/").text)
    assert (
        "\u25c6 caps over 1 caps exhausted 0 \u25b2 caps critical 1 caps undetermined 0 "
        "\u25b2 discrepancies not resolved 1 duties overdue 0" in words
    )
    assert "over 812,280,000 790,000,000 -22,280,000 TPP 102%" in words
    assert "Changes since the last run, of 2026-06-30" in words
    assert "633,280,000 775,768,000 +142,488,000 TPP" in words
    assert words.index("United Arab Emirates") < words.index("Malaysia")


def test_an_empty_ledger_says_what_to_do_first(dsn):
    with psycopg.connect(dsn) as conn:
        from datetime import timedelta

        from ledger.access import keys

        _, secret = keys.issue(conn, person="rita", role="regulator", expires_at=NOW + timedelta(days=1), at=NOW)
        conn.commit()
    world = World(dsn, {"rita": secret}, 0, 0, 0, 0)
    client = as_(world, "rita")
    assert "The ledger is empty" in client.get("/").text
    empty = {"/caps": "No cap is in use", "/runs": "Nothing was reconciled yet", "/records": "The journal is empty",
             "/recipients": "No party is registered", "/discrepancies": "No discrepancy is open",
             "/public": "Nothing is licensed to any country"}  # fmt: skip
    for path, words in empty.items():
        assert words in client.get(path).text, path


def test_a_cap_shows_its_use_its_refusals_and_the_entries_behind_it(world):
    answer = as_(world, "rita").get(CAP)
    words = said(answer.text)
    assert "775,768,000 TPP on 2026-07-01 of a limit of 790,000,000 TPP" in words
    assert f"{world.refused} 2025-09-01" in words
    assert f'<a href="/records/{world.granted}">{world.granted}</a>' in answer.text
    changes = [
        Decimal(each.replace(",", "")) for each in re.findall(r">([+-][\d,]+)</span></div></td></tr>", answer.text)
    ]
    assert sum(changes) == 126_656_000  # what is left of it when the license has ended


def test_a_past_record_is_shown_as_it_was_known(world):
    client = as_(world, "rita")
    words = said(client.get(f"{CAP}&known={world.granted - 1}").text)
    assert "633,280,000" in words
    assert "775,768,000 TPP on" not in words
    later = client.get(f"/records/{world.granted}?known={world.granted - 1}")
    assert later.status_code == 404


def test_a_recipient_shows_its_ownership_path_and_an_unknown_one_says_what_follows(world):
    client = as_(world, "rita")
    page = client.get("/recipients/selangor-dc").text
    assert page.index("Selangor Data Centre</a>") < page.index("Malaysia Compute Holding Berhad</a>")
    assert "unconfirmed" in page


def test_a_record_shows_both_documents_and_no_salt(world):
    page = as_(world, "aud").get(f"/records/{world.refused}").text
    assert "cap_exceeded" in page
    assert "salt" not in page
    assert "Leaf hash" in page


def test_a_number_in_the_search_goes_to_its_record(world):
    assert as_(world, "rita").get("/records?number=2%2C0").headers["location"] == "/records/20"


@pytest.mark.parametrize("on", [date(2025, 7, 5), date(2025, 7, 15), date(2026, 7, 1), date(2027, 2, 1)])
def test_totals_kept_from_page_to_page_are_those_of_a_walk(world, on):
    totals = Totals()
    with psycopg.connect(world.dsn) as conn:
        reader = Reader(conn)
        for known in (20, world.granted, None, 22):  # onward, and back again
            with reader.view(on=on, known=known) as view:
                walked = {each.subject: each.tpp for each in usage(view, "destination")}
                kept = totals.of(view)
                for country in walked.keys() | kept.keys():
                    for stage in STAGES:
                        assert kept[country][stage] == walked[country][stage], (country, stage, known)


def test_limited_standings_are_all_but_the_watched_ones(world):
    with psycopg.connect(world.dsn) as conn, Reader(conn).view(on=ON) as view:
        every = standings(view)
        assert standings(view, limited=True) == [each for each in every if each.state != "watched"]
        assert len(every) > len(standings(view, limited=True)) > 0


def test_standings_of_some_caps_know_what_those_are_a_share_of(own_world):
    total = "name: total, counts: shipped, by: [destination], where: {}, limit: none"
    tenth = "name: tenth, counts: shipped, by: [destination], where: {}, limit: {share: 10%, of: total}"
    with psycopg.connect(own_world.dsn) as conn:
        Ledger(conn).must(adopt(book(total, tenth), "2025-01-01"))
        with Reader(conn).view(on=ON) as view:
            every = {each.cap: each for each in standings(view)}
            assert standings(view, limited=True) == standings(view, caps=["tenth"]) == [every["tenth"]]
            assert every["tenth"].limit == every["total"].used / 10 > 0


def test_the_map_has_every_outline_within_its_frame_and_each_country_once():
    codes = [each.code for each in outlines() if each.code]
    assert len(codes) == len(set(codes)) > 220
    for each in outlines():
        x, y = each.center
        assert 0 <= x <= WIDTH, each.code
        assert 0 <= y <= HEIGHT, each.code
    assert {each.code for each in outlines() if each.is_dot} >= {"SG", "BH", "HK", "MT"}


# An exporter.


def test_an_exporter_sees_its_own_authorizations_and_no_other_exporters_figures(world):
    client = as_(world, "ned")
    page = said(client.get("/exporter").text)
    assert "MY-1" in page
    assert "AE-1" not in page
    assert "41,000" in page
    for path in EXPORTERS:
        shown = said(client.get(path).text)
        assert "812,280,000" not in shown, path
        assert "gulf-cloud" not in shown, path


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("&quantity=2000", 200, "It would fit the caps"),
        ("&quantity=41%2C001", 200, "It would not fit: exceeds authorization"),
        ("&quantity=", 400, "Enter a whole number of chips"),
        ("&quantity=2.5", 400, "Enter a whole number of chips"),
        ("&quantity=0", 400, "Enter a whole number of chips"),
        ("&quantity=5&day=soon", 400, "is not a day"),
        ("&quantity=5&day=2027-01-02", 200, "It would not fit: outside validity"),
    ],
)
def test_the_fit_check_says_the_verdict_or_what_to_correct(world, query, status, words):
    answer = as_(world, "ned").get(FIT + query)
    assert (answer.status_code, words in said(answer.text)) == (status, True), said(answer.text)


def test_the_fit_check_names_the_most_that_would_fit(world):
    words = said(as_(world, "ned").get(f"{FIT}&quantity=50000").text)
    assert "the most that would fit, chips 41,000" in words
    assert "what binds authorization" in words


def test_the_fit_check_does_not_tell_another_exporters_license_from_none(world):
    client = as_(world, "ned")
    answers = [client.get(f"/exporter/fit?authorization={name}&chip={H100}&quantity=1") for name in ("AE-1", "ZZ-9")]
    assert [each.status_code for each in answers] == [404, 404]
    assert said(answers[0].text).replace("AE-1", "") == said(answers[1].text).replace("ZZ-9", "")


HEADER = "key,movement,effective_on,exporter,destination,recipient,authorization,chip,quantity\n"
LINE = "{key},ship,2026-06-01,nvidia,MY,selangor-dc,MY-1," + H100 + ",{quantity}\n"


def upload(client: TestClient, text: str | bytes) -> Any:
    token = csrf(client.get("/exporter/upload").text)
    content = text.encode() if isinstance(text, str) else text
    return client.post("/exporter/upload", data={"csrf": token, "step": "try"}, files={"file": ("a.csv", content)})


def verdicts(page: str) -> list[str]:
    return re.findall(r'<td[^>]* data-label="Verdict"><div><span class="tag state-(\w+)', page)


def size(world: World) -> int:
    with psycopg.connect(world.dsn) as conn:
        return conn.execute("SELECT size FROM head").fetchone()[0]


def test_a_file_is_tried_out_in_order_without_a_trace_then_posted_with_the_same_verdicts(own_world):
    client, before = as_(own_world, "ned"), size(own_world)
    rows = [("a", 30_000), ("b", 12_000), ("a", 30_000), ("c", 11_000), ("ship-2", 5)]
    text = HEADER + "".join(LINE.format(key=key, quantity=quantity) for key, quantity in rows)
    tried = upload(client, text)
    assert verdicts(tried.text) == ["posted", "refused", "replayed", "posted", "refused"]
    assert size(own_world) == before
    given = re.search(r"<textarea[^>]*>(.*?)</textarea>", tried.text, re.DOTALL).group(1)
    sent = {"csrf": csrf(tried.text), "step": "post", "text": given.replace("\n", "\r\n")}
    done = client.post("/exporter/upload", data=sent)
    assert verdicts(done.text) == verdicts(tried.text)
    assert size(own_world) == before + 3
    again = client.post("/exporter/upload", data=sent)
    assert verdicts(again.text) == ["replayed", "refused", "replayed", "replayed", "refused"]
    assert size(own_world) == before + 3


def test_what_a_row_would_open_is_told_without_what_others_have_used(own_world):
    flag = "name: noted, counts: shipped, by: [destination], limit: 8765 chips, when_exceeded: flag, where: {}"
    with psycopg.connect(own_world.dsn) as conn:
        Ledger(conn).must(adopt(book(flag), "2026-05-01"))
        conn.commit()
    told = said(upload(as_(own_world, "ned"), HEADER + LINE.format(key="n", quantity=2_000)).text)
    assert "It would open a discrepancy: test-book: noted of destination=MY" in told
    assert "8,765" not in told
    assert "8,000" not in told


def test_trying_files_out_is_counted_like_any_question(world, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(Desk, "pace", lambda desk, party: asked.append(party))
    upload(as_(world, "ned"), HEADER + LINE.format(key="paced", quantity=1))
    assert asked == ["nvidia"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "No file was chosen"),
        ("colour,shape\nred,round\n", "cannot be"),
        (HEADER, "has no rows"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (HEADER + LINE.format(key="k", quantity=1) * 1_001, "more than 1,000 rows"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_at_the_field(world, text, words):
    client = as_(world, "ned")
    if text:
        answer = upload(client, text)
    else:
        answer = client.post("/exporter/upload", data={"csrf": csrf(client.get("/exporter/upload").text)})
    assert answer.status_code == 400
    assert '<a href="#file">' in answer.text
    if words != "cannot be":
        assert words in said(answer.text)


def test_a_tried_out_row_over_a_shared_cap_is_told_without_what_others_used(own_world):
    shared = "name: shared, counts: shipped, by: [destination], where: {}, limit: 8_040 chips, when_exceeded: refuse"
    with psycopg.connect(own_world.dsn) as conn:
        Ledger(conn).must(adopt(book(shared), "2025-01-01"))
    page = said(upload(as_(own_world, "ned"), HEADER + LINE.format(key="over", quantity=50)).text)
    assert "cap exceeded: test-book: shared of destination=MY has no room for it on 2026-06-01" in page
    assert "8,000" not in page
    assert "8,040" not in page


def test_an_exporter_posts_for_nobody_else(own_world):
    line = "x,ship,2026-06-01,amd,AE,gulf-cloud,AE-1,nvidia-a100-sxm4-40,5\n"
    tried = upload(as_(own_world, "ned"), HEADER + line)
    assert verdicts(tried.text) == ["refused"]
    assert "gulf-cloud may" not in tried.text


def test_an_exporters_history_is_its_own_records_numbered_without_gaps(world):
    for person, party in (("ned", "nvidia"), ("amy", "amd")):
        page = as_(world, person).get("/exporter/history").text
        found = re.findall(r'<th scope="row" data-label="Number" class="right"><div><span class="figure">(\d+)<', page)
        with psycopg.connect(world.dsn) as conn:
            held = conn.execute("SELECT size FROM scope WHERE party = %s", (party,)).fetchone()[0]
        assert [int(each) for each in found] == list(range(held, 0, -1))


@pytest.mark.parametrize(("kind", "begins"), [("csv", b"row,day"), ("pdf", b"%PDF")])
def test_an_exporter_gets_statements_of_its_own_movements(world, kind, begins):
    client = as_(world, "ned")
    assert "/exporter/statements" in client.get("/exporter").text
    assert client.get("/exporter/statements").status_code == 200
    answer = client.get(f"/exporter/statements?first=2025-01-01&last=2026-06-30&format={kind}")
    assert answer.status_code == 200
    assert answer.content.startswith(begins)
    assert b"812280000" not in answer.content


def test_a_statement_says_nothing_of_caps_that_others_share(world, monkeypatch):
    drawn_up: list[Any] = []
    monkeypatch.setattr("ledger.web.statements.csv_of", lambda found: drawn_up.append(found) or "")
    as_(world, "amy").get("/exporter/statements?first=2025-01-01&last=2026-06-30&format=csv")
    assert (drawn_up[0].exporter, drawn_up[0].caps, drawn_up[0].discrepancies) == ("amd", (), ())
    assert len(drawn_up[0].lines) == 2


# Everybody.


def test_the_public_sees_countries_and_no_party(world):
    client = as_(world, "")
    for path in PUBLIC[:5]:
        shown = client.get(path).text
        for party in ("selangor", "gulf-c", "nvidia", "my-holding", "MY-1"):
            assert party not in shown.lower(), path
    assert "812,280,000" in client.get("/public").text


def test_open_data_say_the_same_as_csv_and_json_and_name_every_column(world):
    client = as_(world, "")
    rows = list(csv.DictReader(io.StringIO(client.get("/public/data.csv").text)))
    told = client.get("/public/data.json")
    body = json.loads(told.text)
    assert [{name: str(value) for name, value in row.items()} for row in body["rows"]] == rows
    assert [row["country"] for row in rows] == ["MY", "AE"]
    assert rows[1]["licensed_tpp"] == "812280000"
    assert rows[1]["state"] == "over"
    assert set(body["columns"]) == set(rows[0])
    assert client.get("/public/data.json", headers={"if-none-match": told.headers["etag"]}).status_code == 304


def code_of(world: World, name: str) -> str:
    with psycopg.connect(world.dsn) as conn, Reader(conn).view(on=ON) as view:
        return check_code(view, name)


@pytest.mark.parametrize(
    ("number", "code", "verdict"),
    [
        ("MY-1", lambda world: code_of(world, "MY-1"), "valid"),
        ("MY-1", lambda world: code_of(world, "MY-1").upper().replace("-", " "), "valid"),
        ("MY-1", lambda world: code_of(world, "AE-1"), "not valid"),
        ("MY-1", lambda world: "0000-0000-0000", "not valid"),
        ("ZZ-9", lambda world: "0000-0000-0000", "not valid"),
        ("IN-1", lambda world: code_of(world, "IN-1"), "not valid"),  # suspended
    ],
)
def test_the_license_checker_says_valid_or_not_and_nothing_more(world, number, code: Callable[[World], str], verdict):
    client = as_(world, "")
    form = {"license": number, "code": code(world), "csrf": csrf(client.get("/public/license").text)}
    words = said(client.post("/public/license", data=form).text)
    assert f"License {number}: {verdict} As of 2026-07-01." in words
    for known in ("selangor", "Malaysia", "nvidia", "suspended", "2026-12-31"):
        assert known not in words


def test_the_license_checker_limits_tries(own_world):
    client = as_(own_world, "")
    form = {"license": "MY-1", "code": "x", "csrf": csrf(client.get("/public/license").text)}
    assert [client.post("/public/license", data=form).status_code for _ in range(11)][-2:] == [200, 429]


def test_a_license_not_yet_recorded_then_has_no_code(world):
    with psycopg.connect(world.dsn) as conn, Reader(conn).view(on=ON, known=3) as view:
        assert check_code(view, "MY-1") == ""


def test_a_movement_after_the_page_is_in_the_next_one(own_world):
    client = as_(own_world, "rita")
    assert "775,768,000" in client.get("/countries/MY").text
    with psycopg.connect(own_world.dsn) as conn:
        Ledger(conn).must(move("grant", "2026-06-30", 100, H100, exporter="nvidia", destination="MY",
                               recipient="selangor-dc", authorization="MY-1"))  # fmt: skip
    assert "777,351,200" in client.get("/countries/MY").text
