"""The WhatsApp channel: replies go out through Twilio, and what became of a cut-off one is asked.

What may go wrong when a message is created, and what follows. Twilio has no idempotency key, so whatever may have been
taken is never sent again by itself.

| What happened                                                     | Raised      | Then                            |
|-------------------------------------------------------------------|-------------|---------------------------------|
| name not resolved, connection or TLS refused, deadline before that | Unavailable | sent again later                |
| 429, or code 20429, 14107, 30001, 63017, 63018, 63038              | Unavailable | sent again later                |
| 401, or code 20003 and its like; our own number is wrong           | Unavailable | the channel is unhealthy        |
| 63016 at once: the window closed earlier than we knew               | -           | the template, as if we had known |
| any other 4xx: opted out, bad number, too long, window closed      | Rejected    | failed, with cause and remedy   |
| deadline or connection lost once the request's headers were out    | InDoubt     | `find`, else a person           |
| 5xx: a gateway answers it for requests that arrived, too           | InDoubt     | `find`, else a person           |
| an answer that cannot be read, or without a sid                    | InDoubt     | `find`, else a person           |
"""

import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import structlog

from fte.channels.whatsapp.account import PREFIX, Account, number_of
from fte.channels.whatsapp.client import Listed, TwilioClient
from fte.channels.whatsapp.refusals import CLOSED, NEVER, ChannelDown, WindowClosed, explained
from fte.domain import channels
from fte.domain.delivery import Outgoing
from fte.domain.errors import FteError, InDoubt, Rejected, Unavailable
from fte.domain.text import one_line, storable
from fte.ports import KeepDraft

WINDOW_MARGIN: Final = timedelta(seconds=60)
"""How long before its end the window counts as closed: clocks differ, and a message takes a while to be sent."""
TEMPLATE_TEXT_MAX: Final = 900
"""Characters of the answer a template can carry: a template's whole body may have 1,024."""
VISIBLE_AFTER: Final = timedelta(seconds=30)
"""How long after it was sent a message may still be missing from Twilio's list."""
CLOCK_SKEW: Final = timedelta(minutes=2)
FIND_MAX: Final = 50
"""Messages to one customer that are looked through for one that was cut off."""

Known = Callable[[str], Awaitable[bool]]
"""Whether a provider's id is already that of one of our replies."""
ReportHealth = Callable[[str | None], Awaitable[None]]
"""Takes what is wrong with the account, or None."""

_log = structlog.get_logger("fte.whatsapp")


def _now() -> datetime:
    return datetime.now(UTC)


class WhatsappChannel:
    """Implements `fte.ports.Channel`. Create it inside a running event loop, and close it there."""

    name: channels.Channel = "whatsapp"

    def __init__(
        self,
        account: Account,
        known: Known,
        report_health: ReportHealth,
        *,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._account = account
        self._client = TwilioClient(account)
        self._known = known
        self._report_health = report_health
        self._now = now
        self._problem: str | None = ""

    async def close(self) -> None:
        await self._client.close()

    async def send(self, reply: Outgoing, keep_draft: KeepDraft) -> str:
        """Hand a reply to Twilio; its sid. There are no drafts. Raises as the table above says.

        Outside the 24-hour window the configured template is sent instead; Rejected when there is none.
        """
        try:
            sid = await self._create(reply)
        except ChannelDown as error:
            await self._note(error.message)
            raise
        await self._note(None)
        return sid

    async def _create(self, reply: Outgoing) -> str:
        if number_of(PREFIX + reply.recipient) is None:
            raise Rejected(explained(21211), remedy=NEVER[21211][1])
        addressed = {
            "to": PREFIX + reply.recipient,
            "from_": self._account.address,
            "status_callback": f"{self._account.status_url}?{urlencode({'reply': reply.reply_id})}",
        }
        if not self._window_closed(reply, self._now()):
            with contextlib.suppress(WindowClosed):
                return await self._client.create({**addressed, "body": storable(reply.text)})
        return await self._client.create({**addressed, **self._template(reply)})

    async def find(self, reply: Outgoing) -> str | None:
        """The sid of the one message that can only be this reply.

        Raises InDoubt when there is none, since Twilio's list does not prove that, or when there are several;
        Unavailable while one may not be listed yet, or when Twilio cannot be asked.
        """
        since = reply.began_at - CLOCK_SKEW
        wanted, inside = one_line(reply.text), self._window_closed(reply, reply.began_at)
        listed = await self._client.between(self._account.address, PREFIX + reply.recipient, FIND_MAX)
        alike = [m for m in listed if m.created_at >= since and _carries(m, wanted, inside=inside)]
        found = [m.sid for m in alike if not await self._known(m.sid)]
        if len(found) == 1:
            return found[0]
        if found:
            raise InDoubt(f"Twilio has {len(found)} messages that could be this one.")
        if self._now() - reply.began_at < VISIBLE_AFTER:
            raise Unavailable("Twilio may not list the message yet.")
        raise InDoubt("Twilio lists no message that could be this one.")

    @staticmethod
    def _window_closed(reply: Outgoing, at: datetime) -> bool:
        return reply.window_until is not None and at + WINDOW_MARGIN >= reply.window_until

    def _template(self, reply: Outgoing) -> dict[str, Any]:
        """Variables of a template hold one line each (https://www.twilio.com/docs/content/using-variables)."""
        text = one_line(reply.text)
        if not self._account.template:
            raise Rejected(explained(CLOSED), remedy=NEVER[CLOSED][1])
        if len(text) > TEMPLATE_TEXT_MAX:
            raise Rejected(
                f"The 24-hour window is closed, and a template carries {TEMPLATE_TEXT_MAX} characters: write it shorter.",
                remedy="Write it shorter, or wait until the customer writes again.",
            )
        variables = {"1": one_line(reply.reference), "2": text}
        return {"content_sid": self._account.template, "content_variables": json.dumps(variables)}

    async def _note(self, problem: str | None) -> None:
        """Report the account's health when it changed. What was sent stays sent, whether that can be stored or not."""
        if problem == self._problem:
            return
        with contextlib.suppress(FteError):
            await self._report_health(problem)
            self._problem = problem
            if problem:
                _log.error("whatsapp unhealthy", problem=problem)


def _carries(message: Listed, wanted: str, *, inside: bool) -> bool:
    """Whether a message is the text, or has it inside a template's own words."""
    words = one_line(message.text)
    return not message.inbound and (words == wanted or (inside and wanted in words))
