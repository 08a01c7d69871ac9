"""Many races: `python -m tests.races [--races N] [--seed N] [--processes N]`; exit code 1 when a promise was broken."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from fte.pg import schema
from fte.pg.embedded import EmbeddedServer
from fte.pg.pool import Pool
from tests.databases import in_memory
from tests.races import process, race

P99_MS = 200.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.races", description="Races for conversations, judged.")
    parser.add_argument("--races", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args()
    print(f"{asked.races:,} races, seed {asked.seed}", flush=True)
    process.hurry()
    folder = Path(tempfile.mkdtemp(prefix="fte-races-", dir=in_memory()))
    begun = time.monotonic()
    try:
        with EmbeddedServer(folder) as server:
            schema.migrate(server.url)
            verdict = asyncio.run(_run(server.url, asked))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for name, count in sorted(verdict.counts.items()):
        print(f"{count:8,}  {name}")
    print(f"{verdict.p99_ms:8.1f}  ms until a takeover was acknowledged (p99, idle sender)")
    print(f"{time.monotonic() - begun:8.0f}  seconds")
    slow = [] if verdict.p99_ms < P99_MS else [f"acknowledging a takeover took {verdict.p99_ms:.0f} ms"]
    for what in [*verdict.broken[:20], *slow]:
        print(f"BROKEN    {what}")
    if not verdict.broken and not slow:
        print("Every promise held: 0 of the AI after a takeover, 0 done twice, one owner.")
    return 1 if verdict.broken or slow else 0


async def _run(url: str, asked: argparse.Namespace) -> race.Verdict:
    pool = await Pool.open(url, size=race.ABREAST + 8)
    try:
        return await race.run(pool, url, asked.races, asked.seed, processes=asked.processes)
    finally:
        await pool.close()


if __name__ == "__main__":
    sys.exit(main())
