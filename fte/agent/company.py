"""Whom the agent answers for."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fte.domain.deadlines import Policy


@dataclass(frozen=True, slots=True)
class Company:
    """What the agent knows of the company.

    `profile` and `voice` are documents (Markdown) shown to the model. `url` is the company's own address:
    replies may link to it and hosts below it. `hours` is a phrase saying when people read messages ("Monday
    to Friday 08:00-18:00 (Europe/Amsterdam)"); without it customers are told no times. `policy` says by when one
    of them answers.
    """

    name: str
    profile: str = ""
    voice: str = ""
    url: str = ""
    hours: str = ""
    policy: Policy = field(default_factory=Policy)
    link_hosts: tuple[str, ...] = ()
    """Further hosts that replies may link to, with those below them."""

    @property
    def host(self) -> str:
        return (urlsplit(self.url).hostname or "") if self.url else ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where replies may link to; none: nobody said. An address that only this machine knows is nobody's."""
        named = "." in self.host and not self.host.replace(".", "").isdigit()
        return (*((self.host,) if named else ()), *self.link_hosts)
