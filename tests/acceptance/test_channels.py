"""The real `fte up` on all three channels, with simulated providers; what happens when it breaks is in tests/chaos."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from tests.acceptance.support import Fte, installed, lines
from tests.support import until

pytestmark = [pytest.mark.acceptance, pytest.mark.process, pytest.mark.timeout(300)]

MAILBOX = "support@acme.example"
SECRET = "s" * 32
ARRIVED = "message received"
QUESTIONS = ["How do I reset my password?", "How can I export my data?"]


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
    for channel, reports in {"email": 0, "web_form": 0, "whatsapp": 3}.items():
        (arrived,) = [
            line for line in lines(fte.log) if line["event"] == ARRIVED and line["channel"] == channel
        ]
        await until(lambda id_=arrived["message"]: "reply sent" in fte.said_of(id_))
        # a report may be before the sender's own word; what left the mailbox is seen there some time later
        await until(lambda id_=arrived["message"], n=reports: fte.said_of(id_).count("reply reported") >= n)
        way = [said for said in fte.said_of(arrived["message"]) if said != "reply reported"]
        assert way == [ARRIVED, "turn begun", "turn finished", "reply sent"]
        if channel == "web_form":
            assert response.headers["x-request-id"] == arrived["message"]
    assert fte.stop() == 0
