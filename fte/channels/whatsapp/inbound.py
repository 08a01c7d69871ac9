"""What a genuine webhook request says: a customer's message, or what became of one of ours.

The parameters: https://www.twilio.com/docs/messaging/guides/webhook-request. Twilio adds new ones without notice, so
those that nobody here knows are passed over; those that are known must be whole.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fte.channels.whatsapp.account import Account, number_of
from fte.channels.whatsapp.client import Listed
from fte.channels.whatsapp.media import File, described
from fte.domain.errors import Malformed
from fte.domain.text import one_line

MEDIA_MAX: Final = 10
"""Files one message may carry: as many as Twilio passes on."""
NAME_MAX: Final = 200
DETAIL_MAX: Final = 300
"""Characters of what a placeholder quotes: a place's address, a button's words."""

_SID: Final = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")
_STATUS: Final = re.compile(r"[a-z_]{1,32}")
_CODE: Final = re.compile(r"\d{1,9}", re.ASCII)
_COORDINATE: Final = re.compile(r"-?\d{1,3}(?:\.\d{1,20})?", re.ASCII)
_DECIDES: Final = re.compile(
    r"(?:Account|Message|Sms)Sid|Message(?:Status|Type)|From|To|Body|NumMedia|Media(?:Url|ContentType)\d+"
)
_SAME_AS: Final = {"undelivered": "failed", "canceled": "failed"}
"""Statuses that mean the same to us."""

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A customer's message. `sender` is a number in E.164; `text` what they wrote, with placeholders for the rest.

    A `reaction` says nothing that could be answered. `envelope` is what a person may want to know later.
    """

    sid: str
    sender: str
    name: str
    text: str
    media: tuple[File, ...] = ()
    reaction: bool = False
    envelope: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What became of a message of ours; `code` is Twilio's number of the error, if there was one."""

    sid: str
    status: str
    code: int | None = None
    message: str = ""


def understand(pairs: Sequence[tuple[str, str]], account: Account) -> Incoming | StatusReport:
    """The meaning of a signed form. Raises Malformed, naming the parameter, for one that has none for us."""
    form = _unambiguous(pairs)
    _check(form.get("AccountSid") == account.sid, "AccountSid", "is not our account")
    sid = form.get("MessageSid") or form.get("SmsSid", "")
    _check(_SID.fullmatch(sid) is not None, "MessageSid", "is not the id of a message")
    if form.get("MessageStatus", "received") not in ("received", "receiving"):
        return _report(sid, form)
    return _incoming(sid, form, account)


def _unambiguous(pairs: Sequence[tuple[str, str]]) -> Form:
    """The form, of which nothing that decides may be there twice: a signature does not say which one counts."""
    for name, count in Counter(name for name, _ in set(pairs)).items():
        _check(count == 1 or _DECIDES.fullmatch(name) is None, name, "came more than once")
    return dict(pairs)


def _check(right: bool, name: str, problem: str) -> None:
    if not right:
        raise Malformed(f"{name} {problem}.", fields={name: problem})


def _report(sid: str, form: Form) -> StatusReport:
    status, code = form["MessageStatus"], form.get("ErrorCode", "")
    _check(_STATUS.fullmatch(status) is not None, "MessageStatus", "is not a status")
    return StatusReport(
        sid=sid,
        status=_SAME_AS.get(status, status),
        code=int(code) if _CODE.fullmatch(code) and int(code) else None,
        message=_detail(form, "ErrorMessage") or _detail(form, "ChannelStatusMessage"),
    )


def _incoming(sid: str, form: Form, account: Account) -> Incoming:
    sender = number_of(form.get("From", ""))
    if sender is None:
        raise Malformed("From is not a WhatsApp number.", fields={"From": "is not of the form whatsapp:+…"})
    _check(number_of(form.get("To", "")) == account.number, "To", "is not our number")
    files = _files(form, account)
    return Incoming(
        sid=sid,
        sender=sender,
        name=one_line(form.get("ProfileName", ""))[:NAME_MAX],
        text="\n".join(line for line in _lines(form, files) if line),
        media=files,
        reaction=form.get("MessageType") == "reaction",
        envelope=_envelope(form),
    )


