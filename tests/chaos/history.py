"""Judges a run after the fact: what customers, providers and operators saw against what the database says.

Each check is a pure function over a `History` and gives one sentence for everything that is wrong; `read` loads the
database's side. `test_history.py` breaks a healthy history in every way a check must notice.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from fte.demo.providers.accepts import Accepted
from fte.domain.events import (
    CONVERSATIONS,
    DEAD_LETTERS,
    ESCALATIONS,
    INBOUND,
    METRICS,
    OPERATOR_TOPICS,
    OUTBOUND,
)

Row = Mapping[str, Any]

UNSAID: Final = frozenset({"superseded", "cancelled"})
"""Withdrawn before it left: what it answered may be answered again."""
OUTCOMES: Final = frozenset({"answered", "drafted", "handed_over", "escalated", "suppressed", "dead"})
TAKEN: Final = frozenset({"sent", "delivered", "read"})
"""States that say the provider has it."""
RANK: Final = {"sent": 1, "failed": 2, "delivered": 3, "read": 4}
"""Written down here once more: the product's own table is what is judged."""
METRICS_GROUP: Final = "fte-metrics-collector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A message we said we have, or that lies in the watched mailbox. `ticket_hash` where we named a ticket."""

    channel: str
    provider_id: str
    at: float
    ticket_hash: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """An operator's request and what came back. `status` 200 has a result; a refusal says why in `error`."""

    operator: UUID
    key: str
    action: str
    conversation: UUID
    status: int
    asked_at: float
    answered_at: float
    result: Row = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A mail that came into the mailbox, with its place in Gmail's history."""

    id: str
    place: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What one follower of the operators' stream heard, in order, and from which place in the log on it listened.

    `told_to_reload`: it was told that events are missing, and loaded the page anew, which is another following.
    """

    since: str
    heard: Sequence[UUID]
    told_to_reload: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything a run left behind. Rows are the database's, with the columns `_QUERIES` names."""

    acknowledged: Sequence[Acknowledged] = ()
    accepts: Sequence[Accepted] = ()
    acted: Sequence[Acted] = ()
    arrived: Sequence[Arrived] = ()
    mail_places: Sequence[int] = ()
    """The mailbox's stored place, sampled over time."""
    followed: Sequence[Followed] = ()
    missed: Mapping[str, frozenset[UUID]] = field(default_factory=dict)
    """By a follower's `since`: the events of its topics after that place."""
    alike: frozenset[str] = frozenset()
    """Replies whose recipient got the same text once more: who lost Twilio's word cannot tell them apart, and parks them."""
    poison: frozenset[UUID] = frozenset()
    """Events that are expected among the dead letters."""
    operators: Mapping[UUID, str] = field(default_factory=dict)

    inbound: Sequence[Row] = ()
    messages: Sequence[Row] = ()
    replies: Sequence[Row] = ()
    turns: Sequence[Row] = ()
    runs: Sequence[Row] = ()
    conversations: Sequence[Row] = ()
    log: Sequence[Row] = ()
    audit: Sequence[Row] = ()
    reports: Sequence[Row] = ()
    dead_letters: Sequence[Row] = ()
    metrics: Sequence[Row] = ()
    groups: Collection[str] = ()
    """Groups that read events, in the database or at the broker."""
    carried: Mapping[str, Sequence[tuple[str, UUID]]] | None = None
    """By topic: keys and event ids the broker holds, in its order; None without a broker."""
    lost_topics: frozenset[str] = frozenset()
    """Topics that were deleted in the middle: the broker need not hold all of their events."""
    pushed_on: frozenset[str] = frozenset()
    """Groups that were told they had read what they had not: what only they did with an event may be missing."""

    def problems(self, *names: str) -> list[str]:
        """What is wrong, each with its invariant's name; of all checks, or of those named."""
        chosen = names or tuple(CHECKS)
        return [f"{name}: {problem}" for name in chosen for check in CHECKS[name] for problem in check(self)]

    def check(self) -> None:
        """Raises AssertionError with everything that is wrong."""
        found = self.problems()
        assert not found, f"{len(found)} violations:\n" + "\n".join(found[:40])


