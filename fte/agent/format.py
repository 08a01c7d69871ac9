"""What a customer reads, in their language: greeting, footer and the texts that no model writes. Pure functions."""

import re
from datetime import datetime
from typing import Final

from fte.agent.company import Company
from fte.domain.channels import STYLES, Channel
from fte.domain.courtesies import CLOSINGS, GREETINGS
from fte.domain.deadlines import answer_by_figures, answer_by_words, expectation, is_open
from fte.domain.escalation import Reason
from fte.domain.languages import DEFAULT, sentence
from fte.domain.tickets import Priority
from fte.domain.turns import Assignment

_NAME: Final = re.compile(r"[^\W\d_]+(?:(?:[ '’-]|\. )[^\W\d_]+){0,5}\.?")
_NAME_MAX: Final = 40
_PREFERRED: Final = 160
"""Characters a WhatsApp message had better not exceed."""
_OPENING: Final = re.compile(rf"(?i)\A\s*{GREETINGS}\b[^\n.!?,]{{0,50}}(?:[,!.:]+\s*|\n+)")
_CLOSING: Final = re.compile(rf"(?i)\n\s*(?:{CLOSINGS}|best)\s*[,.]?\s*(?:\n[^\n]{{0,80}}){{0,4}}\s*\Z")
_SORRY: Final = frozenset({"profanity", "negative_sentiment", "cancellation_threat"})
_CHAT_HANDOVERS: Final[dict[Reason, str]] = {
    "pricing_inquiry": "chat_prices",
    "refund_request": "chat_refunds",
    "no_answer_found": "chat_no_answer",
}
_HANDOVERS: Final[dict[Reason, str]] = {
    "profanity": "sorry",
    "negative_sentiment": "sorry",
    "policy_violation": "unsure",
    "agent_failure": "unsure",
    "repeated_question": "unsure",
    "budget_exhausted": "default",
}
"""Sentences of `fte/domain/phrases` for reasons that have none of their own."""


def finished(text: str, assignment: Assignment, company: Company) -> str:
    """The model's text as the customer gets it: greeting, signature, reference, the way to a person."""
    body = bare(text, assignment.channel)
    language = assignment.language
    if assignment.channel == "whatsapp":
        return _short(body, language, assignment.introduces)
    opening = f"{_greeting(assignment, language)}\n\n"
    written = sentence(language, "written")
    if assignment.channel == "email":
        return f"{opening}{body}\n\n{_signature(assignment, company, language)}\n{written}"
    return f"{opening}{body}\n\n{written}"


def bare(text: str, channel: Channel) -> str:
    """The text without a greeting or signature of its own: those are ours to add."""
    text = _CLOSING.sub("", text.strip())
    return (_OPENING.sub("", text, count=1) if channel != "whatsapp" else text).strip() or text.strip()


def room(assignment: Assignment, company: Company) -> int:
    """How much the model may write: words on e-mail and web form, characters on WhatsApp."""
    style = STYLES[assignment.channel]
    if style.max_characters is not None:
        first = len(sentence(assignment.language, "chat_first")) + 2 if assignment.introduces else 0
        return style.max_characters - first
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
    language = assignment.language
    when = _when(company, priority or assignment.priority, now, on_duty, language)
    # The opening hours are told in English words.
    hours = (
        f" {sentence(language, 'hours', hours=company.hours)}"
        if company.hours and language == DEFAULT
        else ""
    )
    if assignment.channel == "whatsapp":
        return _chat_handover(reason, assignment, language, when, hours)
    because = sentence(language, _HANDOVERS.get(reason, reason))
    body = f"{because}\n\n{sentence(language, 'passed_on')}{hours}{when}"
    opening, handed = _greeting(assignment, language), sentence(language, "handed")
    if assignment.channel == "email":
        return f"{opening}\n\n{body}\n\n{_signature(assignment, company, language)}\n{handed}"
    return f"{opening}\n\n{body}\n\n{handed}"


def _chat_handover(reason: Reason, assignment: Assignment, language: str, when: str, hours: str) -> str:
    short = f"{sentence(language, 'chat_handover')} {sentence(language, 'chat_reply')}"
    told = short
    if reason in _CHAT_HANDOVERS:
        told = f"{sentence(language, _CHAT_HANDOVERS[reason])} {sentence(language, 'chat_reply')}"
    elif reason in _SORRY:
        told = f"{sentence(language, 'chat_sorry')} {short}"
    elif reason == "security_incident":
        told = " ".join(sentence(language, key) for key in ("chat_handover", "chat_secret", "chat_reply"))
    ticket = f" {sentence(language, 'ticket', reference=assignment.reference)}."
    by_whom = f"\n\n{sentence(language, 'handed')}" if assignment.introduces else ""
    limit = (STYLES["whatsapp"].max_characters or 300) - len(by_whom)
    fuller = (f"{told}{ticket}{when or hours}", f"{told}{when}", f"{short}{when}")
    return next((text for text in fuller if len(text) <= limit), short) + by_whom


def _when(company: Company, priority: Priority, now: datetime, on_duty: bool | None, language: str) -> str:
    """By when a person answers, in a sentence; nothing where nothing can honestly be said."""
    there = is_open(company.policy.hours, now) if on_duty is None else on_duty
    told = expectation(company.policy, priority, now, on_duty=there)
    away = f" {sentence(language, 'away')}"
    if told is None:
        return away if on_duty is False else ""
    by = answer_by_words(told, now) if language == DEFAULT else answer_by_figures(told)
    return f"{'' if told.opens_at is None else away} {sentence(language, 'aim', when=by)}"


def clarification(assignment: Assignment, company: Company) -> str:
    """The question that answers an empty message."""
    if assignment.channel == "whatsapp":
        return _short(
            sentence(assignment.language, "chat_unclear"), assignment.language, assignment.introduces
        )
    return finished(sentence(assignment.language, "unclear"), assignment, company)


def _short(body: str, language: str, introduces: bool) -> str:
    if introduces:
        return f"{body}\n\n{sentence(language, 'chat_first')}"
    fuller = f"{body}\n{sentence(language, 'chat_offer')}"
    return fuller if len(fuller) <= _PREFERRED else body


def _greeting(assignment: Assignment, language: str) -> str:
    """A name is the customer's text too: one that could be anything but a name is left out."""
    name = " ".join(assignment.customer_name.split())
    known = len(name) <= _NAME_MAX and _NAME.fullmatch(name) is not None
    key = "greeting" if assignment.channel == "email" else "hello"
    if not known:
        return sentence(language, f"{key}_unnamed")
    return sentence(language, key, name=name if key == "greeting" else name.split()[0])


def _signature(assignment: Assignment, company: Company, language: str) -> str:
    team = sentence(language, "team", company=company.name)
    ticket = sentence(language, "ticket", reference=assignment.reference)
    return f"{sentence(language, 'regards')}\n{team}\n{ticket}"
