"""`fte shadow`: past conversations through another model or other instructions, without anybody hearing of it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fte.cli._session import AsJson, DataDir, existing, load_settings, run
from fte.domain.errors import Rejected

if TYPE_CHECKING:
    from fte.domain.shadow import Compared, Past
    from fte.settings import Settings

AT_ONCE = 4
"""Turns that run at the same time."""
_SPAN = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def shadow(
    since: Annotated[str, typer.Option("--since", help="How far back: 90m, 24h, 7d.")] = "24h",
    model: Annotated[
        str | None, typer.Option("--model", help="The model.", show_default="the configured one")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", help="Address of the model's server.", show_default="the configured one"),
    ] = None,
    instructions: Annotated[
        Path | None,
        typer.Option("--instructions", help="A file in place of our instructions.", show_default="our own"),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="Turns at most, the newest.")
    ] = 200,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Let past turns be answered once more by another model or with other instructions, and show what would differ.

    Nothing is sent and nothing is stored: the database is opened for reading only. The model is asked for each turn, at
    its price. Ends with exit code 1 when a run failed.
    """
    settings = load_settings(data_dir=data_dir, model=model, model_base_url=base_url)
    found = run(lambda: _compared(settings, _span(since), instructions, limit))
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        from fte.domain.shadow import markdown
        from fte.domain.text import printable

        words = markdown(found, settings.model or "offline")
        typer.echo(printable(words, len(words)), nl=False)
    if any(one.change == "failed" for one in found):
        raise typer.Exit(1)


def _span(text: str) -> timedelta:
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or not int(found[1]):
        raise Rejected(
            "How far back is not understood.",
            fields={"--since": "no span"},
            remedy="Write it as minutes, hours or days: 90m, 24h, 7d.",
        )
    return int(found[1]) * _UNITS[found[2]]


async def _compared(
    settings: "Settings", span: timedelta, instructions: Path | None, limit: int
) -> "list[Compared]":
    import asyncio

    from fte.daemon.app import agent, database
    from fte.domain.shadow import compared, said
    from fte.knowledge.embed import WordLlamaEmbedder
    from fte.pg import schema
    from fte.pg.pool import Pool
    from fte.store import shadow

    document = None if instructions is None else await asyncio.to_thread(_read, instructions)
    now = datetime.now(UTC)
    async with database(existing(settings)) as url:
        pool = await Pool.open(url, read_only=True)
        try:
            async with pool.connection() as connection:
                await schema.check(connection)
            turns = await shadow.past(pool, now - span, now, limit)
            answerer = await asyncio.to_thread(agent, settings, pool, WordLlamaEmbedder(), document=document)
            room = asyncio.Semaphore(AT_ONCE)

            async def one(past: "Past") -> "Compared":
                async with room:
                    return compared(past, said(await answerer.answer(past.assignment)))

            try:
                return list(await asyncio.gather(*(one(past) for past in turns)))
            finally:
                await answerer.close()
        finally:
            await pool.close()


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise Rejected(
            f"The instructions cannot be read: {error}.",
            fields={"--instructions": "cannot be read"},
            remedy="Name a text file. fte/agent/instructions.md is the one to begin with.",
        ) from None
    if "{canary}" not in text:
        raise Rejected(
            "The instructions lack their marker.",
            fields={"--instructions": "no {canary}"},
            remedy="Keep the line with {canary}: an answer that repeats it is held back.",
        )
    return text
