"""The form's static files, read once and addressed by their content."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file. `url` changes with its content, so a browser may keep what it got for ever."""

    name: str
    content: bytes
    media_type: str
    version: str

    @property
    def url(self) -> str:
        return f"/support/{self.name}?v={self.version}"


def load() -> dict[str, Asset]:
    """Every static file by its name."""
    return {path.name: _asset(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(path.name, content, _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:16])
