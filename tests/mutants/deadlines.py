"""The seeded bugs of deadlines, of what is put aside, of thanks, and of the queue's order."""

from tests.mutants.catalogue import Mutant

_SCHEMA = "migrations/versions/0006_deadlines.sql"
_STORE = "tests/store/test_deadlines.py"
_DOMAIN = "tests/domain/test_deadlines.py"

DEADLINES = (
    Mutant(
        name="a-warning-is-raised-again-and-again",
        invariant="D1 each alarm once",
        path="fte/store/deadlines.py",
        healthy="        sorted(marks.warned),\n",
        sick="        [],\n",
        tests=(_STORE, "-k", "announced_once"),
    ),
    Mutant(
        name="two-sweepers-announce-one-breach",
        invariant="D1 each alarm once",
        path="fte/store/deadlines.sql",
        healthy="order by next_alarm_at limit $1 for update skip locked",
        sick="order by next_alarm_at limit $1",
        tests=(_STORE, "-k", "any_number_of_sweepers"),
    ),
    Mutant(
        name="a-breach-during-an-outage-is-forgotten",
        invariant="D1 each alarm once",
        path="fte/domain/deadlines.py",
        healthy="        if clock.at <= now:\n            if clock.kind not in breached:",
        sick="        if clock.at <= now:\n            if clock.kind in warned and clock.kind not in breached:",
        tests=(_STORE, "-k", "was_away"),
    ),
    Mutant(
        name="a-notice-counts-as-an-answer",
        invariant="D2 a clock stops when an answer has reached the customer",
        path=_SCHEMA,
        healthy="r.outcome in ('escalated', 'failed'))\n$$;",
        sick="r.outcome in ('nothing'))\n$$;",
        tests=(_STORE, "-k", "no_answer"),
    ),
    Mutant(
        name="what-is-only-queued-counts-as-an-answer",
        invariant="D2 a clock stops when an answer has reached the customer",
        path=_SCHEMA,
        healthy="m.role in ('agent', 'operator') and m.delivery_status in ('sent', 'delivered', 'read')\n",
        sick="m.role in ('agent', 'operator')\n",
        tests=(_STORE, "-k", "has_not_reached"),
    ),
    Mutant(
        name="business-hours-are-ignored",
        invariant="D3 only business time counts",
        path="fte/store/deadlines.py",
        healthy='    rules = parse_policy(row["hours"], row["deadlines"])',
        sick='    rules = parse_policy("", row["deadlines"])',
        tests=(_STORE, "-k", "business_hours"),
    ),
    Mutant(
        name="holidays-are-worked",
        invariant="D3 only business time counts",
        path="fte/domain/deadlines.py",
        healthy="        if day in self.closed or (day.month, day.day) in self.closed:",
        sick="        if day in self.closed:",
        tests=(_DOMAIN, "-k", "holidays"),
    ),
    Mutant(
        name="pauses-do-not-count",
        invariant="D3 only business time counts",
        path="fte/domain/deadlines.py",
        healthy="goals.resolution, rested))",
        sick="goals.resolution, timedelta()))",
        tests=(_STORE, "-k", "rests"),
    ),
    Mutant(
        name="it-sleeps-on-though-the-customer-wrote",
        invariant="D4 what is put aside comes back",
        path=_SCHEMA,
        healthy="snoozed_until = case when v_suppress is null then null else c.snoozed_until end",
        sick="snoozed_until = c.snoozed_until",
        tests=(_STORE, "-k", "customer_writes"),
    ),
    Mutant(
        name="it-sleeps-on-though-an-answer-is-nearly-late",
        invariant="D4 what is put aside comes back",
        path="fte/store/deadlines.py",
        healthy="        bool(raised),\n",
        sick="        False,\n",
        tests=(_STORE, "-k", "before_an_answer_is_late"),
    ),
    Mutant(
        name="thanks-with-a-question-rest",
        invariant="D5 what is doubtful reopens",
        path="fte/domain/thanks.py",
        healthy=" or any(mark in text for mark in _QUESTIONS)",
        sick="",
        tests=("tests/domain/test_thanks.py",),
    ),
    Mutant(
        name="thanks-rest-in-an-open-conversation-too",
        invariant="D5 what is doubtful reopens",
        path=_SCHEMA,
        healthy="c.status = 'resolved' and c.answered_seq >= c.last_inbound_seq for update;",
        sick="c.answered_seq >= c.last_inbound_seq for update;",
        tests=(_STORE, "-k", "open_conversation"),
    ),
    Mutant(
        name="the-daemon-orders-by-age",
        invariant="D6 due first, here and there",
        path="fte/store/conversations.sql",
        healthy="row_number() over (order by due_at, id) as place",
        sick="row_number() over (order by id) as place",
        tests=("tests/store/test_queue.py",),
    ),
)
