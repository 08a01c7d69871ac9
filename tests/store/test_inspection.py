"""A ticket's life, rebuilt from its events: at any moment, and the same as the row when all of them are applied."""

import contextlib
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from fte.domain.errors import FteError, NotFound
from fte.domain.history import Happening, Labels, Said, State, knew, life, project
from fte.domain.ids import new_id
from fte.domain.timing import timing
from fte.domain.turns import Escalation, Outcome, Passage, Trace
from fte.pg.pool import Pool
from fte.store import control, conversation_merges, desk, inspection, presence, replies, turns
from fte.wire import TicketView
from tests.identity.support import later, mail
from tests.support import SECRET, hire, receive, seeing

ADDRESS = "vera@gmail.com"
PASSAGES = (Passage("Exports", "exports.md", "general", 0.8, "Under Settings."),)


def key() -> str:
    return str(new_id())


def told(view: TicketView) -> tuple[list[Happening], list[Said], Labels]:
    happenings = [Happening(event.type, event.at, event.payload) for event in view.events]
    said = [
        Said(m.id, m.seq, m.direction == "inbound", m.direction == "note", m.reason is None)
        for m in view.messages
    ]
    return happenings, said, Labels(view.item.priority, view.item.category, tuple(view.item.tags))


def rebuilt(view: TicketView, upto: int | None = None) -> State:
    happenings, said, now = told(view)
    last = len(happenings) - 1 if upto is None else upto
    return project(happenings, said, now, upto=last, complete=view.complete)


async def assert_the_same(pool: Pool, conversation: UUID) -> None:
    """The projection of all events and the live row."""
    view = await inspection.one(pool, conversation)
    row: Any = await pool.fetchrow(
        "select c.owner, c.operator_id::text as holder, c.epoch, c.status, c.last_seq, c.merged_into::text,"
        " t.status as ticket_status, t.priority, t.category, t.tags"
        " from conversations c join tickets t on t.conversation_id = c.id where c.id = $1",
        conversation,
    )
    state = rebuilt(view)
    shown = {name: getattr(state, name) for name in row.keys()}  # noqa: SIM118
    assert shown | {"tags": list(state.tags or ())} == dict(row), [event.type for event in view.events]
    live = {m.id: m.delivery_status for m in view.messages if m.delivery_status}
    assert state.delivery == live, [(e.type, e.payload.get("state")) for e in view.events]


async def assert_the_same_clocks(pool: Pool, conversation: UUID) -> None:
    """What the events say of the clocks, and what the database noted as it happened, but for a transaction's length."""
    view = await inspection.one(pool, conversation)
    row: Any = await pool.fetchrow(
        "select c.status = 'resolved' as resolved, waiting_since, answered_at, resolution_from, snoozed_until,"
        " paused_at is not null or waiting_since is null as resting, paused_for, array(select upper(p) - lower(p)"
        " from unnest(pauses) p) as pauses from conversations c where id = $1",
        conversation,
    )
    happenings, said, _ = told(view)
    timed = timing(happenings, said, len(happenings) - 1)
    assert timed is not None
    names = [(event.type, event.payload.get("state")) for event in view.events]
    facts = timed.facts("medium")
    assert (facts.resolved, facts.resting) == (row["resolved"], row["resting"]), names
    rested = sum((end - start for start, end in facts.pauses), timedelta())
    assert abs(rested - sum(row["pauses"], row["paused_for"])) < timedelta(seconds=1), names
    for name in ("waiting_since", "answered_at", "resolution_from"):
        rebuilt_, noted = getattr(facts, name), row[name]
        assert (rebuilt_ is None) is (noted is None), (name, names)
        assert rebuilt_ is None or abs(rebuilt_ - noted) < timedelta(seconds=1), (name, names)
    assert (timed.snoozed_until is None) is (row["snoozed_until"] is None), names


