"""`fte kb`: the documents the agent answers from."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fte.cli._session import AsJson, DataDir, database, load_settings, run
from fte.domain.text import printable

if TYPE_CHECKING:
    from fte.domain.report import OpenQuestion
    from fte.domain.turns import Passage
    from fte.knowledge.documents import Document, ImportReport, Progress

EXCERPT_MAX = 500
"""Characters of a passage shown by a search."""

app = typer.Typer(
    name="kb",
    help="The knowledge base: the documents the agent answers from. What is not in it, it does not say.",
    no_args_is_help=True,
)


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="A file, or a folder that is read with all its subfolders.")],
    data_dir: DataDir = None,
) -> None:
    """Take in Markdown, HTML, plain text and PDF files.

    Importing again replaces what changed and leaves the rest alone. Documents whose file has gone stay: use
    `fte kb delete`. A document's name is its path below PATH, so import the same folder each time.

    Markdown files may start with a block `title: …`, `category: …` between two lines of three dashes.
    """
    from fte.knowledge.documents import import_folder
    from fte.knowledge.embed import WordLlamaEmbedder

    async def work() -> "ImportReport":
        async with database(load_settings(data_dir=data_dir), new=True) as pool:
            with _progress() as on_progress:
                return await import_folder(pool, WordLlamaEmbedder(), path, on_progress)

    report = run(work())
    for skipped in report.skipped:
        _say(f"skipped {skipped.source}: {skipped.reason}", err=True)
    taken = len(report.added) + len(report.updated) + len(report.unchanged)
    _say(
        f"{len(report.added)} added, {len(report.updated)} updated, {len(report.unchanged)} unchanged,"
        f" {len(report.skipped)} skipped; {report.passages} passages written."
    )
    if not taken:
        _say("Error: nothing in there could be imported.", err=True)
        _say("  Give a folder with .md, .html, .txt or .pdf files.", err=True)
        raise typer.Exit(1)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="A question, in a customer's words.")],
    max_: Annotated[int, typer.Option("--max", min=1, max=20, help="How many passages to show at most.")] = 5,
    category: Annotated[str | None, typer.Option(help="Search only documents of this category.")] = None,
    json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what the agent would find for a question, best first, with its relevance from 0 to 1.

    Nothing found means that the agent would hand the question to a person.
    """
    from fte.knowledge.embed import WordLlamaEmbedder
    from fte.knowledge.search import search as find

    async def work() -> "list[Passage]":
        async with database(load_settings(data_dir=data_dir)) as pool:
            return await find(pool, WordLlamaEmbedder(), text, max_, category)

    found = run(work())
    if json:
        _print_json(found)
        return
    for passage in found:
        excerpt = passage.content[:EXCERPT_MAX] + ("…" if len(passage.content) > EXCERPT_MAX else "")
        _say(f"{passage.score:.2f}  {passage.title}  [{passage.category}]  {passage.source}")
        _say("".join(f"      {line}\n" for line in excerpt.splitlines()))
    if not found:
        _say("Nothing found. The agent would hand this question to a person.")


@app.command("list")
def list_(json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the documents with their categories and numbers of passages."""
    from fte.knowledge.documents import list_documents

    async def work() -> "list[Document]":
        async with database(load_settings(data_dir=data_dir)) as pool:
            return await list_documents(pool)

    documents = run(work())
    if json:
        _print_json(documents)
        return
    for document in documents:
        _say(f"{document.source}  {document.title}  [{document.category}]  {document.passages} passages")
    if not documents:
        _say("The knowledge base is empty. `fte kb import FOLDER` fills it.")


@app.command()
def gaps(
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="How many days to look back.")] = 7,
    json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what customers asked and the agent found nothing about, gathered by subject, the most frequent first.

    Each comes with the page that is nearest: perhaps the answer is there, in other words than customers use. Mail
    addresses and long numbers are left out.
    """
    from datetime import UTC, datetime, timedelta

    from fte.cli.report import open_questions
    from fte.knowledge.embed import WordLlamaEmbedder

    async def work() -> "list[OpenQuestion]":
        now = datetime.now(UTC)
        async with database(load_settings(data_dir=data_dir)) as pool:
            return await open_questions(pool, WordLlamaEmbedder(), now - timedelta(days=days), now)

    found = run(work())
    if json:
        _print_json(found)
        return
    for open_ in found:
        gap, near = open_.gap, open_.nearest
        numbers = " ".join(f"#{number}" for number in gap.conversations[:8])
        _say(f"{gap.asked:>4}  {gap.example}  ({numbers})")
        if near is not None:
            _say(f"      nearest: {near.title}  {near.source}  {near.score:.2f}")
    if not found:
        _say(f"Nothing: every question of the last {days} days found a page, or went to a person before.")


@app.command()
def delete(
    source: Annotated[str, typer.Argument(help="The document's source or title, as `fte kb list` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete a document and all its passages. The agent no longer finds them from that moment on."""
    from fte.knowledge.documents import delete_document

    if not yes:
        if not sys.stdin.isatty():
            _say("Error: nobody is there to confirm the deletion.", err=True)
            _say("  Add --yes to delete without asking.", err=True)
            raise typer.Exit(2)
        typer.confirm(printable(f"Delete {source!r} from the knowledge base?"), abort=True)

    async def work() -> int:
        async with database(load_settings(data_dir=data_dir)) as pool:
            return await delete_document(pool, source)

    passages = run(work())
    _say(f"Deleted {source} with {passages} passages.")


@contextlib.contextmanager
def _progress() -> "Iterator[Progress | None]":
    """A progress bar on stderr when that is a terminal, otherwise nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("Importing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def advance(done: int, total: int, source: str) -> None:
            bar.update(task, completed=done, total=total, description=printable(source, 60))

        yield advance


def _say(text: str, *, err: bool = False) -> None:
    typer.echo(printable(text), err=err)


def _print_json(value: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
