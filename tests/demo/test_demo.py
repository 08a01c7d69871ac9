"""The demonstration: customers on every channel, and messages anybody sends into it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from fte.cli import app
from fte.demo.customers import Addresses, Crowd, Customer, Said, load
from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from fte.demo.stage import MAILBOX, providers
from fte.demo.state import DemoState, announced, running
from fte.demo.ways import Chat, Mailing, Outbox
from fte.domain.channels import CHANNELS
from tests.demo.support import ADA, US, Gmail, Receiver, mail, threaded, twilio_client
from tests.support import until

NOWHERE = "http://127.0.0.1:1"
CLI = CliRunner()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FTE_DATA_DIR", str(tmp_path))
    return tmp_path


def simulate(*arguments: str) -> tuple[int, str]:
    result = CLI.invoke(app, ["simulate", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


# ---------------------------------------------------------------- customers


def test_the_sample_customers_use_every_channel_and_some_use_several() -> None:
    customers = load()
    assert {customer.channel for customer in customers} == set(CHANNELS)
    assert {customer.channel for customer in customers[:6]} == set(CHANNELS)
    assert sum(len(set(customer.channels)) > 1 for customer in customers) >= 5
    assert all(customer.phone for customer in customers if "whatsapp" in customer.channels)
    phones = [customer.phone for customer in customers if customer.phone]
    assert len(phones) == len(set(phones))


async def test_a_mail_is_answered_in_its_thread_and_by_nothing_else(
    gmail: SimulatedGmail, google: Gmail
) -> None:
    async with httpx.AsyncClient(base_url=gmail.url) as web:
        way = Mailing(Outbox(web), "Ada", "ada@example.net", "Export")
        assert await way.write("How do I export?")
        assert await way.heard() is None
        await google.send(mail(subject="We answered your form"))
        await google.send(mail(to="bob@example.net", subject="Re: Export"), way.thread_id)
        await google.send(mail(subject="Re: Export", text="Like this."), way.thread_id)
        answer = await until(way.heard)
        assert answer.text.strip() == "Like this."
        assert await way.write("Thanks")
        thread = gmail.mailbox(US).thread(way.thread_id)
        assert [message.reading.header("Subject") for message in thread][-1] == "Re: Export"
        assert thread[-1].reading.references[-1] == gmail.outbox[-1].message_id


async def test_a_chat_hears_what_twilio_took_for_its_number(
    twilio: SimulatedTwilio, receiver: Receiver
) -> None:
    async with httpx.AsyncClient(base_url=twilio.url) as web:
        way = Chat(Outbox(web), "Ada", ADA)
        assert await way.write("Hello?")
        with twilio_client(twilio) as client:
            for number, text in (("+4915100000000", "Not for Ada"), (ADA, "Here.")):
                await threaded(
                    client.messages.create, to=f"whatsapp:{number}", from_=twilio.number, body=text
                )
        assert (await until(way.heard)).text == "Here."
        assert await way.heard() is None
        receiver.statuses = [403]
        assert not await way.write("Again")


async def test_a_crowd_counts_by_channel_what_came_of_it(
    gmail: SimulatedGmail, google: Gmail, twilio: SimulatedTwilio
) -> None:
    """A customer who goes from mail to WhatsApp, and a company that answers both."""
    said: list[Said] = []
    ada = Customer(
        "Ada", "ada@example.net", "email", "Export", "general", "low", "How?", "And?", "whatsapp", ADA
    )
    lost = Customer("Bob", "bob@example.net", "web_form", "Lost", "general", "low", "Nobody is there.")
    addresses = Addresses(daemon=NOWHERE, gmail=gmail.url, twilio=twilio.url)
    crowd = Crowd(addresses, [ada, lost], pause=0.0, on_said=said.append)
    living = asyncio.create_task(crowd.run())
    await until(lambda: said)
    [question] = gmail.mailbox(US).messages.values()
    await google.send(mail(subject="Re: Export", text="Like this."), question.thread_id)
    await until(lambda: len(said) == 3)
    with twilio_client(twilio) as client:
        await threaded(client.messages.create, to=f"whatsapp:{ADA}", from_=twilio.number, body="That.")
    await living
    assert [(line.channel, line.sender, line.text.strip()) for line in said] == [
        ("email", "customer", "How?"),
        ("email", "agent", "Like this."),
        ("whatsapp", "customer", "And?"),
        ("whatsapp", "agent", "That."),
    ]
    assert {channel: (tally.written, tally.answered) for channel, tally in crowd.tally.items()} == {
        "email": (1, 1),
        "whatsapp": (1, 1),
        "web_form": (0, 0),
    }


# ---------------------------------------------------------------- one message from the command line


@pytest.fixture
async def demo(gmail: SimulatedGmail, twilio: SimulatedTwilio, folder: Path) -> AsyncIterator[DemoState]:
    """A demonstration as far as its providers go."""
    state = DemoState(pid=os.getpid(), daemon=NOWHERE, gmail=gmail.url, twilio=twilio.url)
    with announced(folder, state):
        yield state


async def test_a_mail_and_a_chat_message_reach_the_running_demonstration(
    demo: DemoState, gmail: SimulatedGmail, twilio: SimulatedTwilio, receiver: Receiver
) -> None:
    arguments = ("email", "How?", "--from", "ada.l@example.net", "--subject", "Größe")
    code, said = await asyncio.to_thread(simulate, *arguments)
    [stored] = gmail.mailbox(US).messages.values()
    assert (code, stored.id in said) == (0, True)
    assert stored.reading.header("From") == "Ada L <ada.l@example.net>"
    assert stored.reading.header("Subject") == "Größe"

    code, said = await asyncio.to_thread(
        simulate, "whatsapp", "Hi", "--from", "+44 7700 900123", "--name", "Ada"
    )
    assert (code, receiver.got[0].form["MessageSid"] in said) == (0, True)
    assert receiver.got[0].form["From"] == "whatsapp:+447700900123"
    assert receiver.got[0].form["ProfileName"] == "Ada"

    receiver.statuses = [403]
    code, said = await asyncio.to_thread(simulate, "whatsapp", "Hi", "--from", "+447700900123")
    assert (code, "answered 403" in said) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("email", "Hi", "--from", "ada@example.net"), "No demonstration is running."),
        (("whatsapp", "Hi", "--from", "+447700900123"), "No demonstration is running."),
        (("email", "Hi", "--from", "ada"), "is no e-mail address"),
        (("whatsapp", "Hi", "--from", "07700 900123"), "is no international number"),
        (("form", "Hi", "--from", "ada@example.net", "--url", NOWHERE), "Nothing answers at"),
        (("email", "Hi", "--from", "a@b.example", "--provider-url", NOWHERE), "Nothing answers at"),
    ],
    ids=["no demo, mail", "no demo, chat", "no address", "no number", "no daemon", "no provider"],
)
def test_what_cannot_be_sent_is_said_plainly(folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    code, said = simulate(*arguments)
    assert (code, expected in said, "Traceback" in said) == (1, True, False)


def test_what_a_demonstration_left_behind_is_not_believed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    state = DemoState(pid=dead.pid, daemon=NOWHERE, gmail=NOWHERE, twilio=NOWHERE)
    (tmp_path / "demo.json").write_text(
        json.dumps({field: getattr(state, field) for field in state.__struct_fields__})
    )
    assert running(tmp_path) is None
    (tmp_path / "demo.json").write_text("{")
    assert running(tmp_path) is None
    with announced(tmp_path, DemoState(pid=os.getpid(), daemon=NOWHERE, gmail=NOWHERE, twilio=NOWHERE)) as _:
        assert running(tmp_path) is not None
    assert not (tmp_path / "demo.json").exists()


def test_a_port_of_somebody_elses_is_refused(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        result = CLI.invoke(app, ["demo", "--headless", "--for", "1s", "--port", port])
    assert result.exit_code == 1
    assert f"Somebody else listens on port {port}." in result.output
    assert list(folder.iterdir()) == []


def test_providers_run_in_a_thread_and_stop(tmp_path: Path) -> None:
    with providers(NOWHERE, tmp_path) as simulated:
        assert simulated.environment["FTE_GMAIL_ACCOUNT"] == MAILBOX
        assert httpx.get(f"{simulated.gmail_url}/control").json()["provider"] == "SimulatedGmail"
        assert httpx.get(f"{simulated.twilio_url}/control").json()["provider"] == "SimulatedTwilio"
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{simulated.gmail_url}/control")


# ---------------------------------------------------------------- the whole of it


@contextlib.contextmanager
def whole_demo(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    child = subprocess.Popen(
        [sys.executable, "-m", "fte", "demo", "--headless", "--for", "5m"],
        env=os.environ | {"FTE_DATA_DIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()


@pytest.mark.acceptance
@pytest.mark.process
async def test_a_question_on_each_channel_is_answered_there(folder: Path) -> None:
    with whole_demo(folder) as child:
        demo = await until(lambda: running(folder) if child.poll() is None else "ended", deadline=60)
        assert isinstance(demo, DemoState), child.communicate()[1]
        question, ours = "How do I export a report as CSV?", ["ada@example.net"]
        sent = [
            await asyncio.to_thread(simulate, "form", question, "--from", "eve@example.net"),
            await asyncio.to_thread(simulate, "email", question, "--from", *ours),
            await asyncio.to_thread(simulate, "whatsapp", question, "--from", ADA),
        ]
        assert [code for code, _ in sent] == [0, 0, 0], sent

        async def accepted(url: str, recipient: str) -> bool:
            log = (await web.get(f"{url}/control/accepted")).json()
            return any(entry["recipient"] == recipient and entry["reply_id"] for entry in log)

        async def shown() -> bool:
            page = await web.get(sent[0][1].split()[-1], headers={"Accept": "application/json"})
            return len(page.json()["messages"]) > 1

        async with httpx.AsyncClient() as web:
            await until(shown)
            await until(lambda: accepted(demo.gmail, ours[0]))
            await until(lambda: accepted(demo.twilio, f"whatsapp:{ADA}"))
    assert running(folder) is None
    assert not (folder / "demo.json").exists()
