"""What a customer reads: greeting, footer and the texts that no model writes. English; pure functions."""

import re
from datetime import datetime
from typing import Final

from fte.agent.company import Company
from fte.domain.channels import STYLES, Channel
from fte.domain.deadlines import answer_by_words, expectation, is_open
from fte.domain.escalation import Reason
from fte.domain.tickets import Priority
from fte.domain.turns import Assignment

_NAME: Final = re.compile(r"[^\W\d_]+(?:(?:[ '’-]|\. )[^\W\d_]+){0,5}\.?")
_NAME_MAX: Final = 40
_OPENING: Final = re.compile(
    r"\A\s*(?:dear|hello|hi|hey|good (?:morning|afternoon|evening))\b[^\n.!?,]{0,50}(?:[,!.:]+\s*|\n+)", re.I
)
_CLOSING: Final = re.compile(
    r"\n\s*(?:kind regards|best regards|warm regards|regards|best wishes|best|sincerely|yours sincerely"
    r"|yours faithfully|many thanks|cheers)"
    r"\s*[,.]?\s*(?:\n[^\n]{0,80}){0,4}\s*\Z",
    re.I,
)
_WHATSAPP_OFFER: Final = 'Type "human" for a person.'
_WHATSAPP_FIRST: Final = f"I am an AI assistant. {_WHATSAPP_OFFER}"


def finished(text: str, assignment: Assignment, company: Company) -> str:
    """The model's text as the customer gets it: greeting, signature, reference, the way to a person."""
    body = bare(text, assignment.channel)
    if assignment.channel == "whatsapp":
        return _short(body, assignment.introduces)
    opening = f"{_greeting(assignment)}\n\n"
    if assignment.channel == "email":
        signature = f"Kind regards,\n{_sender(company)}\nTicket {assignment.reference}"
        return f"{opening}{body}\n\n{signature}\n{_written_by_ai()}"
    return f"{opening}{body}\n\n{_written_by_ai()}"


def bare(text: str, channel: Channel) -> str:
    """The text without a greeting or signature of its own: those are ours to add."""
    text = _CLOSING.sub("", text.strip())
    return (_OPENING.sub("", text, count=1) if channel != "whatsapp" else text).strip() or text.strip()


def room(assignment: Assignment, company: Company) -> int:
    """How much the model may write: words on e-mail and web form, characters on WhatsApp."""
    style = STYLES[assignment.channel]
    if style.max_characters is not None:
        return style.max_characters - (len(_WHATSAPP_FIRST) + 2 if assignment.introduces else 0)
    return (style.max_words or 300) - len(finished("", assignment, company).split())


def handover(
    reason: Reason,
    assignment: Assignment,
    company: Company,
    now: datetime,
    *,
    priority: Priority | None = None,
    on_duty: bool | None = None,
) -> str:
    """What the customer is told when a person takes over: what happens now, by when, and no promise beyond it.

    `on_duty` says whether anybody is there; None: whoever should be by the opening hours is.
    """
    when = _when(company, priority or assignment.priority, now, on_duty)
    if assignment.channel == "whatsapp":
        hours = f" Our team is there {company.hours}." if company.hours else ""
        told = f"{_WHATSAPP_HANDOVER.get(reason, _WHATSAPP_DEFAULT)} They reply here."
        short = f"{_WHATSAPP_DEFAULT} They reply here."
        ticket = f" Ticket {assignment.reference}."
        fuller = (f"{told}{ticket}{when or hours}", f"{told}{when}", f"{short}{when}")
        limit = STYLES["whatsapp"].max_characters or 300
        return next((text for text in fuller if len(text) <= limit), short)
    hours = f" Our team reads messages {company.hours}." if company.hours else ""
    body = f"{_HANDOVER.get(reason, _HANDOVER_DEFAULT)}\n\n{_PASSED_ON}{hours}{when}"
    if assignment.channel == "email":
        return (
            f"{_greeting(assignment)}\n\n{body}\n\nKind regards,\n{_sender(company)}\nTicket "
            f"{assignment.reference}\n"
            "This message was written by our AI assistant."
        )
    return f"{_greeting(assignment)}\n\n{body}\n\nThis message was written by our AI assistant."


