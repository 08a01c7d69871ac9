"""The judge must be able to condemn: a healthy history passes, and each broken one is rejected for its reason."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from fte.demo.providers.accepts import Accepted
from fte.domain.events import CONVERSATIONS, ESCALATIONS, INBOUND, METRICS, OUTBOUND
from tests.chaos.history import CHECKS, METRICS_GROUP, Acknowledged, Acted, Arrived, Followed, History

TABLES = [
    "inbound",
    "messages",
    "replies",
    "turns",
    "runs",
    "conversations",
    "log",
    "audit",
    "reports",
    "dead_letters",
    "metrics",
]
Carried = dict[str, list[tuple[str, UUID]]]


def id_(name: str) -> UUID:
    """The same id for the same name."""
    return UUID(bytes=name.encode().rjust(16, b"-"))


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


class Story:
    """Rows as a run leaves them, written down step by step. Time is a number of seconds."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self.acknowledged: list[Acknowledged] = []
        self.accepts: list[Accepted] = []
        self.acted: list[Acted] = []

    def add(self, table: str, **row: Any) -> dict[str, Any]:
        self.rows[table].append(row)
        return row

    def event(self, topic: str, type_: str, conversation: str, **payload: Any) -> None:
        position = len(self.rows["log"]) + 1
        event = id_(f"event {position}")
        payload = {name: str(value) if isinstance(value, UUID) else value for name, value in payload.items()}
        self.add(
            "log",
            position=position,
            id=event,
            topic=topic,
            key=str(id_(conversation)),
            type=type_,
            payload=payload,
        )
        if topic == METRICS:
            self.add("metrics", event_id=event, metric_name="answer")

    def message(self, name: str, conversation: str, seq: int, channel: str, **values: Any) -> None:
        row = {"direction": "inbound", "role": "customer", "run_id": None, "outcome": None, "reason": None}
        self.add(
            "messages",
            id=id_(name),
            conversation_id=id_(conversation),
            seq=seq,
            channel=channel,
            **(row | values),
        )

    def comes_in(self, name: str, conversation: str, seq: int, channel: str, outcome: str) -> None:
        self.add(
            "inbound",
            channel=channel,
            account="us",
            provider_id=name,
            message_id=id_(name),
            disposition="message",
            public_hash=conversation.encode(),
        )
        self.message(name, conversation, seq, channel, outcome=outcome)
        hash_ = conversation.encode() if channel == "web_form" else None
        self.acknowledged.append(Acknowledged(channel=channel, provider_id=name, at=1.0, ticket_hash=hash_))
        for topic in (CONVERSATIONS, INBOUND[channel]):
            self.event(topic, "message.received", conversation, seq=seq)

    def is_said(
        self,
        name: str,
        conversation: str,
        seq: int,
        channel: str,
        *,
        epoch: int,
        role: str = "agent",
        at: float = 2.0,
        state: str = "read",
        parts: int = 1,
    ) -> None:
        run = id_(f"run {name}") if role == "agent" else None
        turn = id_(f"turn {name}") if role == "agent" else None
        self.message(name, conversation, seq, channel, direction="outbound", role=role, run_id=run)
        self.event(
            CONVERSATIONS,
            "reply.sent" if channel == "web_form" else "reply.queued",
            conversation,
            message_id=id_(name),
        )
        if channel in OUTBOUND:
            self.event(OUTBOUND[channel], "reply.queued", conversation, message_id=id_(name))
        if run:
            self.add("turns", id=turn, conversation_id=id_(conversation), state="done")
            self.add("runs", id=run, turn_id=turn)
            self.event(METRICS, "turn.finished", conversation)
        for part in range(parts):
            self.goes_out(name, conversation, channel, turn, part, epoch, at + part, state)

    def goes_out(
        self,
        name: str,
        conversation: str,
        channel: str,
        turn: UUID | None,
        part: int,
        epoch: int,
        at: float,
        state: str,
    ) -> None:
        reply, provider_id = id_(f"{name} {part}"), f"{name} {part}"
        out = channel != "web_form"
        taken = out and state in ("sent", "delivered", "read")
        self.add(
            "replies",
            id=reply,
            message_id=id_(name),
            conversation_id=id_(conversation),
            turn_id=turn,
            part=part,
            kind="answer",
            channel=channel,
            epoch=epoch,
            state=state if out else "sent",
            provider_id=provider_id if taken else None,
            error=None,
            began_at=moment(at) if taken else None,
        )
        if taken:
            self.accepts.append(
                Accepted(
                    position=len(self.accepts) + 1,
                    operation="send",
                    provider_id=provider_id,
                    reply_id=str(reply),
                    recipient="customer",
                    at=at,
                )
            )
            for status in ("sent", "delivered", "read")[: ("sent", "delivered", "read").index(state) + 1]:
                self.add("reports", channel=channel, provider_id=provider_id, status=status)
        if out:
            self.event(CONVERSATIONS, "delivery.changed", conversation, reply_id=reply, state=state)

    def is_raised(self, conversation: str, epoch: int, reason: str) -> None:
        for topic, type_ in ((CONVERSATIONS, "conversation.escalated"), (ESCALATIONS, "escalation.raised")):
            self.event(topic, type_, conversation, epoch=epoch, reason=reason)

    def acts(
        self,
        who: str,
        action: str,
        conversation: str,
        *,
        epoch: int,
        last_seq: int = 0,
        at: float = 10.0,
        in_flight: tuple[str, ...] = (),
    ) -> None:
        result = {"epoch": epoch, "last_seq": last_seq, "in_flight": [str(id_(name)) for name in in_flight]}
        number = len(self.rows["audit"]) + 1
        self.add(
            "audit",
            id=number,
            operator_id=id_(who),
            action=action,
            conversation_id=id_(conversation),
            idempotency_key=str(number),
            result=result,
        )
        self.acted.append(
            Acted(
                operator=id_(who),
                key=str(number),
                action=action,
                conversation=id_(conversation),
                status=200,
                asked_at=at - 1,
                answered_at=at,
                result=result,
            )
        )
        types = {"take_over": "conversation.taken_over", "release": "conversation.released"}
        if action in types:
            self.event(CONVERSATIONS, types[action], conversation, epoch=epoch)

    def is_refused(self, who: str, conversation: str, error: str) -> None:
        self.acted.append(
            Acted(
                operator=id_(who),
                key="late",
                action="take_over",
                conversation=id_(conversation),
                status=409,
                asked_at=9.0,
                answered_at=10.0,
                error=error,
            )
        )

    def conversation(
        self, name: str, *, epoch: int, operator: str | None = None, reason: str | None = None
    ) -> None:
        self.add(
            "conversations",
            id=id_(name),
            epoch=epoch,
            operator_id=id_(operator) if operator else None,
            escalated_at=moment(5.0) if reason else None,
            escalation_reason=reason,
        )


