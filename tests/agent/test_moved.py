"""A customer who goes on with us on another channel is told that we know."""

from datetime import timedelta

import pytest

from fte.agent.agent import SupportAgent
from fte.agent.offline import OfflineModel
from fte.domain.channels import Channel, within_limits
from fte.domain.turns import Line
from tests.support_agent import COMPANY, Library, assignment, line

QUESTION = "How do I reset my password?"


def _lines(before: Channel, now: Channel, *, answered: bool = True) -> tuple[Line, ...]:
    said = [line("What is the API limit?", channel=before, new=not answered, seq=1)]
    if answered:
        said.append(line("120 requests per minute.", role="agent", channel=before, new=False, seq=2))
    return (*said, line(QUESTION, channel=now, seq=3))


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ("whatsapp", "email", "This continues what you wrote on WhatsApp."),
        ("email", "whatsapp", "This continues what you wrote by e-mail."),
        ("web_form", "email", "This continues what you wrote on our support page."),
    ],
)
async def test_the_answer_names_the_channel_before(
    before: Channel, now: Channel, words: str, answered: bool
) -> None:
    turn = assignment(lines=_lines(before, now, answered=answered), channel=now, first_answer=not answered)
    outcome = await SupportAgent(OfflineModel(), Library(), COMPANY).answer(turn)
    assert words in outcome.reply and "Send link" in outcome.reply
    assert "AI assistant" in outcome.reply
    assert within_limits(now, outcome.reply)


def test_it_is_said_once_and_only_to_the_proven() -> None:
    lines = _lines("whatsapp", "email")
    assert assignment(lines=lines, channel="email", first_answer=False).moved_from == "whatsapp"
    assert assignment(lines=lines, channel="email", first_answer=False, verified=False).moved_from is None
    told = tuple(Line(one.seq, one.role, one.channel, one.content, one.at, False) for one in lines)
    later = (*told, line("And the API limit?", channel="email", seq=4))
    assert assignment(lines=later, channel="email", first_answer=False).moved_from is None


def test_the_model_knows_until_when_whatsapp_takes_an_answer() -> None:
    wrote = line(QUESTION, channel="whatsapp")
    (item,) = SupportAgent(OfflineModel(), Library(), COMPANY).items(
        assignment(lines=(wrote,), channel="whatsapp")
    )
    assert f"until {wrote.at + timedelta(hours=24):%Y-%m-%d %H:%M} UTC" in item["content"]
    (item,) = SupportAgent(OfflineModel(), Library(), COMPANY).items(
        assignment(lines=(line(QUESTION),), channel="email")
    )
    assert "WhatsApp" not in item["content"]
