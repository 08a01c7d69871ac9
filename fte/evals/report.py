"""A result for people and for programs: tables, the failing cases with their reasons, and JSON to compare with later."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from fte.domain.errors import NotFound, Rejected
from fte.evals.case import Suite
from fte.evals.figures import Comparison, Figures, Floor, Past, Result, Share, figures, floors
from fte.evals.judge import NEVER

FORMAT: Final = 1
"""Of the JSON; another one is not compared."""
SHOWN_MAX: Final = 100
"""Failing cases that are listed; the JSON has all."""
BROKE_MAX: Final = 0.1
"""Share of runs that could not be judged; with more, the result says nothing."""
_FILE_MAX: Final = 50_000_000


class CaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one case. `findings` are of the first run that failed, `reply` is what the customer read then."""

    suite: str
    name: str
    digest: str
    runs: int
    passes: int
    harms: int
    broke: int
    findings: list[str] = []
    reply: str = ""


class SuiteReport(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: int
    about: str
    figures: Figures


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole result."""

    format: int
    at: str
    model: str
    instructions: str
    repeat: int
    figures: Figures
    floors: list[Floor]
    suites: list[SuiteReport]
    cases: list[CaseReport]

    @property
    def fell_short(self) -> bool:
        """Whether a figure is below its floor."""
        return any(floor.reached is False for floor in self.floors)

    @property
    def says_nothing(self) -> bool:
        """Whether too many runs could not be judged."""
        return self.figures.broke > BROKE_MAX * (self.figures.broke + self.figures.runs)

    def past(self) -> list[Past]:
        """The cases, for a comparison."""
        return [
            Past(suite=c.suite, name=c.name, digest=c.digest, runs=c.runs, passes=c.passes, harms=c.harms)
            for c in self.cases
        ]


def report(
    suites: Sequence[Suite],
    results: Sequence[Result],
    *,
    at: str,
    model: str,
    instructions: str,
    repeat: int,
    prices: tuple[float, float] = (0.0, 0.0),
) -> Report:
    """The results as one whole. `prices` are of a million tokens, in and out."""
    by_suite = {
        suite.name: figures([r for r in results if r.suite.name == suite.name], prices) for suite in suites
    }
    whole = figures(results, prices)
    return Report(
        format=FORMAT,
        at=at,
        model=model,
        instructions=instructions,
        repeat=repeat,
        figures=whole,
        floors=floors(whole, by_suite),
        suites=[
            SuiteReport(name=s.name, version=s.version, about=s.about, figures=by_suite[s.name])
            for s in suites
            if by_suite[s.name].cases
        ],
        cases=[_case(result) for result in results],
    )


def _case(result: Result) -> CaseReport:
    failed = next((run for run in result.judged if not run.passed), None)
    broke = next((run.broke for run in result.runs if run.broke), None)
    said = [f"{f.kind}: {f.text}" for f in failed.findings] if failed else []
    return CaseReport(
        suite=result.suite.name,
        name=result.case.name,
        digest=result.case.digest,
        runs=len(result.judged),
        passes=result.passes,
        harms=sum(any(f.kind in NEVER for f in run.findings) for run in result.judged),
        broke=len(result.runs) - len(result.judged),
        findings=said or ([f"not judged: {broke}"] if broke else []),
        reply=failed.reply if failed else "",
    )


def written(result: Report) -> bytes:
    """The result as JSON."""
    return msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n"


def read(path: Path) -> Report:
    """A result that was written. Raises NotFound, or Rejected when it is none."""
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", remedy="Make one first: fte eval --json FILE")
    if path.stat().st_size > _FILE_MAX:
        raise Rejected(f"{path} is too large to be a result.", remedy="Name a file that `--json` wrote.")
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(
            f"{path} is not a result: {error}.", remedy="Name a file that `--json` wrote."
        ) from None
    if found.format != FORMAT:
        raise Rejected(
            f"{path} has format {found.format}, not {FORMAT}.", remedy="Make it anew with this version."
        )
    return found


# ---------------------------------------------------------------- for people


def lines(result: Report) -> Iterator[str]:
    """The result in plain lines."""
    yield f"Model {result.model}, instructions {result.instructions}, {result.repeat} runs of each case."
    yield ""
    yield f"{'suite':20} {'n':>4} {'pass^1':14} {'pass^4':14} {'prec.':>5} {'rec.':>5} {'p50/p95 ms':>10}"
    for suite in result.suites:
        yield _row(suite.name, suite.figures)
    yield _row("all", result.figures)
    yield ""
    yield from _failures(result)
    yield f"Tokens {result.figures.input_tokens:,} in, {result.figures.output_tokens:,} out; {_cost(result.figures)}"
    if result.figures.broke:
        yield f"{result.figures.broke} runs could not be judged: the model or the search was away."
    for floor in result.floors:
        mark = {True: "ok  ", False: "LOW ", None: "-   "}[floor.reached]
        yield f"{mark}{floor.name}: {floor.found} (wanted: {floor.wanted})"


def _row(name: str, found: Figures) -> str:
    """At most 80 columns: a terminal's width."""
    times = f"{found.p50_ms:.0f}/{found.p95_ms:.0f}"
    return (
        f"{name[:20]:20} {found.cases:>4} {_interval(found.pass1):14} {_interval(found.pass4):14}"
        f" {_short(found.precision.value):>5} {_short(found.recall.value):>5} {times:>10}"
    )


def _interval(share: Share) -> str:
    if share.value is None:
        return "-"
    return f"{_short(share.value)} ({_bound(share.low)}-{_bound(share.high)})"


def _short(value: float | None) -> str:
    """`.803`, `1.0`; rounded down, so that 1.0 is all of them."""
    if value is None:
        return "-"
    return "1.0" if value >= 1 else f"{int(value * 1000) / 1000:.3f}"[1:]


def _bound(value: float) -> str:
    return "1.0" if value >= 1 else f"{min(value, 0.994):.2f}"[1:]


def _cost(found: Figures) -> str:
    if found.cost is None:
        return "no price is configured (FTE_MODEL_INPUT_PRICE, FTE_MODEL_OUTPUT_PRICE)."
    return f"cost {found.cost:.4f}."


def _failures(result: Report) -> Iterator[str]:
    failing = [case for case in result.cases if case.passes < case.runs or case.broke]
    failing.sort(key=lambda case: -case.harms)
    for case in failing[:SHOWN_MAX]:
        yield f"{case.suite}/{case.name}: passed {case.passes} of {case.runs}"
        for found in case.findings:
            yield f"    {found}"
    if len(failing) > SHOWN_MAX:
        yield f"… and {len(failing) - SHOWN_MAX} more; --json has all."
    if failing:
        yield ""


def compared(found: Comparison) -> Iterator[str]:
    """Two results side by side, in plain lines."""
    yield f"Compared with the baseline: {found.compared} cases, {len(found.worse)} worse, {len(found.better)} better."
    for word, turned in (("worse", found.worse), ("better", found.better)):
        for old, new in turned:
            yield f"    {word}: {new.suite}/{new.name}, {old.passes} of {old.runs} -> {new.passes} of {new.runs}"
    if found.changed:
        yield f"Not compared, new or changed: {', '.join(found.changed[:20])}{' …' if len(found.changed) > 20 else ''}"
    for regression in found.regressions:
        yield f"REGRESSION {regression}"
