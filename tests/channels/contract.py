"""What every channel promises, written once. An adapter's test module inherits ChannelContract and opens a desk.

A desk is a channel before its simulated provider, with the provider's own client in between.
"""

import asyncio
import contextlib
import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from fte.daemon.sender import SEND_TIMEOUT
from fte.demo.providers.accepts import Accepted
from fte.demo.providers.faults import FaultKind
from fte.demo.providers.server import ApiError, Simulator
from fte.domain.delivery import Outgoing
from fte.domain.errors import FteError, InDoubt, Rejected, Unavailable
from fte.ports import Channel

HASTE: Final = 0.2
"""How much shorter the adapters' deadlines are here, and with them what the sender would wait."""
TRIES: Final = 40
PAUSE: Final = 0.1
NAME: Final = "Ada Lovelace"
TEXT: Final = "Under Settings, Export."

NOT_DONE: Final[tuple[FaultKind, ...]] = ("too_many", "hang_before", "reset_before", "server_error")
DONE: Final[tuple[FaultKind, ...]] = ("hang_after", "reset_after", "slow")
HOSTILE: Final = {
    "crlf": "x\r\nBcc: evil@example.org\r\n\r\nStatusCallback=http://evil.example",
    "lf": "x\nX-FTE-Reply: 00000000-0000-0000-0000-000000000000\nTo: evil@example.org",
    "parameters": "x&To=whatsapp:+10000000000&MediaUrl=http://evil.example/%0d%0aBcc:a@b.c",
    "nul": "a\x00b",
    "surrogate": "a\ud83db\udc00",
    "controls": "\x1b]0;x\x07\x85\u2028Bcc: evil@example.org\u202e\ufeff",
    "encoded word": "=?utf-8?q?=0D=0ABcc=3A_evil=40example=2Eorg?=",
    "addresses": '"<evil@example.org>, evil@example.org; (c) \\',
    "long": "word " * 2_000,
    "one word": "x" * 10_000,
    "families": "👨‍👩‍👧‍👦" * 900,
    "nothing": "",
}
ELSEWHERE: Final = ("evil@example.org", "evil.example", "+10000000000")


@dataclass
class Desk(ABC):
    """One channel, and the provider behind it."""

    channel: Channel
    provider: Simulator

    @abstractmethod
    def outgoing(self, **changes: Any) -> Outgoing:
        """A reply the provider would take, with TEXT to NAME unless changed."""

    @abstractmethod
    def text(self) -> str:
        """What the customer reads in what was sent last."""

    @abstractmethod
    def frame(self) -> Any:
        """All of what was sent last but what its words and ids may change: recipients, names of headers and the like."""

    @property
    def sends(self) -> list[Accepted]:
        return self.provider.accepted.sends


@dataclass
class Attempt:
    """A reply on its way, treated as the sender treats it."""

    channel: Channel
    reply: Outgoing

    async def keep(self, draft_id: str) -> None:
        self.reply = dataclasses.replace(self.reply, draft_id=draft_id)

    async def once(self) -> str:
        return await self.channel.send(self.reply, self.keep)

    async def find(self) -> str | None:
        return await self.channel.find(self.reply)

    async def delivered(self, error: Exception | None = None) -> str | None:
        """The provider's id, in the end; None when it is parked for a person. `error`: what became of a first try."""
        for _ in range(TRIES):
            if error is None:
                try:
                    return await self.once()
                except Exception as raised:
                    error = raised
            if isinstance(error, Rejected):
                raise error
            if isinstance(error, Unavailable):
                await asyncio.sleep(PAUSE)
            else:
                try:
                    found = await self._asked()
                except _Parked:
                    return None
                if found is not None:
                    return found
            self._again()
            error = None
        raise AssertionError("it never ended")

    async def _asked(self) -> str | None:
        for _ in range(TRIES):
            try:
                return await self.find()
            except Unavailable:
                await asyncio.sleep(PAUSE)
            except InDoubt:
                break
        raise _Parked

    def _again(self) -> None:
        self.reply = dataclasses.replace(
            self.reply,
            attempts=self.reply.attempts + 1,
            began_at=datetime.now(UTC),
            queued_for=(datetime.now(UTC) - self.reply.began_at).total_seconds() + self.reply.queued_for,
        )


class _Parked(Exception):
    pass


