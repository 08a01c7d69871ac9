"""Measure and compare: `python -m benchmarks [names…] [--json]`. The exit code is 1 when a target is missed."""

import argparse
import asyncio
import importlib
import json
import sys
from collections.abc import Sequence

from benchmarks.measure import Figure
from tests.kafka.install import Missing

NAMES = (
    "submit",
    "worker",
    "answer",
    "poison",
    "growth",
    "indexes",
    "start",
    "console",
    "retrieval",
    "passages",
    "cost",
)
OVER_KAFKA = ("relay", "answer_kafka", "workers", "outage")
"""These start a broker, which needs Java."""
ALL = (*NAMES, *OVER_KAFKA)

_ROW = "{:<26} {:>11} {:>11}  {:<10} {:>7}  {:<14} {}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of: {', '.join(ALL)}; none: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in ALL]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    figures = measured(given.names or ALL, quiet=given.json)
    if given.json:
        print(json.dumps([figure.as_json() for figure in figures], indent=2))
    sys.exit(not all(figure.met for figure in figures))


def measured(names: Sequence[str], *, quiet: bool) -> list[Figure]:
    """Every figure of these benchmarks, one after the other, shown as it comes unless `quiet`.

    Those over Kafka are left out, by name, where the machine cannot have a broker.
    """
    figures: list[Figure] = []
    if not quiet:
        print(_ROW.format("figure", "ours", "floor", "unit", "ratio", "target", "verdict"), flush=True)
    for name in names:
        try:
            measured_now = asyncio.run(importlib.import_module(f"benchmarks.{name}").measure())
        except Missing as missing:
            print(f"{name}: not measured, {missing}", file=sys.stderr, flush=True)
            continue
        for figure in measured_now:
            figures.append(figure)
            if not quiet:
                print(row(figure), flush=True)
    return figures


def row(figure: Figure) -> str:
    """A figure as a line of the table."""
    sign = "≥" if figure.bound == "at least" else "≤"
    of = "" if figure.floor is None else " × floor"
    verdict = "met" if figure.met else "MISSED"
    return _ROW.format(
        figure.name,
        _number(figure.ours),
        _number(figure.floor),
        figure.unit,
        _number(figure.ratio),
        f"{sign} {figure.target:g}{of}",
        f"{verdict}  {figure.note}".rstrip(),
    )


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    main()
