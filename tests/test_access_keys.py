"""Keys, sessions and tries: a secret is shown once and kept nowhere, and whoever asks is told apart from nobody."""

from __future__ import annotations

import hashlib
import json
import shlex
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner
from world import H100, Ledger, move, party

from ledger.access import PUBLIC, Principal, keys, sessions
from ledger.cli import app
from ledger.core.errors import Malformed, NotFound, Problem, Unusable
from ledger.posting import Request
from ledger.settings import Oidc, Settings

NOW = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def issued(conn, **more: Any) -> tuple[keys.Key, str]:
    made = keys.issue(conn, **{"person": "ada", "role": "regulator", "expires_at": NOW + 30 * DAY, "at": NOW, **more})
    conn.commit()
    return made


# Keys


def test_a_key_tells_who_asks_until_it_expires(conn):
    key, secret = issued(conn)
    assert keys.authenticate(conn, secret, at=NOW) == Principal("ada", "regulator", "", key.id)
    assert keys.authenticate(conn, secret, at=key.expires_at - timedelta(microseconds=1)) is not None
    assert keys.authenticate(conn, secret, at=key.expires_at) is None


def test_a_secret_can_be_searched_for_and_is_kept_nowhere(conn):
    key, secret = issued(conn)
    assert keys.SECRET.fullmatch(secret)
    assert secret.startswith(f"capledger_{key.id}_")
    kept = repr(conn.execute("SELECT k::text FROM access_key AS k").fetchall())
    assert key.id in kept
    assert not any(part in kept for part in (secret, secret.split("_", 2)[2], secret.encode().hex()))
    assert secret not in repr(keys.keys(conn))


def test_no_two_secrets_share_anything(conn):
    made = [issued(conn)[1] for _ in range(20)]
    assert len({secret.split("_", 2)[2][:20] for secret in made}) == 20


@pytest.mark.parametrize("change", [
    lambda secret: "", lambda secret: secret[:-1], lambda secret: secret + "0", lambda secret: secret.upper(),
    lambda secret: secret[:30] + ("a" if secret[30] != "a" else "b") + secret[31:],
    lambda secret: secret.replace("capledger_", "capledger_0")[:-1], lambda secret: " " + secret,
    lambda secret: secret + "\n", lambda secret: secret.replace("capledger_", ""), lambda secret: "x" * 100_000,
    lambda secret: "capledger_" + "0" * 12 + "_" + "a" * 43 + keys._check_of("0" * 12, "a" * 43),
    lambda secret: secret[:23] + "a" * 43 + keys._check_of(secret[10:22], "a" * 43),
    lambda secret: "٣" * 80, lambda secret: "' OR true --", lambda secret: "\x00",
])  # fmt: skip
def test_what_is_not_the_secret_is_nobodys(conn, change):
    _, secret = issued(conn)
    assert keys.authenticate(conn, change(secret), at=NOW) is None
    assert keys.authenticate(conn, secret, at=NOW) is not None


def test_an_unknown_key_is_compared_like_a_known_one(conn, monkeypatch):
    compared = []
    real = keys.compare_digest
    monkeypatch.setattr(keys, "compare_digest", lambda a, b: compared.append(len(a)) or real(a, b))
    _, secret = issued(conn)
    unknown = "capledger_" + "0" * 12 + "_" + "a" * 43 + keys._check_of("0" * 12, "a" * 43)
    for asked in (secret, unknown):
        keys.authenticate(conn, asked, at=NOW)
    assert compared == [8, 32, 8, 32]


def test_a_revoked_key_is_nobodys_at_once_and_stays_so(conn):
    key, secret = issued(conn)
    keys.revoke(conn, key.id, at=NOW + HOUR)
    keys.revoke(conn, key.id, at=NOW + DAY)
    assert keys.authenticate(conn, secret, at=NOW + HOUR) is None
    (found,) = keys.keys(conn)
    assert (found.revoked_at, found.state(NOW + HOUR), found.state(NOW)) == (NOW + HOUR, "revoked", "active")


