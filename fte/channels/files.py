"""Files that come with a message: which are kept, under which name, and what they really are. Nothing is opened."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, Literal

from fte.domain import attachments

FILES_MAX: Final = 20
"""Files kept of one message."""
LISTED_MAX: Final = 50
"""Files listed of one message, kept or not."""
FILE_BYTES_MAX: Final = 10 * 1024 * 1024
"""Bytes of one file."""
TOTAL_BYTES_MAX: Final = 20 * 1024 * 1024
"""Bytes of all files of a message."""

TYPES: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/heic": "heic",
    "image/bmp": "bmp",
    "image/tiff": "tif",
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/csv": "csv",
    "application/json": "json",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
}
"""Types that are kept, and what their files are called."""

_EXTENSIONS: Final = {extension: media_type for media_type, extension in TYPES.items()} | {
    "jpeg": "image/jpeg",
    "tiff": "image/tiff",
    "heif": "image/heic",
    "log": "text/plain",
    "text": "text/plain",
    "md": "text/plain",
    "tsv": "text/csv",
    "m4v": "video/mp4",
}
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"\xca\xfe\xba\xbe", "application/x-executable"),
    (b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (b"#!", "text/x-script"),
    (b"Rar!", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\xd0\xcf\x11\xe0", "application/x-ole-storage"),
)
_PACKED: Final = frozenset(
    media_type for media_type in TYPES if "officedocument" in media_type or "opendoc" in media_type
)
_MARKUP: Final = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|script|svg|\?xml|head|body|iframe)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A file that came with a message: `stored` with its content, or `refused` for a reason.

    `name` is safe to show and to offer for saving; `media_type` is what the content is, not what was declared.
    """

    name: str
    media_type: str
    size: int
    state: Literal["stored", "refused"]
    reason: str | None = None
    content: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Files:
    """The files of one message, with the limits over all of them: how many, and the bytes of each and of all."""

    found: list[Attached] = field(default_factory=list)
    most: int = FILES_MAX
    bytes_max: int = FILE_BYTES_MAX
    total_max: int = TOTAL_BYTES_MAX
    _kept: int = 0
    _bytes: int = 0

    def add(self, name: str, declared: str, content: bytes) -> None:
        """Keep a file, or note why it is not."""
        media_type = _packed(name, content) or sniffed(content) or _by_name(name, declared, content)
        name = file_name(name, media_type)
        reason = self._refusal(name, media_type, len(content))
        if reason is None:
            self._kept += 1
            self._bytes += len(content)
            self._list(
                Attached(name=name, media_type=media_type, size=len(content), state="stored", content=content)
            )
        else:
            self.refuse(name, media_type, len(content), reason)

    def refuse(self, name: str, media_type: str, size: int, reason: str) -> None:
        refused = file_name(name, media_type)
        self._list(Attached(name=refused, media_type=media_type, size=size, state="refused", reason=reason))

    def _list(self, file: Attached) -> None:
        if len(self.found) < LISTED_MAX:
            self.found.append(file)

    def _refusal(self, name: str, media_type: str, size: int) -> str | None:
        if media_type not in TYPES or _extension(name) not in _EXTENSIONS:
            return "type not accepted"
        if size == 0:
            return "empty"
        if size > self.bytes_max:
            return f"larger than {self.bytes_max // 1024**2} MB"
        if self._kept >= self.most:
            return f"more than {self.most} files"
        if self._bytes + size > self.total_max:
            return f"more than {self.total_max // 1024**2} MB in all"
        return None


def placeholder(file: Attached) -> str:
    """The line of a text that stands for the file."""
    if file.state == "stored":
        return attachments.kept(file.name)
    return attachments.not_kept(file.name, file.reason or "")


def sniffed(content: bytes) -> str | None:
    """The media type that the first bytes give away, or None."""
    for magic, media_type in _MAGIC:
        if content.startswith(magic):
            return media_type
    if content[:2] == b"BM" and len(content) > 26 and content[6:10] == bytes(4):
        return "image/bmp"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "video/mp4")
    if content[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return "audio/mpeg"
    return "text/html" if _MARKUP.match(content[:512]) else None


_BRANDS: Final = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}


def _packed(name: str, content: bytes) -> str | None:
    """The type of an office document, which is an archive with a list of contents of its own."""
    named = _EXTENSIONS.get(_extension(name), "")
    inside = b"[Content_Types].xml" in content or content[30:38] == b"mimetype"
    return named if named in _PACKED and content.startswith(b"PK\x03\x04") and inside else None


def _by_name(name: str, declared: str, content: bytes) -> str:
    """The type of a file without a mark of its own: text is what it calls itself, anything else is unknown."""
    named = _EXTENSIONS.get(_extension(name), declared)
    text = named.startswith("text/") or named == "application/json"
    if not text:
        return "application/octet-stream"
    if b"\0" in content[:8192] and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return "application/octet-stream"
    return named


def _extension(name: str) -> str:
    return PurePosixPath(name.lower()).suffix.lstrip(".") if not name.endswith(".") else ""


def file_name(name: str, media_type: str) -> str:
    """A name safe to show and to save under, with the ending of its type where it has none."""
    return attachments.file_name(name, TYPES.get(media_type, "bin"))
