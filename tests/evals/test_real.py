"""A case of a real conversation: nothing that tells who it was, the same for the same, and a file that can be run."""

import tomllib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from fte.domain.errors import NotFound, Rejected
from fte.evals.case import suite
from fte.evals.real import Redaction, made
from fte.wire import HistoryEvent, MessageView, QueueItem, TicketView
from tests.support import is_quick

NOW = datetime(2026, 3, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("Write to jane.roe+x@corp.co.uk or jane.roe+x@corp.co.uk", ["jane", "corp"]),
        ("Call +49 (170) 123 45-67 or 0170/1234567", ["170", "4567"]),
        ("My card is 5500-0000-0000-0004.", ["5500"]),
        ("IBAN DE89 3704 0044 0532 0130 00", ["3704", "0130"]),
        ("Order 77-4821X, invoice no. 2025-0118, #48213, 99887766", ["4821", "0118", "48213", "99887766"]),
        ("token twp_8d7f6a5b4c3d2e1f0a9b here", ["8d7f6a5b"]),
        ("from 81.2.69.142 today", ["81.2.69"]),
        ("see https://app.x.example/invite/abc?user=jane&token=s3cr3t#x", ["jane", "s3cr3t"]),
        ("Dear Tom,\nit works.\nBest regards\nMaria Lopez", ["Tom", "Maria", "Lopez"]),
        ("Hallo Frau Schmidt, danke", ["Schmidt"]),
        ("My colleague Tom Weber and my boss, Ute, saw it. Tom Weber agrees.", ["Tom", "Weber", "Ute"]),
        ("ich heiße Jana Groß", ["Jana", "Groß"]),
        ("We at Hofmann & Sohn GmbH wait. I work for Bright Ideas.", ["Hofmann", "Sohn", "Bright"]),
        ("Write to office@hofmann.example, says Hofmann, or see hofmann.example", ["Hofmann"]),
        ("I was born on 12.05.1985, she on 3 March 1990.", ["12.05", "1985"]),
        ("DOB: 1985-05-12; geb. am 12. Mai 1985", ["05-12", "Mai 1985"]),
        ("We are in Lindenstraße 14a, 10969 Berlin", ["Linden", "14a", "10969", "Berlin"]),
        ("221B Baker Street, London NW1 6XE", ["221B", "Baker", "6XE"]),
        ("12, rue de la Paix\n75002 Paris", ["Paix", "75002", "Paris"]),
        ("Keizersgracht 123, 1015 CJ Amsterdam", ["Keizers", "123", "1015", "Amsterdam"]),
        ("Springfield, IL 62704", ["62704", "Springfield"]),
        ("passport no. C01X00T47, Ausweis: L22M5 1234", ["C01X", "T47", "L22M5", "1234"]),
        ("number plate B-AB 1234", ["AB 1234"]),
        ("I am @lenabrandt there", ["lenabrandt"]),
        ("see https://hofmann.example/team/lena-brandt for me", ["hofmann", "lena", "brandt"]),
        ("card 5500 0000 0000 0004 12/27 cvv 123, password hunter2", ["5500", " 123", "hunter2"]),
    ],
)
def test_what_tells_who_it_is_goes(text: str, secrets: list[str]) -> None:
    redaction = Redaction()
    redaction.learn([text])
    found = redaction.of(text)
    assert not [secret for secret in secrets if secret.lower() in found.lower()], found


@pytest.mark.parametrize(
    "written",
    [
        "lenabrandt",
        "lena-brandt",
        "Lena.Brandt",
        "brandt_lena",
        "l.brandt",
        "LBRANDT",
        "Brandt's",
        "LENA BRANDT",
    ],
)
def test_a_known_name_goes_however_it_is_written(written: str) -> None:
    address = written.lower().replace(" ", "-")
    found = Redaction(["Lena Brandt"]).of(f"it is {written} in https://app.ours.example/u/{address} ok")
    assert "brandt" not in found.lower() and "lena" not in found.lower(), found


def test_links_to_ourselves_stay() -> None:
    ours = Redaction(hosts=frozenset({"tallywren.example"}))
    text = "see https://app.tallywren.example/signin and write to help@tallywren.example about Tallywren"
    ours.learn([text])
    assert "https://app.tallywren.example/signin" in ours.of(text) and ours.of(text).endswith(
        "about Tallywren"
    )


