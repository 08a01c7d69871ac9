"""Simulated customers, operators and a console's follower: each does what people do, and notes what it was told."""

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import httpx

from fte.channels.web_form import parse
from fte.console.client import Client, Heard, Reset
from fte.demo.providers.whatsapp import Message, inbound_parameters, new_sid
from fte.domain.errors import FteError
from fte.domain.ids import hashed
from tests.chaos.history import Acknowledged, Acted, Followed
from tests.chaos.stage import Hired, Stage, Written

QUESTIONS: Final = (
    "How do I reset my password?",
    "How can I export my data?",
    "Where do I find the export of my workspace?",
    "Who may export the data of a workspace?",
    "I forgot my password, what now?",
    "How long is the link for a new password valid?",
    "How long is an exported file kept?",
    "In which format is my data exported?",
)
FOR_A_PERSON: Final = "I want to speak to a person."
HOSTILE: Final = (
    "How do I reset my password?\u202e\u0007 <script>alert(1)</script> '; drop table messages; --",
    "Export \U0001f600 my data please, \x1b[31mnow\x1b[0m {{7*7}} ${HOME} %n%s\r\nX-Injected: yes",
    "password " + "\u0301" * 500 + " reset?",
)
"""What breaks careless readers: it must be answered like everything else."""
TRY_TIMEOUT: Final = 20.0
PATIENCE: Final = 180.0
"""Seconds a customer goes on pressing the button."""
LONG_PATIENCE: Final = 600.0
"""The same where the only process may be stopped for two minutes, and again."""
REFUSALS: Final = (403, 409, 422)


