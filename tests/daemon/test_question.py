"""A question is asked once for all who want to know, and nobody waits for ever."""

import asyncio

import pytest

from fte.daemon.question import Question
from fte.domain.errors import Unavailable


class Server:
    """Answers with how often it was asked, when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may = asyncio.Event()

    async def __call__(self) -> int:
        self.asked += 1
        number = self.asked
        await self.may.wait()
        return number


async def test_it_is_asked_once_for_all_who_wait() -> None:
    server, question = Server(), Question[int](60)
    waiting = [asyncio.create_task(question.answer(server)) for _ in range(5)]
    await asyncio.sleep(0)
    server.may.set()
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await question.answer(server) == 2, "who comes later wants to know how it is then"


async def test_whoever_waited_long_enough_is_told_so_and_the_next_one_asks_anew() -> None:
    server, question = Server(), Question[int](0.01)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await question.answer(server)
    assert server.asked == 3
    server.may.set()
    question.patience = 60
    assert await question.answer(server) == 4


async def test_an_error_is_everybodys_and_the_next_one_asks_anew() -> None:
    question = Question[int](60)

    async def refuse() -> int:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    errors = await asyncio.gather(*(question.answer(refuse) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in errors] == [ZeroDivisionError] * 3
    server = Server()
    server.may.set()
    assert await question.answer(server) == 1


async def test_who_leaves_takes_the_answer_from_nobody() -> None:
    server, question = Server(), Question[int](60)
    leaving, staying = (asyncio.create_task(question.answer(server)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    server.may.set()
    assert await staying == 1
