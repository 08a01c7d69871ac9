"""Plants each seeded bug in a copy of the product and expects its test to fail: `python -m tests.mutants [NAME…]`.

A safety test that passes whatever the product does is worse than none. A mutant whose text is no longer found, or
that survives, fails the run.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.bus import BUS
from tests.mutants.catalogue import DELIVERY, Mutant
from tests.mutants.chaos import CHAOS
from tests.mutants.conduct import CONDUCT
from tests.mutants.deadlines import DEADLINES
from tests.mutants.desk import DESK
from tests.mutants.drafts import DRAFTS
from tests.mutants.evals import EVALS
from tests.mutants.gmail import GMAIL
from tests.mutants.habits import HABITS
from tests.mutants.intake import INTAKE
from tests.mutants.kafka import KAFKA
from tests.mutants.knowledge import KNOWLEDGE
from tests.mutants.presence import PRESENCE
from tests.mutants.updates import UPDATES
from tests.mutants.whatsapp import WHATSAPP

MUTANTS = (
    *INTAKE,
    *DELIVERY,
    *GMAIL,
    *WHATSAPP,
    *BUS,
    *KAFKA,
    *CHAOS,
    *UPDATES,
    *DRAFTS,
    *DEADLINES,
    *KNOWLEDGE,
    *PRESENCE,
    *DESK,
    *HABITS,
    *CONDUCT,
    *EVALS,
)
ROOT = Path(__file__).resolve().parents[2]
COPIED = ("fte", "migrations", "tests", "benchmarks", "pyproject.toml")
TIMEOUT = 300
PATIENCE = {"FTE_TEST_RACES": "800"}
"""Chance has to show these bugs: more of it than the tests themselves need."""


def main() -> int:
    wanted = sys.argv[1:]
    chosen = [mutant for mutant in MUTANTS if not wanted or mutant.name in wanted]
    if unknown := set(wanted) - {mutant.name for mutant in chosen}:
        print(f"There is no mutant {', '.join(sorted(unknown))}.")
        return 2
    with tempfile.TemporaryDirectory(prefix="fte-mutants-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__", "snapshot_report*")
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=ignored)
            else:
                shutil.copy(source, copy / name)
        (ROOT / ".kafka").mkdir(exist_ok=True)
        (copy / ".kafka").symlink_to(ROOT / ".kafka")  # the broker, fetched once
        survivors = [mutant.name for mutant in chosen if not _caught(copy, mutant)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants were caught.")
    return 1 if survivors else 0


def _caught(copy: Path, mutant: Mutant) -> bool:
    path = copy / mutant.path
    healthy = path.read_text(encoding="utf-8")
    if healthy.count(mutant.healthy) != 1:
        print(
            f"STALE     {mutant.name}: its text is found {healthy.count(mutant.healthy)} times in {mutant.path}"
        )
        return False
    begun = time.monotonic()
    path.write_text(healthy.replace(mutant.healthy, mutant.sick), encoding="utf-8")
    try:
        code, output = _tests(copy, mutant)
    finally:
        path.write_text(healthy, encoding="utf-8")
    caught = code == 1  # 1: tests ran and some failed; anything else is not a verdict
    print(
        f"{'caught' if caught else 'SURVIVED':9} {mutant.name} ({mutant.invariant}, {time.monotonic() - begun:.0f} s)"
    )
    if not caught:
        print(output[-2000:])
    return caught


def _tests(copy: Path, mutant: Mutant) -> tuple[int, str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--timeout=60",
        *mutant.tests,
    ]
    try:
        done = subprocess.run(
            command, cwd=copy, env=os.environ | PATIENCE, capture_output=True, text=True, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        return 1, "the tests did not end"
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main())
