"""What no model, trace or log may see of a customer's words: card and account numbers, keys, passwords, tokens.

They are looked for in the text as it reads: compatibility forms unfolded, any script's digits as ASCII, nothing
invisible. What is found is covered in the text as it was written.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

CARD: Final = "[card number removed]"
ACCOUNT: Final = "[account number removed]"
REMOVED: Final = "[secret removed]"
SEAM: Final = 200
"""Characters beyond a cut that are read, too: half a card's number does not look like one."""

_Span = tuple[int, int, str]
"""From, to, and what stands there instead."""


def masked(text: str) -> str:
    """The text without card numbers (13 to 19 digits passing the Luhn check), IBANs, keys, passwords and tokens."""
    plain, at = _as_read(text)
    pieces, done = [], 0
    for start, end, label in _joined(sorted(_found(plain))):
        pieces += [text[done : at[start]], label]
        done = max(at[end], at[end - 1] + 1)
    return "".join((*pieces, text[done:]))


def masked_beginning(text: str, most: int) -> str:
    """The first `most` characters, masked: of a secret that is cut there nothing is left either."""
    return masked(text[: most + SEAM])[:most]


def masked_end(text: str, most: int) -> str:
    """The last `most` characters, likewise."""
    return masked(text[-most - SEAM :])[-most:]


def _found(plain: str) -> Iterator[_Span]:
    yield from _cards(plain)
    for match in _IBAN.finditer(plain):
        if end := _iban_end(match[0]):
            yield match.start(), match.start() + end, ACCOUNT
    for pattern in _SECRETS:
        for match in pattern.finditer(plain):
            group = pattern.groups  # the secret is the last one, or everything
            yield *match.span(group), REMOVED


def _joined(spans: list[_Span]) -> Iterator[_Span]:
    """Overlapping ones as one, called what the first is called."""
    whole: _Span | None = None
    for span in spans:
        if whole is None or span[0] >= whole[1]:
            if whole is not None:
                yield whole
            whole = span
        else:
            whole = whole[0], max(whole[1], span[1]), whole[2]
    if whole is not None:
        yield whole


# ---------------------------------------------------------------- the text as it reads


def _as_read(text: str) -> tuple[str, list[int] | range]:
    """The plain text, and for each of its characters, and for its end, where it comes from."""
    if text.isascii():
        return text, range(len(text) + 1)
    plain: list[str] = []
    at: list[int] = []
    for place, character in enumerate(text):
        read = character if character.isascii() else _read(character)
        if read and plain and unicodedata.combining(read[0]):
            whole = unicodedata.normalize("NFC", plain[-1] + read)
            if len(whole) == 1:
                plain[-1] = whole
                continue
            if plain[-1].isdigit():  # struck out
                continue
        plain += read
        at += [place] * len(read)
    at.append(len(text))
    return "".join(plain), at


_NOT_SEEN: Final = frozenset(
    ["\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", *map(chr, range(0xFE00, 0xFE10))]
)


@lru_cache(maxsize=4096)
def _read(character: str) -> str:
    """One character as it reads; nothing, if it is not seen."""
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    return "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() else c
        for c in unicodedata.normalize("NFKC", character)
        if unicodedata.category(c) not in ("Cf", "Me") and c not in _NOT_SEEN
    )


# ---------------------------------------------------------------- cards

_RUN: Final = re.compile(r"[0-9](?:[\W_]{0,3}[0-9]){12,}")
_DAY: Final = re.compile(
    r"(?<![0-9])(?:(?:19|20)[0-9]{2}([-./])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12][0-9]|3[01])"
    r"|(?:0?[1-9]|[12][0-9]|3[01])([-./])(?:0?[1-9]|[12][0-9]|3[01])\2(?:19|20)[0-9]{2})(?![0-9])"
)
_BRANDS: Final = (
    (re.compile("4"), (16, 13, 19)),
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile("3[47]"), (15,)),
    (re.compile("30[0-5]|3095|3[689]"), (14,)),
    (re.compile("6011|64[4-9]|65|35(?:2[89]|[3-8])|62|60|8[12]|220[0-4]"), (16, 17, 18, 19)),
    (re.compile("5018|5020|5038|5893|6304|67(?:59|6[1-3])"), (13, 14, 15, 16, 17, 18, 19)),
)
"""How a brand's numbers begin, and how many digits they have. The first length is the usual one."""
_CUT_BEFORE: Final = 3
_CUT_AFTER: Final = 7
"""Digits that may stand joined to a card's: a number before it; its expiry and check code after it."""


_DOUBLED: Final = bytes(sum(divmod(2 * digit, 10)) for digit in range(10)) + bytes(246)
"""What Luhn's check makes of every second digit."""


