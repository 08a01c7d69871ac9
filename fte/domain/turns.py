"""A turn is one answer owed. What the agent is given for it, what it gives back, and whether that still counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from itertools import takewhile
from typing import Any, Final, Literal
from uuid import UUID

from fte.domain.budget import Spent
from fte.domain.channels import Channel
from fte.domain.conversations import Control, Role
from fte.domain.languages import language_of, names_an_ai
from fte.domain.retry import pause
from fte.domain.tickets import Category, Priority

Urgency = Literal["low", "normal", "high"]

HISTORY_MAX: Final = 20
"""Messages of the conversation the agent is given."""
_WE: Final = ("agent", "operator")
_TELLING: Final = 4
"""Words from which on a message tells its language by itself."""
WINDOW: Final = timedelta(hours=24)
"""How long after a customer's message WhatsApp takes free text to them."""
ATTEMPTS_MAX: Final = 3
"""Runs that may fail before a person gets the turn."""
PATIENCE: Final = 120.0
"""Seconds since the customer wrote in which a turn waits for a provider that is away, without losing its last attempt."""
DISCARDS_MAX: Final = 3
"""Times a run gives way to newer messages; then its answer counts, and the newer ones become the next turn."""


@dataclass(frozen=True, slots=True)
class Line:
    """One message of the history, oldest first. `new` marks those the answer is owed for."""

    seq: int
    role: Role
    channel: Channel
    content: str
    at: datetime
    new: bool
    id: UUID | None = None
    """The message's own; never shown to a model."""
    failed: bool = False
    """It never reached the customer."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A knowledge base hit. `score` is relevance from 0 to 1, `content` the passage's whole text."""

    title: str
    source: str
    category: str
    score: float
    content: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """All the agent may know of a turn. Nothing in it comes from the model, so no model can choose a customer."""

    turn_id: UUID
    conversation_id: UUID
    channel: Channel
    customer_name: str
    verified: bool
    reference: str
    subject: str
    category: Category
    priority: Priority
    lines: tuple[Line, ...]
    attempt: int
    first_answer: bool
    """No answer has reached the customer in this conversation yet."""
    hint: str = ""
    """What an operator asks of the answer, having read an earlier one that was not sent."""
    handover: tuple[str, ...] = ()
    """What a person said, promised and left open before they gave the conversation back, one fact a line."""

    waiting_elsewhere: tuple[str, ...] = ()
    """The customer's other conversations that wait for a person, one a line."""
    spent: Spent = field(default_factory=Spent)
    """What the model has cost so far, here and today."""

    @property
    def question(self) -> str:
        """The customer's words the answer is owed for."""
        return "\n".join(line.content for line in self.lines if line.new and line.role == "customer")

    @property
    def messages(self) -> tuple[UUID, ...]:
        """The customer's messages the answer is owed for."""
        return tuple(line.id for line in self.lines if line.new and line.id is not None)

    @property
    def language(self) -> str:
        """The code of the language the customer writes: that of the new messages, or of earlier ones if those say little."""
        wrote = [line.content for line in self.lines if line.role == "customer"]
        new = f"{self.subject if self.first_answer else ''}\n{self.question}"
        return language_of(
            new if len(new.split()) >= _TELLING or not wrote else "\n".join([*wrote[-5:], new])
        )

    @property
    def window_until(self) -> datetime | None:
        """When WhatsApp stops taking free text to the customer; None on other channels."""
        wrote = [line.at for line in self.lines if line.role == "customer" and line.channel == "whatsapp"]
        return max(wrote) + WINDOW if self.channel == "whatsapp" and wrote else None

    @property
    def moved_from(self) -> Channel | None:
        """The other channel the customer wrote on before, when the messages to answer are the first on this one.

        Only of a proven customer: a claim opens nothing.
        """
        wrote = [line for line in self.lines if line.role == "customer"]
        settled = [line.channel for line in wrote if not line.new]
        if not self.verified or (settled and settled[-1] == self.channel):
            return None
        return next((line.channel for line in reversed(wrote) if line.channel != self.channel), None)

    @property
    def introduces(self) -> bool:
        """Whether the answer has to say that an AI speaks: nothing that came here since a person's last word says so."""
        heard = [line for line in self.lines if line.role in _WE and not line.failed]
        since = list(takewhile(lambda line: line.role == "agent", reversed(heard)))
        return not any(line.channel == self.channel and names_an_ai(line.content) for line in since)


def first_answer(lines: Sequence[Line]) -> bool:
    """Whether none of our words in this history reached the customer."""
    return not any(line.role in _WE and not line.failed for line in lines)


@dataclass(frozen=True, slots=True)
class Escalation:
    """Why a person must take over, and the brief that lets them do it without reading back."""

    reason: str
    urgency: Urgency
    asked: str
    tried: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    mood: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    name: str
    arguments: dict[str, Any]
    result: str


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything needed to explain a run afterwards."""

    model: str
    instructions_version: str
    passages: tuple[Passage, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    verdicts: tuple[str, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    latency_ms: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run wants to come true: exactly one message to the customer, and perhaps an escalation with it.

    `failed` says that the run broke (the model was down, slow, or made no sense): `reply` is then what the
    customer hears if no attempt is left, and `escalation` is set. `retry_after` says when another attempt makes sense:
    0 as soon as you like; more, in so many seconds, because the model's provider is away or busy for everybody; None
    never, it would fail in the same way.
    """

    reply: str
    trace: Trace
    escalation: Escalation | None = None
    category: Category | None = None
    priority: Priority | None = None
    failed: bool = False
    retry_after: float | None = 0.0


class Verdict(Enum):
    """What becomes of a finished run."""

    ACCEPT = "accept"
    RERUN = "rerun"
    """Newer messages came in, or the customer's other conversations were handed over: run again knowing that."""
    RETRY = "retry"
    """The run failed and an attempt is left."""
    WAIT = "wait"
    """The model's provider is away, and the customer can still wait for it: the last attempt is kept."""
    VOID = "void"
    """The lease is lost or a person owns the conversation: nothing of the run may come true."""


def judge(
    outcome: Outcome,
    *,
    lease_held: bool,
    control: Control,
    epoch: int,
    answers_seq: int,
    attempts: int,
    discards: int,
    waited: float = PATIENCE,
    floods: bool = False,
) -> Verdict:
    """Whether a run's outcome still counts, given the facts under the conversation's lock.

    `epoch` and `answers_seq` are what the run started from: the owner's epoch and the newest message it read.
    `waited` is in seconds, since the oldest message it answers. `floods`: by now so many of the customer's conversations
    wait for a person that this one is less urgent than the run took it for.
    """
    if not lease_held or control.owner != "ai" or control.epoch != epoch:
        return Verdict.VOID
    if control.last_inbound_seq > answers_seq and discards < DISCARDS_MAX:
        return Verdict.RERUN
    if outcome.failed and outcome.retry_after is not None and outcome.retry_after <= PATIENCE:
        if attempts < ATTEMPTS_MAX:
            return Verdict.RETRY
        if outcome.retry_after > 0 and waited + outcome.retry_after < PATIENCE:
            return Verdict.WAIT
    return Verdict.RERUN if floods and discards < DISCARDS_MAX else Verdict.ACCEPT


def pause_after(outcome: Outcome, attempts: int, chance: float | None = None) -> float:
    """Seconds until the next attempt at a failed turn; longer when the provider is away, for all turns come back."""
    if not outcome.retry_after:
        return pause(attempts, first=1.0, longest=30.0, chance=chance)
    return outcome.retry_after + pause(attempts, first=3.0, longest=15.0, chance=chance)