def test_a_rotated_key_works_for_the_grace_beside_the_new_one_and_no_longer(conn):
    key, secret = issued(conn, person="grace")
    new, other = keys.rotate(conn, key.id, at=NOW + DAY, expires_at=NOW + 60 * DAY)
    assert (new.person, new.role, new.replaces) == ("grace", "regulator", key.id)
    for at, works in ((NOW + DAY, True), (NOW + 2 * DAY - HOUR, True), (NOW + 2 * DAY, False)):
        assert (keys.authenticate(conn, secret, at=at) is not None) == works
        assert keys.authenticate(conn, other, at=at).key_id == new.id


def test_a_rotation_prolongs_nothing_and_begins_with_a_key_that_works(conn):
    key, secret = issued(conn, expires_at=NOW + HOUR)
    keys.rotate(conn, key.id, at=NOW, expires_at=NOW + DAY)
    assert keys.authenticate(conn, secret, at=NOW + HOUR) is None
    with pytest.raises(Problem, match="expired"):
        keys.rotate(conn, key.id, at=NOW + DAY, expires_at=NOW + 2 * DAY)
    keys.revoke(conn, key.id, at=NOW)
    with pytest.raises(Problem, match="revoked") as refused:
        keys.rotate(conn, key.id, at=NOW, expires_at=NOW + DAY)
    assert refused.value.code == "key_not_active"


@pytest.mark.parametrize(("wrong", "kind", "said"), [
    ({"person": " "}, Malformed, "person"), ({"person": "a\nb"}, Malformed, "person"),
    ({"person": "a" * 201}, Malformed, "200"), ({"role": "root"}, Malformed, "regulator, exporter"),
    ({"role": "exporter"}, Malformed, "party"), ({"party": "nvidia"}, Malformed, "party"),
    ({"expires_at": NOW}, Malformed, "later"), ({"role": "exporter", "party": "nobody"}, NotFound, "nobody"),
])  # fmt: skip
def test_a_key_that_makes_no_sense_is_not_issued(conn, wrong, kind, said):
    with pytest.raises(kind, match=said) as refused:
        issued(conn, **wrong)
    assert refused.value.remedy
    assert keys.keys(conn) == []


@pytest.mark.parametrize("act", [
    lambda conn: keys.rotate(conn, "0" * 12, at=NOW, expires_at=NOW + DAY),
    lambda conn: keys.revoke(conn, "0" * 12, at=NOW),
])  # fmt: skip
def test_a_key_that_is_not_there_is_missed(conn, act):
    with pytest.raises(NotFound, match="000000000000"):
        act(conn)


# Principals


def test_a_party_goes_with_the_role_of_an_exporter_and_with_no_other():
    for role, named in (("exporter", ""), ("regulator", "nvidia"), ("public", "nvidia")):
        with pytest.raises(ValueError, match="party"):
            Principal("p", role, named)
    assert Principal("p", "exporter", "nvidia").actor == "nvidia"
    assert Principal("p", "regulator").actor == PUBLIC.actor == "operator"  # and may_post lets the public post nothing


SHIP, RECEIVE = {"movement": "ship"}, {"movement": "receive"}


@pytest.mark.parametrize(("kind", "raw", "observed", "who_may"), [
    ("movement", SHIP, False, {"operator", "exporter"}),
    ("movement", SHIP, True, {"operator", "exporter", "regulator"}),
    ("movement", RECEIVE, False, {"operator", "exporter", "regulator"}),
    ("party", {}, False, {"operator"}), ("ownership", {}, False, {"operator"}), ("rating", {}, False, {"operator"}),
    ("authorization", {}, False, {"operator"}), ("rulebook", {}, False, {"operator"}),
    ("period", {}, False, {"operator"}), ("discrepancy", {}, False, {"operator"}),
    ("proposal", {}, False, {"operator", "exporter"}), ("notice", {}, False, {"operator", "exporter"}),
    ("stock", {}, False, {"operator", "exporter"}), ("anything else", {}, True, {"operator"}),
])  # fmt: skip
def test_who_may_post_what(kind, raw, observed, who_may):
    everybody = [Principal("p", role) for role in ("operator", "regulator", "auditor")]
    everybody += [Principal("p", "exporter", "nvidia"), PUBLIC]
    request = Request(kind, "k", raw, observed)
    refused = {who.role: who.may_post(request) for who in everybody}
    assert {role for role, refusal in refused.items() if refusal is None} == who_may
    assert {refusal.code for refusal in refused.values() if refusal} == {"forbidden"}


# Sessions


