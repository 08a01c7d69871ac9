"""The page of one ticket: the conversation, its state in words, and a box to write more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import quote

from fte.channels.web_form.markup import NOTHING, Html, fill, join
from fte.channels.web_form.page import (
    FINE,
    Site,
    Trouble,
    document,
    files_field,
    hidden_fields,
    message_field,
    summary,
)
from fte.channels.web_form.parse import ANSWER
from fte.domain.modes import Answers
from fte.domain.tickets import STATUS_WORDS, TicketStatus

RELOAD_SECONDS: Final = 15
"""How often the page reloads itself without JavaScript, while an answer is awaited."""
ASK_FOR_A_PERSON: Final = "I would like to talk to a person, please."

_OPEN_WORDS: Final[dict[Answers, str]] = {
    "ai": "Our AI assistant is about to read your message. Its answer appears here by itself.",
    "checked": "Our AI assistant drafts an answer; a member of our team reads it, then it appears here by itself.",
    "people": "A member of our team will read your message. The answer appears here by itself.",
    "either": "We are about to read your message. The answer appears here by itself.",
}
_PROCESSING_WORDS: Final[dict[Answers, str]] = {
    "ai": "Our AI assistant is working on your message. Its answer appears here by itself.",
    "checked": _OPEN_WORDS["checked"],
    "people": _OPEN_WORDS["people"],
    "either": "We are working on your message. The answer appears here by itself.",
}
_ESCALATED_WORDS: Final = "A member of our team will answer here."
_LATER_WORDS: Final[dict[TicketStatus, str]] = {
    "waiting_customer": "Is anything still open? Write below.",
    "resolved": "We think this is settled. If it is not, write below and we take it up again.",
}


class Message(Protocol):
    """One message of the conversation, as the customer may see it."""

    @property
    def sender(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What the page shows of a ticket. `version` changes whenever anything else here does."""

    ticket_id: str
    status: TicketStatus
    subject: str
    created_at: datetime
    messages: Sequence[Message]
    version: str


def ticket_page(
    site: Site,
    ticket: Ticket,
    submission_id: str,
    *,
    kept: Mapping[str, object] | None = None,
    trouble: Trouble = FINE,
    writing: bool = False,
) -> Html:
    """The page. With `writing` it never reloads itself, so that nothing typed is lost without JavaScript."""
    writing = writing or trouble is not FINE
    waiting = ticket.status in ("open", "processing") and not writing
    body = fill(
        _PAGE,
        subject=ticket.subject or "Your message",
        ticket_id=ticket.ticket_id,
        status=ticket.status,
        words=STATUS_WORDS[ticket.status],
        next=next_words(ticket.status, site.answers),
        created=_time(ticket.created_at),
        version=ticket.version,
        messages=join(_message(message) for message in ticket.messages),
        summary=summary(trouble),
        box=message_field("Write a message", ANSWER.low, ANSWER.high, 4, kept or {}, trouble),
        files=files_field(kept or {}, trouble),
        hidden=hidden_fields(submission_id),
        person=NOTHING
        if ticket.status == "escalated" or site.answers == "people"
        else _person(ticket, submission_id),
    )
    return document(
        site,
        f"{STATUS_WORDS[ticket.status]}: {ticket.subject or 'your message'}",
        body,
        head=_RELOAD if waiting else NOTHING,
        wrong=trouble is not FINE,
        classes="waiting" if waiting else "",
    )


def next_words(status: TicketStatus, answers: Answers) -> str:
    """What happens next, as the customer is told."""
    if status == "open":
        return _OPEN_WORDS[answers]
    if status == "processing":
        return _PROCESSING_WORDS[answers]
    if status == "escalated":
        longer = " This can take longer than the assistant." if answers == "ai" else ""
        return f"{_ESCALATED_WORDS}{longer}"
    return _LATER_WORDS[status]


