"""The real `fte up` on all three channels, its providers misbehaving, kill -9 in the middle: nothing lost or doubled."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from tests.acceptance.history import History
from tests.acceptance.support import Fte, installed
from tests.support import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

MAILBOX = "support@acme.example"
SECRET = "s" * 32
CUSTOMERS = 16
QUESTIONS = ["How do I reset my password?", "How can I export my data?", "I want to speak to a person."]


@pytest.fixture
def fte() -> Iterator[Fte]:
    with installed() as fresh:
        yield fresh


@pytest.fixture
async def gmail(fte: Fte) -> AsyncIterator[SimulatedGmail]:
    async with SimulatedGmail(MAILBOX).running() as running:
        fte.environment |= running.environment(fte.folder) | {"FTE_GMAIL_POLL": "2"}
        running.push_to(MAILBOX, f"{fte.url}/webhooks/gmail")
        yield running


@pytest.fixture
async def twilio(fte: Fte) -> AsyncIterator[SimulatedTwilio]:
    async with SimulatedTwilio(f"{fte.url}/webhooks/whatsapp").running() as running:
        fte.environment |= running.environment() | {"FTE_PUBLIC_URL": fte.url, "FTE_COMPANY": "Acme"}
        yield running


async def watched(fte: Fte, gmail: SimulatedGmail) -> None:
    """Wait until the mailbox is being read: what arrived before is not answered."""
    try:
        await until(lambda: gmail.mailbox(MAILBOX).watch is not None, deadline=60)
    except AssertionError:
        raise AssertionError(fte.log.read_text()[-3000:]) from None


@pytest.mark.chaos
async def test_nothing_is_lost_doubled_or_reordered_on_any_channel(
    fte: Fte, gmail: SimulatedGmail, twilio: SimulatedTwilio
) -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    chance = random.Random(seed)
    await fte.up()
    imported = await asyncio.to_thread(fte.run, "kb", "import", str(fte.folder / "pages"))
    assert imported.returncode == 0, imported.stderr
    await watched(fte, gmail)
    acknowledged: dict[str, set[str]] = defaultdict(set)
    written = 0

    async def by_mail(number: int, text: str) -> None:
        nonlocal written
        mail = await gmail.deliver(
            {"sender": f"customer{number}@example.net", "subject": f"Question {number}", "text": text}
        )
        acknowledged["email"].add(mail.id)
        written += 1

    async def by_whatsapp(number: int, text: str) -> None:
        nonlocal written
        message = await twilio.customer_writes(
            f"+4915112345{number:03}", text, profile_name=f"Customer {number}"
        )
        if message.status == 200:
            acknowledged["whatsapp"].add(message.sid)
        written += 1

    async def customer(number: int) -> None:
        write = by_mail if number % 2 else by_whatsapp
        for question in chance.sample(
            QUESTIONS, 2
        ):  # two answers alike, both in doubt, only a person can tell apart
            await asyncio.sleep(chance.random() * 8)
            await write(number, question)

    async def trouble() -> None:
        for at in (CUSTOMERS // 2, CUSTOMERS, CUSTOMERS * 3 // 2):
            await until(lambda at=at: written >= at, deadline=120)
            gmail.faults.next("drafts.send", chance.choice(["hang_after", "reset_after", "server_error"]))
            gmail.faults.next("drafts.create", chance.choice(["too_many", "server_error", "reset_after"]))
            gmail.faults.next("messages.get", "server_error")
            twilio.faults.next("messages.create", chance.choice(["too_many", "reset_after", "hang_after"]))
            gmail.pushes.disturb(chance.choice(["lost", "doubled", "reordered"]))
            twilio.pushes.disturb(chance.choice(["doubled", "reordered"]))
            fte.kill()
            await fte.up()

    await asyncio.gather(trouble(), *(customer(number) for number in range(CUSTOMERS)))
    async with fte.database() as database:

        async def settled() -> bool:
            return await database.fetchval(
                """select (select count(*) from inbound where channel = 'email' and disposition = 'message') >= $1
                      and not exists (select from messages where direction = 'inbound' and outcome is null)
                      and not exists (select from replies where state in ('queued', 'sending'))""",
                len(acknowledged["email"]),
            )

        await until(settled, deadline=150)
        await twilio.settled()
        history = await History.read(database, acknowledged, [*gmail.accepted.sends, *twilio.accepted.sends])
    history.check()
    assert len(acknowledged["email"]) == CUSTOMERS
    answered = {accept.recipient for accept in history.accepts}
    assert {f"customer{number}@example.net" for number in range(1, CUSTOMERS, 2)} <= answered
    assert fte.stop() == 0
    assert "Traceback" not in fte.log.read_text()


async def test_a_form_a_mail_and_a_whatsapp_message_are_answered_where_they_were_written(
    fte: Fte, gmail: SimulatedGmail, twilio: SimulatedTwilio
) -> None:
    await fte.up()
    imported = await asyncio.to_thread(fte.run, "kb", "import", str(fte.folder / "pages"))
    assert imported.returncode == 0, imported.stderr
    await watched(fte, gmail)
    await gmail.deliver({"sender": "ada@example.net", "subject": "Password", "text": QUESTIONS[0]})
    await twilio.customer_writes("+4915112345678", QUESTIONS[1], profile_name="Ben")
    form = {"name": "Cleo", "email": "cleo@example.org", "subject": "Password", "category": "general"}
    async with httpx.AsyncClient(base_url=fte.url) as web:
        response = await web.post("/support/submit", json=form | {"message": QUESTIONS[0]})
        assert response.status_code == 200
        health = (await web.get("/health")).json()
    assert health["channels"] == {"email": "active", "whatsapp": "active", "web_form": "active"}
    mails = await until(
        lambda: len(gmail.outbox) >= 2 and {mail.recipients[0]: mail for mail in gmail.outbox}
    )
    assert "Forgot password?" in mails["ada@example.net"].text
    assert "/support/ticket/" in mails["cleo@example.org"].text
    assert "Forgot password?" not in mails["cleo@example.org"].text
    (message,) = await until(lambda: twilio.outbox)
    assert "Settings > Export" in message.text
    assert fte.stop() == 0