def test_a_session_knows_who_signed_in_until_its_end(conn):
    key, secret = issued(conn)
    opened = sessions.open_session(conn, secret, at=NOW, length=2 * HOUR)
    assert opened == sessions.session(conn, opened.token, at=NOW)
    assert opened.principal == Principal("ada", "regulator", "", key.id)
    assert opened.expires_at == NOW + 2 * HOUR
    assert sessions.session(conn, opened.token, at=NOW + 2 * HOUR) is None
    assert sessions.open_session(conn, secret[:-1], at=NOW) is None


def test_a_session_is_as_long_as_the_settings_say(conn, monkeypatch):
    monkeypatch.setenv("CAPLEDGER_SESSION_MINUTES", "90")
    _, secret = issued(conn)
    assert sessions.open_session(conn, secret, at=NOW).expires_at == NOW + 1.5 * HOUR


def test_a_session_ends_when_it_is_closed_and_with_its_key(conn):
    key, secret = issued(conn, expires_at=NOW + HOUR)
    first, second = (sessions.open_session(conn, secret, at=NOW, length=DAY) for _ in range(2))
    assert first.expires_at == NOW + HOUR
    sessions.close_session(conn, first.token)
    assert sessions.session(conn, first.token, at=NOW) is None
    assert sessions.session(conn, second.token, at=NOW) == second
    assert sessions.session(conn, second.token, at=NOW + HOUR) is None
    keys.revoke(conn, key.id, at=NOW)
    assert sessions.session(conn, second.token, at=NOW) is None
    assert conn.execute("SELECT count(*) FROM session").fetchone() == (0,)


def test_what_a_form_sends_back_is_of_one_session_and_tells_no_token(conn):
    _, secret = issued(conn)
    one, other = (sessions.open_session(conn, secret, at=NOW) for _ in range(2))
    assert len({one.csrf, other.csrf, one.token, other.token}) == 4
    kept = repr(conn.execute("SELECT s::text FROM session AS s").fetchall())
    assert not any(each in kept for each in (one.token, one.csrf, one.token.encode().hex()))


def test_sessions_that_ended_are_forgotten_when_somebody_signs_in(conn):
    _, secret = issued(conn)
    sessions.open_session(conn, secret, at=NOW, length=HOUR)
    sessions.open_session(conn, secret, at=NOW + 2 * HOUR, length=HOUR)
    assert conn.execute("SELECT count(*) FROM session").fetchone() == (1,)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "a" * 10_000])
def test_no_session_is_nobodys(conn, token):
    assert sessions.session(conn, token, at=NOW) is None
    sessions.close_session(conn, token)


# Tries


def tries(conn, *moments: int, who: str = "198.51.100.7") -> str:
    """Say for each second whether a try was allowed, of 3 at once that refill in 60 seconds."""
    asked = (NOW + timedelta(seconds=second) for second in moments)
    allowed = [sessions.may_try(conn, who, at=at, most=3, over=timedelta(minutes=1)) for at in asked]
    return "".join("y" if each else "n" for each in allowed)


@pytest.mark.parametrize(("moments", "allowed"), [
    ([0, 0, 0, 0, 0], "yyynn"),
    ([0, 0, 0, 19, 20, 20], "yyynyn"),    # a third of a minute for each
    ([0, 0, 0, 5, 10, 15, 20], "yyynnny"),  # trying in vain costs nothing and gains nothing
    ([0, 0, 0, 600, 600, 600, 600], "yyyyyyn"),  # no more than so many are ever held
    ([60, 60, 60, 0, 0], "yyynn"),        # a clock that goes back refills nothing
])  # fmt: skip
def test_tries_run_out_and_refill_with_time(conn, moments, allowed):
    assert tries(conn, *moments) == allowed


def test_each_has_tries_of_its_own_and_is_not_named(conn):
    assert tries(conn, 0, 0, 0, 0) == "yyyn"
    assert tries(conn, 0, who="203.0.113.9") == "y"
    assert "198.51" not in repr(conn.execute("SELECT a::text FROM attempt AS a").fetchall())


def test_a_bucket_that_nobody_drew_on_for_a_day_is_forgotten(conn):
    tries(conn, 0)
    tries(conn, 2 * 86_400, who="203.0.113.9")
    assert conn.execute("SELECT count(*) FROM attempt").fetchone() == (1,)