class Life:
    """Two conversations of one customer, to which things happen by chance."""

    def __init__(self, pool: Pool, dice: random.Random) -> None:
        self.pool, self.dice = pool, dice
        self.people: list[Any] = []
        self.talks: list[Any] = []
        self.claimed: list[Any] = []
        self.sending: list[Any] = []

    async def begin(self) -> None:
        self.people = [
            await hire(self.pool, "Sam"),
            await hire(self.pool, "Kim"),
            await hire(self.pool, "Lea", "lead"),
        ]
        self.talks = [await mail(self.pool, ADDRESS, "one")]
        await later(self.pool, "25 hours")
        self.talks.append(await mail(self.pool, ADDRESS, "two"))

    async def step(self) -> None:
        names = [name for name in dir(self) if name.startswith("do_")]
        talk = self.dice.choice(self.talks)
        epoch, seen = await self.pool.fetchrow(
            "select epoch, last_seq from conversations where id = $1", talk.conversation
        )
        actor = seeing(self.dice.choice(self.people), seen, epoch)
        with contextlib.suppress(FteError):  # refused, as it may be at this point of a life
            await getattr(self, self.dice.choice(names))(talk, actor)

    async def do_write(self, talk: Any, actor: Any) -> None:
        await mail(self.pool, ADDRESS, "more", into_ticket=talk.ticket)

    async def do_wait(self, talk: Any, actor: Any) -> None:
        """An hour passes, for all that is there."""
        async with self.pool.transaction() as connection:
            await connection.execute("set local session_replication_role = replica")
            await connection.execute("update messages set created_at = created_at - interval '1 hour'")
            await connection.execute("update log set at = at - interval '1 hour'")
            await connection.execute(
                "update conversations set waiting_since = waiting_since - interval '1 hour',"
                " answered_at = answered_at - interval '1 hour', paused_at = paused_at - interval '1 hour',"
                " resolution_from = resolution_from - interval '1 hour',"
                " pauses = coalesce((select range_agg(tstzrange(lower(p) - interval '1 hour',"
                " upper(p) - interval '1 hour')) from unnest(pauses) p), '{}')"
            )

    async def do_react(self, talk: Any, actor: Any) -> None:
        await mail(self.pool, ADDRESS, "+1", into_ticket=talk.ticket, suppress="a reaction")

    async def do_claim(self, talk: Any, actor: Any) -> None:
        await self.pool.execute("update turns set due_at = now() where state = 'due'")
        self.claimed += await turns.claim(self.pool, new_id(), 1, 60)

    async def do_finish(self, talk: Any, actor: Any) -> None:
        if self.claimed:
            escalation = Escalation("refund", "high", "money") if self.dice.random() < 0.3 else None
            outcome = Outcome("…", Trace("t", "1", PASSAGES), escalation, category="billing", priority="high")
            await turns.finish(self.pool, self.claimed.pop(), outcome)

    do_finish_more = do_finish

    async def do_take_over(self, talk: Any, actor: Any) -> None:
        await control.take_over(self.pool, key(), talk.conversation, actor)

    async def do_reply(self, talk: Any, actor: Any) -> None:
        await control.reply(self.pool, key(), talk.conversation, actor, "words")

    async def do_note(self, talk: Any, actor: Any) -> None:
        await control.note(self.pool, key(), talk.conversation, actor, "@Kim look")

    async def do_release(self, talk: Any, actor: Any) -> None:
        await control.release(self.pool, key(), talk.conversation, actor, "")

    async def do_resolve(self, talk: Any, actor: Any) -> None:
        await control.resolve(self.pool, key(), talk.conversation, actor, "done")

    async def do_snooze(self, talk: Any, actor: Any) -> None:
        until = datetime.now(UTC) + timedelta(hours=1) if self.dice.random() < 0.7 else None
        await control.snooze(self.pool, key(), talk.conversation, actor, until)

    async def do_send_again(self, talk: Any, actor: Any) -> None:
        await control.send_again(self.pool, key(), talk.conversation, actor)

    async def do_undo_send(self, talk: Any, actor: Any) -> None:
        await control.undo_send(self.pool, key(), talk.conversation, actor)

    async def do_assign(self, talk: Any, actor: Any) -> None:
        await desk.assign(self.pool, key(), talk.conversation, actor, self.dice.choice(["Sam", "Kim", None]))

    async def do_tag(self, talk: Any, actor: Any) -> None:
        await desk.tag(self.pool, key(), talk.conversation, actor, [self.dice.choice("abc")], ["b"])

    async def do_prioritise(self, talk: Any, actor: Any) -> None:
        await desk.set_priority(self.pool, key(), talk.conversation, actor, self.dice.choice(["low", "high"]))

    async def do_merge(self, talk: Any, actor: Any) -> None:
        other = next(one for one in self.talks if one is not talk)
        await conversation_merges.merge_in(self.pool, key(), talk.conversation, actor, other.conversation)

    async def do_part(self, talk: Any, actor: Any) -> None:
        await conversation_merges.part(self.pool, key(), talk.conversation, actor)

    async def do_send(self, talk: Any, actor: Any) -> None:
        self.sending += await replies.claim(self.pool, SECRET, new_id(), ["email"], 1, 30)

    async def do_hear(self, talk: Any, actor: Any) -> None:
        if not self.sending:
            return
        claim = self.sending.pop()
        match self.dice.randrange(4):
            case 0:
                await replies.put_back(self.pool, claim, 0.0, "busy")
            case 1:
                await replies.fail(self.pool, claim, "no such mailbox")
            case 2:
                await replies.park(self.pool, claim, "nobody knows", 60.0)
            case _:
                await replies.accepted(self.pool, claim.reply, str(new_id()))

    async def do_answer_from_elsewhere(self, talk: Any, actor: Any) -> None:
        await control.reply_from_elsewhere(
            self.pool,
            channel="email",
            account="us",
            provider_id=key(),
            conversation=talk.conversation,
            text="Me.",
        )


