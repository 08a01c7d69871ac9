"""The turn a case becomes: its mail is made and read back, so that the agent is given what it would be given."""

from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final
from uuid import uuid4

from fte.domain.attachments import file_name, kept
from fte.domain.text import one_line, storable
from fte.domain.turns import Assignment, Line, first_answer
from fte.evals.case import Case

REFERENCE: Final = "#1042"
_CUSTOMER: Final = "customer@mail.example"
_SUPPORT: Final = "support@tallywren.example"


def assignment(case: Case, now: datetime) -> Assignment:
    """The case's turn, as the worker would claim it at `now`."""
    earlier = [_earlier(line, case) for line in case.history]
    new = _new_texts(case, now)
    said = [*earlier, *(("customer", case.channel, text) for text in new)]
    came = now - timedelta(hours=case.age)
    lines = tuple(
        Line(
            seq,
            role,
            channel,
            storable(text),
            came - timedelta(minutes=len(said) - seq, hours=0 if seq > len(earlier) else 1),
            seq > len(earlier),
        )
        for seq, (role, channel, text) in enumerate(said, 1)
    )
    return Assignment(
        turn_id=uuid4(),
        conversation_id=uuid4(),
        channel=case.channel,
        customer_name=case.customer,
        verified=case.verified,
        reference=REFERENCE,
        subject=one_line(case.subject),
        category="general",
        priority="medium",
        lines=lines,
        attempt=1,
        first_answer=first_answer(lines),
        handover=case.handover,
    )


def _earlier(line: str, case: Case) -> tuple[Any, Any, str]:
    who, _, text = line.partition(":")
    role, _, channel = who.partition("@")
    return role, channel or case.channel, text.strip()


def _new_texts(case: Case, now: datetime) -> list[str]:
    *before, last = case.messages
    if case.channel == "email":
        return [*(_as_mail(case, text, now) for text in before), _as_mail(case, last, now, whole=True)]
    files = "\n".join(kept(file_name(name)) for name in case.attachments)
    return [*before, "\n\n".join(filter(None, (last, files)))]


def _as_mail(case: Case, text: str, now: datetime, *, whole: bool = False) -> str:
    """What our reader makes of a mail with these words; the `whole` one has the case's other parts, too."""
    from fte.channels.gmail.mime import read

    mail = EmailMessage()
    mail["From"] = f'"{one_line(case.customer)}" <{_CUSTOMER}>'.replace("\\", "")
    mail["To"] = _SUPPORT
    mail["Date"] = format_datetime(now)
    mail["Subject"] = one_line(("Re: " if case.quoted else "") + case.subject)
    if not whole:
        mail.set_content(text)
        return read(mail.as_bytes()).text
    if case.cc:
        mail["Cc"] = ", ".join(one_line(each) for each in case.cc)
    if case.quoted:
        mail["In-Reply-To"] = "<earlier@tallywren.example>"
    signature = f"\n\n-- \n{case.signature}" if case.signature else ""
    quoted = "".join(f"> {line}\n" for line in case.quoted.splitlines())
    head = "\n\nOn Mon, 2 Mar 2026 at 09:14, Support <support@tallywren.example> wrote:\n" if quoted else ""
    mail.set_content(f"{text}{signature}{head}{quoted}")
    if case.html:
        mail.add_alternative(case.html, subtype="html")
    for name in case.attachments:
        mail.add_attachment(
            b"%PDF-1.4 sample", maintype="application", subtype="pdf", filename=one_line(name)
        )
    return read(mail.as_bytes()).text