Check = Callable[[History], Iterable[str]]


def by(rows: Iterable[Row], *columns: str) -> dict[Any, list[Row]]:
    """The rows in groups that share these columns, each group in the order given."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[columns[0]] if len(columns) == 1 else tuple(row[column] for column in columns)].append(row)
    return groups


# ---------------------------------------------------------------- what came in


def acknowledged_is_stored(history: History) -> Iterator[str]:
    """I1: every 2xx has exactly one stored message."""
    stored = by(history.inbound, "channel", "provider_id")
    messages = {row["id"] for row in history.messages}
    for said in history.acknowledged:
        rows = stored.get((said.channel, said.provider_id), [])
        if len(rows) != 1:
            yield f"acknowledged, but stored {len(rows)} times: {said.channel} {said.provider_id}"
            continue
        (row,) = rows
        if row["disposition"] != "message" or row["message_id"] not in messages:
            yield f"acknowledged, but no customer's message: {said.channel} {said.provider_id}"
        if said.ticket_hash is not None and row["public_hash"] != said.ticket_hash:
            yield f"acknowledged with a ticket it is not in: {said.channel} {said.provider_id}"


def duplicates_collapse(history: History) -> Iterator[str]:
    """I2: a provider's id is one message, and each message came in once."""
    for (channel, account, id_), rows in by(history.inbound, "channel", "account", "provider_id").items():
        if len(rows) > 1:
            yield f"stored {len(rows)} times: {channel} {account} {id_}"
    deliveries = Counter(row["message_id"] for row in history.inbound if row["disposition"] == "message")
    for row in history.messages:
        if row["direction"] == "inbound" and deliveries[row["id"]] != 1:
            yield f"a customer's message with {deliveries[row['id']]} deliveries: {row['id']}"
    tickets: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    for said in history.acknowledged:
        if said.ticket_hash is not None:
            tickets[said.channel, said.provider_id].add(said.ticket_hash)
    for (channel, id_), hashes in tickets.items():
        if len(hashes) > 1:
            yield f"one delivery, acknowledged with {len(hashes)} tickets: {channel} {id_}"


def one_outcome(history: History) -> Iterator[str]:
    """I3: every message of a customer ends with one outcome, and the outcome is what happened."""
    said = by((row for row in history.messages if row["run_id"] is not None), "conversation_id")
    handed = {UUID(row["key"]) for row in history.log if row["type"] in _HANDS_OVER}
    settled = {row["conversation_id"] for row in history.audit if row["action"] == "resolve"}
    for row in history.messages:
        if row["direction"] != "inbound":
            continue
        outcome, conversation = row["outcome"], row["conversation_id"]
        later = any(answer["seq"] > row["seq"] for answer in said.get(conversation, ()))
        if outcome not in OUTCOMES:
            yield f"a message without an outcome ({outcome}): {row['id']}"
        elif outcome in ("answered", "escalated") and not later:
            yield f"{outcome}, but nothing was said after it: {row['id']}"
        elif outcome == "handed_over" and conversation not in handed:
            yield f"handed over, but nobody took it: {row['id']}"
        elif outcome == "suppressed" and not row["reason"] and conversation not in settled:
            yield f"suppressed without a reason: {row['id']}"
    for turn in history.turns:
        if turn["state"] not in ("done", "cancelled"):
            yield f"a turn is still {turn['state']}: {turn['id']}"


_HANDS_OVER: Final = frozenset({"conversation.escalated", "conversation.taken_over"})