class ChannelContract(ABC):
    OPERATIONS: ClassVar[tuple[str, ...]]
    """The provider's operations that a send consists of; the last one hands the message over."""
    REFUSAL: ClassVar[dict[str, int]]
    """Status and code of a refusal that the adapter knows no words of its own for."""

    @abstractmethod
    def open_desk(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> contextlib.AbstractAsyncContextManager[Desk]:
        """The channel, with deadlines cut to HASTE."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "operation" in metafunc.fixturenames:
            metafunc.parametrize("operation", type(self).OPERATIONS)

    @pytest.fixture
    async def desk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
        async with self.open_desk(tmp_path, monkeypatch) as desk:
            yield desk

    async def test_what_was_accepted_bears_our_id_and_is_found_by_the_providers(self, desk: Desk) -> None:
        other, ours = (Attempt(desk.channel, desk.outgoing(text=text)) for text in ("Something else.", TEXT))
        await other.once()
        provider_id = await ours.once()
        accepted = desk.sends[-1]
        assert (accepted.provider_id, accepted.reply_id) == (provider_id, str(ours.reply.reply_id))
        assert ours.reply.recipient in accepted.recipient
        assert TEXT in desk.text()
        assert await ours.find() == provider_id
        assert len(desk.sends) == 2

    @pytest.mark.parametrize("kind", NOT_DONE)
    async def test_what_was_not_done_is_no_accept_and_then_one_at_most(
        self, desk: Desk, operation: str, kind: FaultKind
    ) -> None:
        attempt = Attempt(desk.channel, desk.outgoing())
        desk.provider.faults.next(operation, kind)
        with pytest.raises((Unavailable, InDoubt)) as failed:
            await attempt.once()
        assert not desk.sends
        provider_id = await attempt.delivered(failed.value)
        assert [accepted.provider_id for accepted in desk.sends] == ([provider_id] if provider_id else [])

    @pytest.mark.parametrize("kind", DONE)
    async def test_what_was_done_without_an_answer_is_not_done_again(
        self, desk: Desk, operation: str, kind: FaultKind
    ) -> None:
        desk.provider.faults.next(operation, kind, seconds=2.0)
        provider_id = await Attempt(desk.channel, desk.outgoing()).delivered()
        assert [accepted.provider_id for accepted in desk.sends] == [provider_id]

    @pytest.mark.parametrize("kind", [*NOT_DONE, *DONE])
    async def test_nothing_is_doubled_when_asking_fails_too(self, desk: Desk, kind: FaultKind) -> None:
        desk.provider.faults.next(self.OPERATIONS[-1], kind, seconds=2.0)
        attempt = Attempt(desk.channel, desk.outgoing())
        try:
            await attempt.once()
        except Unavailable:
            return  # it was not done, which the other tests see to
        except InDoubt:
            pass
        desk.provider.faults.next("*", "server_error")
        with contextlib.suppress(InDoubt, Unavailable):
            if await attempt.find() is None:
                assert not desk.sends
        assert len(desk.sends) == (kind in DONE)

    async def test_a_refusal_names_its_cause_and_nobody(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reply = desk.outgoing()
        words = f"Invalid recipient {reply.recipient} <whatsapp:{reply.recipient}>."
        said = desk.provider.failed
        monkeypatch.setattr(
            desk.provider,
            "failed",
            lambda error: said(ApiError(error.status, words, error.code, error.reason)),
        )
        desk.provider.faults.next(self.OPERATIONS[-1], "refuse", **self.REFUSAL)
        with pytest.raises(Rejected) as refused:
            await Attempt(desk.channel, reply).once()
        message = refused.value.message
        assert "Invalid recipient" in message
        assert str(self.REFUSAL.get("code", self.REFUSAL["status"])) in message
        for private in (
            reply.recipient,
            NAME,
            TEXT,
            reply.recipient.lstrip("+"),
            reply.recipient.split("@")[0],
        ):
            assert private not in message
        assert not desk.sends

    async def test_each_call_ends_before_the_sender_gives_up(self, desk: Desk) -> None:
        for kind in ("hang_before", "slow"):
            desk.provider.faults.next("*", kind, times=100, seconds=0.3)  # type: ignore[arg-type]
            attempt = Attempt(desk.channel, desk.outgoing(attempts=2))
            for call in (attempt.once, attempt.find):
                begun = time.monotonic()
                with contextlib.suppress(FteError):
                    await call()
                assert time.monotonic() - begun < SEND_TIMEOUT * HASTE
            desk.provider.clear()

    @pytest.mark.parametrize("field_", ["text", "recipient_name", "subject", "reference", "operator_name"])
    async def test_words_are_words(self, desk: Desk, field_: str) -> None:
        await Attempt(desk.channel, desk.outgoing()).once()
        frame = desk.frame()
        for what, words in HOSTILE.items():
            reply = desk.outgoing(**{field_: words})
            before = len(desk.sends)
            try:
                await Attempt(desk.channel, reply).once()
            except Rejected:
                assert field_ == "text", what
                assert len(desk.sends) == before, what
                continue
            [accepted] = desk.sends[before:]
            assert accepted.reply_id == str(reply.reply_id), what
            assert not any(place in accepted.recipient for place in ELSEWHERE), what
            assert desk.frame() == frame, what

    async def test_what_cannot_be_addressed_is_rejected(self, desk: Desk) -> None:
        for words in HOSTILE.values():
            with pytest.raises(Rejected) as refused:
                await Attempt(desk.channel, desk.outgoing(recipient=words)).once()
            assert not words or words not in refused.value.message
        assert not desk.sends
