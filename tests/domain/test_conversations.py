"""Who may act on a conversation, and what those who may not are told to do."""

from collections.abc import Callable
from uuid import UUID

import pytest

from fte.domain.conversations import (
    Actor,
    Control,
    check_release,
    check_reply,
    check_resolve,
    check_take_over,
)
from fte.domain.errors import Conflict, Refused
from fte.domain.operators import OperatorRole

SAM, KIM = UUID(int=1), UUID(int=2)
HELD = Control(
    owner="human",
    epoch=3,
    status="open",
    operator_id=SAM,
    operator_name="Sam",
    last_seq=5,
    last_inbound_seq=5,
    answered_seq=4,
)
THE_AIS = Control("ai", 3, "open", None, None, last_seq=5, last_inbound_seq=5, answered_seq=4)


def kim(role: OperatorRole = "agent", epoch: int = 3) -> Actor:
    return Actor(KIM, "Kim", role, seen=5, epoch=epoch)


@pytest.mark.parametrize("check", [check_take_over, check_reply, check_resolve])
def test_what_a_colleague_holds_cannot_be_taken_so_nobody_is_told_to(
    check: Callable[[Control, Actor], None],
) -> None:
    with pytest.raises(Conflict, match="Sam") as caught:
        check(HELD, kim("lead"))
    assert caught.value.remedy == "Ask them; a lead or an admin can release it for them."


def test_what_no_person_holds_is_taken_over_first() -> None:
    with pytest.raises(Conflict, match="The AI holds") as caught:
        check_reply(THE_AIS, kim())
    assert caught.value.remedy == "Take the conversation over first."


def test_a_lead_releases_for_the_holder_they_saw_and_nobody_else_does() -> None:
    check_release(HELD, kim("lead"))
    check_release(HELD, kim("admin"))
    with pytest.raises(Refused, match="only they, a lead or an admin"):
        check_release(HELD, kim("agent"))
    with pytest.raises(Conflict, match="changed hands"):
        check_release(HELD, kim("lead", epoch=2))
