"""`fte demo`: the whole product on this machine, with simulated customers."""

import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fte.cli._session import fail, load_settings, plain_errors
from fte.cli.console import own_keys
from fte.domain.channels import CHANNEL_WORDS
from fte.domain.errors import Rejected
from fte.domain.text import printable

if TYPE_CHECKING:
    from fte.console.keys import Keymap
    from fte.demo.customers import Crowd, Said, Tally
    from fte.demo.daemon import RunningDemo
    from fte.domain.channels import Channel

HEADLESS_SECONDS: Final = 30.0
PAUSE: Final = 1.2
"""Seconds between two new customers."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}

For = Annotated[
    str | None,
    typer.Option(
        "--for",
        help="How long, such as 30s or 5m. Without a terminal the default is 30s.",
        show_default=False,
    ),
]
Headless = Annotated[
    bool, typer.Option("--headless", help="Print the conversations instead of opening the console.")
]
Port = Annotated[
    int | None, typer.Option("--port", help="Port of the demonstration.", show_default="8000, or a free one")
]


def demo(for_: For = None, headless: Headless = False, port: Port = None) -> None:
    """Show the whole product on this machine: no Docker, no keys, no network.

    Starts a daemon with an embedded database in a temporary folder and simulated Gmail and WhatsApp beside it, loads
    the documents of a sample company, lets simulated customers write by form, mail and WhatsApp, and opens the console
    on the live traffic. Without a terminal it prints the conversations and a summary instead. Write to it yourself
    with `fte simulate` in another terminal.
    """
    seconds = _seconds(for_)
    headless = headless or not (sys.stdin.isatty() and sys.stdout.isatty())
    from fte.demo import daemon

    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal, too, must leave nothing running
        signal.signal(number, lambda *_: sys.exit(1))
    typer.echo(
        "Starting the database, the daemon, the agent and the simulated mail and WhatsApp, and loading the sample "
        "company's documents …",
        err=True,
    )
    state_dir = load_settings().data_dir
    with plain_errors():
        keymap = {} if headless else own_keys()
    with plain_errors(), daemon.running(port, state_dir) as demo:
        typer.echo(
            f"Up: {demo.url}/support is the form, {demo.mailbox} the mailbox, {demo.number} the WhatsApp number; "
            "customers are on their way.",
            err=True,
        )
        if headless:
            _print_conversations(demo, seconds or HEADLESS_SECONDS)
        else:
            _open_console(demo, seconds, keymap)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 24 * 3600:
        fail(Rejected(f"--for {text!r} is not a time span.", remedy="Write it like 30s, 5m or 1h."))
    return seconds


def _crowd(demo: "RunningDemo", on_said: "Callable[[Said], None]") -> "Crowd":
    from fte.demo.customers import Crowd, load

    return Crowd(demo.addresses(), load(), pause=PAUSE, on_said=on_said)


def _print_conversations(demo: "RunningDemo", seconds: float) -> None:
    import asyncio
    import contextlib

    crowd = _crowd(demo, _print_line)

    async def for_a_while() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await crowd.run()

    asyncio.run(for_a_while())
    _print_summary(crowd.tally)


def _print_line(said: "Said") -> None:
    us = {"agent": "    AI", "operator": "    Person"}
    who = us.get(said.sender, said.customer.name)
    mark = " [handed over]" if said.handed_over else ""
    typer.echo(
        f"{said.at:6.1f}s  {CHANNEL_WORDS[said.channel]:8}  {printable(who)}{mark}: {_shortened(said.text)}"
    )


def _shortened(text: str, limit: int = 300) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _print_summary(tally: "dict[Channel, Tally]") -> None:
    from fte.demo.customers import Tally

    total = sum(tally.values(), Tally())
    waits = sorted(total.waits)
    typer.echo("")
    typer.echo(
        f"{total.written} messages written, {total.answered} answered, {total.escalated} handed to a person"
    )
    for channel, part in tally.items():
        typer.echo(
            f"  {CHANNEL_WORDS[channel]:8}  {part.written} written, {part.answered} answered, {part.escalated} handed over"
        )
    if waits:
        typer.echo(f"time to an answer: median {waits[len(waits) // 2]:.1f} s, longest {waits[-1]:.1f} s")
    if total.refused:
        typer.echo(f"{total.refused} messages were refused")


def _open_console(demo: "RunningDemo", seconds: float | None, keymap: "Keymap") -> None:
    import asyncio
    import threading

    crowd = _crowd(demo, lambda said: None)
    threading.Thread(target=lambda: asyncio.run(crowd.run()), daemon=True, name="customers").start()
    from fte.console.app import Console

    token = (demo.data_dir / "operator.token").read_text()
    console = Console(url=demo.url, token=token, state_dir=demo.data_dir / "console", keymap=keymap)
    if seconds is not None:
        timer = threading.Timer(seconds, console.call_from_thread, [console.exit])
        timer.daemon = True
        timer.start()
    console.open()
    _print_summary(crowd.tally)