def test_the_same_is_replaced_by_the_same() -> None:
    redaction = Redaction(["Lena Brandt"])
    first = redaction.of("Lena wrote from lena@a.example and bob@b.example about order A-1234.")
    second = redaction.of("Order A-1234: LENA@a.example, said Lena Brandt. And order A-9999.")
    assert "person1@mail.example" in first and "person2@mail.example" in first
    assert "person1@mail.example" in second and "person2" not in second
    number = first.rpartition("order ")[2].rstrip(".")
    assert f"Order {number}:" in second and second.count(number) == 1
    assert "Lena" not in first + second and "Robin" in first and "Robin Vale" in second


@pytest.mark.parametrize(
    "text",
    [
        "TW-1003 after 15 minutes, on 2025-03-14 at 10:30, 120 requests and 429",
        "The invoice of 12.05.2025 is from 3 March 2025. I get 10000 rows and 50000 Hours.",
        "Select Settings > Team, then 3 Main Accounts. The partner page is empty. The plate icon is gone.",
        "@all does not work in the passport field, nor does born in the form",
        "It says TW-6001. We are 60 people on Studio.",
    ],
)
def test_what_the_question_is_about_stays(text: str) -> None:
    assert Redaction().of(text) == text


def message(seq: int, content: str, role: Any = "customer", **values: Any) -> MessageView:
    told: dict[str, Any] = {
        "id": uuid4(),
        "seq": seq,
        "channel": "whatsapp",
        "direction": "inbound" if role == "customer" else "outbound",
        "role": role,
        "author": "Lena Brandt",
        "content": content,
        "sentiment": None,
        "delivery_status": None,
        "outcome": None,
        "run_id": None,
        "created_at": NOW,
    }
    return MessageView(**(told | values))


def ticket(*messages: MessageView) -> TicketView:
    item: Any = dict.fromkeys(QueueItem.__struct_fields__)
    item |= {"number": 1042, "customer": "Lena Brandt", "subject": "Lena's order 77-4821"}
    told: Any = dict.fromkeys(TicketView.__struct_fields__)
    told |= {"item": QueueItem(**item), "messages": list(messages), "operators": {UUID(int=1): "Tom Reed"}}
    told |= {"runs": [], "events": []}
    return TicketView(**told)


TALK = (
    message(1, "hi, Lena here"),
    message(2, "how do i stop the timer \U0001f642"),
    message(3, 'Press "Stop".', "agent"),
    message(4, "someone call +49 170 1234567", outcome="escalated"),
    message(5, "Tom: she is annoyed", "operator", direction="note"),
    message(6, "Hello Lena, Tom Reed here", "operator"),
)


def test_the_newest_message_and_what_became_of_it() -> None:
    raised = HistoryEvent(
        position=1, id=uuid4(), type="conversation.escalated", at=NOW, payload={"reason": "human_request"}
    )
    text = made(replace(ticket(*TALK), events=[raised]))
    [case] = suite("mine", tomllib.loads(text)).cases
    assert case.messages == ("someone call +44 7700 900001",)
    assert case.escalate == ("human_request",) and not case.stay
    assert [line.partition(":")[0] for line in case.history] == [
        "customer@whatsapp",
        "customer@whatsapp",
        "agent@whatsapp",
    ]
    for secret in ("Lena", "Brandt", "4821", "1234567", "annoyed", "Tom"):
        assert secret not in text


def test_an_earlier_message_with_all_of_its_burst() -> None:
    [case] = suite("mine", tomllib.loads(made(ticket(*TALK), 2))).cases
    assert case.messages == ("hi, Robin here", "how do i stop the timer \U0001f642")
    assert case.stay and case.history == () and case.channel == "whatsapp"


def test_what_cannot_be_made_is_told() -> None:
    with pytest.raises(NotFound):
        made(ticket(*TALK), 3)
    with pytest.raises(NotFound):
        made(ticket())
    with pytest.raises(Rejected):
        made(ticket(message(1, "hello")))


def test_the_file_takes_any_text() -> None:
    nasty = 'quote " back \\ tab \t nul-less \x7f line\nend """ \' # [x]'
    [case] = suite(
        "mine", tomllib.loads(made(ticket(message(1, nasty, outcome="answered"), message(2, "x", "agent"))))
    ).cases
    assert case.messages == (nasty,)


@pytest.mark.parametrize(
    "piece", ["A", "a.", "A B ", "Ab. ", "a@b.", "rue ", "12 Ab ", "born ", "12,", "http://a", "@a", "Frau A"]
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    redaction = Redaction(["Lena Brandt"])
    text = (piece * 20_000)[:20_000]
    assert is_quick(lambda: (redaction.of(text), Redaction().learn([text])), 5.0)
