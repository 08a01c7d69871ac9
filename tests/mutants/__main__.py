"""Plants each seeded bug in a copy of the product and expects its test to fail: `python -m tests.mutants [NAME…]`.

A safety test that passes whatever the product does is worse than none. A mutant whose text is no longer found, or
that survives, fails the run. One that survives has a second chance when the others are done: a test that needs luck
to notice is named and to be mended, but the product is not to blame for it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from queue import SimpleQueue

from tests import mutants
from tests.mutants.catalogue import Mutant

MUTANTS = tuple(
    value
    for module in sorted(
        module.name for module in iter_modules(mutants.__path__) if module.name != "__main__"
    )
    for values in vars(import_module(f"tests.mutants.{module}")).values()
    if isinstance(values, tuple)
    for value in values
    if isinstance(value, Mutant)
)
"""Those of every module of this folder."""
ROOT = Path(__file__).resolve().parents[2]
COPIED = ("fte", "migrations", "tests", "benchmarks", "training", "pyproject.toml")
TIMEOUT = 300
LANES = 3
"""Bugs planted at the same time, each in a copy of its own."""
PATIENCE = {"FTE_TEST_RACES": "800", "FTE_TEST_DEADLINE": "10"}
"""Chance has to show some bugs: more of it than the tests themselves need. Others show by what never comes: less of it."""


def main() -> int:
    wanted = sys.argv[1:]
    chosen = [mutant for mutant in MUTANTS if not wanted or mutant.name in wanted]
    if unknown := set(wanted) - {mutant.name for mutant in chosen}:
        print(f"There is no mutant {', '.join(sorted(unknown))}.")
        return 2
    (ROOT / ".kafka").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fte-mutants-") as folder, ThreadPoolExecutor(LANES) as lanes:
        copies: SimpleQueue[Path] = SimpleQueue()
        for lane in range(LANES):
            copies.put(_copied(Path(folder) / str(lane)))

        def caught(mutant: Mutant) -> bool:
            copy = copies.get()
            try:
                return _caught(copy, mutant)
            finally:
                copies.put(copy)

        def survivors_of(planted: Sequence[Mutant]) -> list[Mutant]:
            verdicts = zip(planted, lanes.map(caught, planted), strict=True)
            return [mutant for mutant, well in verdicts if not well]

        lucky = survivors_of(chosen)
        survivors = survivors_of(lucky)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants were caught.")
    if late := [mutant.name for mutant in lucky if mutant not in survivors]:
        print(f"Caught only in the second run of a test that needs luck: {', '.join(late)}.")
    if survivors:
        print(f"Not caught: {', '.join(mutant.name for mutant in survivors)}.")
    return 1 if survivors else 0


def _copied(copy: Path) -> Path:
    """A copy of the product to plant bugs in, with the broker that was fetched once."""
    copy.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "snapshot_report*")
            )
        else:
            shutil.copy(source, copy / name)
    (copy / ".kafka").symlink_to(ROOT / ".kafka")
    return copy


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
    seconds = time.monotonic() - begun
    verdict = f"{'caught' if caught else 'SURVIVED':9} {mutant.name} ({mutant.invariant}, {seconds:.0f} s)"
    print(verdict if caught else f"{verdict}\n{output[-2000:]}", flush=True)
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
        "-m",
        "",  # those that `make test` leaves out, too
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
