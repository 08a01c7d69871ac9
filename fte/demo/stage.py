"""The demonstration's providers: simulated Gmail and Twilio, in a thread beside whatever the main one does."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from fte.domain.errors import Unavailable

MAILBOX: Final = "support@tallywren.example"
START_TIMEOUT: Final = 20.0
STOP_TIMEOUT: Final = 10.0
STEP: Final = 0.3
"""Seconds between two statuses of a WhatsApp message."""


@dataclass(frozen=True, slots=True)
class Providers:
    """Where the simulated providers listen, and the settings of a daemon that uses them."""

    gmail_url: str
    twilio_url: str
    environment: dict[str, str]


@contextlib.contextmanager
def providers(daemon_url: str, folder: Path) -> Iterator[Providers]:
    """Run both while the block does; they post to `daemon_url` and keep the mailbox's token file in `folder`.

    Raises Unavailable when they cannot start.
    """
    started: Future[Providers] = Future()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(
        target=_run, args=(loop, daemon_url, folder, started, stop), daemon=True, name="providers"
    )
    thread.start()
    try:
        yield _running(started)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(STOP_TIMEOUT)


def _running(started: "Future[Providers]") -> Providers:
    try:
        return started.result(START_TIMEOUT)
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"The simulated providers did not start: {error}.") from None


def _run(
    loop: asyncio.AbstractEventLoop,
    daemon_url: str,
    folder: Path,
    started: "Future[Providers]",
    stop: asyncio.Event,
) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            runner.run(_serve(daemon_url, folder, started, stop))
        except Exception as error:
            if not started.done():
                started.set_exception(error)
            else:
                raise


async def _serve(daemon_url: str, folder: Path, started: "Future[Providers]", stop: asyncio.Event) -> None:
    async with (
        SimulatedGmail(MAILBOX).running() as gmail,
        SimulatedTwilio(f"{daemon_url}/webhooks/whatsapp", step=STEP).running() as twilio,
    ):
        gmail.push_to(MAILBOX, f"{daemon_url}/webhooks/gmail")
        environment = gmail.environment(folder) | twilio.environment() | {"FTE_PUBLIC_URL": daemon_url}
        started.set_result(Providers(gmail.url, twilio.url, environment))
        await stop.wait()