def healthy() -> History:
    """A mail answered in two parts; a chat in which Ada took over and gave back; a form that a person got."""
    story = Story()
    story.comes_in("m1", "mail", 1, "email", "answered")
    story.is_said("m2", "mail", 2, "email", epoch=0, parts=2)
    story.conversation("mail", epoch=0)

    story.comes_in("c1", "chat", 1, "whatsapp", "answered")
    story.is_said("c2", "chat", 2, "whatsapp", epoch=0, at=9.5, state="delivered")
    story.comes_in("c3", "chat", 3, "whatsapp", "answered")
    story.is_said("c4", "chat", 4, "whatsapp", epoch=0, state="superseded")
    story.acts("ada", "take_over", "chat", epoch=1, last_seq=4, at=10.0)
    story.is_refused("ben", "chat", "Ada has taken over this conversation.")
    story.comes_in("c5", "chat", 5, "whatsapp", "handed_over")
    story.acts("ada", "reply", "chat", epoch=1, last_seq=6, at=11.0)
    story.is_said("c6", "chat", 6, "whatsapp", epoch=1, role="operator", at=11.5)
    story.acts("ada", "release", "chat", epoch=2, last_seq=6, at=12.0)
    story.comes_in("c7", "chat", 7, "whatsapp", "answered")
    story.is_said("c8", "chat", 8, "whatsapp", epoch=2, at=13.0)
    story.conversation("chat", epoch=2)

    story.comes_in("f1", "form", 1, "web_form", "escalated")
    story.is_said("f2", "form", 2, "web_form", epoch=1)
    story.is_raised("form", 1, "human_request")
    story.acts("ben", "take_over", "form", epoch=2, last_seq=2)
    story.conversation("form", epoch=2, operator="ben", reason="human_request")

    log = story.rows["log"]
    spoken = [row["id"] for row in log if row["topic"] in (CONVERSATIONS, ESCALATIONS, METRICS)]
    return History(
        acknowledged=story.acknowledged,
        accepts=story.accepts,
        acted=story.acted,
        arrived=(Arrived(id="m1", place=7), Arrived(id="still to come", place=9)),
        mail_places=(3, 7, 7),
        followed=(Followed(since="3:3:..0", heard=spoken),),
        missed={"3:3:..0": frozenset(spoken)},
        operators={id_("ada"): "Ada", id_("ben"): "Ben"},
        carried={
            topic: [(row["key"], row["id"]) for row in log if row["topic"] == topic]
            for topic in {row["topic"] for row in log}
        },
        groups={METRICS_GROUP},
        **story.rows,
    )


