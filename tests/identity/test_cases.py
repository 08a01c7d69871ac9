"""The labelled set: who is recognised as whom, run through the real intake, codes and merges."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from fte.domain.errors import Rejected
from fte.domain.identity import normalise_phone
from fte.domain.ids import new_id
from fte.pg.pool import Pool
from fte.store import identity, merges
from fte.store.intake import Received
from tests.identity.support import chat, code_sent, form, later, mail, owner
from tests.support import Actor, hire

CASES = Path(__file__).with_name("cases.txt")
RIGHT_MIN = 0.99
TABLES = (
    "link_codes, customer_merges, audit, replies, inbound, turns, messages, tickets, conversations,"
    " customer_identifiers, customers"
)
EMPTY = f"with {', '.join(f'{table}_gone as (delete from {table})' for table in TABLES.split(', '))} select 1"


@dataclass(frozen=True)
class Case:
    line: int
    same: bool
    topic: str
    steps: tuple[str, ...]


def cases() -> list[Case]:
    found = []
    for number, line in enumerate(CASES.read_text(encoding="utf-8").splitlines(), 1):
        if line and not line.startswith("#"):
            label, topic, steps = line[:10].strip(), line[10:32].strip(), line[32:]
            assert label in ("same", "different"), number
            found.append(Case(number, label == "same", topic, tuple(steps.split(" | "))))
    return found


@dataclass
class Play:
    """One case under way."""

    pool: Pool
    operator: Actor
    contacts: list[tuple[str, str, Received]] = field(default_factory=list)
    merge_id: object = None
    found: bool | None = None

    @property
    def first(self) -> Received:
        return self.contacts[0][2]

    @property
    def newest(self) -> Received:
        return self.contacts[-1][2]

    async def step(self, text: str) -> None:
        kind, _, rest = text.partition(" ")
        await getattr(self, f"do_{kind}")(rest)

    async def _contact(self, kind: str, rest: str, body: str = "Hello.") -> None:
        who, _, name = rest.partition(" as ")
        name = name or "Somebody"
        into = self.first.ticket if self.contacts else None
        if kind == "mail":
            received = await mail(self.pool, who, body, name=name)
        elif kind == "spoof":
            received = await mail(self.pool, who, body, name=name, verified=False)
        elif kind == "chat":
            received = await chat(self.pool, who, body, name=name)
        elif kind == "form":
            received = await form(self.pool, who, body, name=name)
        elif kind == "page":
            received = await form(self.pool, "", body, name="", into_ticket=into)
        else:
            checked = kind == "quote"
            received = await mail(self.pool, who, body, name=name, verified=checked, into_ticket=into)
        self.contacts.append((kind, rest, received))

    async def do_mail(self, rest: str) -> None:
        await self._contact("mail", rest)

    async def do_spoof(self, rest: str) -> None:
        await self._contact("spoof", rest)

    async def do_chat(self, rest: str) -> None:
        await self._contact("chat", rest)

    async def do_form(self, rest: str) -> None:
        await self._contact("form", rest)

    async def do_page(self, rest: str) -> None:
        await self._contact("page", rest)

    async def do_quote(self, rest: str) -> None:
        await self._contact("quote", rest)

    async def do_quotespoof(self, rest: str) -> None:
        await self._contact("quotespoof", rest)

    async def do_wait(self, rest: str) -> None:
        await later(self.pool, rest)

    async def do_look(self, rest: str) -> None:
        region, _, number = rest.partition(" ")
        try:
            key = normalise_phone(number, None if region == "-" else region)
        except Rejected:
            self.found = False
            return
        known = "select count(*) from customer_identifiers where identifier_value = $1"
        self.found = bool(await self.pool.fetchval(known, key))

    async def do_code(self, rest: str) -> None:
        await self._prove(rest, right=True)

    async def do_wrong(self, rest: str) -> None:
        await self._prove(rest, right=False)

    async def _prove(self, rest: str, *, right: bool) -> None:
        kind, _, address = rest.partition(" ")
        where = self.newest
        channel: identity.Provable = "email" if kind == "mail" else "whatsapp"
        await identity.request_link(
            self.pool, str(new_id()), where.conversation, self.operator, channel, address
        )
        code = await code_sent(self.pool)
        if not right:
            code = f"{(int(code) + 1) % 1_000_000:06}"
        wrote, who, _ = self.contacts[-1]
        if wrote == "form":
            await form(self.pool, "", code, name="", into_ticket=where.ticket)
        else:
            await self._contact(wrote, who, code)

    async def do_merge(self, rest: str) -> None:
        kept, merged = await owner(self.pool, self.first), await owner(self.pool, self.newest)
        done = await merges.merge(self.pool, str(new_id()), kept, merged, self.operator)
        self.merge_id = done.merge_id

    async def do_undo(self, rest: str) -> None:
        await merges.unmerge(self.pool, str(new_id()), self.merge_id, self.operator)  # type: ignore[arg-type]

    async def recognised(self) -> bool:
        """Whether the newest contact is who the first one was."""
        if self.found is not None:
            return self.found
        if self.newest.conversation == self.first.conversation:
            return True
        rows = await self.pool.fetch(
            "select customer_id, verified from conversations where id = any ($1)",
            [self.first.conversation, self.newest.conversation],
        )
        return len({row["customer_id"] for row in rows}) == 1 and all(row["verified"] for row in rows)


async def test_the_labelled_set(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    wrong_merges: list[str] = []
    missed: list[str] = []
    played = cases()
    assert len(played) >= 300
    for case in played:
        await pool.execute(EMPTY)
        play = Play(pool, lead)
        for step in case.steps:
            await play.step(step)
        if await play.recognised() != case.same:
            told = f"line {case.line} ({case.topic}): {' | '.join(case.steps)}"
            (missed if case.same else wrong_merges).append(told)
    right = 1 - (len(missed) + len(wrong_merges)) / len(played)
    same = sum(case.same for case in played)
    print(
        f"\nidentity: {len(played)} cases ({same} same, {len(played) - same} different), {right:.2%} right, "
        f"{len(wrong_merges)} wrong merges, {len(missed)} missed"
    )
    for told in (*wrong_merges, *missed):
        print("  ", told)
    assert not wrong_merges
    assert right > RIGHT_MIN


def test_every_case_is_written_once() -> None:
    lines = [re.sub(r"\s+", " ", line) for line in CASES.read_text(encoding="utf-8").splitlines() if line]
    told = [line for line in lines if not line.startswith("#")]
    assert len(told) == len(set(told))
