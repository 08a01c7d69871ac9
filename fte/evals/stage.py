"""Where cases are run: the real agent over the real search, the cases' own pages among the sample company's."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from fte.agent import instructions
from fte.agent.agent import RULES
from fte.agent.company import Company
from fte.domain.deadlines import parse_policy, told
from fte.domain.errors import Unavailable
from fte.domain.turns import Assignment, Outcome, Passage
from fte.evals.case import Case, Suite
from fte.evals.figures import Result, Run
from fte.evals.judge import Ground, harms, judge
from fte.evals.turn import assignment

if TYPE_CHECKING:
    from fte.agent.tools import Search
    from fte.pg.pool import Pool
    from fte.ports import Embedder

RUN_MAX: Final = 90.0
"""Seconds one run may take; the agent has its own, shorter budget."""
GIVE_UP: Final = 12
"""Runs that break before the model has answered once; then the rest is not tried."""
REPLY_MAX: Final = 4_000
"""Characters of a reply that a result keeps."""
NOW: Final = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)
"""When cases happen: a Tuesday morning, when people are there."""
_SAMPLE: Final = Path(__file__).parent.parent / "demo" / "company"
_PLANTED: Final = "planted-"
_AT_FAULT: Final = re.compile(
    r"^(?:API\w*Error|RateLimitError|InternalServerError|AuthenticationError|PermissionDeniedError|NotFoundError"
    r"|BadRequestError|TimeoutError|Connect\w*|search failed)\b"
)
"""Errors that say nothing about the model's conduct: they are counted apart."""

_case_now: ContextVar[str] = ContextVar("case_now", default="")


class Agent(Protocol):
    """What answers a turn: SupportAgent, or one that a test makes."""

    async def answer(self, assignment: Assignment) -> Outcome: ...


def sample_company() -> Company:
    """The sample company, as the demonstration has it."""
    policy = parse_policy("Mon-Fri 08:00-18:00; Europe/Amsterdam", "")
    return Company(
        "Tallywren",
        (_SAMPLE / "profile.md").read_text(encoding="utf-8"),
        (_SAMPLE / "brand_voice.md").read_text(encoding="utf-8"),
        "https://tallywren.example",
        told(policy.hours) if policy.hours else "",
        policy,
    )


def host_of(company: Company) -> str:
    """The company's own host: the judge takes links to it, and to hosts below it, for genuine."""
    return urlsplit(company.url).hostname or ""


async def furnish(pool: "Pool", embedder: "Embedder", suites: Sequence[Suite]) -> None:
    """Fill an empty knowledge base with the sample company's pages, and with those the cases bring.

    They come in through the importer, as everybody's do.
    """
    from fte.knowledge.documents import import_folder

    await import_folder(pool, embedder, _SAMPLE / "kb")
    with tempfile.TemporaryDirectory(prefix="fte-eval-") as folder:
        planted = False
        for suite in suites:
            for case in suite.cases:
                for number, page in enumerate(case.pages):
                    planted = True
                    head = f"---\ntitle: {page.title}\ncategory: help\n---\n\n"
                    path = Path(folder) / f"{_PLANTED}{suite.name}-{case.name}-{number}.md"
                    path.write_text(f"{head}# {page.title}\n\n{page.text}", encoding="utf-8")
        if planted:
            await import_folder(pool, embedder, Path(folder))


@asynccontextmanager
async def sample_knowledge(embedder: "Embedder", suites: Sequence[Suite]) -> AsyncIterator["Pool"]:
    """A furnished database of its own in an embedded PostgreSQL, gone afterwards. Raises Unavailable."""
    from fte.pg import schema
    from fte.pg.embedded import EmbeddedServer
    from fte.pg.pool import Pool

    folder = Path(tempfile.mkdtemp(prefix="fte-eval-"))
    try:
        with EmbeddedServer(folder) as server:
            await asyncio.to_thread(schema.migrate, server.url)
            pool = await Pool.open(server.url)
            try:
                await furnish(pool, embedder, suites)
                yield pool
            finally:
                await pool.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def searching(pool: "Pool", embedder: "Embedder") -> "Search":
    """The search in this knowledge base; of the pages that cases bring, only those of the case under way."""
    from fte.knowledge.search import RESULTS_MAX, search

    async def find(query: str, max_results: int, category: str | None) -> list[Passage]:
        found = await search(pool, embedder, query, RESULTS_MAX, category)
        mine = f"{_PLANTED}{_case_now.get()}-"
        shown = [p for p in found if not p.source.startswith(_PLANTED) or p.source.startswith(mine)]
        return shown[:max_results]

    return find


async def run(
    suites: Sequence[Suite],
    agent_for: Callable[[Suite, Case], Agent | None],
    *,
    host: str,
    repeat: int = 1,
    concurrency: int = 4,
    only_harm: bool = False,
    on_done: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Every case `repeat` times, `concurrency` of them at a time, and the judge's findings.

    `agent_for` says who answers a case; None: nobody, and the case is left out. A run that takes longer than
    RUN_MAX seconds is broken off, and counts as broken. `only_harm`: judged is what must never happen, not the service.
    Raises a group with Unavailable when the model does not answer at all.
    """
    room = asyncio.Semaphore(concurrency)
    broke = answered = 0

    async def one(suite: Suite, case: Case, agent: Agent) -> Run:
        nonlocal broke, answered
        async with room:
            done = await _run(suite, case, agent, host, only_harm)
        broke += done.broke is not None
        answered += done.broke is None and not done.by_rules
        if broke >= GIVE_UP and not answered:
            raise Unavailable(
                f"The model could not be asked: {done.broke}.",
                remedy="See what `fte doctor` says about the model.",
            )
        on_done()
        return done

    cast = [(suite, case, agent_for(suite, case)) for suite in suites for case in suite.cases]
    async with asyncio.TaskGroup() as group:
        begun = [
            (suite, case, [group.create_task(one(suite, case, agent)) for _ in range(repeat)])
            for suite, case, agent in cast
            if agent is not None
        ]
    return [Result(suite, case, tuple(task.result() for task in tasks)) for suite, case, tasks in begun]


async def _run(suite: Suite, case: Case, agent: Agent, host: str, only_harm: bool) -> Run:
    _case_now.set(f"{suite.name}-{case.name}")
    turn = assignment(case, NOW)
    began = perf_counter()
    try:
        async with asyncio.timeout(RUN_MAX):
            outcome = await agent.answer(turn)
    except TimeoutError:
        return Run(broke=f"took longer than {RUN_MAX:.0f} seconds")
    latency = (perf_counter() - began) * 1000
    error = outcome.trace.error
    if outcome.failed and error and _AT_FAULT.match(error):
        return Run(broke=error, latency_ms=latency)
    planted = frozenset(p.source for p in outcome.trace.passages if p.source.startswith(_PLANTED))
    ground = Ground(instructions.own_words(), host, planted)
    return Run(
        findings=harms(case, outcome, ground) if only_harm else judge(case, outcome, ground),
        escalated=outcome.escalation.reason if outcome.escalation else None,
        reply=outcome.reply[:REPLY_MAX],
        latency_ms=latency,
        input_tokens=outcome.trace.input_tokens,
        output_tokens=outcome.trace.output_tokens,
        by_rules=outcome.trace.model == RULES,
    )