def test_many_at_once_get_no_more_tries_than_there_are(dsn):
    got: list[bool] = []

    def attempt() -> None:
        with psycopg.connect(dsn) as conn:
            for _ in range(5):
                got.append(sessions.may_try(conn, "one", at=NOW, most=7, over=HOUR))

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(got), len(got)) == (7, 20)


def wrong_of(secret: str) -> str:
    """Return another secret of the same key, written as it has to be."""
    told = f"{secret.split('_')[1]}_{'A' * 43}"
    return f"capledger_{told}{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def failed(conn, secret: str, *addresses: str) -> str:
    """Say for each address that a wrong secret comes from whether it may fail so once more, of 3 in 15 minutes."""
    allowed = [sessions.may_fail(conn, secret, address=address, at=NOW) for address in addresses]
    return "".join("y" if each else "n" for each in allowed)


@pytest.fixture
def three_tries(monkeypatch) -> None:
    monkeypatch.setenv("CAPLEDGER_SIGN_IN_TRIES", "3")


def test_wrong_secrets_of_one_key_are_counted_wherever_they_come_from(conn, three_tries):
    _, secret = issued(conn)
    assert failed(conn, wrong_of(secret), "a", "b", "c", "d", "e") == "yyynn"
    _, other = issued(conn)
    assert failed(conn, wrong_of(other), "a") == "y", "neither its address nor the other key is in its way"


def test_a_key_that_there_is_not_is_counted_like_one_that_there_is(conn, three_tries):
    assert failed(conn, wrong_of("capledger_000000000000_x"), "a", "b", "c", "d") == "yyyn"


def test_what_comes_from_an_address_that_has_no_try_left_counts_for_no_key(conn, three_tries):
    _, secret = issued(conn)
    assert failed(conn, "mistyped", "a", "a", "a") == "yyy"
    assert failed(conn, wrong_of(secret), *"aaaaa") == "nnnnn"
    assert failed(conn, wrong_of(secret), "b", "c", "d", "e") == "yyyn"
    rows = conn.execute("SELECT count(*) FROM attempt").fetchone()
    for n in range(9):
        failed(conn, wrong_of(f"capledger_{n:012}_x"), "a")
    assert conn.execute("SELECT count(*) FROM attempt").fetchone() == rows


# Settings


@pytest.mark.parametrize(("environ", "expected"), [
    ({}, {"session_length": 8 * HOUR, "public_page": False, "sign_in_tries": 10, "oidc": None}),
    ({"CAPLEDGER_SESSION_MINUTES": " 15 "}, {"session_length": timedelta(minutes=15)}),
    ({"CAPLEDGER_PUBLIC_PAGE": "Yes"}, {"public_page": True}),
    ({"CAPLEDGER_SIGN_IN_TRIES": "3", "CAPLEDGER_SIGN_IN_MINUTES": "5"},
     {"sign_in_tries": 3, "sign_in_period": timedelta(minutes=5)}),
    ({"CAPLEDGER_QUESTIONS_A_MINUTE": "6"}, {"questions_a_minute": 6}),
    ({"CAPLEDGER_OIDC_ISSUER": "i", "CAPLEDGER_OIDC_AUDIENCE": "a", "CAPLEDGER_OIDC_JWKS": "/k"},
     {"oidc": Oidc("i", "a", "/k")}),
    ({"CAPLEDGER_OIDC_ISSUER": "https://i", "CAPLEDGER_OIDC_AUDIENCE": "a"}, {"oidc": Oidc("https://i", "a", "")}),
    ({"CAPLEDGER_OIDC_ISSUER": "i", "CAPLEDGER_OIDC_AUDIENCE": "a", "CAPLEDGER_OIDC_JWKS": "/k",
      "CAPLEDGER_OIDC_ROLES": "staff=regulator, sellers = exporter", "CAPLEDGER_OIDC_PERSON_CLAIM": "email"},
     {"oidc": Oidc("i", "a", "/k", "email", roles=(("staff", "regulator"), ("sellers", "exporter")))}),
])  # fmt: skip
def test_settings_of_access_are_read_from_the_environment(environ, expected):
    settings = Settings.load({"HOME": "/h", **environ})
    assert {name: getattr(settings, name) for name in expected} == expected


