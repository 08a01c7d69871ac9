"""What the agent's tests share: a company, passages, a small real search, assignments, an agent at work."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from agents import Model

from fte.agent.agent import SupportAgent
from fte.agent.company import Company
from fte.agent.offline import OfflineModel
from fte.bus.log import LogBus
from fte.daemon.worker import Worker
from fte.domain.channels import Channel
from fte.domain.conversations import Role
from fte.domain.deadlines import parse_policy
from fte.domain.turns import Assignment, Line, Passage
from fte.pg.hints import Hints
from fte.pg.pool import Pool

COMPANY = Company(
    "Tallywren",
    profile="Tallywren makes a workspace for projects, time and invoices.",
    voice="Exact and brief.",
    url="https://tallywren.example",
    hours="Monday to Friday 08:00-18:00 (Europe/Amsterdam)",
    policy=parse_policy("Mon-Fri 08:00-18:00; Europe/Amsterdam", ""),
)
PAGES = {
    "Reset your password": (
        "On the sign-in page select **Forgot password?**, enter your email address and select **Send link**. "
        "The link works once and expires after 60 minutes.\n\n## Steps\n"
        "1. Go to `https://app.tallywren.example/signin` and select **Forgot password?**.\n"
        "2. Enter the email address of your account and select **Send link**.\n"
        "3. Open the message and select **Choose a new password**.\n"
    ),
    "Rate limits": (
        "The API allows 120 requests per minute on Studio and 600 on Company. "
        "A request over the limit is refused with 429. The header Retry-After tells how many seconds to wait."
    ),
    "Refund a client's payment": (
        "To give money back to one of your own clients, open the paid invoice, select **Payments**, then "
        "**Refund**. "
        "It goes back to the same card in 5 to 10 business days."
    ),
    "Rotate an agent API key": (
        "Select **Rotate** next to the key. A new key is shown; the old one goes on working for 48 hours. "
        "An agent API key lets the Sync Agent on your server send data."
    ),
}
PASSAGES = tuple(Passage(title, f"{title}.md", "help", 0.8, content) for title, content in PAGES.items())
_COMMON = frozenset(
    [
        "a",
        "an",
        "and",
        "the",
        "of",
        "to",
        "in",
        "on",
        "is",
        "it",
        "i",
        "my",
        "do",
        "how",
        "what",
        "can",
        "you",
        "your",
        "for",
        "we",
        "our",
    ]
)


def words(text: str) -> set[str]:
    return {word.rstrip("s") for word in re.findall(r"\w+", text.lower())} - _COMMON


class Library:
    """A search over passages by shared words, which counts its calls."""

    def __init__(self, passages: tuple[Passage, ...] = PASSAGES) -> None:
        self.passages = passages
        self.queries: list[str] = []

    async def __call__(self, query: str, max_results: int, category: str | None) -> list[Passage]:
        self.queries.append(query)
        asked = words(query)
        hits = [(len(asked & words(p.title + " " + p.content)), p) for p in self.passages]
        return [p for shared, p in sorted(hits, key=lambda hit: -hit[0]) if shared >= 2][:max_results]


def line(
    content: str, *, role: Role = "customer", new: bool = True, channel: Channel = "email", seq: int = 1
) -> Line:
    return Line(seq, role, channel, content, datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=seq), new)


def assignment(
    text: str = "How do I reset my password?", channel: Channel = "email", **changes: Any
) -> Assignment:
    values: dict[str, Any] = {
        "turn_id": uuid4(),
        "conversation_id": uuid4(),
        "channel": channel,
        "customer_name": "Lena Brandt",
        "verified": True,
        "reference": "TK-4F2A",
        "subject": "",
        "category": "technical",
        "priority": "medium",
        "lines": (line(text, channel=channel),),
        "attempt": 1,
        "first_answer": True,
    }
    return Assignment(**(values | changes))


SearchFunction = Callable[[str, int, str | None], Awaitable[list[Passage]]]


@contextlib.asynccontextmanager
async def at_work(pool: Pool, hints: Hints, model: Model | None = None) -> AsyncIterator[None]:
    """The real agent in a real worker, with the offline model or another one, over a small library."""
    agent = SupportAgent(model or OfflineModel(), Library(), COMPANY)
    worker = Worker(pool, LogBus(pool, hints), hints, agent, concurrency=2)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