# ---------------------------------------------------------------- ways to break it

Break = Callable[[History], History]


def changed(table: str, column: str, value: Any, /, **changes: Any) -> Break:
    """The row whose column has this value is another one."""

    def apply(history: History) -> History:
        rows = getattr(history, table)
        assert any(row[column] == value for row in rows)
        return dataclasses.replace(
            history, **{table: [{**row, **changes} if row[column] == value else row for row in rows]}
        )

    return apply


def without(table: str, *numbers: int, **values: Any) -> Break:
    """The rows with these numbers, or these values, are not there."""

    def apply(history: History) -> History:
        rows = list(getattr(history, table))
        kept = [
            row
            for number, row in enumerate(rows)
            if number not in numbers and not (values and _like(row, values))
        ]
        assert len(kept) < len(rows)
        return dataclasses.replace(history, **{table: kept})

    return apply


def twice(table: str, **values: Any) -> Break:
    """The row with these values is there twice."""

    def apply(history: History) -> History:
        rows = list(getattr(history, table))
        row = next(row for row in rows if _like(row, values))
        return dataclasses.replace(history, **{table: [*rows, row]})

    return apply


def _like(row: Any, values: dict[str, Any]) -> bool:
    get = row.get if isinstance(row, dict) else lambda name: getattr(row, name)
    return all(get(name) == value for name, value in values.items())


def replaced(field: str, change: Callable[[Any], Any]) -> Break:
    return lambda history: dataclasses.replace(history, **{field: change(getattr(history, field))})


def one_changed(field: str, number: int, **changes: Any) -> Break:
    """The entry with this number is another one."""

    def change(entries: list[Any]) -> list[Any]:
        entry = entries[number]
        other = entry.__class__(**{name: getattr(entry, name) for name in _fields(entry)} | changes)
        return (
            [*entries[:number], other, *entries[number + 1 :]] if number >= 0 else [*entries[:number], other]
        )

    return replaced(field, change)


def _fields(entry: Any) -> list[str]:
    return (
        [f.name for f in dataclasses.fields(entry)]
        if dataclasses.is_dataclass(entry)
        else list(entry.__struct_fields__)
    )


def buried(**values: Any) -> Break:
    letter = {
        "event_id": id_("event 3"),
        "group_name": "group",
        "topic": METRICS,
        "error": "KeyError",
        "attempts": 5,
    }
    return replaced("dead_letters", lambda rows: [*rows, letter | values])


def also(*breaks: Break) -> Break:
    def apply(history: History) -> History:
        for one in breaks:
            history = one(history)
        return history

    return apply


