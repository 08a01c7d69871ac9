"""Turns: claimed with a lease, answered outside any transaction, finished in one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fte.domain import modes
from fte.domain.budget import Spent
from fte.domain.channels import STYLES, Channel
from fte.domain.conversations import Change, Control
from fte.domain.delivery import first_state
from fte.domain.escalation import URGENT_MAX
from fte.domain.events import CONVERSATIONS, ESCALATIONS, METRICS, OUTBOUND, TICKETS_INCOMING
from fte.domain.ids import new_id
from fte.domain.modes import Held, Off
from fte.domain.split import split
from fte.domain.turns import (
    HISTORY_MAX,
    Assignment,
    Escalation,
    Line,
    Outcome,
    Trace,
    Verdict,
    first_answer,
    judge,
    pause_after,
)
from fte.pg import queries
from fte.pg.log import Event, emit
from fte.pg.pool import Connection, Pool
from fte.store import deadlines
from fte.wire import JSON

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A turn this worker holds until its lease ends, and what it saw when it took it."""

    turn: UUID
    conversation: UUID
    ticket: UUID
    holder: UUID
    attempts: int
    discards: int
    epoch: int
    answers_seq: int
    waiting_since: datetime
    assignment: Assignment
    off: bool = False
    """The AI is off for this channel and category: nobody asks a model."""


async def claim(pool: Pool, holder: UUID, limit: int, lease: float) -> list[Claim]:
    """Take up to `limit` due turns, oldest first, for `lease` seconds. Nobody else gets them meanwhile."""
    taken: list[Any] = await pool.fetch(_sql.claim, limit, holder, lease)
    if not taken:
        return []
    rows: list[Any] = await pool.fetch(_sql.load, [row["id"] for row in taken], HISTORY_MAX)
    return [_claim(row, holder) for row in rows]


async def newest(connection: Connection, conversation: UUID) -> Any:
    """The row of `load` of the conversation's newest turn, whatever became of it; None when it never had one."""
    turn = await connection.fetchval(_sql.newest, conversation)
    return await connection.fetchrow(_sql.load, [turn], HISTORY_MAX)


def assignment(row: Any) -> Assignment:
    """What the agent may know of a turn, from a row of `load` or of a past turn."""
    lines = tuple(
        Line(
            line["seq"],
            line["role"],
            line["channel"],
            line["content"],
            datetime.fromisoformat(line["at"]),
            line["role"] == "customer" and line["seq"] > row["answered_seq"],
            UUID(line["id"]),
            line["failed"],
        )
        for line in row["lines"]
    )
    return Assignment(
        turn_id=row["id"],
        conversation_id=row["conversation_id"],
        channel=row["channel"],
        customer_name=row["name"] or "",
        verified=row["verified"],
        reference=f"#{row['number']}",
        subject=row["subject"],
        category=row["category"],
        priority=row["priority"],
        lines=lines,
        attempt=row["attempts"],
        first_answer=first_answer(lines),
        hint=row["hint"] or "",
        handover=tuple(row["handover"]["lines"]) if row["handover"] else (),
        waiting_elsewhere=tuple(row["waiting_elsewhere"]),
        spent=Spent(row["spent_here"], row["spent_input"], row["spent_output"]),
    )


def _claim(row: Any, holder: UUID) -> Claim:
    return Claim(
        row["id"],
        row["conversation_id"],
        row["ticket_id"],
        holder,
        row["attempts"],
        row["discards"],
        row["epoch"],
        row["last_inbound_seq"],
        row["waiting_since"],
        assignment(row),
        off=modes.rule_for(row["config"], row["category"]).mode == "off",
    )


async def renew(pool: Pool, claims: Sequence[Claim], seconds: float) -> None:
    """Hold these for so many seconds from now; those that are somebody else's by now stay theirs."""
    if claims:
        await pool.execute(
            _sql.renew,
            [c.turn for c in claims],
            [c.holder for c in claims],
            [c.attempts for c in claims],
            seconds,
        )


