"""Where the ledger lives, what its jobs compare and whom it serves, read from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ledger.core.errors import Unusable

DEFAULT_COMPARE = ("us-diffusion-2025",)


ROLES = ("regulator", "exporter", "auditor", "operator")
MOST = 1_000_000  # of any setting that is a number


@dataclass(frozen=True, slots=True)
class Oidc:
    """An OpenID Connect provider whose access tokens are accepted.

    issuer, audience: what a token's `iss` and `aud` must say. jwks: its signing keys, a file's path or an https URL;
    "" where the provider's discovery document names it.
    person_claim, role_claim, party_claim: the claims that say who it is, in which role, and for which exporter.
    roles: the ledger's role by the provider's word for it.
    """

    issuer: str
    audience: str
    jwks: str
    person_claim: str = "sub"
    role_claim: str = "capledger_role"
    party_claim: str = "capledger_party"
    roles: tuple[tuple[str, str], ...] = tuple((role, role) for role in ROLES)


@dataclass(frozen=True, slots=True)
class Settings:
    """One process's settings.

    database_url: a PostgreSQL URL or connection string; "" means the embedded server under data_dir.
    data_dir: absolute folder of the embedded server and of what else a machine keeps.
    compare: rulebooks that the daily job compares beside the adopted one, by name.
    session_length: how long somebody stays signed in to the pages at the most.
    public_page: whether totals per country are shown to everybody.
    sign_in_tries, sign_in_period: so many tries at once, refilled over so long; questions_a_minute: of one exporter.
    oidc: where tokens of an identity provider are accepted from; None accepts none.
    """

    data_dir: Path
    database_url: str = ""
    compare: tuple[str, ...] = DEFAULT_COMPARE
    session_length: timedelta = timedelta(hours=8)
    public_page: bool = False
    sign_in_tries: int = 10
    sign_in_period: timedelta = timedelta(minutes=15)
    questions_a_minute: int = 60
    oidc: Oidc | None = None

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read CAPLEDGER_DATABASE_URL, CAPLEDGER_DATA_DIR and CAPLEDGER_COMPARE; blank means not set.

        Whom it serves: CAPLEDGER_SESSION_MINUTES, CAPLEDGER_PUBLIC_PAGE (yes or no), CAPLEDGER_SIGN_IN_TRIES,
        CAPLEDGER_SIGN_IN_MINUTES, CAPLEDGER_QUESTIONS_A_MINUTE, and CAPLEDGER_OIDC_* (see `Oidc`).
        Only CAPLEDGER_COMPARE may be set to nothing on purpose: then the job compares no other rulebook.

        Raises:
            Unusable: a setting cannot be read.
        """
        env = os.environ if environ is None else environ
        compare = env.get("CAPLEDGER_COMPARE")
        return cls(
            data_dir=_data_dir(env),
            database_url=env.get("CAPLEDGER_DATABASE_URL", "").strip(),
            compare=DEFAULT_COMPARE if compare is None else tuple(filter(None, map(str.strip, compare.split(",")))),
            session_length=timedelta(minutes=_whole(env, "CAPLEDGER_SESSION_MINUTES", 480)),
            public_page=_yes_or_no(env, "CAPLEDGER_PUBLIC_PAGE"),
            sign_in_tries=_whole(env, "CAPLEDGER_SIGN_IN_TRIES", 10),
            sign_in_period=timedelta(minutes=_whole(env, "CAPLEDGER_SIGN_IN_MINUTES", 15)),
            questions_a_minute=_whole(env, "CAPLEDGER_QUESTIONS_A_MINUTE", 60),
            oidc=_oidc(env),
        )


def _oidc(env: Mapping[str, str]) -> Oidc | None:
    words_of = {name: env.get(f"CAPLEDGER_OIDC_{name.upper()}", "").strip() for name in Oidc.__slots__}
    stated = {name: text for name, text in words_of.items() if text}
    if not stated:
        return None
    if missing := [name for name in ("issuer", "audience") if name not in stated]:
        raise _unreadable(f"CAPLEDGER_OIDC_{missing[0].upper()}", "", "Set issuer and audience, or none of these.")
    words = [tuple(map(str.strip, pair.partition("=")[::2])) for pair in stated.pop("roles", "").split(",") if pair]
    for theirs, ours in words:
        if not theirs or ours not in ROLES:
            raise _unreadable("CAPLEDGER_OIDC_ROLES", f"{theirs}={ours}", f"Ours are {', '.join(ROLES)}: theirs=ours.")
    given = {"roles": tuple(words)} if words else {}
    if "jwks" not in stated and not stated["issuer"].startswith("http"):
        raise _unreadable(
            "CAPLEDGER_OIDC_JWKS", "", "Set it where the issuer is no address that has a discovery document."
        )
    return Oidc(**{"jwks": "", **stated}, **given)  # type: ignore[arg-type]


def _whole(env: Mapping[str, str], name: str, otherwise: int) -> int:
    text = env.get(name, "").strip() or str(otherwise)
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:12]) <= MOST):
        raise _unreadable(name, text, f"Use a whole number from 1 to {MOST:,}.")
    return int(text)


def _yes_or_no(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "").strip().lower() or "no"
    if text not in ("yes", "no"):
        raise _unreadable(name, text, "Use yes or no.")
    return text == "yes"


def _unreadable(name: str, text: str, remedy: str) -> Unusable:
    return Unusable("bad_setting", f"{name} is '{text[:40]}'." if text else f"{name} is not set.", remedy)


def _data_dir(env: Mapping[str, str]) -> Path:
    try:
        if stated := env.get("CAPLEDGER_DATA_DIR", "").strip():
            return Path(stated).expanduser().absolute()
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root, and the user it runs as cannot enter root's home.
            return Path("/var/lib/capledger")
        shared = Path(env.get("XDG_DATA_HOME", ""))
        return (shared if shared.is_absolute() else Path("~/.local/share").expanduser()) / "capledger"
    except RuntimeError as error:  # pathlib's word for a home folder that cannot be told
        raise Unusable(
            "no_data_folder", f"No data folder can be told: {error}", "Set CAPLEDGER_DATA_DIR to a folder."
        ) from error
