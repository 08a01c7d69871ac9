"""Static files, read once and addressed by their content."""

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
    folder: str = "/support"

    @property
    def url(self) -> str:
        return f"{self.folder}/{self.name}?v={self.version}"


def load() -> dict[str, Asset]:
    """Every static file of the form by its name."""
    paths = [path for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES]
    return {path.name: asset(path.name, path.read_bytes()) for path in paths}


def asset(name: str, content: bytes, folder: str = "/support") -> Asset:
    """A script or a style sheet that is served from the folder of the site."""
    media_type = _TYPES[Path(name).suffix]
    return Asset(name, content, media_type, hashlib.sha256(content).hexdigest()[:16], folder)