def _cards(plain: str) -> Iterator[_Span]:
    """Every window of digits that is a card's number, with the digits joined to it. Up to three marks part two digits."""
    text = _DAY.sub(lambda day: "x" * len(day[0]), plain)
    for run in _RUN.finditer(text):
        places = [place for place in range(run.start(), run.end()) if "0" <= text[place] <= "9"]
        digits = "".join(text[place] for place in places)
        values = bytes(map(int, digits))
        doubled = values.translate(_DOUBLED)
        group = _groups(places)
        for first, end in _windows(digits, group):
            if (sum(values[first:end][::-2]) + sum(doubled[first : end - 1][::-2])) % 10:
                continue
            whole = group[first][0], group[end - 1][1] + 1
            if not _counts_up(digits[slice(*whole)], group[slice(*whole)]):
                yield places[whole[0]], places[whole[1] - 1] + 1, CARD


def _groups(places: list[int]) -> list[tuple[int, int]]:
    """Of each digit, the number of the first and the last one it stands together with."""
    ends: list[tuple[int, int]] = []
    first = 0
    for number, place in enumerate(places, 1):
        if number == len(places) or places[number] != place + 1:
            ends += [(first, number - 1)] * (number - first)
            first = number
    return ends


def _windows(digits: str, group: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """From where to where a brand's number may go. A rare kind is only seen where nothing is joined to it."""
    for first in range(len(digits) - 12):
        before = first - group[first][0]
        if before > _CUT_BEFORE:
            continue
        for length in next((lengths for begins, lengths in _BRANDS if begins.match(digits, first)), ()):
            end = first + length
            if end > len(digits):
                continue
            after = group[end - 1][1] + 1 - end
            usual = digits[first] in "2345" and length in (15, 16)
            if not (before or after) or (usual and after <= _CUT_AFTER):
                yield first, end


def _counts_up(digits: str, group: list[tuple[int, int]]) -> bool:
    """Whether the groups are a list of numbers, 2 3 4 5 …"""
    begins = group[0][0]
    numbers = [int(digits[first - begins : last + 1 - begins]) for first, last in dict.fromkeys(group)]
    return len(numbers) > 3 and all(b - a == 1 for a, b in pairwise(numbers))


# ---------------------------------------------------------------- accounts

_IBAN: Final = re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]){11,30}(?!\w)")
_IBAN_MIN: Final = 15


def _iban_end(text: str) -> int:
    """How long the account number at the beginning is; 0: there is none. The match may go on into the words after it."""
    ends = [gap.start() for gap in re.finditer(r"[ \-]|\Z", text)]
    return next((end for end in reversed(ends) if end >= _IBAN_MIN and _is_iban(text[:end])), 0)


def _is_iban(number: str) -> bool:
    """ISO 13616: the country and check digits moved to the end, letters as 10 to 35, leave 1 modulo 97."""
    plain = re.sub(r"[ \-]", "", number).upper()
    return plain.isascii() and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


# ---------------------------------------------------------------- keys, passwords, codes

