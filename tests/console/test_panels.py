"""The screens beside the queue: metrics, channels and dead letters, customers, knowledge."""

import textwrap
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from fte.console import keys, overview_words, plots
from fte.console.app import Console
from fte.console.screens import panel
from fte.console.screens.channels import ChannelsScreen
from fte.console.screens.queue import QueueScreen
from fte.console.screens.search import CustomersScreen, KnowledgeScreen
from fte.domain.events import METRICS
from fte.domain.ids import new_id
from fte.wire import ConsumerLag, Envelope, SuggestionSource, TeachRequest
from tests.console.session import session
from tests.console.support import (
    START,
    Desk,
    a_letter,
    a_suggestion,
    known,
    number,
    problem,
    some_hits,
    some_metrics,
)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel, "REFRESH_PAUSE", 0.02)


# ---------------------------------------------------------------- pictures


def test_a_curve_shows_the_most_the_least_and_where_nothing_was() -> None:
    assert plots.spark([0, 1, 50, 100, None]) == "▁▂▅█·"
    assert plots.spark([]) == ""
    assert plots.spark([0, 0]) == "▁▁"
    assert plots.spark([0.5], top=1.0) == "▅"


def test_a_bar_is_never_wider_than_asked_and_never_nothing_for_something() -> None:
    assert [len(plots.bar(value, 100, 10)) for value in (0, 0.01, 50, 100)] == [0, 1, 5, 10]


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (0.04, "0.0 s"), (9.94, "9.9 s"), (59.6, "60 s"), (100, "2 min"), (7200, "2 h")],
)
def test_lengths_of_time_are_short(value: float | None, words: str) -> None:
    assert plots.seconds(value) == words
    assert len(words) <= 6


def test_the_metrics_fit_80_by_24() -> None:
    view = some_metrics()
    for series in view.series:
        text = "".join(
            part if isinstance(part, str) else part[0] for part in overview_words.metrics(view, series, START)
        )
        head, waiting, *lines = text.splitlines()
        assert len(lines) + len(textwrap.wrap(waiting, 76)) <= 20
        assert max(map(len, [head, *lines])) <= 77, max(lines, key=len)


# ---------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("bus", "lag", "words"),
    [
        (None, None, ""),
        ("log", None, "Consumer lag: none, there is no Kafka: consumers read the log itself"),
        ("kafka", None, "Consumer lag: ? not known, Kafka does not answer"),
        ("kafka", {"a": 0}, "Consumer lag: 0, all events are handled"),
        ("kafka", {"a": 3, "b": 1_200}, "1,200 events"),
    ],
)
def test_it_is_told_how_far_consumers_are_behind(bus: Any, lag: Any, words: str) -> None:
    behind = lag and [ConsumerLag(group="g", topic=topic, events=n) for topic, n in lag.items()]
    view = msgspec.structs.replace(some_metrics(), bus=bus, lag=behind)
    parts = overview_words.metrics(view, view.series[0], START)
    text = "".join(part if isinstance(part, str) else part[0] for part in parts)
    assert words in text
    assert ("Consumer lag" in text) is (bus is not None)
    if lag and len(lag) > 1:
        assert text.index("1,200 events") < text.index("3 events")


async def test_metrics_are_a_key_away_and_live(desk: Desk, state_dir: Path) -> None:
    desk.add(1)
    async with session(desk, state_dir) as here:
        await here.press("M")
        await here.shows("All channels, the last hour")
        await here.shows("› metrics")
        await here.shows("refund request")
        await here.shows("1 UNKNOWN, for a person to check")
        asked = sum(path == "/operator/metrics" for _, path in desk.requests)
        desk.publish(
            Envelope(id=new_id(), topic=METRICS, key="x", type="turn.finished", at=START, payload={})
        )
        await here.until(
            lambda: sum(path == "/operator/metrics" for _, path in desk.requests) > asked, "asked again"
        )
        await here.press("c")
        await here.shows("Email, the last hour")
        await here.press("s")
        await here.shows("Email, the last 24 hours")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, QueueScreen))


async def test_who_comes_back_to_the_queue_reads_where_they_are(desk: Desk, state_dir: Path) -> None:
    async with session(desk, state_dir) as here:
        await here.live()
        await here.press("M")
        await here.shows("› metrics")
        here.app._paint_frames()  # as when something happens meanwhile: of the screens below, too
        await here.press("escape")
        await here.hides("› metrics")