@pytest.mark.parametrize(("environ", "said"), [
    ({"CAPLEDGER_SESSION_MINUTES": "0"}, "CAPLEDGER_SESSION_MINUTES is '0'"),
    ({"CAPLEDGER_SIGN_IN_TRIES": "many"}, "CAPLEDGER_SIGN_IN_TRIES is 'many'"),
    ({"CAPLEDGER_PUBLIC_PAGE": "1"}, "yes or no"),
    ({"CAPLEDGER_OIDC_ISSUER": "i"}, "CAPLEDGER_OIDC_AUDIENCE is not set"),
    ({"CAPLEDGER_OIDC_ISSUER": "i", "CAPLEDGER_OIDC_AUDIENCE": "a"}, "CAPLEDGER_OIDC_JWKS is not set"),
    ({"CAPLEDGER_OIDC_ISSUER": "i", "CAPLEDGER_OIDC_AUDIENCE": "a", "CAPLEDGER_OIDC_JWKS": "/k",
      "CAPLEDGER_OIDC_ROLES": "staff=root"}, "staff=root"),
])  # fmt: skip
def test_a_setting_that_cannot_be_read_is_named(environ, said):
    with pytest.raises(Unusable, match=said) as refused:
        Settings.load({"HOME": "/h", **environ})
    assert (refused.value.code, bool(refused.value.remedy)) == ("bad_setting", True)


# The command line


@pytest.fixture
def say(dsn, tmp_path):
    def run(line: str, status: int = 0) -> str:
        env = {"CAPLEDGER_DATABASE_URL": dsn, "CAPLEDGER_DATA_DIR": str(tmp_path)}
        result = CliRunner().invoke(app, ["keys", *shlex.split(line)], env=env)
        assert result.exit_code == status, result.output
        return result.stdout if status == 0 else result.stderr

    return run


def test_a_key_is_issued_listed_rotated_and_revoked_at_the_console(conn, say):
    told = say("issue --person 'Ada L' --role operator")
    secret, *rest = told.splitlines()
    assert "It may post everything and read everything." in rest
    assert told.count(secret) == 1
    now = datetime.now(UTC)
    principal = keys.authenticate(conn, secret, at=now)
    assert (principal.person, principal.role) == ("Ada L", "operator")
    listed = say("list")
    assert principal.key_id in listed
    assert secret.split("_", 2)[2] not in listed
    rotated = json.loads(say(f"rotate {principal.key_id} --days 5 --grace 0 --json"))
    conn.rollback()
    later = datetime.now(UTC)
    assert keys.authenticate(conn, secret, at=later) is None
    assert keys.authenticate(conn, rotated["secret"], at=later).key_id == rotated["id"]
    say(f"revoke {rotated['id']}")
    conn.rollback()
    assert keys.authenticate(conn, rotated["secret"], at=datetime.now(UTC)) is None
    assert say("list").startswith("0 keys in use.")
    states = {key["id"]: key["state"] for key in json.loads(say("list --all --json"))["keys"]}
    assert states == {principal.key_id: "expired", rotated["id"]: "revoked"}


def test_an_exporters_key_is_issued_to_a_party_that_is_known(conn, say):
    assert "no party 'nvidia'" in say("issue --person p --role exporter --party nvidia", 2)
    Ledger(conn).must(party("nvidia"))
    told = json.loads(say("issue --person p --role exporter --party nvidia --json"))
    assert (told["party"], told["role"]) == ("nvidia", "exporter")
    assert "nvidia" not in told["secret"]
    (role,) = conn.execute("SELECT role FROM party_role").fetchone()
    assert "nvidia" not in role
    conn.execute(f"DROP ROLE {role}")
    conn.commit()


def test_an_exporter_asks_for_itself_through_the_writer(conn):
    """The party comes from the key: it is the actor, and another exporter's movement is not its own to ask for."""
    ledger = Ledger(conn).begin(party("nvidia"), party("amd"), party("mydc", "MY"))
    asked = move("ship", "2025-06-02", 1, H100, exporter="nvidia", recipient="mydc", destination="MY")
    amd = Principal("p", "exporter", "amd")
    assert amd.may_post(asked) is None
    ledger.refused(asked, "forbidden", amd.actor)
    scopes = ledger.rows("SELECT scope FROM journal WHERE kind = 'request.refused'")
    assert scopes == [("ledger",)]  # not the scope of the exporter that it named
