"""One message's trail through the logs: the id intake gives a customer's message is on the lines of every role.

A line about one message has it as `message`; a line about an answer has the messages it answers as `messages`.
Nothing is stored for this: which messages an answer answers follows from their places in the conversation.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from fte.domain.channels import Channel
from fte.domain.ids import new_id
from fte.store.intake import Received
from fte.store.replies import Reported

HEADER: Final = "X-Request-ID"
"""Names the request in its answer: by the message that it brought, else by an id of its own.

What a client sends under this name is not read: anybody could write anything into our logs, and pose as another message.
"""

_log = structlog.get_logger("fte.intake")


def identified(application: ASGIApp) -> ASGIApp:
    """The application, with an id for each request: on the lines logged meanwhile, and in the answer."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        start_with(request=str(new_id()))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = get_contextvars()
                MutableHeaders(scope=message)[HEADER] = known.get("message") or known["request"]
            await send(message)

        await application(scope, receive, sending)

    return answered


def start_with(**ids: object) -> None:
    """From here on the lines of this task have these ids and no others."""
    clear_contextvars()
    bind_contextvars(**ids)


@contextlib.contextmanager
def about(**ids: object) -> Iterator[None]:
    """The lines logged inside the block have these ids, and what is learned on the way."""
    start_with(**ids)
    try:
        yield
    finally:
        clear_contextvars()


def received(received: Received, channel: Channel) -> None:
    """Tell that a customer's message is stored. The lines of this task that follow have its id, too."""
    bind_contextvars(message=str(received.message))
    _log.info(
        "message received again" if received.duplicate else "message received",
        conversation=str(received.conversation),
        ticket=str(received.ticket),
        channel=channel,
    )


def reported(reported: Reported, status: str) -> None:
    """Tell what a provider said of a reply."""
    _log.info(
        "reply reported",
        reply=str(reported.reply),
        conversation=str(reported.conversation),
        messages=named(reported.answers),
        status=status,
    )


def named(messages: Sequence[UUID]) -> list[str]:
    """Messages as a line names them."""
    return [str(message) for message in messages]