_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{8,2000}\.[\w-]{8,4000}(?:\.[\w-]{8,2000})?"
    r"|\b(?:sk|pk|rk|whsec)[-_][A-Za-z0-9_-]{16,200}"
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|npm_|hf_|xox[abposr]-|shpat_|dop_v1_|fte_)[A-Za-z0-9_-]{16,200}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bya29\.[\w-]{20,400}|\bSG\.[\w-]{16,64}\.[\w-]{16,64}"
    r"|\b(?:SK|AC)[0-9a-f]{32}\b"
    r"|\b(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks)/[\w/-]{8,300}"
)
_BEARER: Final = re.compile(
    r"(?i)\b(?:bearer|basic|token)\s+((?=[\w.~+/=-]{0,200}\d)[\w.~+/-]{16,200}={0,2})"
)
_SIGNED_IN: Final = re.compile(r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,100}(?=@)")
_PARAMETER: Final = re.compile(
    r"(?i)[?&#][\w.-]{0,40}(?:token|key|secret|passwor[dt]|pwd|sig|signature|auth)=([^&#\s\"'<>]{6,500})"
)
_WORD: Final = (
    r"(?:passwor[dt]|passwd|pass ?phrase|passcode|pwd|kennwort|mot de passe|contrase[nñ]a|senha|wachtwoord"
    r"|has[lł]o|l[oö]senord|[sş]ifre(?:m|si|miz)?|парол[ьяю]|كلمة (?:المرور|السر)|密码|密碼|パスワード|पासवर्ड|parola"
    r"|adgangskode|passord|heslo|비밀번호"
    r"|(?:one[- ]time|verification|security|recovery|backup|two[- ]factor|log-?in|sign-?in) codes?"
    r"|(?:wiederherstellungs|bestätigungs|sicherheits)codes?)"
)
_SHORT: Final = r"\b(?:pass|pw|cvv|cvc|pin|tan|otp|2fa)(?: code)?\b"
_LONG: Final = (
    r"(?:api[ _-]?(?:key|schlüssel)|access[ _-]?key|secret(?:[ _-]key)?|client[ _-]secret"
    r"|(?:access|api|auth|refresh)[ _-]?token|\btoken\b)"
)
_IS: Final = r"(?:is|was|ist|lautet|est|es|é|è|jest|är|er|это|:|=|：|は|是|है)"
_PLAIN: Final = (
    r"(?!https?://|www\.|/|[\w.+-]{1,64}@[\w-]{1,64}\.\w"
    r"|\d{4}-\d\d-\d\d\b|\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\d{1,2}:\d\d\b"
    r"|\d{1,5}[- ]?(?:%|(?:x|h|d|s|st|nd|rd|th|min|bits?|chars?|characters?|digits?|letters?|symbols?|words?|times?"
    r"|seconds?|minutes?|hours?|days?|weeks?|months?|years?|users?|zeichen|stellig\w*|buchstaben|ziffern"
    r"|minuten|stunden|tagen?|caract\w*)\b)"
    r"|[*_]{1,2}[a-z]+[*_]{1,2}(?!\w)|(?:invalid|expired|missing|unknown|wrong|not)_"
    r"|(?:wrong|invalid|expired|valid|correct|incorrect|missing|required|falsch|ungültig|abgelaufen)\W*(?:\s|\Z))"
)
"""An address, a path, a day, a time, so many of something, what is wrong with it: none of them is the secret."""
_OPENED: Final = r"[\"'`“„«(]?"
_NAMED: Final = re.compile(
    rf"(?i)(?:{_WORD}|{_SHORT})(?:\s{{0,3}}{_IS}){{1,2}}\s{{0,3}}{_OPENED}{_PLAIN}"
    r"((?=[^\s\"'`”»]{0,512}[\d!@#$%^&*_+=~])[^\s\"'`”»]{4,512})"
)
"""A secret called by its name: what follows, if no plain word."""
_KEYED: Final = re.compile(
    rf"(?i){_LONG}(?:\s{{0,3}}{_IS}){{1,2}}\s{{0,3}}{_OPENED}{_PLAIN}"
    r"((?=[^\s\"'`”»]{0,512}[\d!@#$%^&*_+=~])[^\s\"'`”»]{6,512})"
)
_MIXED: Final = r"((?=[^\s\"'`”»]{0,128}\d)(?=[^\s\"'`”»]{0,128}[^\W\d])[^\s\"'`”»]{5,128})"
_FAR: Final = re.compile(
    rf"(?i)(?:{_WORD}|{_LONG}|{_SHORT})(?:\s+(?!is\b)[\w.@-]{{1,40}}){{1,4}}?\s+(?:is|was|ist|lautet|est|es|jest)\s+"
    rf"{_OPENED}{_PLAIN}{_MIXED}"
)
"""A word of letters and digits that the sentence about a secret names."""
_FOLLOWS: Final = re.compile(
    rf"(?i)(?:{_WORD}|\bpw\b)[\s\-–—>,(\"'`“„«]{{1,4}}{_PLAIN}(?-i:(?![A-Z]{{1,5}}-\d{{1,6}}\b)){_MIXED}"
)
"""The same right after the secret's name, unless it is the number of an error."""
_CODE: Final = re.compile(
    r"(?i)\b(?:cvv2?|cvc2?|cvn|csc|card verification|security|prüf(?:ziffer|nummer)|kartenprüfnummer|pin|tan|otp|2fa|sms"
    r"|one[- ]time|verification|log-?in|sign-?in)(?:[\s:=#.,(-]|code|number|nummer"
    r"|no\b|is\b|was\b|ist\b|est\b|es\b|è\b){1,6}(?<![0-9])([0-9]{3,8})(?![\w]|[-.:/][0-9])"
)
"""A few digits right after the name of such a code."""
_CODES: Final = re.compile(
    r"(?i)\b(?:recovery|backup|wiederherstellungs)[ -]?codes?(?:[\s:=(-]|are\b|is\b|sind\b){1,6}"
    r"((?=[\w-]{0,39}\d)[\w-]{4,40}(?:[\s,;]{1,3}(?=[\w-]{0,39}\d)[\w-]{4,40}){0,19})"
)
"""All of a list of codes."""
_SECRETS: Final = (_KEY, _BEARER, _SIGNED_IN, _PARAMETER, _NAMED, _KEYED, _FAR, _FOLLOWS, _CODE, _CODES)
