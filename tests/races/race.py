"""One race, and all of them: who takes part, what they are told, and what the judge makes of it."""

import asyncio
import contextlib
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any, Final
from uuid import UUID

from fte.domain.conversations import Actor
from fte.domain.drafts import fingerprint
from fte.domain.errors import Conflict, FteError, Refused
from fte.domain.ids import new_id
from fte.domain.modes import Rule
from fte.pg.pool import Pool
from fte.store import claims, control, drafts, modes, turns
from fte.store.intake import Received
from fte.wire import ActionDone
from tests.races import process
from tests.races.post import Post
from tests.support import hire, receive, seeing, until

ABREAST: Final = 32
"""Races under way at the same time."""
SPREAD: Final = 0.02
"""Seconds in which the parties of a race begin."""
GHOST_LEASE: Final = 0.05
"""Seconds after which the operators who vanish have vanished."""
KILL_EVERY: Final = 4.0
"""Seconds between two kills of a process."""
IDLE_TAKEOVERS: Final = 200
"""Takeovers that are measured, at most."""
SETTLE: Final = 60.0
DRAFTED: Final = 0.2
"""Share of the races in which the answer waits for approval."""
CALM: Final = 0.3
"""What is left there of the shares in which others take part."""
DRAFT_WITHIN: Final = 1.0
"""Seconds deciders wait for a draft."""
BEGUN_WITH_A_DRAFT: Final = 0.7
"""Share of those races that begin when the draft is there, however slow the machine is; the others may overtake it."""
DRAFT_PATIENCE: Final = 15.0
"""Seconds after which such a race begins all the same."""
_PENDING: Final = (
    "select id, body, epoch, answers_seq from drafts where conversation_id = $1 and state = 'pending'"
)


@dataclass(frozen=True, slots=True)
class Ack:
    """A takeover was acknowledged: what was named as in flight, with the try it was in."""

    conversation: UUID
    operator: UUID
    epoch: int
    at: float
    in_flight: frozenset[tuple[UUID, int]]


