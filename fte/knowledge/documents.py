"""Documents: taking them in from files, listing them, forgetting them."""

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from fte.domain.errors import Conflict, FteError, NotFound, Rejected
from fte.domain.ids import new_id
from fte.domain.text import one_line
from fte.knowledge.chunk import Page, Piece, pieces
from fte.knowledge.clean import visible
from fte.knowledge.readers import FILE_BYTES_MAX, kinds, read, readable
from fte.pg import queries
from fte.pg.pool import Connection, Pool
from fte.ports import Embedder

FILES_MAX: Final = 10_000
"""Files one import looks at."""
PASSAGES_MAX: Final = 1_000
"""Passages of one document."""
READ_SECONDS: Final = 60.0
"""Seconds the reading of one file may take."""
DIMENSIONS: Final = 256
"""Numbers in the vectors the database holds."""
TITLE_WEIGHT: Final = 0.4
"""Share of the title in a passage's vector; measured on the labelled questions."""
_RULES: Final = b"1"
"""Part of the content hash: changing how files are read or cut imports everything anew."""

_sql = queries.load(__file__)

Progress = Callable[[int, int, str], None]
"""Called with the number of files done, of all files, and the source just finished."""


@dataclass(frozen=True, slots=True)
class Skipped:
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, by source. `passages` counts those written."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    passages: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    source: str
    title: str
    category: str
    embedder: str
    passages: int
    imported_at: datetime


async def import_folder(
    pool: Pool, embedder: Embedder, path: Path, on_progress: Progress | None = None
) -> ImportReport:
    """Take in a file, or every readable file below a folder; what is known and unchanged is left alone.

    A document's source is its path below `path` (its name, when `path` is a file): importing the same source
    again replaces the document. Documents whose file has gone stay until they are deleted. Each document is
    one transaction, so an import that dies is finished by running it again. Files that cannot be read are
    skipped and named in the report.

    Raises NotFound when there is nothing at `path`, Rejected for more than FILES_MAX files or an embedder
    whose vectors do not fit, Unavailable when the database is away.
    """
    if embedder.dimensions != DIMENSIONS:
        raise Rejected(
            f"The embedder {embedder.name} makes vectors of {embedder.dimensions} numbers.",
            remedy=f"Configure one of {DIMENSIONS}: that is what the database holds.",
        )
    files, skipped = await asyncio.to_thread(_survey, path)
    known = {
        row["source"]: (row["content_hash"], row["embedder"])
        for row in await pool.fetch(_sql.known, [source for source, _ in files])
    }
    done: dict[str, list[str]] = {"added": [], "updated": [], "unchanged": []}
    passages = 0
    for number, (source, file) in enumerate(files, start=1):
        try:
            prepared = await _prepared(source, file, known.get(source), embedder)
        except Rejected as error:
            skipped.append(Skipped(source, error.message))
        else:
            if prepared is None:
                done["unchanged"].append(source)
            else:
                async with pool.transaction() as connection:
                    await write(connection, prepared)
                done["updated" if source in known else "added"].append(source)
                passages += len(prepared.pieces)
        if on_progress is not None:
            on_progress(number, len(files), source)
    return ImportReport(
        added=tuple(done["added"]),
        updated=tuple(done["updated"]),
        unchanged=tuple(done["unchanged"]),
        skipped=tuple(sorted(skipped, key=lambda skip: skip.source)),
        passages=passages,
    )


async def list_documents(pool: Pool) -> list[Document]:
    """Every document, by source."""
    return [
        Document(
            source=row["source"],
            title=row["title"],
            category=row["category"],
            embedder=row["embedder"],
            passages=row["passages"],
            imported_at=row["imported_at"],
        )
        for row in await pool.fetch(_sql.list_documents)
    ]


async def delete_document(pool: Pool, source_or_title: str) -> int:
    """Delete a document with its passages; how many passages there were.

    A source is looked for first, then a title. Raises NotFound when neither fits, Conflict when several
    documents have the title.
    """
    name = one_line(source_or_title)
    async with pool.transaction() as connection:
        found = await connection.fetch(_sql.named, name)
        if not found:
            raise NotFound(
                f"No document has the source or title {name!r}.", remedy="`fte kb list` shows them all."
            )
        if len(found) > 1 and not found[0]["by_source"]:
            sources = ", ".join(row["source"] for row in found)
            raise Conflict(
                f"Several documents have that title: {sources}.", remedy="Name one of them by its source."
            )
        await connection.execute(_sql.delete_document, found[0]["id"])
        passages: int = found[0]["passages"]
    return passages


# ---------------------------------------------------------------- finding files


def _survey(path: Path) -> tuple[list[tuple[str, Path]], list[Skipped]]:
    """The files to import with their sources, in order, and those passed over with the reason."""
    try:
        root = path.expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise NotFound(
            f"There is no file or folder {one_line(str(path))!r}.", remedy="Check the path, then try again."
        ) from error
    if not root.is_dir():
        return _sorted_out(root.parent, iter([root]))
    return _sorted_out(root, _below(root))