def answer_page(
    site: Site, ticket_id: str, submission_id: str, kept: Mapping[str, object], trouble: Trouble
) -> Html:
    """Only the box, with what was typed in it: for when the ticket itself cannot be shown."""
    body = fill(
        _ANSWER_PAGE,
        summary=summary(trouble),
        ticket_id=quote(ticket_id, safe="", errors="replace"),
        box=message_field("Your message", ANSWER.low, ANSWER.high, 4, kept, trouble),
        files=files_field(kept, trouble),
        hidden=hidden_fields(submission_id),
    )
    return document(site, "Your message", body, wrong=True)


def _message(message: Message) -> Html:
    return fill(
        _MESSAGE,
        id=message_id(message),
        kind=message.sender if message.sender in ("customer", "agent", "operator") else "system",
        who=_who(message),
        time=_time(message.at),
        text=message.content,
    )


def message_id(message: Message) -> str:
    """The same for the same message on every view, so that a page can tell what is new."""
    return f"m-{message.sender}-{int(message.at.timestamp() * 1_000_000)}"


def _who(message: Message) -> Html:
    if message.sender == "customer":
        return Html("You")
    if message.sender == "agent":
        return Html("AI assistant")
    if message.sender == "operator" and message.name:
        return fill("<bdi>$name</bdi>, our team", name=message.name)
    return Html("Our team")


def _time(moment: datetime) -> Html:
    return fill(
        '<time datetime="$iso">$text</time>',
        iso=moment.isoformat(timespec="seconds"),
        text=f"{moment.day} {moment:%B %Y, %H:%M} UTC",
    )


def _person(ticket: Ticket, submission_id: str) -> Html:
    return fill(
        _PERSON, ticket_id=ticket.ticket_id, submission_id=f"{submission_id}-person", message=ASK_FOR_A_PERSON
    )


_RELOAD: Final = fill('<noscript><meta http-equiv="refresh" content="$s"></noscript>\n', s=RELOAD_SECONDS)

_PAGE: Final = """\
<p class="back"><a href="/support">Write about something else</a></p>
<h1 dir="auto">$subject</h1>
<div class="card state" id="state" data-status="$status">
<p role="status" id="state-words"><strong class="badge">$words</strong> <span>$next</span></p>
<p class="hint">Ticket <code>$ticket_id</code>, written $created. Keep the address of this page:
whoever has it can read and continue this conversation.</p>
</div>
<p class="hint" id="connection" role="status"></p>
<div role="log" aria-label="Conversation" tabindex="-1">
<ol class="thread" id="thread" data-version="$version">
$messages</ol>
<p id="thread-end" class="unseen" tabindex="-1">End of the conversation</p>
</div>
$summary
<p class="without-script">
<a class="button" href="/support/ticket/$ticket_id?write=1#field-message">Write a message</a>
<span class="hint">Until then this page reloads by itself.</span></p>
<form class="card answer" method="post" action="/support/ticket/$ticket_id/messages"
 enctype="multipart/form-data" novalidate>
$box
$files
$hidden
<div class="actions"><button type="submit">Send</button></div>
</form>
$person"""

_ANSWER_PAGE: Final = """\
<h1>Your message is not sent yet</h1>
$summary
<form class="card answer" method="post" action="/support/ticket/$ticket_id/messages"
 enctype="multipart/form-data" novalidate>
$box
$files
$hidden
<div class="actions"><button type="submit">Send</button></div>
</form>"""

_MESSAGE: Final = """\
<li id="$id" class="$kind" tabindex="-1">
<p class="who"><strong>$who</strong> $time</p>
<div class="text" dir="auto">$text</div>
</li>
"""

_PERSON: Final = """\
<form class="person" method="post" action="/support/ticket/$ticket_id/messages">
<input type="hidden" name="message" value="$message">
<input type="hidden" name="submission_id" value="$submission_id">
<button type="submit" class="second">Ask for a person</button>
</form>
"""
