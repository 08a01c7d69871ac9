"""The real daemon as a process: `python -m benchmarks.daemon URL PORT ROLE…` says `ready` and runs until stopped.

What else a benchmark sets comes from the environment, as always.
"""

import sys
from typing import Any

import uvloop

from fte.cli._logs import configure
from fte.daemon import app
from fte.settings import Settings

SECRET = "benchmark-" * 4


def main() -> None:
    url, port, *roles = sys.argv[1:]
    settings = Settings.load(
        database_url=url,
        port=port,
        secret_key=SECRET,
        form_rate_per_ip=1_000_000,
        form_rate_per_address=1_000_000,
    )
    chosen: Any = tuple(roles)
    configure()  # to standard error, which nobody has to read for us to go on
    uvloop.run(app.run(settings, chosen, on_ready=lambda: print("ready", flush=True)))


if __name__ == "__main__":
    main()
