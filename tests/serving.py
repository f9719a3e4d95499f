"""`capledger serve` as a process of its own, with the stand-in for the access layer: tests start it and stop it."""

from __future__ import annotations

import sys

from doorway import StandIn

from ledger.cli import output
from ledger.cli.serve import listen, run


def main() -> int:
    dsn, host, port = sys.argv[1:]
    with listen(host, int(port)) as listening:
        run(dsn, listening, StandIn(), lambda address: print(address, flush=True))
    return 0


if __name__ == "__main__":
    raise SystemExit(output.ended(main))
