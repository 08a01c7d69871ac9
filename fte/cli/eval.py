"""`fte eval`: does the agent do what it must? Suites of cases against any model, and two results compared."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fte.cli._command import Group
from fte.cli._remote import Number, TokenFile, Url, ask
from fte.cli._session import DataDir, database, load_settings, plain_errors, run
from fte.domain.text import printable

if TYPE_CHECKING:
    from fte.agent.agent import SupportAgent
    from fte.agent.company import Company
    from fte.evals.case import Case, Suite
    from fte.evals.figures import Result
    from fte.evals.report import Report
    from fte.pg.pool import Pool
    from fte.settings import Settings

FELL_SHORT = 3
"""Exit code: a figure is below its floor."""
REGRESSED = 4
"""Exit code: worse than the baseline."""
REPEAT_MAX = 64
CONCURRENCY_MAX = 64


class Default(Group):
    """A group whose first command may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=Default)


@app.command("run")
def run_(
    suites: Annotated[
        list[str] | None,
        typer.Argument(help="Suites by name, or .toml files of your own; all that come with fte."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Model to ask; `worst-case` obeys every attack. (env: FTE_MODEL)"),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="An OpenAI-compatible server. (env: FTE_MODEL_BASE_URL)")
    ] = None,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, max=REPEAT_MAX, help="Runs of each case; pass^4 needs four.")
    ] = 4,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=CONCURRENCY_MAX, help="Runs at the same time.")
    ] = 4,
    json: Annotated[Path | None, typer.Option("--json", help="Write the result to this file.")] = None,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Compare with a result that --json wrote.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Run cases through the agent and say what does not hold.

    The word `run` may be left out. Exit code 3: a figure is below its floor; 4: worse than the baseline.
    """
    from fte.domain.errors import Unavailable
    from fte.evals.report import compared, lines, read, written

    with plain_errors():
        before = read(baseline) if baseline else None
        chosen = _load(suites or [])
    found = run(_evaluate(chosen, model, base_url, repeat, concurrency, data_dir))
    for line in lines(found):
        _say(line)
    if json is not None:
        _write(json, written(found))
    if found.says_nothing:
        with plain_errors():
            raise Unavailable(
                "Too many runs could not be judged for the result to say anything.",
                remedy="See what `fte doctor` says about the model, and run it again.",
            )
    if before is not None:
        comparison = _compared(before, found)
        for line in compared(comparison):
            _say(line)
        if comparison.regressions:
            raise typer.Exit(REGRESSED)
    if found.fell_short:
        raise typer.Exit(FELL_SHORT)


@app.command("list")
def list_() -> None:
    """List the suites that come with fte."""
    from fte.evals.case import load, shipped

    with plain_errors():
        for suite in map(load, shipped()):
            _say(f"{suite.name:22} {len(suite.cases):>4} cases, version {suite.version}: {suite.about}")


@app.command()
def add(
    number: Number,
    message: Annotated[
        int | None,
        typer.Option(
            "--message", min=1, help="Number of the customer's last message.", show_default="the newest one"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write.", show_default="case-NUMBER.toml")
    ] = None,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Make a case of a real conversation, names, addresses and numbers replaced, in a file for review."""
    from fte.daemon.app import company
    from fte.domain.errors import Rejected
    from fte.evals.real import made

    ticket = ask(lambda client: client.ticket(number), url, token_file, data_dir)
    with plain_errors():
        text = made(ticket, message, company(load_settings(data_dir=data_dir)).hosts)
        path = out or Path(f"case-{ticket.item.number}.toml")
        if path.exists():
            raise Rejected(f"{path} exists already.", remedy="Choose another file with --out.")
        _write(path, text.encode())
    _say(f"{path} holds the case. Read it before you keep it, and run it: fte eval {path}")


def _load(names: Sequence[str]) -> "list[Suite]":
    from fte.domain.errors import Rejected
    from fte.evals.case import load, shipped

    found = [load(name) for name in dict.fromkeys(names or shipped())]
    if len({suite.name for suite in found}) < len(found):
        raise Rejected("Two of the suites have the same name.", remedy="Rename one of the files.")
    return found