@pytest.mark.parametrize("seed", range(12))
async def test_all_events_together_make_the_row(pool: Pool, seed: int) -> None:
    lived = Life(pool, random.Random(seed))
    await lived.begin()
    for _ in range(60):
        await lived.step()
    for talk in lived.talks:
        await assert_the_same(pool, talk.conversation)
        await assert_the_same_clocks(pool, talk.conversation)


async def test_the_clock_stood_still_while_it_was_put_aside(pool: Pool) -> None:
    lived = Life(pool, random.Random(1))
    first = await receive(pool, "one")
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    held = seeing(sam, 1, 1)
    await control.snooze(pool, key(), first.conversation, held, datetime.now(UTC) + timedelta(hours=9))
    await lived.do_wait(None, None)
    await control.snooze(pool, key(), first.conversation, held, None)
    await lived.do_wait(None, None)
    await assert_the_same_clocks(pool, first.conversation)
    view = await inspection.one(pool, first.conversation)
    happenings, said, _ = told(view)
    timed = timing(happenings, said, len(happenings) - 1)
    assert timed is not None
    [(since, until_)] = timed.pauses
    assert timedelta(minutes=59) < until_ - since < timedelta(minutes=61)
    then = timing(happenings, said, len(happenings) - 2)
    assert then is not None and then.resting_since is not None and then.snoozed_until is not None


async def test_a_moment_in_between_shows_what_was_then(pool: Pool) -> None:
    first = await receive(pool, "one")
    await turns.finish(
        pool, (await turns.claim(pool, new_id(), 1, 60))[0], Outcome("two", Trace("t", "1", PASSAGES))
    )
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await desk.tag(pool, key(), first.conversation, sam, ["vip"], [])
    await control.note(pool, key(), first.conversation, sam, "three")
    await control.resolve(pool, key(), first.conversation, seeing(sam, 3, 1), "done", "solved")
    view = await inspection.one(pool, first.conversation)
    moments = [rebuilt(view, index) for index in range(-1, len(view.events))]
    types = [None, *(event.type for event in view.events)]
    then = dict(zip(types, moments, strict=True))
    assert (then["message.received"].owner, then["message.received"].last_seq) == ("ai", 1)
    assert then["turn.started"].ticket_status == "processing"
    assert then["reply.sent"].delivery == {view.messages[1].id: "sent"}
    assert (then["conversation.taken_over"].holder, then["conversation.taken_over"].tags) == (str(sam.id), ())
    assert then["ticket.changed"].tags == ("vip",)
    assert (then["note.added"].last_seq, then["conversation.resolved"].status) == (3, "resolved")
    said = told(view)[1]
    assert [m.seq for m in knew(then["reply.sent"], said, 2)] == [1]
    changes = life(*told(view), complete=view.complete)
    assert [(c.type, c.status, c.who) for c in changes] == [
        ("message.received", "open", None),
        ("turn.started", "processing", None),
        ("reply.sent", "waiting_customer", None),
        ("conversation.taken_over", "escalated", "Sam"),
        ("conversation.resolved", "resolved", "Sam"),
    ]


async def test_what_is_given_to_nobody_makes_the_row_too(pool: Pool) -> None:
    first = await receive(pool, "one")
    sam = await hire(pool, "Sam")
    await desk.assign(pool, key(), first.conversation, seeing(sam, 1, 0), "Sam")
    await desk.assign(pool, key(), first.conversation, seeing(sam, 1, 1), None)
    await assert_the_same(pool, first.conversation)