def _envelope(form: Form) -> dict[str, str]:
    kept = {
        "type": "MessageType",
        "replied_to": "OriginalRepliedMessageSid",
        "button": "ButtonPayload",
        "list": "ListId",
        "referral": "ReferralSourceUrl",
    }
    return {key: _detail(form, name) for key, name in kept.items() if form.get(name)}


def _files(form: Form, account: Account) -> tuple[File, ...]:
    count = form.get("NumMedia") or "0"
    _check(count.isascii() and count.isdigit() and len(count) < 3, "NumMedia", "is not a small number")
    _check(int(count) <= MEDIA_MAX, "NumMedia", f"is more than {MEDIA_MAX}")
    found = []
    for index in range(int(count)):
        source = form.get(f"MediaUrl{index}", "")
        _check(bool(source), f"MediaUrl{index}", "is missing")
        type_ = form.get(f"MediaContentType{index}", "")
        found.append(described(account, source, type_, index + 1))
    return tuple(found)


# ---------------------------------------------------------------- as Twilio lists it


def from_list(message: Listed, files: Sequence[tuple[str, str]], account: Account) -> Incoming | None:
    """A listed message, which says less than a webhook: no name, no place. None when it is not from a number."""
    sender = number_of(message.sender)
    if sender is None:
        return None
    found = tuple(described(account, url, type_, index) for index, (url, type_) in enumerate(files, 1))
    lines = [*(f"[{file.kind}]" for file in found), message.text]
    text = "\n".join(line for line in lines if line)
    return Incoming(sid=message.sid, sender=sender, name="", text=text, media=found)


def status_of(message: Listed) -> StatusReport | None:
    """What became of a listed message of ours; None when that is not said."""
    if not _STATUS.fullmatch(message.status):
        return None
    status = _SAME_AS.get(message.status, message.status)
    return StatusReport(
        sid=message.sid, status=status, code=message.error, message=message.error_message[:DETAIL_MAX]
    )


# ---------------------------------------------------------------- in words


def _lines(form: Form, files: Iterable[File]) -> list[str]:
    body = form.get("Body", "")
    if form.get("MessageType") == "reaction":
        return [f"[reaction: {one_line(body)[:DETAIL_MAX]}]" if body.strip() else "[reaction withdrawn]"]
    special = [say(form) for say in _SPECIAL]
    shown = [f"[{file.kind}]" if form.get("MessageType") != "sticker" else "[sticker]" for file in files]
    if body and body in (form.get("ButtonText"), form.get("ListTitle")):
        body = ""
    if not (body.strip() or shown or any(special)) and form.get("MessageType") in _UNSEEN:
        return [f"[a message we cannot show: {_detail(form, 'MessageType')}]"]
    return [*special, *shown, body]


_UNSEEN: Final = frozenset(
    {"unsupported", "order", "contacts", "system", "interactive", "unknown", "ephemeral"}
)


def _location(form: Form) -> str:
    latitude, longitude = form.get("Latitude", ""), form.get("Longitude", "")
    if not (_COORDINATE.fullmatch(latitude) and _COORDINATE.fullmatch(longitude)):
        return ""
    named = [_detail(form, name) for name in ("Label", "Address") if form.get(name)]
    return f"[location: {', '.join([*named, f'{latitude}, {longitude}'])}]"


def _button(form: Form) -> str:
    return f"[button: {_detail(form, 'ButtonText')}]" if form.get("ButtonText") else ""


def _choice(form: Form) -> str:
    named = [_detail(form, name) for name in ("ListTitle", "ListDescription") if form.get(name)]
    return f"[chosen from a list: {', '.join(named)}]" if named else ""


def _filled_form(form: Form) -> str:
    data = _detail(form, "InteractiveData") or _detail(form, "FlowData")
    return f"[form filled in: {data}]" if data else ""


def _referral(form: Form) -> str:
    words = _detail(form, "ReferralHeadline") or _detail(form, "ReferralBody")
    return f"[came from: {words}]" if words else ""


def _forwarded(form: Form) -> str:
    return "[forwarded]" if "true" in (form.get("Forwarded"), form.get("FrequentlyForwarded")) else ""


_SPECIAL: Final[tuple[Callable[[Form], str], ...]] = (
    _forwarded,
    _referral,
    _location,
    _button,
    _choice,
    _filled_form,
)


def _detail(form: Form, name: str) -> str:
    return one_line(form.get(name, ""))[:DETAIL_MAX]