@dataclass(frozen=True, slots=True)
class Word:
    """A reply of an operator was acknowledged, in that epoch."""

    conversation: UUID
    operator: UUID
    epoch: int
    message: UUID


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision on a draft was acknowledged. `text` is what was approved, None when nothing was."""

    draft: UUID
    operator: UUID
    text: str | None


@dataclass
class World:
    """What all races share, and what was told to whom."""

    pool: Pool
    url: str
    post: Post
    dice: random.Random
    people: list[Actor] = field(default_factory=list)
    ghosts: list[Actor] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    words: dict[str, Word] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    """What those were told who decided on a draft that was not theirs to decide any more."""
    lost: list[str] = field(default_factory=list)
    """What losers of races were told."""
    twice: list[str] = field(default_factory=list)
    """Keys whose repetition was answered differently."""
    elsewhere: int = 0
    delivered: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    async def once(self, act: Callable[[str], Awaitable[ActionDone]]) -> tuple[str, ActionDone]:
        """Do it as a client does over a bad line: now and then cut off, and asked again, with the same key."""
        key, luck = str(new_id()), self.dice.random()
        if luck < 0.1:  # the request is cut off; nobody knows whether it was done
            with contextlib.suppress(TimeoutError, FteError):
                async with asyncio.timeout(self.dice.random() * 0.01):
                    await act(key)
            self.counts["requests cut off"] += 1
        if luck < 0.3:  # it arrives twice
            told = await asyncio.gather(act(key), act(key), return_exceptions=True)
            self.counts["requests doubled"] += 1
            done = [one for one in told if isinstance(one, ActionDone)]
            # Both wait for the conversation, so the second finds what the first has done: they never meet at the key.
            met = [one for one in told if isinstance(one, Conflict) and one.__cause__ is not None]
            strange = [one for one in told if not isinstance(one, ActionDone | FteError)] + met
            if strange or (len(done) == 2 and done[0] != done[1]):
                self.twice.append(key)
            if not done:
                assert isinstance(told[0], BaseException)
                raise told[0]
            return key, done[0]
        return key, await act(key)


async def holding(world: World, talk: Received, actor: Actor) -> None:
    """Take over; then answer, give back, settle it or do nothing, as it comes."""
    try:
        _, done = await world.once(lambda key: control.take_over(world.pool, key, talk.conversation, actor))
    except Conflict as error:
        world.lost.append(error.message)
        return
    at = time.monotonic()
    rows = await world.pool.fetch(
        "select id, attempts from replies where message_id = any ($1) and kind = 'answer'", done.in_flight
    )
    named = frozenset((row["id"], row["attempts"]) for row in rows)
    world.acks.append(Ack(talk.conversation, actor.id, done.epoch, at, named))
    world.post.taken[str(talk.conversation)].set()
    for step in world.dice.choices(("reply", "release", "resolve", "wait"), k=world.dice.randint(0, 3)):
        await asyncio.sleep(world.dice.random() * SPREAD)
        with contextlib.suppress(Conflict, Refused):
            await _step(world, talk, seeing(actor, await _last(world, talk), done.epoch), step)


async def _step(world: World, talk: Received, actor: Actor, step: str) -> None:
    pool, conversation = world.pool, talk.conversation
    if step == "reply":
        key, done = await world.once(lambda key: control.reply(pool, key, conversation, actor, "A person's."))
        assert done.message_id is not None
        world.words[key] = Word(conversation, actor.id, actor.epoch, done.message_id)
    elif step == "release":
        await world.once(lambda key: control.release(pool, key, conversation, actor, ""))
    elif step == "resolve":
        await world.once(lambda key: control.resolve(pool, key, conversation, actor, ""))


async def _last(world: World, talk: Received) -> int:
    last: int = await world.pool.fetchval(
        "select last_seq from conversations where id = $1", talk.conversation
    )
    return last


async def a_person(world: World, talk: Received) -> None:
    await holding(world, talk, world.dice.choice(world.people))


async def a_ghost(world: World, talk: Received) -> None:
    """Somebody who vanishes while they hold it, and comes back too late."""
    ghost = world.dice.choice(world.ghosts)
    await holding(world, talk, ghost)


async def the_customer(world: World, talk: Received) -> None:
    """A further message, delivered twice at once."""
    id_ = str(new_id())
    world.delivered.add(id_)
    facts: dict[str, Any] = {"channel": "email", "account": "us", "verified": True, "provider_id": id_}
    sender = {"identifier": f"{talk.conversation}@example.com"}
    await asyncio.gather(
        *(receive(world.pool, "And?", into_ticket=talk.ticket, **facts, **sender) for _ in range(2))
    )
    await _due(world, talk)


async def a_colleague_elsewhere(world: World, talk: Received) -> None:
    new = await control.reply_from_elsewhere(
        world.pool,
        channel="email",
        account="us",
        provider_id=str(new_id()),
        conversation=talk.conversation,
        text="From my phone.",
    )
    world.elsewhere += new


async def the_deciders(world: World, talk: Received) -> None:
    """Two or three who have the same draft on their screens, where there is one, and all decide."""
    try:
        seen = await until(lambda: world.pool.fetchrow(_PENDING, talk.conversation), deadline=DRAFT_WITHIN)
    except AssertionError:
        return
    people = world.dice.sample(world.people, world.dice.choice((2, 3)))
    await asyncio.gather(*(_decide(world, seen, person) for person in people))


async def _decide(world: World, seen: Any, person: Actor) -> None:
    pool, draft = world.pool, seen["id"]
    actor, hash_ = seeing(person, seen["answers_seq"], seen["epoch"]), fingerprint(seen["body"])
    decision = world.dice.choice(("approve", "approve", "edit", "reject", "regenerate"))
    text = {"approve": seen["body"], "edit": f"As {person.name} puts it."}.get(decision)

    def act(key: str) -> Awaitable[ActionDone]:
        if decision == "reject":
            return drafts.reject(pool, key, draft, actor, "not like this")
        if decision == "regenerate":
            return drafts.regenerate(pool, key, draft, actor, "shorter")
        return drafts.approve(pool, key, draft, actor, hash_, text)

    await asyncio.sleep(world.dice.random() * SPREAD)
    try:
        await world.once(act)
    except Conflict as error:
        world.late.append(error.message)
    else:
        world.decisions.append(Decision(draft, person.id, text))


Part = Callable[[World, Received], Awaitable[None]]
PARTS: Final[dict[str, tuple[Part, float]]] = {
    "a person": (a_person, 0.9),
    "another person": (a_person, 0.6),
    "a ghost": (a_ghost, 0.25),
    "the customer": (the_customer, 0.5),
    "a colleague elsewhere": (a_colleague_elsewhere, 0.08),
    "the deciders": (the_deciders, 0.8),
}
"""Who may take part in a race, and in what share of them."""


POINTS: Final = {
    "asked": (),
    "answered": ("queued", "sending", "sent"),
    "on its way": ("sending", "sent"),
    "sent": ("sent",),
}
"""Points at which a race may begin, by the state of the first answer."""
PATIENCE: Final = 3.0
"""Seconds after which a race begins all the same."""


async def _reached(world: World, talk: Received, point: str) -> None:
    """Wait until the first answer has come so far."""
    if not POINTS[point]:
        return
    there = "select true from replies where conversation_id = $1 and state = any ($2) limit 1"
    with contextlib.suppress(AssertionError):
        await until(lambda: world.pool.fetchval(there, talk.conversation, POINTS[point]), deadline=PATIENCE)


async def _drafted(world: World, talk: Received) -> None:
    """Wait until the first answer waits for approval."""
    with contextlib.suppress(AssertionError):
        await until(lambda: world.pool.fetchrow(_PENDING, talk.conversation), deadline=DRAFT_PATIENCE)


async def race(world: World) -> None:
    """One conversation, at some point of its first answer, and everybody at once."""
    id_ = str(new_id())
    drafted = world.dice.random() < DRAFTED
    world.delivered.add(id_)
    talk = await receive(
        world.pool,
        channel="email",
        account="us",
        verified=True,
        provider_id=id_,
        identifier=f"{id_}@example.com",
        category="billing" if drafted else "general",
    )
    await _due(world, talk)
    if not drafted:
        await _reached(world, talk, world.dice.choice(list(POINTS)))
    elif world.dice.random() < BEGUN_WITH_A_DRAFT:
        await _drafted(world, talk)

    async def later(part: Part) -> None:
        await asyncio.sleep(world.dice.random() * SPREAD)
        await part(world, talk)

    # Where an answer waits for approval fewer others join in, so that some are decided.
    shares = [
        (part, share * (CALM if drafted and part is not the_deciders else 1))
        for part, share in PARTS.values()
    ]
    chosen = [part for part, share in shares if world.dice.random() < share]
    await asyncio.gather(*(later(part) for part in chosen))
    world.counts["races"] += 1


async def _due(world: World, talk: Received) -> None:
    """No quiet period: the answer is owed now."""
    await world.pool.execute(
        "update turns set due_at = now() where conversation_id = $1 and state = 'due'", talk.conversation
    )


# ---------------------------------------------------------------- all of them


async def sweep(world: World) -> None:
    """Two of these run: what vanished workers and operators left is found by both."""
    while True:
        await turns.recover(world.pool)
        freed = await claims.free_lost(world.pool, GHOST_LEASE)
        world.counts["claims ended"] += len(freed)
        await asyncio.sleep(0.05)


async def killed_now_and_then(world: World, seed: int) -> None:
    """A process that sends and works, killed again and again."""
    while True:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.races.process", world.url, str(world.post.port), str(seed)
        )
        try:
            await asyncio.sleep(KILL_EVERY)
        finally:
            running.send_signal(signal.SIGKILL)
            await running.wait()
        world.counts["processes killed"] += 1


@contextlib.asynccontextmanager
async def going_on(*work: Awaitable[None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def run(pool: Pool, url: str, races: int, seed: int, *, processes: int = 1) -> "Verdict":
    """Run so many races, let everything settle, and judge."""
    dice = random.Random(seed)
    async with Post(random.Random(seed + 1)).open() as post:
        world = World(pool, url, post, dice)
        world.people = [await hire(pool, f"Person {n}") for n in range(4)]
        world.ghosts = [await hire(pool, f"Ghost {n}") for n in range(2)]
        lead = await hire(pool, "Lead", "lead")
        await modes.configure(pool, str(new_id()), lead.id, "email", "billing", Rule("draft"))
        await pool.execute(
            "update operators set seen_at = now() + interval '1 day' where name like 'Person%'"
        )
        left = iter(range(races))

        async def runner() -> None:
            for _ in left:
                await race(world)

        own = await Pool.open(url, size=6)
        try:
            async with going_on(
                process.send(own, url, post.port),
                process.work(own, random.Random(seed + 2)),
                sweep(world),
                sweep(world),
            ):
                async with going_on(*(killed_now_and_then(world, seed + n) for n in range(processes))):
                    await asyncio.gather(*(runner() for _ in range(ABREAST)))
                await until(lambda: _settled(pool), deadline=SETTLE)
                latencies = await _idle_takeovers(world)
        finally:
            await own.close()
        return await judge(world, latencies)


async def _settled(pool: Pool) -> bool:
    left: int = await pool.fetchval(
        "select (select count(*) from replies where state in ('queued', 'sending'))"
        " + (select count(*) from turns where state in ('due', 'running'))"
    )
    return left == 0


async def _idle_takeovers(world: World) -> list[float]:
    """Seconds until a takeover was acknowledged, with nothing else to do."""
    took = []
    rows = await world.pool.fetch(
        "select id from conversations where owner = 'ai' order by id limit $1", IDLE_TAKEOVERS
    )
    for row in rows:
        begun = time.monotonic()
        await control.take_over(world.pool, str(new_id()), row["id"], world.people[0])
        took.append(time.monotonic() - begun)
    return took


# ---------------------------------------------------------------- the judge


@dataclass(frozen=True, slots=True)
class Verdict:
    """`broken` names every promise that was, with what was seen."""

    counts: Counter[str]
    p99_ms: float
    broken: list[str]


async def judge(world: World, latencies: list[float]) -> Verdict:
    """Compare what everybody was told with what the provider and the database have."""
    broken = [what for look in LOOKS for what in await look(world)]
    world.counts |= Counter(
        {
            "takeovers": len(world.acks),
            "losers told": len(world.lost),
            "named as in flight": sum(len(ack.in_flight) for ack in world.acks),
            "hand-overs accepted": len(world.post.accepted),
            "people's replies": len(world.words),
            "drafts decided": len(world.decisions),
            "decided too late": len(world.late),
        }
    )
    p99 = quantiles(latencies, n=100)[98] * 1000 if len(latencies) > 1 else 0.0
    return Verdict(world.counts, p99, broken)


async def _after_takeovers(world: World) -> list[str]:
    """No AI reply reaches the provider after an acknowledged takeover, but what was named as on its way."""
    rows = await world.pool.fetch(
        "select r.id, r.epoch, r.conversation_id from replies r join messages m on m.id = r.message_id"
        " where m.role = 'agent'"
    )
    agents = {row["id"]: row for row in rows}
    taken: dict[UUID, list[Ack]] = {}
    for ack in world.acks:
        taken.setdefault(ack.conversation, []).append(ack)
    broken = []
    for accept in world.post.accepted:
        reply = agents.get(accept.reply)
        for ack in taken.get(reply["conversation_id"], []) if reply else []:
            if reply["epoch"] >= ack.epoch or accept.at <= ack.at:
                continue
            world.counts["accepted after a takeover"] += 1
            if (accept.reply, accept.attempt) not in ack.in_flight:
                broken.append(f"AI reply {accept.reply} accepted {accept.at - ack.at:.4f} s after a takeover")
                break
    counted = await claims.sends_after_takeover(world.pool)
    doubled = [id_ for id_, n in Counter(a.reply for a in world.post.accepted).items() if n > 1]
    return [
        *broken,
        *([f"the metric counts {counted} AI sends after takeovers"] if counted else []),
        *(f"reply {id_} accepted twice" for id_ in doubled),
    ]


async def _owners(world: World) -> list[str]:
    """One owner for each epoch, the one who was told so; a claim that ends, ends with a new epoch."""
    rows = await world.pool.fetch("select conversation_id, epoch, owner, operator_id, why from hands")
    hands = {(row["conversation_id"], row["epoch"]): row for row in rows}
    broken = [
        f"{ack.operator} was told to hold {ack.conversation} in epoch {ack.epoch}, which is somebody else's"
        for ack in world.acks
        if (held := hands.get((ack.conversation, ack.epoch))) is None or held["operator_id"] != ack.operator
    ]
    broken += [
        f"{word.operator} answered {word.conversation} in epoch {word.epoch}, which is not theirs"
        for word in world.words.values()
        if (held := hands.get((word.conversation, word.epoch))) is None
        or held["operator_id"] != word.operator
    ]
    epochs = await world.pool.fetch(
        "select payload->>'conversation_id' as id, payload->>'epoch' as epoch from log"
        " where topic = 'fte.conversations'"
        "   and type in ('conversation.taken_over', 'conversation.released', 'conversation.resolved', 'claim.lost')"
        " group by 1, 2 having count(distinct type || coalesce(payload->>'operator', '')) > 1"
    )
    broken += [f"two changes of hands share epoch {row['epoch']} of {row['id']}" for row in epochs]
    won = re.compile(r"(Person|Ghost) \d has taken over this conversation (just now|.* ago)\.")
    return broken + [
        f"a loser was not told who won: {told}" for told in world.lost if not won.fullmatch(told)
    ]


async def _decisions(world: World) -> list[str]:
    """Nothing is done twice: requests, deliveries."""
    said = await world.pool.fetchval(
        "select count(*) from messages where role = 'operator' and direction = 'outbound'"
    )
    done = await world.pool.fetchval("select count(*) from audit where action = 'reply'") + world.elsewhere
    inbound = await world.pool.fetchval("select count(*) from messages where direction = 'inbound'")
    broken = [f"key {key} was answered in two ways" for key in world.twice]
    if said != done:
        broken.append(f"{said} replies of people, of {done} that were asked for")
    if inbound != len(world.delivered):
        broken.append(f"{inbound} messages, of {len(world.delivered)} that were delivered")
    return broken


async def _approvals(world: World) -> list[str]:
    """A draft is decided once, by whoever was told so; what is sent is what was approved, and answers all there was."""
    rows = await world.pool.fetch(
        "select d.id, d.state, d.operator_id, d.approved_hash, d.epoch, m.content, r.epoch as sent_in,"
        "       exists (select from messages i where i.conversation_id = d.conversation_id and i.direction = 'inbound'"
        "                  and i.seq > d.answers_seq and i.seq < m.seq) as stale,"
        "       (select h.owner from hands h where h.conversation_id = d.conversation_id and h.epoch = d.epoch) as owner"
        "  from drafts d left join messages m on m.id = d.message_id left join replies r on r.message_id = m.id"
    )
    known = {row["id"]: row for row in rows}
    broken = [
        f"draft {id_} was decided {n} times"
        for id_, n in Counter(one.draft for one in world.decisions).items()
        if n > 1
    ]
    for one in world.decisions:
        row = known[one.draft]
        if row["operator_id"] != one.operator or (one.text is None) is (row["state"] == "approved"):
            broken.append(
                f"{one.operator} was told to have decided draft {one.draft}, which is {row['state']}"
            )
        elif one.text is not None and row["content"] != one.text:
            broken.append(f"draft {one.draft} was sent with another text than was approved")
    for row in rows:
        if row["state"] != "approved":
            continue
        if fingerprint(row["content"]) != row["approved_hash"].hex():
            broken.append(f"what was sent of draft {row['id']} is not what was approved")
        if row["stale"] or row["sent_in"] != row["epoch"] or row["owner"] == "human":
            broken.append(f"draft {row['id']} was approved although it was out of date")
    return broken


async def _answers(world: World) -> list[str]:
    """The AI never answers what a person has answered: a message of the customer lies between."""
    rows = await world.pool.fetch(
        "select a.id from messages a"
        "  join lateral (select seq from messages p where p.conversation_id = a.conversation_id and p.seq < a.seq"
        "                  and p.role = 'operator' and p.direction = 'outbound' order by p.seq desc limit 1) p on true"
        " where a.role = 'agent' and not exists (select from messages i where i.conversation_id = a.conversation_id"
        "                                          and i.direction = 'inbound' and i.seq > p.seq and i.seq < a.seq)"
        "   and not exists (select from messages e where e.conversation_id = a.conversation_id"
        "                      and e.content = 'From my phone.')"
    )
    return [f"message {row['id']} of the AI answers what a person has answered" for row in rows]


LOOKS: Final[tuple[Callable[[World], Awaitable[list[str]]], ...]] = (
    _after_takeovers,
    _owners,
    _decisions,
    _approvals,
    _answers,
)
"""What the judge looks at; each names what was broken."""