def effects_once(history: History) -> Iterator[str]:
    """I10: however often a turn was run, it left one answer and one account of it."""
    turn_of = {row["id"]: row["turn_id"] for row in history.runs}
    answers = Counter(turn_of.get(row["run_id"]) for row in history.messages if row["run_id"] is not None)
    for turn, count in answers.items():
        if turn is None:
            yield f"{count} answers of runs that are not there"
        elif count > 1:
            yield f"{count} answers of one turn: {turn}"
    finished = Counter(row["key"] for row in history.log if row["type"] == "turn.finished")
    spoken = Counter(str(row["conversation_id"]) for row in history.messages if row["run_id"] is not None)
    for conversation in finished.keys() | spoken.keys():
        if finished[conversation] != spoken[conversation]:
            yield (
                f"{spoken[conversation]} answers, {finished[conversation]} turns finished: "
                f"conversation {conversation}"
            )


# ---------------------------------------------------------------- what went out


def answered_once(history: History) -> Iterator[str]:
    """I4: a provider took each reply at most once; a turn has one reply per part; nobody gets answers unasked."""
    known = {str(row["id"]) for row in history.replies}
    for reply, count in Counter(accept.reply_id for accept in history.accepts).items():
        if reply is None or reply not in known:
            yield f"a provider took {count} messages that are no replies of ours: {reply}"
        elif count > 1:
            yield f"taken {count} times: reply {reply}"
    answers = [row for row in history.replies if row["kind"] == "answer" and row["turn_id"] is not None]
    for (turn, part), rows in by(answers, "turn_id", "part").items():
        if len(rows) > 1:
            yield f"{len(rows)} replies for part {part} of turn {turn}"
    for conversation, rows in by(history.messages, "conversation_id").items():
        asked = answered = 0
        for row in sorted(rows, key=lambda row: row["seq"]):
            asked += row["direction"] == "inbound"
            answered += row["run_id"] is not None and row.get("delivery_status") not in UNSAID
            if answered > asked:
                yield f"{answered} answers to {asked} messages: conversation {conversation}, seq {row['seq']}"
                break


def no_phantom(history: History) -> Iterator[str]:
    """I5: `sent` means that the provider has it; what the provider took is `sent`, and is not on its way any more."""
    taken = {accept.reply_id: accept.provider_id for accept in history.accepts}
    for row in history.replies:
        if row["channel"] == "web_form":
            continue
        provider_id = taken.get(str(row["id"]))
        if row["state"] in TAKEN and provider_id is None:
            yield f"{row['state']}, but no provider took it: reply {row['id']}"
        elif row["state"] == "unknown" and str(row["id"]) in history.alike:
            continue
        elif provider_id is not None and row["state"] not in RANK:
            yield f"taken by the provider, but {row['state']}: reply {row['id']}"
        elif provider_id is not None and provider_id != row["provider_id"]:
            yield (
                f"{row['state']} as {row['provider_id']}, another id than the provider's, {provider_id}: "
                f"{row['channel']} reply {row['id']} ({row['error']})"
            )
        elif row["state"] in ("draft", "queued", "sending"):
            yield f"still {row['state']}: reply {row['id']}"


def in_order(history: History) -> Iterator[str]:
    """I6: the provider took the answers of a conversation in the order they were made."""
    seq = {row["id"]: row["seq"] for row in history.messages}
    place = {
        str(row["id"]): (row["conversation_id"], (seq.get(row["message_id"], 0), row["part"]))
        for row in history.replies
        if row["kind"] == "answer"
    }
    last: dict[UUID, tuple[int, int]] = {}
    for accept in sorted(history.accepts, key=lambda accept: accept.at):
        if accept.reply_id in place:
            conversation, at = place[accept.reply_id]
            if last.get(conversation, (0, 0)) > at:
                yield f"part {at} left after {last[conversation]}: conversation {conversation}"
            last[conversation] = at


def status_is_a_lattice(history: History) -> Iterator[str]:
    """I14: the final state is the most that was reported, whatever came when."""
    reports = by(history.reports, "channel", "provider_id")
    for row in history.replies:
        if row["provider_id"] is None or row["state"] not in RANK:
            continue
        said = {report["status"] for report in reports.get((row["channel"], row["provider_id"]), ())}
        settled = max(said & RANK.keys(), key=RANK.__getitem__, default="sent")
        returned = row["state"] == "failed" and str(row["error"] or "").startswith("returned")
        if row["state"] != settled and not returned:
            yield f"{row['state']}, but reported were {sorted(said)}: reply {row['id']}"


