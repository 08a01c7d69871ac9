"""The sender: hands queued replies to their providers, once, and asks the provider where that was cut off."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog

from fte.daemon import leases, trail
from fte.domain import delivery
from fte.domain.channels import Channel
from fte.domain.delivery import Outgoing
from fte.domain.errors import InDoubt, Rejected, Unavailable
from fte.domain.events import OUTBOUND, SENDERS
from fte.domain.ids import new_id
from fte.domain.notices import notice_subject, notice_text
from fte.domain.retry import pause
from fte.pg.hints import Hints, heard
from fte.pg.pool import Pool
from fte.ports import Bus, KeepDraft
from fte.ports import Channel as Provider
from fte.store import replies
from fte.store.replies import Claim
from fte.wire import Envelope

SEND_TIMEOUT: Final = 15.0
"""Seconds one call of a channel may take."""
BEGIN_BY: Final = leases.SECONDS / 2
"""Seconds after the claim in which sending must begin: a process that was stopped for longer leaves the reply alone.
When its lease is over, the provider is asked about it."""
ASK_AGAIN: Final = 5.0
"""Seconds between two questions to the provider about one reply."""
PARK_AFTER: Final = 45.0
"""Seconds after which a reply nobody can tell about is parked for a person."""
PARKED_ASK_AGAIN: Final = 300.0
"""Seconds between two questions about a parked reply: the provider may yet know."""
POLL: Final = 1.0
CONCURRENCY: Final = 32
DRAIN: Final = 10.0
"""Seconds replies under way are given when the sender is told to stop."""

_log = structlog.get_logger("fte.sender")


def now() -> float:
    """Seconds on a clock that goes on while the machine or the process sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Sender:
    """Sends on the channels it is given, at most CONCURRENCY replies at a time and one per conversation."""

    def __init__(
        self,
        pool: Pool,
        bus: Bus,
        hints: Hints,
        secret: bytes,
        providers: Mapping[Channel, Provider],
        *,
        company: str,
        public_url: str,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._hints = hints
        self._secret = secret
        self._providers = providers
        self._company = company
        self._public_url = public_url.rstrip("/")
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._claiming = asyncio.Lock()
        """Held from counting the free places until they are taken: two claims at once would take the same ones."""
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Send until cancelled; then finish what is under way."""
        try:
            async with leases.renewing(self._renew), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._bus.consume(sorted(OUTBOUND.values()), SENDERS, self._on_doorbell))
                tasks.create_task(self._for_ever(self._claim_due))
                tasks.create_task(self._for_ever(self._claim_overdue))
        finally:
            if self._running:
                await asyncio.wait(self._running, timeout=DRAIN)
            for task in self._running:
                task.cancel()

    async def _on_doorbell(self, _: Envelope) -> None:
        self._bell.set()

    async def _for_ever(self, step: Callable[[], Awaitable[float]]) -> None:
        failures = 0
        while True:
            try:
                wait = await step()
                failures = 0
            except Unavailable:
                failures += 1
                wait = pause(failures)
            if wait:
                await heard(self._bell, wait)

    async def _claim_due(self) -> float:
        """Take what is due and start on it. Returns the seconds to wait before looking again."""
        self._bell.clear()
        async with self._claiming:
            free = CONCURRENCY - len(self._running)
            if not free:
                return POLL
            claimed_at = now()
            claims = await replies.claim(
                self._pool, self._secret, new_id(), self._providers, free, leases.SECONDS
            )
            for claim in claims:
                self._start(claim, self._send(claim, claimed_at))
        if claims:
            return 0.0
        due = await replies.next_due(self._pool, self._providers)
        return POLL if due is None else min(POLL, max(due, 0.01))

    async def _claim_overdue(self) -> float:
        async with self._claiming:
            if free := CONCURRENCY - len(self._running):
                claims = await replies.claim_overdue(
                    self._pool, self._secret, new_id(), self._providers, free, leases.SECONDS
                )
                for claim in claims:
                    self._start(claim, self._ask(claim))
        await asyncio.sleep(POLL)
        return 0.0

    async def _renew(self, seconds: float) -> None:
        await replies.renew(self._pool, list(self._running.values()), seconds)

    def _start(self, claim: Claim, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(claim, work))
        self._running[task] = claim
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._bell.set()

    async def _guarded(self, claim: Claim, work: Coroutine[Any, Any, None]) -> None:
        trail.start_with(**_ids(claim))
        try:
            await work
        except Unavailable:
            pass  # the database is away; the lease runs out, and the provider is asked
        except Exception as error:
            _log.error("sending broke", error=type(error).__name__, exc_info=error)
        self._hints.ring()

    async def _send(self, claim: Claim, claimed_at: float) -> None:
        reply = self._worded(claim.reply)
        if now() - claimed_at > BEGIN_BY:
            return
        provider = self._providers[reply.channel]
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                provider_id = await provider.send(reply, self._draft_keeper(claim))
        except Unavailable as error:
            await self._try_later(claim, error.message)
        except Rejected as error:
            await replies.fail(self._pool, claim, error.message)
            self._tell("failed")
        except Exception as error:
            _log.warning("reply in doubt", error=type(error).__name__)
            await replies.ask_in(self._pool, claim, ASK_AGAIN)
        else:
            await replies.accepted(self._pool, reply, provider_id)
            self._tell("sent")

    def _worded(self, reply: Outgoing) -> Outgoing:
        """A notice holds nothing of the conversation; its words are made here."""
        if reply.kind != "notice":
            return reply
        url = f"{self._public_url}/support/ticket/{reply.ticket_id}"
        text = notice_text(self._company, reply.reference, url)
        return replace(reply, text=text, subject=notice_subject(reply.reference), recipient_name="")

    def _draft_keeper(self, claim: Claim) -> KeepDraft:
        async def keep(draft_id: str) -> None:
            if not await replies.keep_draft(self._pool, claim, draft_id):
                raise InDoubt("The reply is somebody else's by now.")

        return keep

    async def _try_later(self, claim: Claim, error: str) -> None:
        wait = delivery.retry_in(claim.reply.attempts, claim.reply.queued_for)
        if wait is None:
            await replies.fail(self._pool, claim, f"given up after many tries: {error}")
            self._tell("failed")
        else:
            await replies.put_back(self._pool, claim, wait, error)
            self._tell("put back")

    async def _ask(self, claim: Claim) -> None:
        """Find out whether the provider has a reply whose sending was cut off."""
        provider = self._providers[claim.reply.channel]
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                provider_id = await provider.find(claim.reply)
        except Exception as error:
            message = error.message if isinstance(error, InDoubt | Unavailable) else type(error).__name__
            await self._still_in_doubt(claim, message)
            return
        if provider_id is None and claim.state == "unknown":
            # A person was told, and what they wrote since must not be overtaken from behind: they send it again.
            await replies.fail(self._pool, claim, "the provider never had it")
            self._tell("not sent")
        elif provider_id is None:
            await self._try_later(claim, "was cut off before the provider had it")
        else:
            await replies.accepted(self._pool, claim.reply, provider_id)
            self._tell("found")

    async def _still_in_doubt(self, claim: Claim, error: str) -> None:
        if claim.since_began < PARK_AFTER and claim.state == "sending":
            await replies.ask_in(self._pool, claim, ASK_AGAIN)
        else:
            await replies.park(self._pool, claim, error, PARKED_ASK_AGAIN)
            self._tell("parked")

    def _tell(self, what: str) -> None:
        _log.info("reply " + what)


def _ids(claim: Claim) -> dict[str, object]:
    reply = claim.reply
    return {
        "reply": str(reply.reply_id),
        "conversation": str(reply.conversation_id),
        "channel": reply.channel,
        "kind": reply.kind,
        "attempt": reply.attempts,
        "messages": trail.named(claim.answers),
    }
