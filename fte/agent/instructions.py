"""The agent's instructions: a document with a version."""

import hashlib
import re
from functools import cache
from importlib import resources

from fte.agent.company import Company

_PLACEHOLDER = re.compile(r"\{(?:company|canary|profile|voice)\}")
_PART_MAX = 12_000
"""Characters of the profile and of the voice that are shown to the model."""


@cache
def template() -> str:
    """The document as it is written, with its placeholders."""
    return resources.files(__package__ or "fte.agent").joinpath("instructions.md").read_text("utf-8")


def version(text: str | None = None) -> str:
    """Twelve hexadecimal digits that change with every change of the document."""
    return hashlib.sha256((text or template()).encode()).hexdigest()[:12]


def render(company: Company, canary: str, text: str | None = None) -> str:
    """The instructions for one company. `canary` is a marker that must never appear in a reply.

    `text` is a document in place of our own, with the same placeholders.
    """
    values = {
        "{company}": company.name,
        "{canary}": canary,
        "{profile}": company.profile[:_PART_MAX].strip() or f"{company.name} has no profile on file.",
        "{voice}": company.voice[:_PART_MAX].strip() or "Friendly, exact, brief.",
    }
    return _PLACEHOLDER.sub(lambda match: values[match[0]], text or template())


def own_words(text: str | None = None) -> str:
    """The part of the instructions that must not be repeated: without the company's public texts."""
    return (text or template()).partition("# The company")[0]