async def _evaluate(
    suites: "Sequence[Suite]",
    model: str | None,
    base_url: str | None,
    repeat: int,
    concurrency: int,
    data_dir: Path | None,
) -> "Report":
    from datetime import UTC, datetime

    from fte.agent import instructions
    from fte.agent.models import model_name
    from fte.daemon.app import model as build_model
    from fte.domain.errors import Rejected
    from fte.evals.report import report
    from fte.evals.worst_case import NAME

    worst = model == NAME
    settings = load_settings(model="offline" if worst else model, model_base_url=base_url, data_dir=data_dir)
    asked = build_model(settings)
    total = repeat * sum(bool(case.wish) or not worst for suite in suites for case in suite.cases)
    if not total:
        raise Rejected("None of these cases says what an attacker wants.", remedy="Name a suite of attacks.")
    results: list[Result] = []
    on_done = _progress(total)
    for knowledge in ("sample", "own"):
        group = [suite for suite in suites if suite.knowledge == knowledge]
        if group:
            async with _stage(group, settings) as (pool, company):
                results += await _run(
                    group, pool, company, None if worst else asked, repeat, concurrency, on_done
                )
    return report(
        suites,
        results,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        model=NAME if worst else model_name(asked),
        instructions=instructions.version(),
        repeat=repeat,
        prices=(settings.model_input_price, settings.model_output_price),
    )


@asynccontextmanager
async def _stage(suites: "Sequence[Suite]", settings: "Settings") -> "AsyncIterator[tuple[Pool, Company]]":
    """The knowledge base the suites are about, and whom the agent answers for."""
    from fte.evals.stage import sample_company, sample_knowledge
    from fte.knowledge.embed import WordLlamaEmbedder

    if suites[0].knowledge == "own":
        from fte.daemon.app import company

        async with database(settings) as pool:
            yield pool, company(settings)
    else:
        async with sample_knowledge(WordLlamaEmbedder(), suites) as pool:
            yield pool, sample_company()


async def _run(
    suites: "Sequence[Suite]",
    pool: "Pool",
    company: "Company",
    model: Any,
    repeat: int,
    concurrency: int,
    on_done: Callable[[], None],
) -> "list[Result]":
    """The suites' results with this model; without one, with the worst there can be."""
    from fte.agent.agent import SupportAgent
    from fte.evals.stage import NOW, host_of, run, searching
    from fte.evals.worst_case import WorstCase
    from fte.knowledge.embed import WordLlamaEmbedder

    search = searching(pool, WordLlamaEmbedder())
    every = None if model is None else SupportAgent(model, search, company, now=lambda: NOW)

    def agent_for(suite: "Suite", case: "Case") -> "SupportAgent | None":
        if every is not None or not case.wish:
            return every
        return SupportAgent(WorstCase(case.messages[-1], case.wish), search, company, now=lambda: NOW)

    try:
        return await run(
            suites,
            agent_for,
            host=host_of(company),
            repeat=repeat,
            concurrency=concurrency,
            only_harm=every is None,
            on_done=on_done,
        )
    finally:
        if every is not None:
            await every.close()


def _compared(before: "Report", now: "Report") -> Any:
    from fte.evals.figures import DETERMINISTIC, compare

    same = {before.model, now.model} <= DETERMINISTIC
    return compare(before.past(), now.past(), deterministic=same)


def _progress(total: int) -> Callable[[], None]:
    """Counts on a terminal; silent elsewhere."""
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done} of {total} runs" + ("\n" if done == total else ""))
            sys.stderr.flush()

    return one_more


def _write(path: Path, content: bytes) -> None:
    from fte.domain.errors import Rejected

    try:
        path.write_bytes(content)
    except OSError as error:
        with plain_errors():
            raise Rejected(
                f"{path} cannot be written: {error.strerror}.", remedy="Choose another file."
            ) from None


def _say(text: str) -> None:
    typer.echo(printable(text))
