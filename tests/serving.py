"""`capledger serve` as a process of its own, with the stand-in for the access layer: tests start it and stop it.

With `tokens` behind its address it has the ledger's own access layer, as the environment describes it; a provider's new
keys are then looked for after a moment, for which no test has to wait half a minute.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from doorway import StandIn

from ledger.access import tokens
from ledger.api.access import LedgerAccess
from ledger.cli import output
from ledger.cli.serve import listen, run
from ledger.settings import Settings


def main() -> int:
    dsn, host, port, *more = sys.argv[1:]
    access = StandIn()
    if more == ["tokens"]:
        tokens.AGAIN = timedelta(seconds=1)
        access = LedgerAccess.of(Settings.load())
    with listen(host, int(port)) as listening:
        run(dsn, listening, access, lambda address: print(address, flush=True))
    return 0


if __name__ == "__main__":
    raise SystemExit(output.ended(main))