# ---------------------------------------------------------------- people and the AI


def silent_after_a_takeover(history: History) -> Iterator[str]:
    """I7: of an older epoch nothing began once a takeover was acknowledged, and what was in flight was named."""
    replies = by(history.replies, "conversation_id")
    messages = {row["id"]: row for row in history.messages}
    taken_at = {accept.reply_id: accept.at for accept in history.accepts}
    for acted in history.acted:
        if acted.action != "take_over" or acted.status != 200:
            continue
        epoch, last_seq = acted.result["epoch"], acted.result["last_seq"]
        in_flight = {str(id_) for id_ in acted.result["in_flight"]}
        for reply in replies.get(acted.conversation, ()):
            message = messages[reply["message_id"]]
            if message["role"] != "agent" or reply["kind"] != "answer" or reply["epoch"] > epoch:
                continue
            began = reply["began_at"].timestamp() if reply["began_at"] else 0.0
            what = f"after the takeover in epoch {epoch} of conversation {acted.conversation}: reply {reply['id']}"
            if reply["epoch"] == epoch:
                yield f"the AI spoke in a person's epoch {what}"
            elif message["seq"] > last_seq:
                yield f"the AI spoke {what}"
            elif began > acted.answered_at:
                yield f"the AI's reply of epoch {reply['epoch']} began {what}"
            elif (
                taken_at.get(str(reply["id"]), 0.0) > acted.answered_at
                and str(message["id"]) not in in_flight
            ):
                yield f"a reply in flight was not named {what}"


def one_owner(history: History) -> Iterator[str]:
    """I8: of two takeovers one wins, the loser is told who; each action that was acknowledged happened once."""
    yield from _one_holder(history)
    done = by(history.audit, "operator_id", "idempotency_key")
    held = defaultdict(set)
    for row in history.audit:
        if row["action"] == "take_over":
            held[row["conversation_id"]].add(history.operators.get(row["operator_id"], ""))
    for acted in history.acted:
        rows = done.get((acted.operator, acted.key), [])
        if acted.status == 200 and len(rows) != 1:
            yield f"{acted.action} was acknowledged, and happened {len(rows)} times: {acted.key}"
        elif acted.status == 200 and rows[0]["result"]["epoch"] != acted.result["epoch"]:
            yield f"{acted.action} was acknowledged with another epoch than it had: {acted.key}"
        elif acted.status in (403, 409, 422) and rows:
            yield f"{acted.action} was refused and happened: {acted.key}"
        elif (
            acted.status == 409
            and acted.action == "take_over"
            and not _names(held[acted.conversation], acted.error)
        ):
            yield f"who lost a takeover was not told who won: {acted.key}: {acted.error}"


def _names(holders: set[str], text: str) -> bool:
    return any(name and name in text for name in holders)


def _one_holder(history: History) -> Iterator[str]:
    final = {row["id"]: row for row in history.conversations}
    for conversation, rows in by(history.audit, "conversation_id").items():
        if conversation is None:
            continue
        holder, epoch = None, -1
        for row in sorted(rows, key=lambda row: row["id"]):
            if row["action"] not in _CONTROL:
                continue
            who, now = row["operator_id"], row["result"]["epoch"]
            if now < epoch:
                yield f"the epoch went back to {now}: conversation {conversation}"
            if row["action"] == "take_over":
                if holder not in (None, who):
                    yield f"taken over from {holder} by {who}: conversation {conversation}"
                if holder is None and now <= epoch:
                    yield f"a new holder in an old epoch {now}: conversation {conversation}"
                holder = who
            elif row["action"] == "reply" and holder != who:
                yield f"{who} spoke, but {holder} holds it: conversation {conversation}"
            elif row["action"] in ("release", "resolve"):
                holder = None
            epoch = now
        if conversation in final and final[conversation]["operator_id"] != holder:
            yield f"held by {final[conversation]['operator_id']}, not by {holder}: conversation {conversation}"


