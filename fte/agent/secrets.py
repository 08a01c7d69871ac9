"""What no model, trace or log may see of a customer's words: card and account numbers, keys, passwords, tokens."""

import re
import unicodedata
from typing import Final

_CARD: Final = re.compile(r"(?<![\w.])(?:\d[ .\-\u00a0]?){12,18}\d(?!\w)")
_IBAN: Final = re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]){11,30}(?!\w)")
_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{8,2000}\.[\w-]{8,4000}(?:\.[\w-]{8,2000})?"
    r"|\b(?:sk|pk|rk|whsec)[-_][A-Za-z0-9_-]{16,200}"
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|npm_|hf_|xox[abposr]-|shpat_|dop_v1_|fte_)[A-Za-z0-9_-]{16,200}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bya29\.[\w-]{20,400}|\bSG\.[\w-]{16,64}\.[\w-]{16,64}"
    r"|\b(?:SK|AC)[0-9a-f]{32}\b"
)
_BEARER: Final = re.compile(r"(?i)\b(?:bearer|basic|token)\s+(?=[\w.~+/=-]{0,200}\d)[\w.~+/-]{16,200}={0,2}")
_SIGNED_IN: Final = re.compile(r"(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,100}(?=@)")
_NAMED: Final = re.compile(
    r"(?i)((?:passwor[dt]|passwd|pass ?phrase|passcode|pwd|kennwort|mot de passe|contrase[nñ]a|senha|wachtwoord"
    r"|has[lł]o|l[oö]senord|[sş]ifre(?:m|si|miz)?|парол[ьяю]|كلمة (?:المرور|السر)|密码|密碼|パスワード|पासवर्ड|parola"
    r"|api[ _-]?(?:key|schlüssel)|access[ _-]?key|secret(?:[ _-]key)?|client[ _-]secret"
    r"|(?:access|api|auth|refresh)[ _-]?token"
    r"|one[- ]time code|verification code|security code|\b(?:cvv|cvc|pin|tan|otp|2fa)(?: code)?)"
    r"(?:\s{0,3}(?:is|was|ist|lautet|est|es|é|è|jest|är|это|:|=|：|は|是|है)){1,2}\s{0,3})"
    r"[\"'`“„«]?((?=[^\s\"'`”»]{0,64}[\d!@#$%^&*_+=~])[^\s\"'`”»]{4,128})"
)
"""A secret called by its name: what follows, if no plain word."""


def masked(text: str) -> str:
    """The text without card numbers (13 to 19 digits passing the Luhn check), IBANs, keys, passwords and tokens."""
    text = _KEY.sub("[secret removed]", text)
    text = _BEARER.sub("[secret removed]", text)
    text = _SIGNED_IN.sub("[secret removed]", text)
    text = _NAMED.sub(r"\1[secret removed]", text)
    text = _IBAN.sub(_without_iban, text)
    return _CARD.sub(lambda match: "[card number removed]" if is_card(match[0]) else match[0], text)


def _without_iban(match: re.Match[str]) -> str:
    """What was matched may go on into the words after the number."""
    ends = [gap.start() for gap in re.finditer(r"[ \-]|\Z", match[0])]
    end = next((end for end in reversed(ends) if end >= _IBAN_MIN and _is_iban(match[0][:end])), 0)
    return f"[account number removed]{match[0][end:]}" if end else match[0]


_IBAN_MIN: Final = 15


def is_card(number: str) -> bool:
    """Whether the digits pass the Luhn check."""
    digits = [unicodedata.decimal(c) for c in number if c.isdecimal()]
    doubled = sum(sum(divmod(2 * d, 10)) for d in digits[-2::-2])
    return (doubled + sum(digits[-1::-2])) % 10 == 0


def _is_iban(number: str) -> bool:
    """ISO 13616: the country and check digits moved to the end, letters as 10 to 35, leave 1 modulo 97."""
    plain = re.sub(r"[ \-]", "", number).upper()
    return plain.isascii() and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1