async def test_a_forms_reply_is_there_when_its_time_to_be_taken_back_is_over(pool: Pool) -> None:
    first, sam = await receive(pool), await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await control.reply(pool, key(), first.conversation, seeing(sam, 1, 1), "Mine.", undo=60.0)
    await assert_the_same(pool, first.conversation)
    await pool.execute("update replies set due_at = now()")
    assert await replies.show_due(pool, 10) == 1
    await assert_the_same(pool, first.conversation)


async def test_a_reply_taken_back_leaves_the_customer_waiting(pool: Pool) -> None:
    first, sam = await receive(pool), await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await control.reply(pool, key(), first.conversation, seeing(sam, 1, 1), "Mine.", undo=60.0)
    await control.undo_send(pool, key(), first.conversation, seeing(sam, 2, 1))
    await assert_the_same(pool, first.conversation)
    state = rebuilt(await inspection.one(pool, first.conversation))
    assert (list(state.delivery.values()), state.ticket_status) == (["cancelled"], "escalated")


async def test_without_its_beginning_the_end_is_still_right(pool: Pool) -> None:
    first = await receive(pool, "one")
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await control.note(pool, key(), first.conversation, sam, "two")
    await pool.execute("delete from log where position < (select max(position) from log)")
    view = await inspection.one(pool, first.conversation)
    assert not view.complete
    before, after = rebuilt(view, -1), rebuilt(view)
    assert (before.owner, before.last_seq) == (None, 1)
    assert (after.owner, after.holder, after.last_seq) == ("human", str(sam.id), 2)


async def test_who_looks_at_it_is_not_part_of_its_life(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    before = [event.id for event in (await inspection.one(pool, talk)).events]
    await presence.attend(pool, talk, await hire(pool, "Sam"), "viewing")
    assert await pool.fetchval("select true from log where type = 'presence.changed'")
    assert [event.id for event in (await inspection.one(pool, talk)).events] == before


async def test_a_ticket_is_found_by_its_number_and_by_its_ids(pool: Pool) -> None:
    first = await receive(pool)
    for name in ("1", "#1", str(first.conversation), str(first.ticket)):
        assert await inspection.find(pool, name) == first.conversation
    for name in ("2", "x", "", "²", "9" * 30, str(new_id())):
        with pytest.raises(NotFound):
            await inspection.find(pool, name)


async def test_the_ticket_shows_who_did_what_without_the_words(pool: Pool) -> None:
    first = await receive(pool)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await control.reply(pool, key(), first.conversation, seeing(sam, 1, 1), "private words")
    view = await inspection.one(pool, first.conversation)
    assert [(a.action, a.operator) for a in view.audit] == [("take_over", "Sam"), ("reply", "Sam")]
    assert [(d.kind, d.state) for d in view.deliveries] == [("answer", "sent")]
    assert view.operators == {sam.id: "Sam"}
    assert "private" not in str(view.audit) + str(view.events)


def test_a_jump_to_any_of_a_thousand_events_takes_far_less_than_a_key_press() -> None:
    """Compared with plain work of the same size on the same machine: a jump is one pass over the events."""
    at, holder, ids = datetime.now(UTC), str(new_id()), [new_id() for _ in range(250)]
    happenings = []
    for number, message in enumerate(ids):
        fact = {
            "message_id": str(message),
            "seq": number + 1,
            "owner": "human",
            "holder": holder,
            "epoch": number,
        }
        happenings += [
            Happening(type_, at + timedelta(seconds=number), fact | {"state": "sending"})
            for type_ in ("reply.queued", "delivery.changed", "note.added", "conversation.taken_over")
        ]
    said = [Said(message, number + 1, False, False) for number, message in enumerate(ids)]
    now = Labels("high", "billing", ())
    assert len(happenings) == 1_000

    def cost() -> float:
        begun = time.process_time()
        state = project(happenings, said, now, upto=999, complete=True)
        assert state.last_seq == 250
        return time.process_time() - begun

    def floor() -> float:
        begun = time.process_time()
        for happening in happenings:
            dict(happening.facts)
            UUID(str(happening.facts["message_id"]))
        return time.process_time() - begun

    assert min(cost() for _ in range(5)) < 10 * min(floor() for _ in range(5))