_CONTROL: Final = frozenset({"take_over", "reply", "note", "release", "resolve", "send_again"})


# ---------------------------------------------------------------- readers and events


def nothing_passed_over(history: History) -> Iterator[str]:
    """I11: a group's place is never ahead: every event behind it was handled, or is a dead letter."""
    if METRICS_GROUP not in history.groups:
        return
    handled = {row["event_id"] for row in history.metrics}
    dead = {row["event_id"] for row in history.dead_letters if row["group_name"] == METRICS_GROUP}
    whole = METRICS not in history.lost_topics and METRICS_GROUP not in history.pushed_on
    for row in history.log:
        if whole and row["topic"] == METRICS and row["id"] not in handled and row["id"] not in dead:
            yield f"an event was neither counted nor buried: {row['id']}"
    counted = Counter((row["event_id"], row["metric_name"]) for row in history.metrics if row["event_id"])
    for (event, name), count in counted.items():
        if count > 1:
            yield f"counted {count} times as {name}: event {event}"


def poison_is_isolated(history: History) -> Iterator[str]:
    """I13: only what breaks its reader is buried, once, and the burial is announced."""
    announced = Counter(row["payload"].get("event_id") for row in history.log if row["topic"] == DEAD_LETTERS)
    for (event, group), rows in by(history.dead_letters, "event_id", "group_name").items():
        if len(rows) > 1:
            yield f"buried {len(rows)} times for {group}: event {event}"
        if event not in history.poison:
            yield f"buried, and not poison: event {event} of {group}: {rows[0]['error']}"
        if not announced[str(event)]:
            yield f"buried, and nobody was told: event {event} of {group}"


def mail_cursor_is_honest(history: History) -> Iterator[str]:
    """I15: the place in Gmail's history never moves back, and never past a mail that is not stored."""
    for before, after in zip(history.mail_places, history.mail_places[1:], strict=False):
        if after < before:
            yield f"the place in the mailbox moved back from {before} to {after}"
    stored = {row["provider_id"] for row in history.inbound if row["channel"] == "email"}
    place = max(history.mail_places, default=0)
    for mail in history.arrived:
        if mail.place <= place and mail.id not in stored:
            yield f"the place {place} is past a mail that is not stored: {mail.id} at {mail.place}"


def events_are_complete(history: History) -> Iterator[str]:
    """I18: every change has exactly one event, no event is without its change, and no event is there twice."""
    ids = Counter(row["id"] for row in history.log)
    if len(ids) != len(history.log):
        yield f"{len(history.log)} events have {len(ids)} ids"
    due, told = Counter(_due_events(history)), Counter(_told_events(history))
    for event in due.keys() | told.keys():
        if due[event] != told[event]:
            yield f"due {due[event]} times, told {told[event]} times: {' '.join(map(str, event))}"
    yield from _escalations_are_raised(history)
    yield from _states_are_told(history)


def _due_events(history: History) -> Iterator[tuple[Any, ...]]:
    sent_again = {row["conversation_id"] for row in history.audit if row["action"] == "send_again"}
    for row in history.messages:
        conversation, channel = str(row["conversation_id"]), row["channel"]
        if row["direction"] == "inbound":
            for topic in (CONVERSATIONS, INBOUND[channel]):
                yield topic, "message.received", conversation, row["seq"]
        elif row["direction"] == "outbound" and row["conversation_id"] not in sent_again:
            yield CONVERSATIONS, "reply", conversation, str(row["id"])
            if channel in OUTBOUND:
                yield OUTBOUND[channel], "reply", conversation, str(row["id"])
        if row["run_id"] is not None:
            yield METRICS, "turn.finished", conversation
    for row in history.replies:
        if row["kind"] == "code":  # it goes to another channel than the conversation's
            yield OUTBOUND[row["channel"]], "reply", str(row["conversation_id"]), str(row["message_id"])
    for row in history.audit:
        if row["action"] in _ANNOUNCED:
            type_ = _ANNOUNCED[row["action"]]
            yield CONVERSATIONS, type_, str(row["conversation_id"]), row["result"]["epoch"]


