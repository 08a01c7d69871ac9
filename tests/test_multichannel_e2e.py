"""End to end over HTTP, channel by channel: in-process against a daemon of its own, or against a live one.

python -m pytest tests/test_multichannel_e2e.py
LIVE_TEST=1 python -m pytest tests/test_multichannel_e2e.py

Live, it writes to the running `fte demo` as customers would, over all three channels (FTE_TEST_DATA_DIR names the data
folder it was started with, when it is not the user's). Another daemon is named by
FTE_TEST_URL; it needs a knowledge base that says how a password is reset and how data is exported. Mail and WhatsApp are
skipped there unless providers let others write in customers' names: FTE_TEST_GMAIL_URL and FTE_TEST_TWILIO_URL are those
of simulated ones.
"""

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from fte.daemon.app import ROLES, Daemon, load_secret
from fte.daemon.http import bind
from fte.demo import state
from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from fte.knowledge.documents import import_folder
from fte.knowledge.embed import WordLlamaEmbedder
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from tests.acceptance.support import PAGES
from tests.databases import created_database
from tests.support import until

LIVE = os.environ.get("LIVE_TEST") == "1"
MAILBOX = "support@acme.example"

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the daemon and its providers listen."""

    daemon: str
    gmail: str
    twilio: str


@pytest.fixture(scope="module")
def database_server(request: pytest.FixtureRequest) -> str | None:
    return None if LIVE else request.getfixturevalue("server")


@pytest.fixture(scope="module")
async def addresses(database_server: str | None) -> AsyncIterator[Addresses]:
    """The live ones, or every role in this process on a database of its own, with simulated providers."""
    if database_server is None:
        yield _live()
        return
    folder = Path(tempfile.mkdtemp(prefix="fte-e2e-"))
    listening = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with (
        created_database(database_server) as database_url,
        SimulatedGmail(MAILBOX).running() as gmail,
        SimulatedTwilio(f"{url}/webhooks/whatsapp").running() as twilio,
    ):
        environment = gmail.environment(folder) | twilio.environment()
        gmail.push_to(MAILBOX, f"{url}/webhooks/gmail")
        settings = Settings.load(
            environment, data_dir=folder, form_rate_per_ip=10_000, secret_key="k" * 32, public_url=url
        )
        for name, text in PAGES.items():
            (folder / name).write_text(text)
        pool = await Pool.open(database_url)
        await import_folder(pool, WordLlamaEmbedder(), folder)
        stop = asyncio.Event()
        daemon = Daemon(settings, database_url, pool, Hints(database_url), load_secret(settings), stop)
        running = asyncio.create_task(daemon.run(ROLES, listening, lambda: None))
        await until(lambda: gmail.mailbox(MAILBOX).watch)
        yield Addresses(url, gmail.url, twilio.url)
        stop.set()
        async with asyncio.timeout(30):
            await running
        await pool.close()
    shutil.rmtree(folder)


def _live() -> Addresses:
    found = state.running(Settings.load(data_dir=os.environ.get("FTE_TEST_DATA_DIR")).data_dir)
    named = [os.environ.get(f"FTE_TEST_{name}", "") for name in ("URL", "GMAIL_URL", "TWILIO_URL")]
    if found is not None:
        named = [
            given or known
            for given, known in zip(named, (found.daemon, found.gmail, found.twilio), strict=True)
        ]
    if not named[0]:
        pytest.fail("No `fte demo` is running; start one, or set FTE_TEST_URL to a daemon's address.")
    return Addresses(*named)


@pytest.fixture
async def gmail(addresses: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    if not addresses.gmail:
        pytest.skip("Nobody lets us write mails in customers' names: FTE_TEST_GMAIL_URL is not set.")
    async with httpx.AsyncClient(base_url=addresses.gmail, timeout=15) as client:
        yield client


@pytest.fixture
async def twilio(addresses: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    if not addresses.twilio:
        pytest.skip("Nobody lets us write on WhatsApp in customers' names: FTE_TEST_TWILIO_URL is not set.")
    async with httpx.AsyncClient(base_url=addresses.twilio, timeout=15) as client:
        yield client


@pytest.fixture
async def web(addresses: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=addresses.daemon, timeout=15) as client:
        yield client


def form(**changes: object) -> dict[str, object]:
    return {
        "name": "Ada Lovelace",
        "email": f"ada-{uuid4().hex[:12]}@example.com",
        "subject": "A question about my account",
        "category": "technical",
        "message": "How do I reset my password? The link does not work any more.",
    } | changes


async def ticket(web: httpx.AsyncClient, id_: str) -> dict:
    response = await web.get(f"/support/ticket/{id_}", headers={"Accept": "application/json"})
    assert response.status_code == 200
    return response.json()


async def answered(web: httpx.AsyncClient, id_: str, count: int) -> dict:
    async def enough() -> dict | None:
        view = await ticket(web, id_)
        return view if len(view["messages"]) >= count else None

    return await until(enough, deadline=60)


class TestHealth:
    async def test_health_names_every_channel(self, web: httpx.AsyncClient) -> None:
        response = await web.get("/health")
        assert response.status_code == 200
        body = response.json()
        assert (body["status"], body["problems"]) == ("healthy", {})
        assert body["channels"] == {"email": "active", "whatsapp": "active", "web_form": "active"}


class TestWebForm:
    async def test_a_question_is_answered_on_its_ticket_page(self, web: httpx.AsyncClient) -> None:
        response = await web.post("/support/submit", json=form())
        assert response.status_code == 200
        assert set(response.json()) == {"ticket_id", "message", "estimated_response_time"}
        id_ = response.json()["ticket_id"]
        view = await ticket(web, id_)
        assert view["ticket_id"] == id_
        assert view["status"] in {"open", "processing", "waiting_customer"}
        view = await answered(web, id_, 2)
        assert [m["sender"] for m in view["messages"]] == ["customer", "agent"]
        assert view["status"] == "waiting_customer"

    async def test_a_request_for_a_person_is_handed_over_and_the_agent_is_silent(
        self, web: httpx.AsyncClient
    ) -> None:
        id_ = (await web.post("/support/submit", json=form(message="I want to speak to a person."))).json()[
            "ticket_id"
        ]
        view = await answered(web, id_, 2)
        assert view["status"] == "escalated"
        again = await web.post(
            f"/support/ticket/{id_}/messages", json={"message": "How do I reset my password?"}
        )
        assert again.status_code == 200
        other = (await web.post("/support/submit", json=form())).json()["ticket_id"]
        await answered(
            web, other, 2
        )  # a later question of somebody else is answered, so this one had its time
        assert [m["sender"] for m in (await ticket(web, id_))["messages"]] == [
            "customer",
            "agent",
            "customer",
        ]

    async def test_pricing_is_not_discussed(self, web: httpx.AsyncClient) -> None:
        message = "What does the largest plan cost per month? Is there a discount?"
        id_ = (await web.post("/support/submit", json=form(message=message))).json()["ticket_id"]
        assert (await answered(web, id_, 2))["status"] == "escalated"

    async def test_a_conversation_goes_on(self, web: httpx.AsyncClient) -> None:
        id_ = (await web.post("/support/submit", json=form())).json()["ticket_id"]
        await answered(web, id_, 2)
        await web.post(f"/support/ticket/{id_}/messages", json={"message": "And how do I export my data?"})
        view = await answered(web, id_, 4)
        assert [m["sender"] for m in view["messages"]] == ["customer", "agent"] * 2

    async def test_a_repeated_submission_is_one_ticket(self, web: httpx.AsyncClient) -> None:
        same = form(submission_id=uuid4().hex)
        responses = await asyncio.gather(*(web.post("/support/submit", json=same) for _ in range(5)))
        assert [r.status_code for r in responses] == [200] * 5
        ids = {r.json()["ticket_id"] for r in responses}
        assert len(ids) == 1
        view = await answered(web, ids.pop(), 2)
        assert [m["sender"] for m in view["messages"]] == ["customer", "agent"]

    async def test_a_wrong_form_names_its_fields(self, web: httpx.AsyncClient) -> None:
        response = await web.post(
            "/support/submit", json={"name": "A", "email": "nobody", "category": "spaceships"}
        )
        assert response.status_code == 422
        assert set(response.json()["fields"]) == {"name", "email", "category", "subject", "message"}

    @pytest.mark.parametrize(
        "id_", ["x", "a" * 32, "../../etc/passwd", "%00", "6f1c3ab2-7d43-4d0e-9c55-0a1b2c3d4e5f"]
    )
    async def test_an_unknown_ticket_is_not_found(self, web: httpx.AsyncClient, id_: str) -> None:
        response = await web.get(f"/support/ticket/{id_}", headers={"Accept": "application/json"})
        assert response.status_code == 404

    async def test_operator_routes_are_closed(self, web: httpx.AsyncClient) -> None:
        for path in ("/operator/me", "/operator/queue", "/operator/stream"):
            assert (await web.get(path)).status_code == 401


def an_address() -> str:
    return f"ada-{uuid4().hex[:12]}@example.net"


def a_number() -> str:
    return f"+4915{random.randrange(10**9, 10**10)}"


async def write_mail(gmail: httpx.AsyncClient, sender: str, text: str, **changes: Any) -> dict:
    mail = {"sender": sender, "name": "Ada", "subject": "A question", "text": text} | changes
    response = await gmail.post("/control/deliver", json={"mail": mail})
    assert response.status_code == 200, response.text
    return response.json()


async def mails_to(gmail: httpx.AsyncClient, address: str, count: int) -> list[dict]:
    """What the address was sent, once it is that many mails."""

    async def enough() -> list[dict]:
        sent = (await gmail.get("/control/outbox")).json()
        mine = [mail for mail in sent if address in mail["recipients"]]
        return mine if len(mine) >= count else []

    return await until(enough, deadline=60)


async def write_whatsapp(twilio: httpx.AsyncClient, sender: str, text: str) -> dict:
    response = await twilio.post(
        "/control/write", json={"sender": sender, "text": text, "profile_name": "Ben"}
    )
    assert response.status_code == 200, response.text
    return response.json()


async def whatsapps_to(twilio: httpx.AsyncClient, number: str, count: int) -> list[dict]:
    async def enough() -> list[dict]:
        sent = (await twilio.get("/control/outbox")).json()
        mine = [message for message in sent if message["recipient"].endswith(number)]
        return mine if len(mine) >= count else []

    return await until(enough, deadline=60)


class TestEmail:
    async def test_a_mail_is_answered_in_its_thread(self, gmail: httpx.AsyncClient) -> None:
        address = an_address()
        stored = await write_mail(gmail, address, "How do I reset my password?", subject="Locked out")
        (answer,) = await mails_to(gmail, address, 1)
        assert answer["thread_id"] == stored["threadId"]
        assert answer["subject"] == "Re: Locked out"
        assert "password" in answer["text"].lower()
        assert answer["reply_id"]

    async def test_an_automatic_mail_is_not_answered(self, gmail: httpx.AsyncClient) -> None:
        machine, person = an_address(), an_address()
        headers = {"Auto-Submitted": "auto-replied"}
        await write_mail(gmail, machine, "I am on vacation. How do I reset my password?", headers=headers)
        await write_mail(gmail, person, "How do I reset my password?")
        await mails_to(gmail, person, 1)  # somebody who wrote later is answered, so this one had its time
        sent = (await gmail.get("/control/outbox")).json()
        assert not [mail for mail in sent if machine in mail["recipients"]]


class TestWhatsApp:
    async def test_a_message_is_answered_briefly_and_once(self, twilio: httpx.AsyncClient) -> None:
        number = a_number()
        assert (await write_whatsapp(twilio, number, "How can I export my data?"))["status"] == 200
        (answer,) = await whatsapps_to(twilio, number, 1)
        assert "export" in answer["text"].lower()
        assert len(answer["text"]) <= 300

    async def test_the_word_human_brings_a_person(
        self, web: httpx.AsyncClient, twilio: httpx.AsyncClient
    ) -> None:
        number = a_number()
        await write_whatsapp(twilio, number, "human")
        (told,) = await whatsapps_to(twilio, number, 1)
        assert "person" in told["text"].lower() or "colleague" in told["text"].lower()

    async def test_forged_webhooks_are_refused(self, web: httpx.AsyncClient) -> None:
        fields = {"MessageSid": "SM" + "0" * 32, "From": "whatsapp:+491701234567", "Body": "hello"}
        assert (await web.post("/webhooks/whatsapp", data=fields)).status_code == 403
        assert (await web.post("/webhooks/whatsapp/status", data=fields)).status_code == 403
        assert (await web.post("/webhooks/gmail", json={"message": {"data": ""}})).status_code == 403


class TestAcrossChannels:
    async def test_each_channel_is_answered_on_itself(
        self, web: httpx.AsyncClient, gmail: httpx.AsyncClient, twilio: httpx.AsyncClient
    ) -> None:
        address, number = an_address(), a_number()
        submitted, _, _ = await asyncio.gather(
            web.post("/support/submit", json=form()),
            write_mail(gmail, address, "How do I reset my password?"),
            write_whatsapp(twilio, number, "How do I reset my password?"),
        )
        view = await answered(web, submitted.json()["ticket_id"], 2)
        (mail,) = await mails_to(gmail, address, 1)
        (message,) = await whatsapps_to(twilio, number, 1)
        for text in (view["messages"][1]["content"], mail["text"], message["text"]):
            assert "password" in text.lower()

    async def test_an_answer_on_the_form_is_announced_by_a_mail_without_a_word_of_the_form(
        self, web: httpx.AsyncClient, gmail: httpx.AsyncClient
    ) -> None:
        address = an_address()
        submitted = await web.post(
            "/support/submit", json=form(email=address, name="Cheap Pills", subject="Cheap pills for all")
        )
        (notice,) = await mails_to(gmail, address, 1)
        assert f"/support/ticket/{submitted.json()['ticket_id']}" in notice["text"]
        assert "pills" not in (notice["text"] + notice["subject"]).lower()

    async def test_a_claimed_address_does_not_open_what_its_owner_wrote(
        self, web: httpx.AsyncClient, gmail: httpx.AsyncClient
    ) -> None:
        address = an_address()
        await write_mail(gmail, address, "How do I reset my password? My account is zebra-7.")
        await mails_to(gmail, address, 1)
        submitted = await web.post(
            "/support/submit", json=form(email=address, message="What did I write to you before?")
        )
        view = await answered(web, submitted.json()["ticket_id"], 2)
        assert len(view["messages"]) == 2
        assert "zebra" not in view["messages"][1]["content"]