class Customers:
    """Whoever writes to us. Every message is noted when it is written, and when we say that we have it."""

    def __init__(self, stage: Stage, chance: random.Random, *, patience: float = PATIENCE) -> None:
        self.stage = stage
        self.notes = stage.notes
        self.chance = chance
        self.patience = patience
        self.web = httpx.AsyncClient(
            base_url=stage.url,
            timeout=TRY_TIMEOUT,
            trust_env=False,
            verify=False,
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=20),
        )

    async def aclose(self) -> None:
        await self.web.aclose()

    # ------------------------------------------------------------ the form

    async def by_form(self, person: int, text: str, *, email: str | None = None, at_once: int = 1) -> str:
        """Send the form until it is accepted, always as the same submission; so often at once. Returns the ticket."""
        form = {
            "name": f"Customer {person}",
            "email": email or address(person),
            "subject": "A question",
            "category": "general",
            "priority": "medium",
            "message": text,
            "submission_id": uuid4().hex,
        }
        read = parse.parse_form(dict(form))
        content = (read.email, read.name, read.subject, read.category, read.priority, read.message)
        id_ = parse.provider_id(form["submission_id"], "form", *content)
        begun = time.time()
        tickets = await asyncio.gather(*(self._submitted(form) for _ in range(at_once)))
        for ticket, accepted in tickets:
            self.notes.acknowledged.append(
                Acknowledged(channel="web_form", provider_id=id_, at=accepted, ticket_hash=hashed(ticket))
            )
        self.notes.written.append(Written(person, "web_form", id_, begun, min(at for _, at in tickets)))
        return tickets[0][0]

    async def _submitted(self, form: dict[str, str]) -> tuple[str, float]:
        end = time.monotonic() + self.patience
        pause = 0.2
        while True:
            response = await self._tried(form)
            if response is not None and response.status_code == 200:
                return response.json()["ticket_id"], time.time()
            if response is not None and response.status_code not in (408, 429, 500, 502, 503):
                raise AssertionError(f"the form was refused: {response.status_code} {response.text}")
            assert time.monotonic() < end, f"the form was not accepted within {self.patience:g} s"
            await asyncio.sleep(pause * (0.5 + self.chance.random()))
            pause = min(2.0, pause * 1.5)

    async def _tried(self, form: dict[str, str]) -> httpx.Response | None:
        begun = time.time()
        try:
            response = await self.web.post("/support/submit", json=form)
        except httpx.HTTPError:
            self.notes.tries.append((begun, time.time(), None))
            return None
        self.notes.tries.append((begun, time.time(), response.status_code))
        return response

    # ------------------------------------------------------------ mail and WhatsApp

    async def by_mail(self, person: int, text: str, *, email: str | None = None) -> str:
        """What lies in the mailbox counts as accepted: there is nobody to tell the customer otherwise."""
        sender = email or address(person)
        mail = await self.stage.gmail.deliver(
            {"sender": sender, "name": f"Customer {person}", "subject": f"Question of {person}", "text": text}
        )
        now = time.time()
        self.notes.acknowledged.append(Acknowledged(channel="email", provider_id=mail.id, at=now))
        self.notes.written.append(Written(person, "email", mail.id, now, now))
        return mail.id

    async def by_whatsapp(self, person: int, text: str) -> str:
        """Twilio posts it to us, and hardly twice; what we did not acknowledge is found in its list later."""
        begun = time.time()
        message = await self.stage.twilio.customer_writes(
            number(person), text, profile_name=f"Customer {person}"
        )
        accepted = time.time() if message.status == 200 else None
        if accepted:
            self.notes.acknowledged.append(
                Acknowledged(channel="whatsapp", provider_id=message.sid, at=accepted)
            )
        self.notes.written.append(Written(person, "whatsapp", message.sid, begun, accepted))
        return message.sid

    async def by_whatsapp_at_once(self, person: int, text: str, times: int) -> str:
        """One message, delivered so often at the same moment."""
        twilio = self.stage.twilio
        message = Message(
            sid=new_sid("SM"),
            account=twilio.account,
            sender=f"whatsapp:{number(person)}",
            recipient=twilio.number,
            body=text,
            direction="inbound",
            status="received",
            sent_at=time.time(),
        )
        twilio.messages[message.sid] = message
        twilio._heard[message.sender] = message.created_at  # it opens the window for our answer, too
        parameters = inbound_parameters(message, twilio.url, profile_name=f"Customer {person}")
        headers = twilio.signed(twilio.webhook, parameters)
        begun = time.time()

        async def delivered() -> int | None:
            with contextlib.suppress(httpx.HTTPError):
                return (await self.web.post(twilio.webhook, data=parameters, headers=headers)).status_code
            return None

        statuses = await asyncio.gather(*(delivered() for _ in range(times)))
        now = time.time()
        for _ in range(statuses.count(200)):
            self.notes.acknowledged.append(Acknowledged(channel="whatsapp", provider_id=message.sid, at=now))
        self.notes.written.append(
            Written(person, "whatsapp", message.sid, begun, now if 200 in statuses else None)
        )
        return message.sid

    # ------------------------------------------------------------ what people are like

    async def customer(self, person: int, seconds: float) -> None:
        """Two to three different messages within so many seconds, in one of the ways customers have."""
        texts = self.chance.sample(QUESTIONS, 3)
        if person % 5 == 0:
            texts[1] = FOR_A_PERSON
        if person % 7 == 3:
            texts[0] = HOSTILE[person % len(HOSTILE)]
        way = _WAYS[person % len(_WAYS)]
        for text in texts[: 2 + person % 2]:
            await asyncio.sleep(self.chance.random() * seconds / 3)
            await way(self, person, text)

    async def _burst(self, person: int, text: str) -> None:
        """A thought in three messages."""
        for words in (text[:9], text[9:20] or "and", text[20:] or "please?"):
            await self.by_whatsapp(person, words)

    async def _on_several(self, person: int, text: str) -> None:
        """By mail and by the form, under one address."""
        await (self.by_mail if self.chance.random() < 0.5 else self.by_form)(person, text)

    async def _form_at_once(self, person: int, text: str) -> None:
        await self.by_form(person, text, at_once=3)

    async def _chat_at_once(self, person: int, text: str) -> None:
        await self.by_whatsapp_at_once(person, text, 3)


_WAYS: Final = (
    Customers.by_mail,
    Customers.by_whatsapp,
    Customers.by_form,
    Customers._on_several,
    Customers.by_whatsapp,
    Customers._form_at_once,
    Customers._burst,
    Customers.by_mail,
    Customers._chat_at_once,
)


def address(person: int) -> str:
    return f"customer{person}@example.net"


def number(person: int) -> str:
    return f"+4915112{person:06}"


# ---------------------------------------------------------------- operators