SICK: list[tuple[str, str, Break]] = [
    ("I1", "stored 0 times", without("inbound", provider_id="m1")),
    ("I1", "stored 2 times", twice("inbound", provider_id="m1")),
    ("I1", "no customer's message", changed("inbound", "provider_id", "m1", disposition="machine")),
    ("I1", "no customer's message", without("messages", id=id_("m1"))),
    ("I1", "a ticket it is not in", changed("inbound", "provider_id", "f1", public_hash=b"another")),
    ("I2", "stored 2 times", twice("inbound", provider_id="c1")),
    ("I2", "with 2 deliveries", changed("inbound", "provider_id", "c1", message_id=id_("c3"))),
    ("I2", "with 0 deliveries", without("inbound", provider_id="c1")),
    (
        "I2",
        "acknowledged with 2 tickets",
        replaced("acknowledged", lambda said: [*said, dataclasses.replace(said[-1], ticket_hash=b"another")]),
    ),
    ("I3", "without an outcome", changed("messages", "id", id_("m1"), outcome=None)),
    ("I3", "without an outcome", changed("messages", "id", id_("m1"), outcome="whatever")),
    ("I3", "nothing was said after it", without("messages", id=id_("m2"))),
    ("I3", "nobody took it", changed("messages", "id", id_("m1"), outcome="handed_over")),
    ("I3", "without a reason", changed("messages", "id", id_("m1"), outcome="suppressed")),
    ("I3", "a turn is still running", changed("turns", "id", id_("turn m2"), state="running")),
    ("I4", "taken 2 times", twice("accepts", provider_id="m2 0")),
    ("I4", "no replies of ours", one_changed("accepts", 0, reply_id=None)),
    ("I4", "no replies of ours", without("replies", id=id_("m2 0"))),
    ("I4", "2 replies for part 0", changed("replies", "id", id_("m2 1"), part=0)),
    ("I4", "2 answers to 1 messages", without("messages", id=id_("c3"))),
    ("I5", "no provider took it", without("accepts", provider_id="m2 0")),
    ("I5", "but unknown", changed("replies", "id", id_("m2 0"), state="unknown")),
    ("I5", "but queued", changed("replies", "id", id_("m2 0"), state="queued")),
    ("I5", "another id", changed("replies", "id", id_("m2 0"), provider_id="other")),
    ("I5", "still sending", changed("replies", "id", id_("c4 0"), state="sending")),
    ("I6", "left after", one_changed("accepts", 1, at=1.0)),
    ("I6", "left after", one_changed("accepts", -1, at=9.0)),
    ("I7", "the AI spoke in a person's epoch", changed("replies", "id", id_("c2 0"), epoch=1)),
    ("I7", "the AI spoke after", changed("messages", "id", id_("c4"), seq=9)),
    ("I7", "began after", changed("replies", "id", id_("c2 0"), began_at=moment(10.5))),
    ("I7", "was not named", one_changed("accepts", 2, at=10.5)),
    ("I8", "taken over from", changed("audit", "id", 2, action="take_over", operator_id=id_("ben"))),
    (
        "I8",
        "in an old epoch",
        changed("audit", "id", 4, result={"epoch": -1, "last_seq": 2, "in_flight": []}),
    ),
    (
        "I8",
        "the epoch went back",
        changed("audit", "id", 3, result={"epoch": 0, "last_seq": 2, "in_flight": []}),
    ),
    ("I8", "spoke, but", changed("audit", "id", 2, operator_id=id_("ben"))),
    ("I8", "held by", changed("conversations", "id", id_("form"), operator_id=id_("ada"))),
    ("I8", "happened 0 times", without("audit", id=4)),
    ("I8", "happened 2 times", twice("audit", id=4)),
    (
        "I8",
        "another epoch than it had",
        one_changed("acted", -1, result={"epoch": 7, "last_seq": 2, "in_flight": []}),
    ),
    ("I8", "was not told who won", one_changed("acted", 1, error="Somebody was faster.")),
    ("I8", "was refused and happened", changed("audit", "id", 4, idempotency_key="late")),
    ("I10", "2 answers of one turn", changed("runs", "id", id_("run c4"), turn_id=id_("turn c2"))),
    ("I10", "runs that are not there", without("runs", id=id_("run c4"))),
    ("I10", "turns finished", without("log", topic=METRICS)),
    ("I11", "neither counted nor buried", without("metrics", 0)),
    ("I11", "counted 2 times", twice("metrics", metric_name="answer")),
    ("I12", "never came to", replaced("carried", lambda carried: carried | {METRICS: carried[METRICS][1:]})),
    ("I12", "not in the log", without("log", topic=ESCALATIONS)),
    (
        "I12",
        "after a later one",
        replaced("carried", lambda carried: carried | {CONVERSATIONS: carried[CONVERSATIONS][::-1]}),
    ),
    ("I13", "not poison", buried()),
    ("I13", "buried 2 times", also(buried(), buried())),
    ("I13", "nobody was told", buried()),
    ("I14", "read, but reported", changed("reports", "status", "read", status="sent")),
    ("I14", "sent, but reported", changed("replies", "id", id_("m2 0"), state="sent")),
    ("I15", "moved back", replaced("mail_places", lambda places: (*places, 5))),
    ("I15", "past a mail", replaced("mail_places", lambda places: (*places, 9))),
    ("I18", "events have", twice("log", type="turn.finished")),
    ("I18", "told 0 times", without("log", topic=INBOUND["email"])),
    ("I18", "told 0 times", without("log", topic=OUTBOUND["email"])),
    ("I18", "told 0 times", without("log", type="conversation.taken_over")),
    ("I18", "told 0 times", without("log", type="reply.sent")),
    ("I18", "told 1 times", changed("replies", "id", id_("m2 1"), kind="code")),
    ("I18", "due 0 times", without("messages", id=id_("m1"))),
    ("I18", "raised 0 times", without("log", topic=ESCALATIONS)),
    ("I18", "but not on", changed("conversations", "id", id_("form"), escalation_reason="security")),
    ("I18", "but told was", changed("replies", "id", id_("m2 0"), state="delivered")),
    ("I20", "were not heard", one_changed("followed", 0, heard=())),
    (
        "I20",
        "more than once",
        replaced(
            "followed", lambda all_: [Followed(since=all_[0].since, heard=[*all_[0].heard, all_[0].heard[0]])]
        ),
    ),
    (
        "I20",
        "not in the log",
        replaced("followed", lambda all_: [Followed(since=all_[0].since, heard=[*all_[0].heard, id_("x")])]),
    ),
]


