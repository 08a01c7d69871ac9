"""Who an address or number belongs to: the form mail is sent to, and the key a customer is recognised by.

The two differ. `ada.l+shop@gmail.com` is where mail goes, as the customer wrote it; `adal@gmail.com` is the mailbox
behind it. A key never names another person than its address does: rules that only some hosts have are applied to
the hosts known to have them, everything else stays as it is.
"""

import contextlib
import re
import unicodedata
from typing import Final, Literal

from fte.domain.errors import Rejected

IdentifierType = Literal["email", "phone", "whatsapp"]

EMAIL_MAX: Final = 254
"""Characters of an address (RFC 5321, 4.5.3.1.3, without the angle brackets)."""
LOCAL_MAX: Final = 64
"""Characters before the @ (RFC 5321, 4.5.3.1.1)."""
TEXT_MAX: Final = 1_000
"""Characters of what is looked at, display name and all."""
PHONE_MAX: Final = 60
"""Characters of a number with all its punctuation."""

CODE_DIGITS: Final = 6
CODE_MINUTES: Final = 30
"""Minutes a code that proves an address is valid."""
CODE_TRIES: Final = 5
"""Codes that may be written back for one that was sent."""
CODES_A_DAY: Final = 5
"""Codes sent to one address or number, and asked for in one conversation, within 24 hours."""

_GMAIL: Final = "gmail.com"
_GOOGLE: Final = frozenset({_GMAIL, "googlemail.com"})
_TAGGING: Final = (
    "outlook.com outlook.de outlook.fr outlook.es outlook.it outlook.jp outlook.in outlook.pt outlook.dk outlook.be"
    " outlook.at outlook.cl outlook.cz outlook.ie outlook.sa outlook.com.ar outlook.com.au outlook.com.br"
    " outlook.com.tr outlook.co.th outlook.co.id outlook.kr outlook.ph outlook.sg outlook.hu outlook.sk"
    " hotmail.com hotmail.co.uk hotmail.de hotmail.fr hotmail.es hotmail.it hotmail.nl hotmail.be hotmail.ch"
    " hotmail.ca hotmail.se hotmail.no hotmail.dk hotmail.fi hotmail.gr hotmail.com.ar hotmail.com.au hotmail.com.br"
    " hotmail.com.tr hotmail.co.jp hotmail.co.il hotmail.co.th hotmail.co.nz hotmail.co.za"
    " live.com live.co.uk live.de live.fr live.it live.nl live.be live.ca live.se live.no live.dk live.at live.ie"
    " live.com.au live.com.mx live.com.ar live.com.pt live.jp live.cl live.in live.co.za msn.com"
    " icloud.com me.com mac.com fastmail.com fastmail.fm proton.me protonmail.com protonmail.ch pm.me"
)
_TAGGED: Final = frozenset(_TAGGING.split())
"""Hosts of mailboxes that deliver name+anything@ to name@, by their own documentation."""

_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]"
_LOCAL: Final = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_DOMAIN: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?=[a-z0-9-]*[a-z])[a-z0-9][a-z0-9-]{0,61}[a-z0-9]"
)
_DISPLAYED: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^<>"])*<([^<>]*)>')
_MAILTO: Final = re.compile(r"(?i)mailto:([^?]*)(?:\?.*)?", re.DOTALL)
_EDGES: Final = " \t\r\n,;\u00a0\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_ASCII_UPPER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_NO_ADDRESS: Final = "This is not an e-mail address."
_LIKE_ADDRESS: Final = "It should look like name@example.com."
_CODE: Final = re.compile(r"(?<![0-9])([0-9]{3})[ \u00a0-]?([0-9]{3})(?![0-9])")

_NUMBER: Final = re.compile(r"[+＋]?[\d\s().\-\u2010-\u2015\u2212/\u00a0\u202f\u2009]+")
_SCHEME: Final = re.compile(r"(?i)(?:whatsapp|tel|sms):")
_MEXICO_OLD: Final = re.compile(r"\+521(\d{10})")
_BRAZIL_OLD: Final = re.compile(r"\+55([1-9]\d)([689]\d{7})")
_NO_NUMBER: Final = "This is not a phone number."
_LIKE_NUMBER: Final = "Write it with its country code, as in +4915112345678."


def email_address(text: str) -> str:
    """The address mail is sent to: the local part as it was written, the domain in ASCII and lower case.

    Takes a display form (`Ada <ada@example.com>`), a mailto link, and white space or separators around. Raises
    Rejected for anything but exactly one address. Quoted local parts and address literals are legal, and nobody's:
    they are not taken. Domains follow UTS 46 without transitional mapping, as mail programs do: ß stays ß.
    """
    local, at, domain = _bare(text).rpartition("@")
    if not at or len(local) > LOCAL_MAX or not _is_local(local):
        raise Rejected(_NO_ADDRESS, fields={"email": "not an address"}, remedy=_LIKE_ADDRESS)
    host = ascii_domain(domain)
    if host is None or len(local) + 1 + len(host) > EMAIL_MAX:
        raise Rejected(_NO_ADDRESS, fields={"email": "not an address"}, remedy=_LIKE_ADDRESS)
    return f"{unicodedata.normalize('NFC', local)}@{host}"