class Desk:
    """Operators who take conversations over, often two at once, answer, and give them back."""

    def __init__(self, stage: Stage, chance: random.Random, hired: Sequence[Hired]) -> None:
        self._stage = stage
        self._chance = chance
        self._hired = hired
        self._web = httpx.AsyncClient(base_url=stage.url, timeout=10, trust_env=False, verify=False)

    async def aclose(self) -> None:
        await self._web.aclose()

    async def work(self, every: float = 1.0) -> None:
        """Turn to one conversation after the other until cancelled; what has begun is finished."""
        while True:
            await asyncio.sleep(every * (0.5 + self._chance.random()))
            conversation = await self._next()
            if conversation is not None:
                await self._race(conversation)

    async def _next(self) -> UUID | None:
        view = self._chance.choice(["open", "open", "needs_person"])
        page = await self._get(f"/operator/queue?view={view}&limit=50")
        items = [item for item in (page or {}).get("items", []) if not item.get("operator")]
        return UUID(self._chance.choice(items)["conversation_id"]) if items else None

    async def _race(self, conversation: UUID) -> None:
        """Two reach for it. Whoever got it answers, and mostly gives it back."""
        pair = self._chance.sample(list(self._hired), 2)
        tried = await asyncio.gather(*(self.act(one, "take_over", conversation) for one in pair))
        for one, acted in zip(pair, tried, strict=True):
            if acted is not None and acted.status == 200:
                await self._hold(one, conversation, acted.result)

    async def _hold(self, who: Hired, conversation: UUID, held: Any) -> None:
        for number_ in range(self._chance.choice([0, 1, 2])):
            await asyncio.sleep(self._chance.random())
            view = await self._get(f"/operator/conversations/{conversation}", who)
            seen = max((m["seq"] for m in (view or {}).get("messages", [])), default=held["last_seq"])
            text = f"I am {who.name}, I look into it ({number_ + 1})."
            await self.act(who, "reply", conversation, seen=seen, epoch=held["epoch"], text=text)
        await asyncio.sleep(self._chance.random())
        if self._chance.random() < 0.8:
            await self.act(who, "release", conversation, epoch=held["epoch"])

    async def act(
        self, who: Hired, action: str, conversation: UUID, *, seen: int = 0, epoch: int = 0, **body: str
    ) -> Acted | None:
        """One action, asked for with one key until there is an answer; None when none came."""
        key = uuid4().hex
        asked_at = time.time()
        for _ in range(40):
            with contextlib.suppress(httpx.HTTPError):
                response = await self._web.post(
                    f"/operator/conversations/{conversation}/{action}",
                    json={"seen": seen, "epoch": epoch, **body},
                    headers={"Authorization": f"Bearer {who.token}", "Idempotency-Key": key},
                )
                if response.status_code == 200 or response.status_code in REFUSALS:
                    return self._note(who, key, action, conversation, asked_at, response)
            await asyncio.sleep(0.3 + self._chance.random())
        return None

    def _note(
        self, who: Hired, key: str, action: str, conversation: UUID, asked_at: float, response: httpx.Response
    ) -> Acted:
        said = response.json()
        done = response.status_code == 200
        acted = Acted(
            operator=who.id,
            key=key,
            action=action,
            conversation=conversation,
            status=response.status_code,
            asked_at=asked_at,
            answered_at=time.time(),
            result=said if done else {},
            error="" if done else said["error"],
        )
        self._stage.notes.acted.append(acted)
        return acted

    async def _get(self, path: str, who: Hired | None = None) -> dict[str, Any] | None:
        token = (who or self._hired[0]).token
        with contextlib.suppress(httpx.HTTPError):
            response = await self._web.get(path, headers={"Authorization": f"Bearer {token}"})
            if response.status_code == 200:
                return response.json()
        return None


# ---------------------------------------------------------------- a console


class Follower:
    """Follows the stream as the console does, with the console's own client, over a line that is cut again and again."""

    def __init__(self, stage: Stage, hired: Hired) -> None:
        self._notes = stage.notes
        self._pages = Client(stage.url, hired.token)
        self._client = Client(f"http://127.0.0.1:{stage.line.port}", hired.token)

    async def begin(self) -> None:
        """Load the page; the events after it are to be heard. Raises AssertionError when it cannot be loaded."""
        for _ in range(60):
            with contextlib.suppress(FteError):
                page = await self._pages.queue("open")
                self._notes.followed.append(Followed(since=page.cursor, heard=[]))
                return
            await asyncio.sleep(0.5)
        raise AssertionError("the queue could not be loaded")

    async def follow(self) -> None:
        """Follow until cancelled. Whoever is told that events are missing loads the page anew, and goes on from there."""
        while True:
            place = self._notes.followed[-1].since
            async with contextlib.aclosing(self._client.follow(place)) as said:
                async for one in said:
                    if isinstance(one, Heard):
                        self.heard.append(one.event.id)
                    elif isinstance(one, Reset):
                        break
            last = self._notes.followed[-1]
            self._notes.followed[-1] = Followed(since=last.since, heard=last.heard, told_to_reload=True)
            await self.begin()

    @property
    def heard(self) -> list[UUID]:
        """What was heard since the page was loaded."""
        heard = self._notes.followed[-1].heard
        assert isinstance(heard, list)
        return heard

    def hurry(self) -> None:
        """Do not wait any longer before coming back."""
        self._client.retry_now()

    async def aclose(self) -> None:
        await self._client.aclose()
        await self._pages.aclose()
