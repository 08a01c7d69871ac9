"""The Twilio account and number the channel uses: plain values, checked once."""

import base64
import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from fte.domain.errors import Rejected

Algorithm = Literal["sha1", "sha256"]

PREFIX: Final = "whatsapp:"
"""What Twilio writes before a number to say which channel it is on."""
INBOUND_PATH: Final = "/webhooks/whatsapp"
STATUS_PATH: Final = "/webhooks/whatsapp/status"

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`number` is ours in E.164, `public_url` the address Twilio reaches us at; without a slash at the end, both URLs."""

    sid: str
    token: str = field(repr=False)
    number: str
    public_url: str
    algorithm: Algorithm
    api_url: str
    template: str

    @property
    def address(self) -> str:
        """Our number as Twilio writes it."""
        return PREFIX + self.number

    @property
    def credentials(self) -> str:
        """The Authorization header of the API (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()

    @property
    def inbound_url(self) -> str:
        return self.public_url + INBOUND_PATH

    @property
    def status_url(self) -> str:
        return self.public_url + STATUS_PATH


def checked(
    *, sid: str, token: str, number: str, public_url: str, algorithm: str, api_url: str, template: str
) -> Account:
    """An account every part of which has the right form. Raises Rejected naming each setting that has not."""
    ours = number_of(number)
    problems = {
        "TWILIO_ACCOUNT_SID": not re.fullmatch("AC[0-9a-fA-F]{32}", sid) and "is not AC and 32 hex digits",
        "TWILIO_AUTH_TOKEN": not token and "missing; without it no webhook can be checked",
        "TWILIO_WHATSAPP_NUMBER": ours is None and "is not of the form whatsapp:+14155238886",
        "FTE_PUBLIC_URL": not _is_base(public_url) and "is not the https:// address Twilio posts to",
        "FTE_TWILIO_SIGNATURE": algorithm not in ("sha1", "sha256") and "is neither sha1 nor sha256",
        "FTE_TWILIO_API_URL": not _is_base(api_url) and "is not the address of an API",
        "FTE_WHATSAPP_TEMPLATE": bool(template)
        and not re.fullmatch("HX[0-9a-fA-F]{32}", template)
        and "is not HX and 32 hex digits",
    }
    wrong = {name: problem for name, problem in problems.items() if problem}
    if wrong or ours is None:
        raise Rejected(
            f"Wrong settings: {'; '.join(f'{name} {problem}' for name, problem in wrong.items())}.",
            fields=wrong,
            remedy="Correct them and start again; docs/howto/whatsapp.md says where each value is found.",
        )
    return Account(
        sid=sid,
        token=token,
        number=ours,
        public_url=public_url.rstrip("/"),
        algorithm="sha256" if algorithm == "sha256" else "sha1",
        api_url=api_url.rstrip("/"),
        template=template,
    )


def number_of(address: str) -> str | None:
    """The number in E.164 out of `whatsapp:+…`; None when it is something else."""
    number = address.removeprefix(PREFIX)
    return number if address.startswith(PREFIX) and _NUMBER.fullmatch(number) else None


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
