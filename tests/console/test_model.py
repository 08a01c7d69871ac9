"""The model: order, filter, windows, and that it converges to the daemon's state whatever happens."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from fte import wire
from fte.console.model import (
    NOTICED_AFTER,
    VIEWS,
    WINDOW_MAX,
    Conversation,
    Fetch,
    Filter,
    Queue,
    View,
    belongs,
    needs_person,
    order,
)
from fte.domain.ids import new_id
from tests.console.support import START, Desk, in_view, number

ME = "Dana"


def page(desk: Desk, view: str = "all") -> wire.QueuePage:
    items = [talk.item for talk in desk.talks.values() if in_view(talk.item, view, ME)]
    return wire.QueuePage(items=items, needs_person=sum(map(needs_person, items)), cursor="0")


def test_order_puts_who_needs_a_person_first_then_mine_then_the_ai_then_resolved() -> None:
    desk = Desk()
    desk.add(1, status="resolved")
    desk.add(2)
    desk.add(3, owner="human", operator="Sam")
    desk.add(4, owner="human", operator=ME, unanswered=False)
    desk.now = START + timedelta(minutes=5)
    desk.escalated(5)
    desk.now = START
    desk.escalated(6)
    desk.now = START + timedelta(minutes=9)
    desk.escalated(7, urgency="high")
    items = sorted((talk.item for talk in desk.talks.values()), key=lambda item: order(item, ME))
    assert [item.number for item in items] == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("view", VIEWS)
def test_a_row_belongs_to_a_view_exactly_when_the_daemon_says_so(view: str) -> None:
    desk = Desk()
    desk.add(1, status="resolved", operator=ME, owner="human")
    desk.add(2)
    desk.add(3, owner="human", operator=ME)
    desk.add(4, owner="human", operator="Sam")
    desk.escalated(5)
    desk.escalated(6, operator=ME)
    desk.escalated(7, snoozed_until=START + timedelta(hours=1))
    desk.add(8, owner="human", operator=ME, snoozed_until=START + timedelta(hours=1), mentions=[ME])
    desk.add(9, status="resolved", snoozed_until=START + timedelta(hours=1))
    desk.add(10, mentions=["Sam"])
    for talk in desk.talks.values():
        assert belongs(talk.item, view, ME) == in_view(talk.item, view, ME), talk.item.number  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("", [1, 2]),
        ("ada", [1]),
        ("ADA invoice", [1]),
        ("!ada", [2]),
        ("!", [1, 2]),
        ("invoice !ada", [2]),
        ("!ada !bo", []),
        ("#2", [2]),
        ("web form", [2]),
        ("nothing", []),
    ],
)
def test_filter(typed: str, numbers: list[int]) -> None:
    desk = Desk()
    desk.add(1, "Ada Lovelace")
    desk.add(2, "Bo Diddley", channel="web_form")
    keeps = Filter.parse(typed).keeps
    assert [talk.item.number for talk in desk.talks.values() if keeps(talk.item)] == numbers


def test_an_event_counts_once() -> None:
    desk, queue = Desk(), Queue()
    event = desk.announce(desk.add(1), "message.received")
    assert queue.apply(event)
    assert not queue.apply(event)


def test_rows_fetched_for_another_view_are_not_shown() -> None:
    desk, queue = Desk(), Queue()
    desk.add(1)
    queue.next_fetch()
    queue.look_at("resolved")
    queue.fetched(page(desk))
    assert queue.items == {}
    assert queue.next_fetch() is not None


def test_no_more_rows_are_kept_than_the_limit_says_and_the_last_ones_go() -> None:
    desk, queue = Desk(), Queue(page=3, walk=2, most=5)
    for serial in range(1, 10):
        desk.now = START + timedelta(minutes=serial)
        desk.add(serial)
    while (fetch := queue.next_fetch()) is not None:
        items = [item for item in page(desk).items if fetch.before is None or item.number < fetch.before]
        first = sorted(items, key=lambda item: -item.number)[: 3 if fetch.before is None else 2]
        queue.fetched(wire.QueuePage(items=first, needs_person=0, cursor="0"))
    assert [item.number for item in queue.rows()] == [9, 8, 7, 6, 5]
    assert queue.counts().more
    queue.touch(desk.escalated(10))
    assert queue.next_fetch() is not None
    queue.fetched(wire.QueuePage(items=[page(desk).items[-1]], needs_person=1, cursor="0"))
    assert [item.number for item in queue.rows()] == [10, 9, 8, 7, 6]


def test_a_list_that_is_loaded_anew_holds_still_meanwhile() -> None:
    desk, queue = Desk(), Queue(page=2, walk=2)
    for serial in range(1, 7):
        desk.add(serial)
    lengths = set()
    for _ in range(2):
        queue.invalidate()
        while (fetch := queue.next_fetch()) is not None:
            below = [i for i in page(desk).items if fetch.before is None or i.number < fetch.before]
            found = sorted(below, key=lambda item: -item.number)[:2]
            queue.fetched(wire.QueuePage(items=found, needs_person=0, cursor="0"))
            lengths.add(len(queue.rows()))
        if lengths != {6}:
            assert lengths == {2, 4, 6}, "the first time it grows"
            lengths.clear()
    assert lengths == {6}


def test_events_are_followed_while_the_rest_of_the_rows_is_loaded() -> None:
    desk, queue = Desk(), Queue(page=2, walk=1)
    keys = [desk.add(serial) for serial in range(1, 20)]
    kinds = []
    for _ in range(8):
        fetch = queue.next_fetch()
        assert fetch is not None
        kinds.append("ids" if fetch.ids else "walk" if fetch.before else "page")
        items = [i for i in page(desk).items if fetch.before is None or i.number < fetch.before]
        found = sorted(items, key=lambda item: -item.number)[: 1 if fetch.before else 2]
        queue.fetched(wire.QueuePage(items=[] if fetch.ids else found, needs_person=0, cursor="0"))
        queue.touch(keys[0])
    assert kinds == ["page", "walk", "ids", "walk", "ids", "walk", "ids", "walk"]


def test_rows_that_left_the_view_unnoticed_are_gone_after_the_walk() -> None:
    desk, queue = Desk(), Queue(page=2, walk=2)
    keys = [desk.add(serial) for serial in range(1, 7)]
    for gone in ((), (keys[0], keys[3], keys[5])):
        for key in gone:
            desk.change(key, status="resolved")
        queue.invalidate()
        while (fetch := queue.next_fetch()) is not None:
            below = [i for i in page(desk, "open").items if fetch.before is None or i.number < fetch.before]
            found = sorted(below, key=lambda item: -item.number)[:2]
            queue.fetched(wire.QueuePage(items=found, needs_person=0, cursor="0"))
    assert {item.number for item in queue.rows()} == {2, 3, 5}


class Convergence(RuleBasedStateMachine):
    """Events doubled and late, fetches that fail or are late, reloads, other views: in the end, equal."""

    @initialize(
        sizes=st.sampled_from([(200, 500), (3, 2), (2, 1)]),
        view=st.sampled_from(["all", "open", "mine", "snoozed"]),
    )
    def start(self, sizes: tuple[int, int], view: View) -> None:
        self.sizes = sizes
        self.desk, self.queue = Desk(), Queue(*sizes)
        self.queue.me = ME
        self.queue.look_at(view)
        self.delivered = 0
        self.answer: wire.QueuePage | None = None
        self.fetching = False
        self.serial = 0

    @rule(escalated=st.booleans())
    def somebody_writes(self, escalated: bool) -> None:
        self.serial += 1
        add = self.desk.escalated if escalated else self.desk.add
        self.desk.announce(add(self.serial), "message.received")

    @precondition(lambda self: self.desk.talks)
    @rule(data=st.data(), change=st.sampled_from(["say", "escalate", "claim", "resolve", "due", "aside"]))
    def something_changes(self, data: st.DataObject, change: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.desk.talks)))
        if change == "say":
            self.desk.say(key, "again")
        elif change == "escalate":
            self.desk.escalate(key)
        elif change == "claim":
            self.desk.change(key, owner="human", operator=ME, status="open")
            self.desk.announce(key, "conversation.taken_over")
        elif change == "due":
            warned = data.draw(st.booleans())
            at = START + timedelta(minutes=data.draw(st.integers(-9, 9)))
            self.desk.change(key, due_at=at, warned=warned)
            self.desk.announce(key, "deadline.warning")
        elif change == "aside":
            back = data.draw(st.sampled_from([None, START + timedelta(hours=1)]))
            self.desk.change(key, snoozed_until=back)
            self.desk.announce(key, "conversation.snoozed")
        else:
            self.desk.change(key, status="resolved")
            self.desk.announce(key, "conversation.resolved")

    @precondition(lambda self: self.delivered < len(self.desk.log))
    @rule(again=st.integers(0, 3))
    def an_event_arrives(self, again: int) -> None:
        for event in self.desk.log[max(0, self.delivered - again) : self.delivered + 1]:
            self.queue.apply(event)
        self.delivered += 1

    @precondition(lambda self: not self.fetching)
    @rule()
    def a_fetch_begins(self) -> None:
        self.fetching = self.queue.next_fetch() is not None

    @precondition(lambda self: self.fetching and self.answer is None)
    @rule()
    def the_daemon_reads(self) -> None:
        fetch = self.queue._fetch
        assert fetch is not None
        self.answer = self.read(fetch)

    @precondition(lambda self: self.answer is not None)
    @rule()
    def the_answer_arrives(self) -> None:
        assert self.answer is not None
        self.queue.fetched(self.answer)
        self.answer, self.fetching = None, False

    @precondition(lambda self: self.fetching)
    @rule()
    def the_answer_is_lost(self) -> None:
        self.queue.failed()
        self.answer, self.fetching = None, False

    @rule()
    def the_stream_loses_what_was_not_delivered(self) -> None:
        """It says so, and the list is loaded anew."""
        self.delivered = len(self.desk.log)
        self.queue.invalidate()

    @rule(view=st.sampled_from([None] * 15 + list(VIEWS)))
    def now_and_then_everything_is_loaded_anew(self, view: View | None) -> None:
        """Seldom, for it heals whatever was missed before."""
        if view is not None:
            self.queue.look_at(view)

    def teardown(self) -> None:
        """Faults stop, what is on its way arrives, what is wanted is fetched: then all is as it should be."""
        if not hasattr(self, "queue"):
            return
        if self.fetching:
            self.the_answer_is_lost() if self.answer is None else self.the_answer_arrives()
        for event in self.desk.log[self.delivered :]:
            self.queue.apply(event)
        while (fetch := self.queue.next_fetch()) is not None:
            self.queue.fetched(self.read(fetch))
        wanted = {item.conversation_id: item for item in page(self.desk, self.queue.view).items}
        assert self.queue.items == wanted
        ranked = sorted(wanted.values(), key=lambda item: order(item, ME))
        assert self.queue.rows() == [item for item in ranked if self.queue.filter.keeps(item)]
        assert self.queue.counts().mine == sum(in_view(item, "mine", ME) for item in wanted.values())
        assert not self.queue.counts().more

    @rule(typed=st.sampled_from(["", "refund", "!refund"]))
    def somebody_filters(self, typed: str) -> None:
        self.queue.filter = Filter.parse(typed)

    def read(self, fetch: Fetch) -> wire.QueuePage:
        whole = page(self.desk, fetch.view)
        page_size, walk_size = self.sizes
        if fetch.before is not None:
            below = [item for item in whole.items if item.number < fetch.before]
            found = sorted(below, key=lambda item: -item.number)[:walk_size]
        elif fetch.ids is None:
            found = sorted(whole.items, key=lambda item: order(item, ME))[:page_size]
        else:
            found = [item for item in page(self.desk).items if item.conversation_id in fetch.ids]
        return msgspec.structs.replace(whole, items=found)


Convergence.TestCase.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestConvergence = Convergence.TestCase


# ---------------------------------------------------------------- a conversation


def view_of(desk: Desk, key: UUID, before: int = 1 << 40) -> wire.ConversationView:
    talk = desk.talks[key]
    there = [message for message in talk.messages if message.seq < before]
    return wire.ConversationView(
        item=talk.item,
        epoch=talk.epoch,
        verified=True,
        customer_email=None,
        customer_phone=None,
        brief=None,
        messages=there[-50:],
        earlier=max(0, len(there) - 50),
        runs=[],
        cursor="0",
    )


def long_talk(messages: int) -> tuple[Desk, UUID, Conversation]:
    desk = Desk()
    key = desk.add(1)
    for index in range(messages - 1):
        desk.say(key, f"message {index}", quietly=True)
    talk = Conversation()
    talk.newest(view_of(desk, key), START)
    return desk, key, talk


def test_the_window_never_holds_more_than_it_may_and_reaches_every_message() -> None:
    desk, key, talk = long_talk(230)
    seen: set[int] = set()
    while talk.above:
        shown = [message.seq for message in talk.shown()]
        assert len(shown) <= WINDOW_MAX
        seen |= set(shown)
        if not talk.up():
            assert talk.before is not None
            talk.older(view_of(desk, key, talk.before))
    assert seen | {message.seq for message in talk.shown()} == set(range(1, 231))
    while not talk.following:
        talk.down(START)
    assert talk.shown()[-1].seq == 230


def test_a_message_is_new_until_the_reader_comes_to_it() -> None:
    desk, key, talk = long_talk(10)
    talk.stay()
    desk.say(key, "more")
    assert [message.content for message in talk.newest(view_of(desk, key), START)] == ["more"]
    assert talk.unread == 1
    talk.follow(START)
    assert talk.unread == 0


def test_a_message_counts_as_seen_only_after_there_was_time_to_notice_it() -> None:
    desk, key, talk = long_talk(10)
    assert talk.seen(START) == 10
    desk.say(key, "more")
    talk.newest(view_of(desk, key), START)
    assert talk.seen(START) == 10
    assert talk.seen(START + NOTICED_AFTER) == 11


def test_what_arrives_below_the_reader_is_never_seen() -> None:
    desk, key, talk = long_talk(10)
    talk.stay()
    desk.say(key, "more")
    talk.newest(view_of(desk, key), START)
    assert talk.seen(START + timedelta(hours=1)) == 10
    talk.acknowledge()
    assert talk.seen(START) == 11


def test_a_gap_in_what_is_known_is_not_shown_as_if_nothing_were_missing() -> None:
    desk, key, talk = long_talk(10)
    for index in range(80):
        desk.say(key, f"later {index}", quietly=True)
    talk.newest(view_of(desk, key), START)
    assert [message.seq for message in talk.shown()] == list(range(41, 91))
    assert talk.above == 40


def test_ids_that_are_no_ids_are_passed_over() -> None:
    queue = Queue()
    event = wire.Envelope(
        id=new_id(),
        topic="fte.conversations",
        key="nonsense",
        type="x",
        at=START,
        payload={"conversation_id": "?"},
    )
    assert queue.apply(event)
    assert number(1) not in queue.items