async def finish(pool: Pool, claim: Claim, outcome: Outcome) -> Verdict:
    """Make a run's outcome true, or throw it away, in one transaction. Returns which.

    Raises Unavailable when the database is away: the lease then runs out, and another run answers.
    """
    async with pool.transaction() as connection:
        row: Any = await connection.fetchrow(_sql.lock, claim.conversation, claim.turn)
        if row is None:  # erased meanwhile
            await emit(connection, [_wasted(claim, outcome, Verdict.VOID)])
            return Verdict.VOID
        control = control_of(row)
        verdict = judge(
            outcome,
            lease_held=row["lease_holder"] == claim.holder
            and row["attempts"] == claim.attempts
            and row["running"],
            control=control,
            epoch=claim.epoch,
            answers_seq=claim.answers_seq,
            attempts=claim.attempts,
            discards=claim.discards,
            waited=(row["now"] - claim.waiting_since).total_seconds(),
            floods=await _floods(connection, claim, outcome),
        )
        rule = modes.rule_for(row["config"], outcome.category or claim.assignment.category)
        accepted = verdict is Verdict.ACCEPT
        decision = (
            modes.decide(rule, outcome, hinted=bool(row["hint"]), shared=row["shared"]) if accepted else None
        )
        if isinstance(decision, Held) and control.last_inbound_seq > claim.answers_seq:
            verdict, decision = Verdict.RERUN, None  # held, it would be out of date from the start
        elif isinstance(decision, Off):
            outcome = modes.switched_off(outcome, claim.assignment)
        held = decision if isinstance(decision, Held) else None
        run = await _record_run(connection, claim, outcome, verdict, held)
        if held is not None:
            await _hold(connection, claim, outcome, control, run, held)
        elif verdict is Verdict.ACCEPT:
            await _accept(connection, claim, outcome, control, run)
        elif verdict is Verdict.RERUN:
            await _put_back(connection, claim, 0.0, discarded=True)
        elif verdict in (Verdict.RETRY, Verdict.WAIT):
            wait = pause_after(outcome, claim.attempts)
            await _put_back(connection, claim, wait, kept=verdict is Verdict.WAIT)
        if verdict is not Verdict.ACCEPT:
            await emit(connection, [_wasted(claim, outcome, verdict)])
    return verdict


def control_of(row: Any) -> Control:
    return Control(
        row["owner"],
        row["epoch"],
        row["status"],
        row["operator_id"],
        row.get("operator_name"),
        row["last_seq"],
        row["last_inbound_seq"],
        row["answered_seq"],
        _change(row.get("latest")),
        _change(row.get("after_seen")),
    )


def _change(fact: Any) -> Change | None:
    return Change(fact["why"], fact["by"], fact["owner"], fact["operator"], fact["ago"]) if fact else None


async def _floods(connection: Connection, claim: Claim, outcome: Outcome) -> bool:
    """Whether other hand-overs of the customer, under way at the same time as this run, make it one too many."""
    if outcome.escalation is None or outcome.escalation.urgency == "low":
        return False
    await connection.execute(_sql.one_hand_over_at_a_time, claim.conversation)
    waiting: int = await connection.fetchval(_sql.waiting_elsewhere, claim.conversation)
    return waiting >= URGENT_MAX


async def _record_run(
    connection: Connection, claim: Claim, outcome: Outcome, verdict: Verdict, held: Held | None
) -> UUID:
    trace = outcome.trace
    run = new_id()
    await connection.execute(
        _sql.record_run,
        run,
        claim.turn,
        claim.conversation,
        claim.attempts,
        "drafted" if held else _run_outcome(outcome, verdict),
        trace.model,
        trace.instructions_version,
        _trace_json(trace),
        trace.input_tokens,
        trace.output_tokens,
        trace.latency_ms,
        trace.error,
    )
    return run


def _run_outcome(outcome: Outcome, verdict: Verdict) -> str:
    if verdict in (Verdict.VOID, Verdict.RERUN):
        return "discarded"
    if outcome.failed:
        return "failed"
    return "escalated" if outcome.escalation else "answered"


def _wasted(claim: Claim, outcome: Outcome, verdict: Verdict) -> Event:
    """A run that nothing comes of has taken its time and cost its tokens all the same."""
    fact: JSON = {
        "channel": claim.assignment.channel,
        "outcome": _run_outcome(outcome, verdict),
        "run_ms": outcome.trace.latency_ms,
        "input_tokens": outcome.trace.input_tokens,
        "output_tokens": outcome.trace.output_tokens,
    }
    return Event(METRICS, str(claim.conversation), "run.wasted", fact)


