"""The machine the embedded database lives on."""

import shutil
from pathlib import Path
from typing import Final

from fte.doctor.finding import Finding, failed, ok, skipped, warning
from fte.settings import Settings

GB: Final = 1024**3
LEFT_MIN: Final = 0.2 * GB
"""Bytes without which the embedded database soon stops."""
LEFT_GOOD: Final = 2 * GB


def disk(settings: Settings) -> list[Finding]:
    if settings.database_url:
        return [skipped("disk", "The database is elsewhere.")]
    folder = _existing(settings.data_dir)
    return space(folder, shutil.disk_usage(folder).free)


def space(folder: Path, left: int) -> list[Finding]:
    """Whether `left` bytes in a folder are enough."""
    said = f"{left / GB:.1f} GB are free where {folder} is."
    if left < LEFT_MIN:
        return [failed("disk", said, "Free some, or move the data with FTE_DATA_DIR.")]
    if left < LEFT_GOOD:
        return [warning("disk", said, "Free some, or move the data with FTE_DATA_DIR.")]
    return [ok("disk", said)]


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