def normalise_email(text: str) -> str:
    """The key of an address: the same for all spellings of one mailbox, as its host defines them.

    Only ASCII letters lose their case: some others would become ASCII, which is somebody else's address. Raises
    Rejected like `email_address`.
    """
    local, _, host = email_address(text).rpartition("@")
    local = local.translate(_ASCII_UPPER)
    if host in _GOOGLE or host in _TAGGED:
        local = local.partition("+")[0]
    if host in _GOOGLE:
        local, host = local.replace(".", ""), _GMAIL
    if not local:
        raise Rejected(_NO_ADDRESS, fields={"email": "not an address"}, remedy=_LIKE_ADDRESS)
    return f"{local}@{host}"


def ascii_domain(domain: str) -> str | None:
    """A mail domain as DNS knows it (lower case, A-labels); None for what is none, address literals included."""
    domain = domain.removesuffix(".")
    if len(domain) > EMAIL_MAX:
        return None
    if not domain.isascii():
        import idna

        try:
            domain = idna.encode(domain, uts46=True, transitional=False).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    domain = domain.lower()
    return domain if _DOMAIN.fullmatch(domain) else None


def normalise_phone(text: str, region: str | None = None) -> str:
    """The number in E.164, as +4915112345678: the key of a phone and of a WhatsApp number.

    `region` (ISO 3166, two letters) is where a number without a country code is dialled from; without it, such a
    number is refused. Takes `whatsapp:` and `tel:` in front, 00 for +, and punctuation. A number with an extension
    is refused: it names somebody behind a number. Raises Rejected.

    A number only has to have a possible length: new ranges are in use before any table knows them. WhatsApp keeps old
    forms of accounts that are older than a reform: Brazilian mobile numbers get their ninth digit (since 2016 all have
    it), Mexican ones lose the 1 after the country code (since 2019 none has it).
    """
    import phonenumbers as library

    wanted = _SCHEME.sub("", text[:PHONE_MAX].strip(_EDGES), count=1).strip(_EDGES)
    if len(text) > PHONE_MAX or not _NUMBER.fullmatch(wanted):
        raise Rejected(_NO_NUMBER, fields={"phone": "not a number"}, remedy=_LIKE_NUMBER)
    possible = []
    for candidate, home in _readings(wanted, region):
        with contextlib.suppress(library.NumberParseException):
            number = library.parse(candidate, home)
            if library.is_possible_number_with_reason(number) == library.ValidationResult.IS_POSSIBLE:
                possible.append(number)
    if not possible:
        raise Rejected(_NO_NUMBER, fields={"phone": "not a number"}, remedy=_LIKE_NUMBER)
    best = next(filter(library.is_valid_number, possible), possible[0])
    written = str(library.format_number(best, library.PhoneNumberFormat.E164))
    old = _BRAZIL_OLD.fullmatch(written)
    return f"+55{old[1]}9{old[2]}" if old else written


def identity_key(type_: IdentifierType, text: str, region: str | None = None) -> str:
    """The key of an identifier of any type. What has no normal form is its own key, so no message fails on it.

    That cannot meet another customer's key: what is normal already has a normal form, itself.
    """
    try:
        return normalise_email(text) if type_ == "email" else normalise_phone(text, region)
    except Rejected:
        return " ".join(text[:TEXT_MAX].split())


def codes_in(text: str) -> list[str]:
    """What may be a code in a customer's message, in order; also when written as 123 456."""
    return [first + second for first, second in _CODE.findall(text)]


def code_text(code: str, channel: str, address: str) -> str:
    """What the owner of `address` is sent, whoever asked for it. `channel` is where the code must be written back."""
    return (
        f"Somebody who writes to us {channel} says that {address} is theirs as well. If that is you, please write "
        f"this code to us there, in the same conversation: {code}\n\n"
        f"It is valid for {CODE_MINUTES} minutes. If it is not you, ignore this message and give the code to nobody: "
        "without it, nothing happens."
    )


def _bare(text: str) -> str:
    """The address in a display form, a mailto link, or between separators."""
    if len(text) > TEXT_MAX:
        return ""
    text = text.strip(_EDGES)
    if shown := _DISPLAYED.fullmatch(text):
        text = shown[1].strip(_EDGES)
    if link := _MAILTO.fullmatch(text):
        text = link[1]
    enclosed = len(text) > 2 and text[0] + text[-1] in ('""', "''", "()", "[]")
    return text[1:-1] if enclosed else text


def _is_local(local: str) -> bool:
    if local.isascii():
        return bool(_LOCAL.fullmatch(local))
    # RFC 6532 allows letters of any script; not what looks like nothing, nor what NFC would turn into ASCII.
    return bool(_LOCAL.fullmatch(local)) and all(
        c.isascii() or (unicodedata.category(c)[0] in "LMN" and not unicodedata.normalize("NFC", c).isascii())
        for c in local
    )


def _readings(number: str, region: str | None) -> list[tuple[str, str | None]]:
    """How a number may be meant, likeliest first: with a country code, or as dialled in the region."""
    digits = re.sub(r"\D", "", number)
    if number[0] in "+＋":
        old = _MEXICO_OLD.fullmatch(f"+{digits}")
        return [(f"+52{old[1]}" if old else number, None)]
    home = [(number, region.upper())] if region else []
    abroad = [(f"+{digits[2:]}", None)] if digits.startswith("00") else []
    return [*home, *abroad]