def _trace_json(trace: Trace) -> JSON:
    return {
        "passages": [
            {"title": p.title, "source": p.source, "score": round(p.score, 4), "excerpt": p.content[:500]}
            for p in trace.passages
        ],
        "tools": [{"name": t.name, "arguments": t.arguments, "result": t.result[:2000]} for t in trace.tools],
        "verdicts": list(trace.verdicts),
    }


async def _accept(
    connection: Connection, claim: Claim, outcome: Outcome, control: Control, run: UUID
) -> None:
    channel = claim.assignment.channel
    escalation = outcome.escalation
    epoch = control.epoch + 1 if escalation else control.epoch
    state = first_state(channel)
    message = new_id() if outcome.reply or not escalation else None
    if message is None:
        await connection.execute(
            _sql.say_nothing,
            claim.conversation,
            claim.ticket,
            claim.turn,
            epoch,
            outcome.category,
            outcome.priority,
        )
    else:
        await _say(connection, claim, outcome, control, run, message, epoch, state)
    if escalation:
        await connection.execute(
            _sql.escalate,
            claim.conversation,
            claim.ticket,
            escalation.reason,
            escalation.urgency,
            brief_of(escalation),
        )
    more = control.last_inbound_seq > claim.answers_seq and not escalation
    if more:
        await open_turn(connection, claim.conversation, claim.ticket, channel)
    seq = control.last_seq + (message is not None)
    await deadlines.recompute(connection, claim.conversation)
    await emit(connection, _events(claim, outcome, message, seq, epoch, state))


def brief_of(escalation: Escalation) -> JSON:
    return {
        "asked": escalation.asked,
        "tried": escalation.tried,
        "sources": escalation.sources,
        "mood": escalation.mood,
        "reason": escalation.reason,
        "urgency": escalation.urgency,
    }


async def _hold(
    connection: Connection, claim: Claim, outcome: Outcome, control: Control, run: UUID, held: Held
) -> None:
    """Keep the answer for a person to decide on. The customer has none yet: the messages stay unanswered."""
    channel, draft = claim.assignment.channel, new_id()
    await connection.execute(
        _sql.hold,
        draft,
        claim.conversation,
        claim.turn,
        run,
        channel,
        control.epoch,
        claim.answers_seq,
        outcome.reply,
        held.because,
        held.confidence,
        held.threshold,
        claim.ticket,
        outcome.category,
        outcome.priority,
    )
    await deadlines.recompute(connection, claim.conversation)
    fact: JSON = {
        "conversation_id": claim.conversation,
        "ticket_id": claim.ticket,
        "draft_id": draft,
        "channel": channel,
        "because": held.because,
        "confidence": held.confidence,
        "seq": control.last_seq,
        "owner": "ai",
        "epoch": control.epoch,
        "status": control.status,
    }
    key = str(claim.conversation)
    await emit(
        connection, [Event(CONVERSATIONS, key, "draft.held", fact), _measured(claim, outcome, "drafted")]
    )


async def _say(
    connection: Connection,
    claim: Claim,
    outcome: Outcome,
    control: Control,
    run: UUID,
    message: UUID,
    epoch: int,
    state: str,
) -> None:
    channel = claim.assignment.channel
    await connection.execute(
        _sql.answer,
        message,
        claim.conversation,
        control.last_seq + 1,
        channel,
        outcome.reply,
        run,
        outcome.trace.input_tokens + outcome.trace.output_tokens,
        outcome.trace.latency_ms,
        [tool.name for tool in outcome.trace.tools],
        state,
        claim.turn,
        epoch,
        claim.ticket,
        claim.answers_seq,
        outcome.category,
        outcome.priority,
        "escalated" if outcome.escalation else "answered",
        *reply_parts(channel, outcome.reply),
    )


def reply_parts(channel: Channel, text: str) -> tuple[list[UUID], list[str | None]]:
    """Ids and texts of the replies a message is sent as; None stands for the message's whole text."""
    limit = STYLES[channel].part_max
    parts = split(text, limit) if limit else []
    if len(parts) < 2:
        return [new_id()], [None]
    return [new_id() for _ in parts], list(parts)