async def test_a_screen_that_cannot_be_loaded_says_why_and_comes_back(desk: Desk, state_dir: Path) -> None:
    async with session(desk, state_dir) as here:
        desk.answer_with = problem(503, "The database is away.")
        await here.press("M")
        await here.shows("✗ Not loaded: The database is away.")
        desk.answer_with = None
        await here.shows("All channels, the last hour")
        await here.hides("Not loaded")


# ---------------------------------------------------------------- channels and dead letters


async def test_channels_say_what_is_ill_and_dead_letters_are_decided_on(desk: Desk, state_dir: Path) -> None:
    desk.operator = type(desk.operator)(id=number(1), name="Dana", role="lead")
    desk.letters = [a_letter(8), a_letter(7)]
    async with session(desk, state_dir) as here:
        await here.press("H")
        await here.shows("Google refuses the token")
        await here.shows("watch ends")
        await here.shows("Dead letters that wait for a person (2)")
        await here.press("enter")
        await here.shows('"channel": "email"')
        await here.press("escape")
        await here.press("r")
        await here.shows("Announce the event of dead letter 8 again?")
        await here.press("escape")
        assert desk.decisions == []
        await here.press("r", "ctrl+j")
        await here.says("Announced again: 8.")
        await here.shows("wait for a person (1)")
        await here.press("d")
        await here.shows("Give dead letter 7 up?")
        await here.write("a test")
        await here.press("ctrl+j")
        await here.says("Given up: 7.")
        await here.shows("wait for a person: none")
        assert [(what, asked.letters, asked.reason) for what, asked in desk.decisions] == [
            ("retry", [8], ""),
            ("drop", [7], "a test"),
        ]
        await here.press("r")
        await here.says("There is no dead letter here.")
        await here.press("v")
        await here.shows("✗ dropped")


async def test_the_chosen_letter_stays_chosen_whatever_comes_in(desk: Desk, state_dir: Path) -> None:
    desk.letters = [a_letter(8), a_letter(7)]
    async with session(desk, state_dir) as here:
        await here.press("H")
        await here.shows("Dead letters that wait for a person (2)")
        desk.letters = [a_letter(9), *desk.letters]
        desk.announce(desk.add(1), "message.received")
        await here.shows("Dead letters that wait for a person (3)")
        await here.press("enter")
        await here.shows("Dead letter 8")


async def test_an_agent_may_look_at_dead_letters_and_is_told_who_decides(desk: Desk, state_dir: Path) -> None:
    desk.letters = [a_letter(8)]
    async with session(desk, state_dir) as here:
        await here.press("H")
        await here.shows("(1)")
        await here.press("r")
        await here.says("for a lead or an admin")
        assert isinstance(here.app.screen, ChannelsScreen)


# ---------------------------------------------------------------- searching


async def test_a_customer_is_found_and_their_conversation_opened(desk: Desk, state_dir: Path) -> None:
    known(desk, desk.add(1), desk.add(2))
    async with session(desk, state_dir) as here:
        await here.press("C")
        await here.write("love")
        await here.press("enter")
        await here.shows("Ada Lovelace  ada@example.org")
        await here.press("enter")
        await here.shows("Perhaps the same person")
        await here.press("enter")
        await here.shows("#1 Ada Lovelace")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, CustomersScreen))
        await here.press("slash")
        await here.press("ctrl+u")
        await here.write("nobody at all")
        await here.press("enter")
        await here.shows("Nobody was found.")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, QueueScreen))


async def test_a_question_shows_hits_scores_and_the_floor(desk: Desk, state_dir: Path) -> None:
    desk.hits = some_hits()
    async with session(desk, state_dir, size=(80, 30)) as here:
        await here.press("K")
        await here.write("how do I export?")
        await here.press("enter")
        await here.shows("0.71 ███████")
        await here.shows("below 0.26: the AI does not see what follows")
        assert isinstance(here.app.screen, KnowledgeScreen)
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, QueueScreen))


# ---------------------------------------------------------------- suggestions


