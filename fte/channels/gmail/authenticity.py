"""Whether Gmail vouches for the From address: its own Authentication-Results (RFC 8601), aligned (RFC 7489)."""

import re
from dataclasses import dataclass
from typing import Final

from fte.channels.gmail.mime import Mail

GMAIL: Final = "mx.google.com"
"""What Gmail's receiving servers call themselves."""
RESULTS_MAX: Final = 50
"""Results read of one header."""

_COMMENT: Final = re.compile(r"\((?:[^()\\]|\\.)*\)")
_COMMENTS_MAX: Final = 10
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_RESULT: Final = re.compile(r"([a-z][a-z0-9-]{0,40})(?:\s*/\s*\d{1,3})?\s*=\s*([a-z]{1,40})\b", re.IGNORECASE)
_PROPERTY: Final = re.compile(r"\b([a-z]{1,20}\.[a-z0-9-]{1,40})\s*=\s*([^\s;]{1,400})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Result:
    """What one method found: `dkim`, `pass`, and the properties it is about (`header.d`, …)."""

    method: str
    value: str
    properties: dict[str, str]


def authenticated(mail: Mail, authserv: str = GMAIL) -> bool:
    """Whether the mail comes from the domain of its one From address, as far as Gmail could find out.

    DMARC decides. Where the domain has none, a DKIM signature or SPF result of that domain, or of one above it,
    counts. Only the top-most header of `authserv` is read: any below it may have come with the mail.
    """
    if len(mail.senders) != 1 or len(mail.all("from")) != 1:
        return False
    domain = mail.sender.domain
    own = next((value for value in mail.all("authentication-results") if _authserv(value) == authserv), None)
    if own is None or not domain:
        return False
    results = parsed(own)
    dmarc = [result for result in results if result.method == "dmarc"]
    if any(result.value != "none" for result in dmarc):
        return all(result.value == "pass" and _is_for(result, domain) for result in dmarc)
    return any(_vouches(result, domain) for result in results)


def parsed(value: str) -> list[Result]:
    """The results in an Authentication-Results header."""
    found: list[Result] = []
    for statement in _plain(value).split(";")[1 : RESULTS_MAX + 1]:
        match = _RESULT.match(statement.strip())
        if match:
            properties = {name.lower(): text.lower() for name, text in reversed(_PROPERTY.findall(statement))}
            found.append(Result(match[1].lower(), match[2].lower(), properties))
    return found


def _plain(value: str) -> str:
    """The header without comments, and without anything in quotes: there, `;` and `=` mean nothing."""
    value = _QUOTED.sub(lambda match: re.sub(r"[^\w.@-]", "_", match[1]), value)
    for _ in range(_COMMENTS_MAX):
        value, count = _COMMENT.subn(" ", value)
        if not count:
            return value
    return value.partition("(")[0]


def _authserv(value: str) -> str:
    first = _plain(value).partition(";")[0].split()
    return first[0].lower() if first else ""


def _is_for(result: Result, domain: str) -> bool:
    """Whether a DMARC result is about this domain; Gmail names it."""
    return _domain(result.properties.get("header.from", domain)) == domain


def _vouches(result: Result, domain: str) -> bool:
    if result.value != "pass":
        return False
    if result.method == "dkim":
        signers = [result.properties.get("header.d", ""), result.properties.get("header.i", "")]
        return any(aligned(_domain(signer), domain) for signer in signers)
    return result.method == "spf" and aligned(_domain(result.properties.get("smtp.mailfrom", "")), domain)


def _domain(identity: str) -> str:
    return identity.rpartition("@")[2].strip("<>").rstrip(".")


def aligned(signer: str, domain: str) -> bool:
    """Whether a signing domain speaks for From's: the same, or one above it that is not a mere top level.

    Stricter than RFC 7489, which needs the list of public suffixes: a domain below From's does not count.
    """
    return bool(signer) and (signer == domain or ("." in signer and domain.endswith(f".{signer}")))
