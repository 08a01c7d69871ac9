"""Whom the agent answers for."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Company:
    """What the agent knows of the company.

    `profile` and `voice` are documents (Markdown) shown to the model. `url` is the company's own address:
    replies may link to it and hosts below it. `hours` is a phrase saying when people read messages ("Monday
    to Friday, 08:00 to 18:00 Amsterdam time"); without it customers are told no times.
    """

    name: str
    profile: str = ""
    voice: str = ""
    url: str = ""
    hours: str = ""

    @property
    def host(self) -> str:
        return (urlsplit(self.url).hostname or "") if self.url else ""