def _below(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)
        for name in folders:
            if Path(folder, name).is_symlink():
                yield Path(folder, name)


def _sorted_out(root: Path, candidates: Iterator[Path]) -> tuple[list[tuple[str, Path]], list[Skipped]]:
    files: list[tuple[str, Path]] = []
    skipped: list[Skipped] = []
    for file in candidates:
        source = one_line(visible(os.fsencode(file.relative_to(root).as_posix()).decode("utf-8", "replace")))
        if reason := _unreadable(root, file):
            skipped.append(Skipped(source, reason))
        else:
            files.append((source, file))
        if len(files) + len(skipped) > FILES_MAX:
            raise Rejected(
                f"More than {FILES_MAX:,} files in {root}.", remedy="Import its subfolders one by one."
            )
    return files, skipped


def _unreadable(root: Path, file: Path) -> str:
    """Why a file is passed over, or nothing."""
    try:
        target = file.resolve(strict=True)
        facts = target.stat()
    except (OSError, RuntimeError) as error:
        return f"cannot be opened ({_cause(error)})"
    if not target.is_relative_to(root):
        return "a link to something outside the folder"
    if stat.S_ISDIR(facts.st_mode):
        return "a link to a folder; import that folder itself"
    if not stat.S_ISREG(facts.st_mode):
        return "not a regular file"
    if not readable(file.name):
        return f"not a kind that can be read ({kinds()})"
    if facts.st_size > FILE_BYTES_MAX:
        return f"larger than {FILE_BYTES_MAX // 1_000_000} MB; split it"
    return ""


def _cause(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


# ---------------------------------------------------------------- one document


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that was read, cut and embedded: only the writing is left."""

    source: str
    page: Page
    pieces: tuple[Piece, ...]
    vectors: list[list[float]]
    content_hash: bytes
    embedder: str


async def prepare(source: str, data: bytes, embedder: Embedder) -> Prepared:
    """The document in a file's bytes; the source's ending tells its kind. Raises Rejected when it cannot be read."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            page, cut = await asyncio.to_thread(_passages, source, data)
    except FteError:
        raise
    except TimeoutError:
        raise Rejected(f"reading it takes longer than {READ_SECONDS:.0f} seconds") from None
    except Exception as error:  # a file must not end the import, whatever its parser stumbles over
        raise Rejected(f"cannot be read ({type(error).__name__})") from error
    return Prepared(source, page, cut, await _vectors(embedder, cut), _hash(data), embedder.name)


async def write(connection: Connection, document: Prepared) -> None:
    """Put the document in place of an earlier one of the same source, in the caller's transaction."""
    id_: UUID = await connection.fetchval(
        _sql.put_document,
        new_id(),
        document.source,
        document.page.title,
        document.page.category,
        document.content_hash,
        document.embedder,
    )
    await connection.execute(_sql.clear_passages, id_)
    await _add_passages(connection, id_, document)


async def _add_passages(connection: Connection, id_: UUID, document: Prepared) -> None:
    rows: list[tuple[Any, ...]] = [
        (new_id(), id_, ordinal, piece.title, piece.content, document.page.category, vector)
        for ordinal, (piece, vector) in enumerate(zip(document.pieces, document.vectors, strict=True))
    ]
    await connection.executemany(_sql.add_passage, rows)


async def _prepared(
    source: str, file: Path, known: tuple[bytes, str] | None, embedder: Embedder
) -> Prepared | None:
    """The document ready to be stored, None when it is unchanged. Raises Rejected when it cannot be read."""
    try:
        data = await asyncio.to_thread(_bytes, file)
    except OSError as error:
        raise Rejected(f"cannot be opened ({_cause(error)})") from error
    if known == (_hash(data), embedder.name):
        return None
    return await prepare(source, data, embedder)


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(_RULES + data).digest()


def _bytes(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(FILE_BYTES_MAX + 1)


def _passages(name: str, data: bytes) -> tuple[Page, tuple[Piece, ...]]:
    page = read(name, data)
    cut: list[Piece] = []
    for piece in pieces(page):
        cut.append(piece)
        if len(cut) > PASSAGES_MAX:
            raise Rejected(f"more than {PASSAGES_MAX:,} passages; split it")
    return page, tuple(cut)


async def _vectors(embedder: Embedder, cut: tuple[Piece, ...]) -> list[list[float]]:
    """One vector for each passage, on the line between those of its title and of its content."""
    titles = await embedder.embed([piece.title for piece in cut])
    contents = await embedder.embed([piece.content for piece in cut])
    return [_between(title, content) for title, content in zip(titles, contents, strict=True)]


def _between(title: list[float], content: list[float]) -> list[float]:
    mixed = [
        TITLE_WEIGHT * one + (1 - TITLE_WEIGHT) * other for one, other in zip(title, content, strict=True)
    ]
    length = sum(number * number for number in mixed) ** 0.5
    return [number / length for number in mixed] if length else content