def test_a_healthy_history_passes() -> None:
    assert healthy().problems() == []
    healthy().check()


@pytest.mark.parametrize(("name", "words", "sick"), SICK, ids=[f"{name} {words}" for name, words, _ in SICK])
def test_a_sick_history_is_rejected_for_its_reason(name: str, words: str, sick: Break) -> None:
    problems = sick(healthy()).problems(name)
    assert any(words in problem for problem in problems), problems


def test_every_check_has_a_sick_history() -> None:
    assert {name for name, _, _ in SICK} == set(CHECKS)


def test_what_is_wrong_is_said_with_its_invariant() -> None:
    with pytest.raises(AssertionError, match=r"(?s)I1: acknowledged.*f1"):
        without("inbound", provider_id="f1")(healthy()).check()


def test_an_old_history_without_a_metrics_group_is_not_asked_about_it() -> None:
    history = without("metrics", 0)(healthy())
    assert dataclasses.replace(history, groups=()).problems("I11") == []


def test_a_parked_reply_nobody_can_tell_from_another_is_no_phantom() -> None:
    history = changed("replies", "id", id_("m2 0"), state="unknown")(healthy())
    assert dataclasses.replace(history, alike=frozenset({str(id_("m2 0"))})).problems("I5") == []
    assert dataclasses.replace(history, alike=frozenset({str(id_("m2 1"))})).problems("I5") != []


def test_who_was_told_to_load_anew_need_not_have_heard_everything() -> None:
    history = dataclasses.replace(
        healthy(), followed=[Followed(since="3:3:..0", heard=(), told_to_reload=True)]
    )
    assert history.problems("I20") == []


def test_a_topic_that_was_deleted_need_not_hold_everything() -> None:
    history = replaced("carried", lambda carried: carried | {METRICS: []})(healthy())
    assert dataclasses.replace(history, lost_topics=frozenset({METRICS})).problems("I12") == []
