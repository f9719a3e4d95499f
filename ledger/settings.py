"""Where the ledger lives and what its jobs compare, read from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger.core.errors import Unusable

DEFAULT_COMPARE = ("us-diffusion-2025",)


@dataclass(frozen=True, slots=True)
class Settings:
    """One process's settings.

    database_url: a PostgreSQL URL or connection string; "" means the embedded server under data_dir.
    data_dir: absolute folder of the embedded server and of what else a machine keeps.
    compare: rulebooks that the daily job compares beside the adopted one, by name.
    """

    data_dir: Path
    database_url: str = ""
    compare: tuple[str, ...] = DEFAULT_COMPARE

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read CAPLEDGER_DATABASE_URL, CAPLEDGER_DATA_DIR and CAPLEDGER_COMPARE; blank means not set.

        Only CAPLEDGER_COMPARE may be set to nothing on purpose: then the job compares no other rulebook.
        """
        env = os.environ if environ is None else environ
        compare = env.get("CAPLEDGER_COMPARE")
        return cls(
            data_dir=_data_dir(env),
            database_url=env.get("CAPLEDGER_DATABASE_URL", "").strip(),
            compare=DEFAULT_COMPARE if compare is None else tuple(filter(None, map(str.strip, compare.split(",")))),
        )


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