_ANNOUNCED: Final = {
    "take_over": "conversation.taken_over",
    "release": "conversation.released",
    "resolve": "conversation.resolved",
}


def _told_events(history: History) -> Iterator[tuple[Any, ...]]:
    sent_again = {str(row["conversation_id"]) for row in history.audit if row["action"] == "send_again"}
    for row in history.log:
        topic, type_, key, payload = row["topic"], row["type"], row["key"], row["payload"]
        if type_ == "message.received":
            yield topic, type_, key, payload["seq"]
        elif type_ in ("reply.queued", "reply.sent") and key not in sent_again:
            yield topic, "reply", key, payload["message_id"]
        elif type_ == "turn.finished":
            yield topic, type_, key
        elif type_ in _ANNOUNCED.values():
            yield topic, type_, key, payload["epoch"]


def _escalations_are_raised(history: History) -> Iterator[str]:
    def named(topic: str, type_: str) -> Counter[tuple[Any, ...]]:
        return Counter(
            (row["key"], row["payload"]["epoch"], row["payload"]["reason"])
            for row in history.log
            if (row["topic"], row["type"]) == (topic, type_)
        )

    shown, raised = named(CONVERSATIONS, "conversation.escalated"), named(ESCALATIONS, "escalation.raised")
    for event in shown.keys() | raised.keys():
        if shown[event] != 1 or raised[event] != 1:
            yield f"an escalation was shown {shown[event]} times and raised {raised[event]} times: {event}"
    known = {(key, reason) for key, _, reason in raised}
    for row in history.conversations:
        if row["escalated_at"] is not None and (str(row["id"]), row["escalation_reason"]) not in known:
            yield f"escalated, but not on {ESCALATIONS}: conversation {row['id']}"


def _states_are_told(history: History) -> Iterator[str]:
    told: dict[str, str] = {}
    for row in sorted(history.log, key=lambda row: row["position"]):
        if row["topic"] == CONVERSATIONS and row["type"] == "delivery.changed":
            told[row["payload"]["reply_id"]] = row["payload"]["state"]
    for row in history.replies:
        if row["channel"] == "web_form" or row["state"] == "queued":
            continue
        if told.get(str(row["id"])) != row["state"]:
            yield f"{row['state']}, but told was {told.get(str(row['id']))}: reply {row['id']}"


def nothing_missed(history: History) -> Iterator[str]:
    """I20: a follower heard every event after its beginning, and none twice."""
    known = {row["id"] for row in history.log}
    for followed in history.followed:
        heard = Counter(followed.heard)
        missed = history.missed[followed.since] - heard.keys()
        if missed and not followed.told_to_reload:
            yield f"{len(missed)} events were not heard, such as {next(iter(missed))}"
        if doubled := [event for event, count in heard.items() if count > 1]:
            yield f"{len(doubled)} events were heard more than once, such as {doubled[0]}"
        if invented := heard.keys() - known:
            yield f"{len(invented)} events were heard that are not in the log, such as {next(iter(invented))}"


def carried_by_the_broker(history: History) -> Iterator[str]:
    """I12, I18: the broker holds every event of the log on its topic, each key's in the log's order."""
    if history.carried is None:
        return
    logged = by(history.log, "topic")
    for topic in logged.keys() | history.carried.keys():
        rows, carried = logged.get(topic, []), history.carried.get(topic, ())
        due = [row["id"] for row in rows]
        known = set(due)
        if invented := [id_ for _, id_ in carried if id_ not in known]:
            yield f"{len(invented)} events on {topic} are not in the log, such as {invented[0]}"
        if topic in history.lost_topics:
            continue
        held = {id_ for _, id_ in carried}
        if missing := [id_ for id_ in due if id_ not in held]:
            yield f"{len(missing)} of {len(due)} events never came to {topic}, such as {missing[0]}"
        yield from _order_of_keys(topic, rows, carried)


