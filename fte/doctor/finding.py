"""What an examination finds: one line per thing looked at, and the remedy where something is wrong."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "skipped"]
"""`failed` is something that keeps the product from working, `warning` something that will, or may be meant;
`skipped` could not be looked at, or is not configured."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is what was looked at, `said` what was seen, `remedy` what to do about it."""

    check: str
    state: State
    said: str
    remedy: str | None = None


def ok(check: str, said: str) -> Finding:
    return Finding(check, "ok", said)


def warning(check: str, said: str, remedy: str) -> Finding:
    return Finding(check, "warning", said, remedy)


def failed(check: str, said: str, remedy: str | None) -> Finding:
    return Finding(check, "failed", said, remedy)


def skipped(check: str, said: str) -> Finding:
    return Finding(check, "skipped", said)