def _events(
    claim: Claim, outcome: Outcome, message: UUID | None, seq: int, epoch: int, state: str
) -> list[Event]:
    """What is announced of an accepted outcome; `message` is None where nothing was said."""
    key = str(claim.conversation)
    channel = claim.assignment.channel
    escalation = outcome.escalation
    fact: JSON = {
        "conversation_id": key,
        "ticket_id": claim.ticket,
        "seq": seq,
        "channel": channel,
        "owner": "human" if escalation else "ai",
        "holder": None,
        "epoch": epoch,
        "status": "escalated" if escalation else "open",
    }
    events: list[Event] = []
    if message is not None:
        fact |= {"message_id": message, "role": "agent"}
        events.append(Event(CONVERSATIONS, key, "reply.sent" if state == "sent" else "reply.queued", fact))
        if channel in OUTBOUND:
            events.append(Event(OUTBOUND[channel], key, "reply.queued", fact))
    if escalation:
        raised = fact | {
            "reason": escalation.reason,
            "urgency": escalation.urgency,
            "number": int(claim.assignment.reference[1:]),
        }
        events.append(Event(CONVERSATIONS, key, "conversation.escalated", raised))
        events.append(Event(ESCALATIONS, key, "escalation.raised", raised))
    events.append(_measured(claim, outcome, "escalated" if escalation else "answered"))
    return events


def _measured(claim: Claim, outcome: Outcome, result: str) -> Event:
    return Event(
        METRICS,
        str(claim.conversation),
        "turn.finished",
        {
            "channel": claim.assignment.channel,
            "outcome": result,
            "reason": outcome.escalation.reason if outcome.escalation else None,
            "failed": outcome.failed,
            "run_ms": outcome.trace.latency_ms,
            "waiting_since": claim.waiting_since,
            "input_tokens": outcome.trace.input_tokens,
            "output_tokens": outcome.trace.output_tokens,
        },
    )


async def open_turn(
    connection: Connection, conversation: UUID, ticket: UUID, channel: str, hint: str | None = None
) -> None:
    """Owe the conversation an answer, now. The caller holds the conversation's lock and knows no turn is open.

    `hint` is an operator's instruction for the answer, which is then held.
    """
    row: Any = await connection.fetchrow(_sql.open_turn, new_id(), conversation, ticket, channel, hint)
    await emit(connection, [_doorbell(row["id"], conversation, ticket, row["channel"], row["due_at"])])


async def _put_back(
    connection: Connection, claim: Claim, wait: float, *, discarded: bool = False, kept: bool = False
) -> None:
    """Make it due again in `wait` seconds; what was discarded or `kept` took no attempt."""
    due: datetime = await connection.fetchval(_sql.put_back, claim.turn, wait, discarded, discarded or kept)
    await emit(
        connection, [_doorbell(claim.turn, claim.conversation, claim.ticket, claim.assignment.channel, due)]
    )


def _doorbell(turn: UUID, conversation: UUID, ticket: UUID, channel: str, due: datetime) -> Event:
    return Event(
        TICKETS_INCOMING,
        str(conversation),
        "turn.due",
        {
            "conversation_id": conversation,
            "ticket_id": ticket,
            "turn_id": turn,
            "channel": channel,
            "due_at": due,
        },
    )


async def next_due(pool: Pool) -> float | None:
    """Seconds until the next turn is due; None when none is waiting."""
    wait: float | None = await pool.fetchval(_sql.next_due)
    return wait


async def waiting(pool: Pool) -> tuple[dict[tuple[Channel, str], int], float]:
    """How many turns are open, by channel and state; and for how many seconds the oldest due one has been due."""
    rows = await pool.fetch(_sql.waiting)
    counts: dict[tuple[Channel, str], int] = {(row["channel"], row["state"]): row["count"] for row in rows}
    return counts, max((row["age"] for row in rows if row["state"] == "due"), default=0.0)


async def spent_today(pool: Pool) -> Spent:
    """What everybody has used since midnight UTC."""
    row: Any = await pool.fetchrow(_sql.spent)
    return Spent(0, row["input"], row["output"])


async def recover(pool: Pool) -> Sequence[UUID]:
    """Put back turns whose worker vanished: their lease is over. Returns their ids."""
    return [row["id"] for row in await pool.fetch(_sql.recover)]


async def give_back(pool: Pool, holder: UUID) -> None:
    """Put back every turn the holder still has, for others to take at once."""
    await pool.execute(_sql.give_back, holder)