def _order_of_keys(topic: str, rows: Sequence[Row], carried: Sequence[tuple[str, UUID]]) -> Iterator[str]:
    position = {row["id"]: row["position"] for row in rows}
    last: dict[str, int] = {}
    seen: set[UUID] = set()
    for key, id_ in carried:
        if id_ in seen or id_ not in position:
            continue
        seen.add(id_)
        if last.get(key, 0) > position[id_]:
            yield f"{topic}: event {id_} of key {key} came after a later one"
        last[key] = max(position[id_], last.get(key, 0))


CHECKS: Final[dict[str, tuple[Check, ...]]] = {
    "I1": (acknowledged_is_stored,),
    "I2": (duplicates_collapse,),
    "I3": (one_outcome,),
    "I4": (answered_once,),
    "I5": (no_phantom,),
    "I6": (in_order,),
    "I7": (silent_after_a_takeover,),
    "I8": (one_owner,),
    "I10": (effects_once,),
    "I11": (nothing_passed_over,),
    "I12": (carried_by_the_broker,),
    "I13": (poison_is_isolated,),
    "I14": (status_is_a_lattice,),
    "I15": (mail_cursor_is_honest,),
    "I18": (events_are_complete,),
    "I20": (nothing_missed,),
}


# ---------------------------------------------------------------- loading

_QUERIES: Final = {
    "inbound": """select i.channel, i.account, i.provider_id, i.message_id, i.disposition, i.received_at, i.identifier,
                         t.public_hash
                    from inbound i left join tickets t on t.id = i.ticket_id""",
    "messages": """select id, conversation_id, seq, channel, direction, role, run_id, outcome, reason, created_at,
                           delivery_status
                      from messages""",
    "replies": """select id, message_id, conversation_id, turn_id, part, kind, channel, epoch, state, provider_id,
                         error, began_at from replies""",
    "turns": "select id, conversation_id, state, attempts, discards, created_at, finished_at from turns",
    "runs": "select id, turn_id, conversation_id, attempt, outcome, created_at from runs",
    "conversations": """select id, customer_id, owner, epoch, operator_id, status, escalated_at, escalation_reason, verified
                          from conversations""",
    "log": "select position, id, topic, key, type, payload, at from log where replay is null order by position",
    "audit": """select id, operator_id, action, conversation_id, idempotency_key, result, at from audit
                 where conversation_id is not null order by id""",
    "reports": "select channel, provider_id, status from delivery_reports",
    "dead_letters": "select event_id, group_name, topic, error, attempts from dead_letters",
    "metrics": "select event_id, metric_name from agent_metrics",
}
_SINCE: Final = """
select id from log where topic = any ($1::text[]) and not pg_visible_in_snapshot(tx, $2::text::pg_snapshot)
"""


async def read(database: asyncpg.Connection, **seen: Any) -> History:
    """The history of a run that has settled; `seen` is what the clients and providers noted."""
    await database.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode, decoder=msgspec.json.decode, format="text"
    )
    followed: Sequence[Followed] = seen.get("followed", ())
    async with database.transaction(isolation="repeatable_read", readonly=True):
        rows = {name: await database.fetch(query) for name, query in _QUERIES.items()}
        groups = {row["group_name"] for row in await database.fetch("select group_name from cursors")}
        operators = {row["id"]: row["name"] for row in await database.fetch("select id, name from operators")}
        missed = {
            one.since: frozenset(
                row["id"]
                for row in await database.fetch(_SINCE, list(OPERATOR_TOPICS), one.since.partition(".")[0])
            )
            for one in followed
        }
    groups |= set(seen.pop("groups", ()))
    return History(**seen, **rows, groups=groups, operators=operators, missed=missed)


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()