@pytest.fixture
def learning(desk: Desk) -> Desk:
    desk.operator = structs.replace(desk.operator, role="lead")
    edited = {"kind": "edited", "draft": "There are no places.", "body": "[name] may park behind the house."}
    desk.suggestions = [a_suggestion(7), a_suggestion(9, **edited)]
    return desk


async def test_a_suggestion_is_read_and_approved(learning: Desk, state_dir: Path) -> None:
    async with session(learning, state_dir, size=(80, 40)) as here:
        await here.press("L")
        await here.shows("1 of 2")
        await here.shows("Dana answered what no page had  #7")
        await here.shows("Where can I park near your office?")
        await here.press("a")
        await here.says("Learned: learned/7-parking.md")
        await here.shows("1 of 1")
        await here.shows("There are no places.")
        assert [(page.title, page.body) for page in learning.taught if page] == [
            ("Where can I park near your office?", "Visitors park behind the house, in the places marked V.")
        ]


async def test_all_that_was_answered_about_one_matter_is_read_and_decided_on_together(
    learning: Desk, state_dir: Path
) -> None:
    other = a_suggestion(8, operator="Kim", question="is there parking?", answer="Yes, behind the house.")
    facts = {name: getattr(other, name) for name in SuggestionSource.__struct_fields__}
    learning.suggestions = [a_suggestion(7, others=[SuggestionSource(**facts)])]
    async with session(learning, state_dir, size=(80, 60)) as here:
        await here.press("L")
        await here.shows("1 of 1")
        await here.shows("Dana answered what no page had  #7")
        await here.shows("Kim answered what no page had  #8")
        await here.shows("Yes, behind the house.")
        await here.press("a")
        await here.says("Learned:")
        assert learning.taught_with == [str(other.id)]


async def test_a_page_that_is_not_ready_says_why_and_is_mended_in_an_editor(
    learning: Desk, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write_outside(_: Console, text: str) -> str:
        assert text == "# Where can I park near your office?\n\n[name] may park behind the house.\n"
        return "# Parking for visitors\n\nVisitors may park behind the house.\n"

    monkeypatch.setattr(Console, "write_outside", write_outside)
    async with session(learning, state_dir, size=(80, 40)) as here:
        await here.press("L")
        await here.shows("1 of 2")
        await here.press("n", "a")
        await here.says("still has [name]: say it without")
        await here.press("e")
        await here.shows("Parking for visitors")
        await here.press("a")
        await here.says("Learned:")
        assert learning.taught == [
            TeachRequest(title="Parking for visitors", body="Visitors may park behind the house.")
        ]


async def test_what_is_rejected_is_confirmed_and_gone(learning: Desk, state_dir: Path) -> None:
    async with session(learning, state_dir) as here:
        await here.press("L")
        await here.shows("1 of 2")
        await here.press("x")
        await here.shows("Reject this page?")
        await here.press("escape", "x", "ctrl+j")
        await here.shows("1 of 1")
        assert learning.taught == [None]
        learning.suggestions.clear()
        await here.press("a")
        await here.says("Kim approved this suggestion already")
        await here.shows("Nothing to learn from at the moment.")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, QueueScreen))


async def test_what_the_ai_learns_is_not_for_every_role(learning: Desk, state_dir: Path) -> None:
    learning.operator = structs.replace(learning.operator, role="agent")
    async with session(learning, state_dir) as here:
        await here.press("L")
        await here.shows("1 of 2")
        await here.press("a")
        await here.says("for a lead or an admin to decide on")
        assert learning.taught == []


@pytest.mark.parametrize(
    ("key", "context"),
    [("L", "suggestions"), ("M", "metrics"), ("H", "channels"), ("C", "customers"), ("K", "knowledge")],
)
async def test_every_screen_has_its_help_and_its_palette(
    desk: Desk, state_dir: Path, key: str, context: keys.Context
) -> None:
    desk.letters = [a_letter(1)]
    async with session(desk, state_dir, size=(120, 50)) as here:
        await here.press(key)
        await here.shows("esc back")
        await here.press("f1")
        await here.shows(f"Keys: {context}")
        for action in keys.of(context):
            await here.shows(action.help[:40])
        await here.press("escape", "ctrl+p")
        await here.shows(f"{keys.of(context)[0].label.capitalize()}  ({keys.of(context)[0].key})")