def _when(company: Company, priority: Priority, now: datetime, on_duty: bool | None) -> str:
    """By when a person answers, in a sentence; nothing where nothing can honestly be said."""
    there = is_open(company.policy.hours, now) if on_duty is None else on_duty
    told = expectation(company.policy, priority, now, on_duty=there)
    if told is None:
        return _AWAY if on_duty is False else ""
    away = "" if told.opens_at is None else _AWAY
    return f"{away} We aim to answer by {answer_by_words(told, now)}."


_AWAY: Final = " Nobody of our team is here right now."


def clarification(assignment: Assignment, company: Company) -> str:
    """The question that answers an empty message."""
    if assignment.channel == "whatsapp":
        return _short("Your message arrived without text. What can I help you with?", assignment.introduces)
    return finished(
        "Your message arrived without any text. What would you like to know? "
        "Please describe what you want to do and what happens instead, and name the error code if there is "
        "one.",
        assignment,
        company,
    )


_PASSED_ON: Final = (
    "I have passed your message on with everything written so far, so you need not repeat anything. "
    "A person of our team will read it and reply to you."
)
_HANDOVER_DEFAULT: Final = "A person of our team has to look at this."
_HANDOVER: Final[dict[Reason, str]] = {
    "human_request": "You asked for a person, and a person takes over from here.",
    "pricing_inquiry": "Questions about prices are answered by a person of our team, not by me.",
    "refund_request": "Questions about refunds and charges are decided by a person of our team, not by me.",
    "chargeback": "A disputed charge is handled by a person of our team.",
    "cancellation_threat": "I am sorry that it has come to this. A person of our team should answer you.",
    "legal": "Legal matters are answered by a person of our team, not by me.",
    "privacy_request": "Requests about personal data are handled by a person, who checks who is asking.",
    "security_incident": "A person has to look at what you report. Please send no passwords or codes.",
    "profanity": "I am sorry that this has been such a bad experience.",
    "negative_sentiment": "I am sorry that this has been such a bad experience.",
    "no_answer_found": "I did not find an answer to this in our help pages.",
    "policy_violation": "I could not answer this reliably.",
    "agent_failure": "I could not answer this reliably.",
}
_WHATSAPP_DEFAULT: Final = "I have handed this to a person of our team, with everything so far."
_WHATSAPP_HANDOVER: Final[dict[Reason, str]] = {
    "pricing_inquiry": "Prices are for a person of our team to answer. I have passed your question on.",
    "refund_request": "Refunds are for a person of our team to decide. I have passed your message on.",
    "profanity": f"I am sorry about this. {_WHATSAPP_DEFAULT}",
    "negative_sentiment": f"I am sorry about this. {_WHATSAPP_DEFAULT}",
    "cancellation_threat": f"I am sorry about this. {_WHATSAPP_DEFAULT}",
    "no_answer_found": "I do not find this in our help pages. I have handed it to a person of our team.",
    "security_incident": f"{_WHATSAPP_DEFAULT} Please do not send passwords or codes.",
}


def _short(body: str, introduces: bool) -> str:
    if introduces:
        return f"{body}\n\n{_WHATSAPP_FIRST}"
    fuller = f"{body}\n{_WHATSAPP_OFFER}"
    return fuller if len(fuller) <= 160 else body


def _greeting(assignment: Assignment) -> str:
    """A name is the customer's text too: one that could be anything but a name is left out."""
    name = " ".join(assignment.customer_name.split())
    known = len(name) <= _NAME_MAX and _NAME.fullmatch(name) is not None
    if assignment.channel == "email":
        return f"Dear {name}," if known else "Dear customer,"
    return f"Hello {name.split()[0]}," if known else "Hello,"


def _sender(company: Company) -> str:
    return f"{company.name} Support"


def _written_by_ai() -> str:
    return 'This answer was written by our AI assistant. To reach a person, reply with the word "person".'
