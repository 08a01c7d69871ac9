"""`fte report`: what happened in a day, for the people who run the desk."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fte.cli._session import AsJson, DataDir, database, load_settings, plain_errors, run
from fte.domain.errors import Rejected

if TYPE_CHECKING:
    from fte.domain.gaps import Gap
    from fte.domain.report import NearPage, OpenQuestion, Report
    from fte.pg.pool import Pool
    from fte.ports import Embedder
    from fte.settings import Settings

GAPS_MAX = 50
"""Subjects whose nearest page is looked for."""

FIRST_YEAR = 1970
"""No day before it has a report: ids begin there."""

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Reports for the people who run the desk."""


@app.command()
def daily(
    day: Annotated[
        str, typer.Option("--day", help="The day, as in 2026-11-24.", show_default="yesterday")
    ] = "",
    assumed_after: Annotated[
        float,
        typer.Option(
            "--assumed-after",
            min=1.0,
            max=24.0 * 30,
            help="Hours of silence after an answer of the AI until it is assumed that it helped.",
        ),
    ] = 24.0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to this file.", show_default=False)
    ] = None,
    mail: Annotated[
        list[str] | None,
        typer.Option("--mail", help="Mail it to this address, too; may be given several times."),
    ] = None,
    json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Say what happened on a day: volume, answer times, moods, topics, hand-overs, and what nobody could answer.

    Prints Markdown. A day begins at midnight where the opening hours are (FTE_HOURS), else in UTC. The mail is sent
    from the mailbox customers write to.
    """
    settings = load_settings(data_dir=data_dir)
    report = run(lambda: _report(settings, day, timedelta(hours=assumed_after)))
    from fte.domain.report import markdown

    words = markdown(report)
    if json:
        import msgspec

        words = msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
    if mail:
        run(lambda: _mail(settings, mail, report))
    if output is not None:
        with plain_errors():
            _write(output, words)
    else:
        from fte.domain.text import printable

        typer.echo(printable(words, len(words)), nl=False)


async def _report(settings: "Settings", day: str, assumed_after: timedelta) -> "Report":
    import dataclasses

    from fte.knowledge.embed import WordLlamaEmbedder
    from fte.store import reports

    now = datetime.now(UTC)
    since, until = _period(day, settings.policy.hours.zone if settings.policy.hours else UTC, now)
    async with database(settings) as pool:
        found = await reports.report(pool, since, until, now, assumed_after)
        gaps = await open_questions(pool, WordLlamaEmbedder(), since, until)
    return dataclasses.replace(found, gaps=tuple(gaps))


def _period(day: str, zone: tzinfo, now: datetime) -> tuple[datetime, datetime]:
    """From midnight to midnight of a day in a zone; yesterday where none is named. Raises Rejected for no date."""
    try:
        wanted = date.fromisoformat(day) if day else now.astimezone(zone).date() - timedelta(days=1)
        following = wanted + timedelta(days=1)
        if wanted.year < FIRST_YEAR:
            raise ValueError("nothing was there")
    except (ValueError, OverflowError):
        raise Rejected(
            "The day is no date.",
            fields={"--day": "no date"},
            remedy="Write it as year, month and day: 2026-11-24.",
        ) from None
    return (
        datetime(wanted.year, wanted.month, wanted.day, tzinfo=zone),
        datetime(following.year, following.month, following.day, tzinfo=zone),
    )


async def open_questions(
    pool: "Pool", embedder: "Embedder", since: datetime, until: datetime
) -> "list[OpenQuestion]":
    """What nobody could answer in that time, by subject, with the page that comes nearest to each.

    What a page answers by now is left out.
    """
    from fte.domain.gaps import gathered
    from fte.domain.report import OpenQuestion
    from fte.knowledge.search import SCORE_FLOOR
    from fte.store import reports

    questions = await reports.unanswered(pool, since, until)
    if not questions:
        return []
    gaps = gathered(questions, await embedder.embed([question.text for question in questions]))
    found = []
    for place, gap in enumerate(gaps):
        near = await _nearest(pool, embedder, gap) if place < GAPS_MAX else None
        if near is None or near.score < SCORE_FLOOR:
            found.append(OpenQuestion(gap=gap, nearest=near))
    return found


async def _nearest(pool: "Pool", embedder: "Embedder", gap: "Gap") -> "NearPage | None":
    from fte.domain.report import NearPage
    from fte.knowledge.search import ranked

    found = await ranked(pool, embedder, gap.example, 1)
    return NearPage(source=found[0].source, title=found[0].title, score=found[0].score) if found else None


def _write(path: Path, words: str) -> None:
    try:
        path.write_text(words, encoding="utf-8")
    except OSError as error:
        raise Rejected(
            f"The report cannot be written to {path}: {error.strerror}.",
            fields={"--output": "cannot be written"},
            remedy="Name a file in a folder you may write to.",
        ) from None


async def _mail(settings: "Settings", addresses: list[str], report: "Report") -> None:
    from fte.channels.gmail.client import GmailClient
    from fte.channels.gmail.compose import internal
    from fte.domain.report import markdown

    if not settings.gmail_account:
        raise Rejected(
            "FTE_GMAIL_ACCOUNT is not set, so no mail can be sent.",
            fields={"FTE_GMAIL_ACCOUNT": "missing"},
            remedy="docs/howto/gmail.md goes through it step by step.",
        )
    mails = [
        internal(
            f"Support on {report.since:%Y-%m-%d}",
            markdown(report),
            to=address,
            from_name=settings.company_name or "Support",
            from_address=settings.gmail_account,
        )
        for address in addresses
    ]
    client = GmailClient(settings.gmail_token_path, api_url=settings.gmail_api_url)
    try:
        for content in mails:
            await client.send_draft(await client.create_draft(content, None))
    finally:
        client.close()
