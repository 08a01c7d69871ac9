"""When a person must take over: rules that run before and after the model, so that no model can skip them.

`before` reads the customer's words, in every language of `fte/domain/phrases`; `suspected` weighs those in which it finds
nothing; `after` reads what a run did. Ordinary questions that merely contain such words (a human resources module,
an agent's API key, a refund to the customer's own client) are taken out first. When in doubt the rules hand over.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, zip_longest
from typing import Final, Literal, cast, get_args

from fte.domain.channels import Channel
from fte.domain.hunch import hunch
from fte.domain.languages import corrected, fold, languages, says, says_both, without
from fte.domain.mood import MOOD_FLOOR
from fte.domain.tickets import Priority
from fte.domain.turns import Line, Urgency

ReasonToAsk = Literal[
    "legal",
    "security_incident",
    "chargeback",
    "privacy_request",
    "refund_request",
    "cancellation_threat",
    "profanity",
    "human_request",
    "pricing_inquiry",
    "negative_sentiment",
    "no_answer_found",
]
"""The reasons a model or an operator may give; the others are ours to find."""
REASONS_TO_ASK: Final[tuple[ReasonToAsk, ...]] = get_args(ReasonToAsk)

Reason = Literal[ReasonToAsk, "repeated_question", "policy_violation", "budget_exhausted", "agent_failure"]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
"""Every reason; of several that apply, the first in this order is the reason given."""

URGENCIES: Final[dict[Reason, Urgency]] = {
    "legal": "high",
    "security_incident": "high",
    "chargeback": "high",
    "privacy_request": "high",
    "refund_request": "high",
    "cancellation_threat": "high",
    "profanity": "high",
    "human_request": "normal",
    "pricing_inquiry": "normal",
    "negative_sentiment": "high",
    "no_answer_found": "normal",
    "repeated_question": "normal",
    "policy_violation": "normal",
    "budget_exhausted": "normal",
    "agent_failure": "normal",
}
SEARCHES_MAX: Final = 2
"""Searches without a hit after which a person is asked."""
ASKED_MAX: Final = 3
"""Times the same is asked; the last time a person answers."""
URGENT_MAX: Final = 3
"""Conversations of one customer that wait for a person, from which on further ones are not urgent: whoever takes the
first learns of them, and nobody is called again and again."""
HUNCH_MIN: Final = 0.85
"""How sure a hunch must be, 0 to 1, to hand over; see docs/agent.md for what lower ones would cost."""
QUOTED_MAX: Final = 300
"""Characters of a quoted sentence."""
_ALIKE: Final = 0.75
"""The share of words two messages have in common that makes them the same question."""
_TELLING_MIN: Final = 2
"""Telling words of a question that may be found again within another message."""
_QUESTIONS_MAX: Final = 20
"""Questions of a message that are compared."""
_FOR_HELP: Final = (
    "help assist suppor proble issue questi follow answer solve fix explai helfen hilfe folgen frage aider aide suivan"
    " ayudar ayuda siguie ajudar ajuda seguin aiutar aiuto seguen helpen hulp volgen vraag pomoc"
)
_CALLS_FOR_HELP: Final = frozenset(_FOR_HELP.split())
"""Stems of what any question may be led up to with."""
_TEXT_MAX: Final = 20_000
"""Characters that are read: the beginning, and as much of the end."""
_SENTENCES_MAX: Final = 600
"""Sentences that are read, likewise. A long mail has two hundred."""

_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_QUOTED: Final = re.compile(r"(?m)^[^\S\n]*>.*$")
_SENTENCES: Final = re.compile(r"[.!?;\n]+(?=\s|$)|[。！？；।؟۔]+")
_CLAUSES: Final = re.compile(r"([.!?;:\n]+(?=\s|$)|[。！？：；।؟۔]+)")
_ASKS: Final = re.compile("[?？؟]")
_WORDS: Final = re.compile(r"\w+")


def warm_up() -> None:
    """Read phrases and weights: two seconds of CPU that the first message, and what else is under way, would wait for."""
    reasons("warm up", "email", 1.0)
    suspected("warm up", "email")


def before(text: str, channel: Channel, mood: float, company: str = "") -> Reason | None:
    """Why this message must go to a person without asking the model; None when the agent may answer.

    `text` is all the customer wrote for this answer, subject included; `mood` its lowest sentiment, 0 to 1;
    `company` the name of the one we answer for: who will sue it by its name, or leaves it, means us.
    """
    found = reasons(text, channel, mood, company)
    return found[0] if found else None


def reasons(text: str, channel: Channel, mood: float, company: str = "") -> tuple[Reason, ...]:
    """All reasons that apply, the most pressing first."""
    original = _visible(text, quotes=channel == "email")
    masked = without("not", corrected(_named(fold(original), company)))
    sentences = _few([part for part in _SENTENCES.split(masked) if part.strip()])
    unsettled = [part for part in sentences if not says("settled", part)]
    ours = [part for part in unsettled if not says("own trade", part) or says("to us", part)]
    asking = masked if len(unsettled) == len(sentences) else "\n".join(unsettled)

    def halves(one: str, other: str, parts: Sequence[str] = sentences) -> bool:
        """Whether one sentence says both, in the same language."""
        return any(says_both(one, other, part) for part in parts)

    tests: tuple[tuple[Reason, Callable[[], bool]], ...] = (
        ("legal", lambda: says("legal", masked) or _threatens_to_sue(original)),
        ("security_incident", lambda: says("security_incident", masked) or halves("our access", "not us")),
        ("chargeback", lambda: _any("chargeback", ours) or halves("bank", "takes it up", ours)),
        ("privacy_request", lambda: says("privacy_request", masked) or halves("kept", "about me")),
        ("refund_request", lambda: _asks_for_refund(ours) or _wants_back(ours)),
        ("cancellation_threat", lambda: says("cancellation_threat", masked) or halves("go on", "no more")),
        ("profanity", lambda: says("profanity", masked) or bool(_COARSE.search(original))),
        (
            "human_request",
            lambda: _asks_for_person(asking, channel) or halves("staff", "reach me", unsettled),
        ),
        ("pricing_inquiry", lambda: _any("pricing_inquiry", ours)),
        ("negative_sentiment", lambda: mood < MOOD_FLOOR or says("anger", masked)),
    )
    return tuple(reason for reason, applies in tests if applies())


def suspected(text: str, channel: Channel) -> tuple[Reason, float] | None:
    """Why this message, in which no rule finds a reason, must go to a person all the same, and how sure that is, 0 to 1.

    None when that is not sure enough. For messages whose wording nobody has thought of.
    """
    reason, sure = hunch(sentences_of(text, channel))
    return (cast(Reason, reason), sure) if sure >= HUNCH_MIN else None


def what_says(reason: Reason, text: str, channel: Channel) -> str:
    """The sentence, or the part of a very long one, for which `reasons` gives this reason; empty where none alone does.

    Found by halving, so all of it costs as much as reading the text a few times. At most QUOTED_MAX characters.
    """
    sentences = _SENTENCES.split(_visible(text, quotes=channel == "email"))
    found = _narrowed([part for part in sentences if part.strip()], ". ", reason, channel)
    if len(found) > QUOTED_MAX:
        found = _narrowed(found.split(), " ", reason, channel)
    return found if len(found) <= QUOTED_MAX else ""


def _narrowed(parts: list[str], joint: str, reason: Reason, channel: Channel) -> str:
    """The fewest neighbouring parts that still give the reason: a half, or what lies across both, again and again."""
    while len(parts) > 1 and (joint == ". " or len(joint.join(parts)) > QUOTED_MAX):
        half, quarter = (len(parts) + 1) // 2, len(parts) // 4
        windows = (parts[:half], parts[half:], parts[quarter : quarter + half])
        smaller = (window for window in windows if reason in reasons(joint.join(window), channel, 1.0))
        if (found := next(smaller, None)) is None:
            break
        parts = found
    whole = joint.join(part.strip() for part in parts)
    return whole if reason in reasons(whole, channel, 1.0) else ""


def sentences_of(text: str, channel: Channel) -> list[str]:
    """The customer's own sentences, not those they quote or are sent with every reply."""
    return _few(
        [part for part in _SENTENCES.split(_visible(text, quotes=channel == "email")) if part.strip()]
    )


def after(
    *, requested: Reason | None, searches: int, hits: int, answered: bool, violations: tuple[str, ...] = ()
) -> Reason | None:
    """Why a finished run must end with a person; None when its answer may go out.

    `requested` is what the model itself asked for, `hits` the passages found by all `searches` together,
    `answered` whether a reply stands, `violations` the rules the last reply broke.
    """
    if requested is not None:
        return requested
    if violations:
        return "policy_violation"
    if searches >= SEARCHES_MAX and hits == 0:
        return "no_answer_found"
    return None if answered else "agent_failure"


def asked_again(lines: Sequence[Line]) -> bool:
    """Whether what the customer asks now they asked twice before, and were answered each time: it did not help.

    `lines` is the history, oldest first. Messages without an answer in between are one asking.
    """
    asking = _asked([line for line in lines if line.new and line.role == "customer"])
    if not asking.words:
        return False
    times, waiting = 1, False
    for line in (line for line in lines if not line.new):
        if line.role != "customer":
            waiting = False
        elif not waiting and asking.alike(_asked([line])):
            times, waiting = times + 1, True
    return times >= ASKED_MAX


@dataclass(frozen=True, slots=True)
class _Asked:
    """What messages ask, as stems: all their words, and those of each question that says enough to be told from others."""

    words: frozenset[str]
    questions: frozenset[frozenset[str]]

    def alike(self, other: "_Asked") -> bool:
        """Whether both ask the same: in much the same words, or one asks nothing but what the other asks, too."""
        few, more = sorted((self.questions, other.questions), key=len)
        contained = bool(few) and all(any(_alike(one, another) for another in more) for one in few)
        return _alike(self.words, other.words) or contained


def _asked(lines: Sequence[Line]) -> _Asked:
    text = "\n".join(_visible(line.content, quotes=True) for line in lines)
    pieces = _CLAUSES.split(text)
    asking = (_telling(one) for one, end in zip(pieces[::2], pieces[1::2], strict=False) if _ASKS.search(end))
    questions = dict.fromkeys(words for words in asking if len(words - _CALLS_FOR_HELP) >= _TELLING_MIN)
    return _Asked(_telling(text), frozenset(islice(questions, _QUESTIONS_MAX)))


def _telling(text: str) -> frozenset[str]:
    return frozenset(word[:6] for word in _WORDS.findall(fold(text)) if word not in _common())


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    return frozenset().union(*(language.common | language.polite for language in languages()))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one) and len(one & other) >= _ALIKE * len(one | other)


def urgency(reason: Reason, wanted: Urgency | None, waiting: int) -> Urgency:
    """How soon a person is needed. A model may raise a reason's urgency, never lower it.

    `waiting` is how many of the customer's other conversations wait for a person already.
    """
    if waiting >= URGENT_MAX:
        return "low"
    order: tuple[Urgency, ...] = get_args(Urgency)
    return max(URGENCIES[reason], wanted or "low", key=order.index)


def priority(reason: Reason, urgent: Urgency, wanted: Priority | None = None) -> Priority | None:
    """The ticket's priority after a hand-over with that urgency; None leaves it as it is.

    What is urgent is due as that, in the queue and in what the customer is told; what waits behind others is not, unless
    it is of a kind that must not wait behind ordinary matters. `wanted` is what was asked for besides.
    """
    if urgent == "high":
        return "high"
    return "low" if urgent == "low" and URGENCIES[reason] != "high" else wanted


def _visible(text: str, *, quotes: bool) -> str:
    """The customer's own words: nothing invisible, and none of our offers of a person. Where programs mark what they
    quote with `>`, nothing quoted; elsewhere people write that mark themselves."""
    if len(text) > _TEXT_MAX:
        text = f"{text[: _TEXT_MAX // 2]}\n{text[-_TEXT_MAX // 2 :]}"
    text = _in_one_spelling(text)
    if quotes:
        text = _QUOTED.sub("", text)
    for offer in _our_offers():
        text = text.replace(offer, " ")
    return _NAMES.sub(" ", _OUR_FOOTERS.sub(" ", text))


def _in_one_spelling(text: str) -> str:
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    for quote in "’‘`´":
        text = text.replace(quote, "'")
    return text


def _named(folded: str, company: str) -> str:
    """The text, and before it the lines that name the company, with the word that stands for it in phrases.

    Both, because a company may be called anything: the words of its name keep their meaning.
    """
    called = _called(company)
    if called is None or not called.search(folded):
        return folded
    named = called.sub(_COMPANY, folded).split("\n")
    return "\n".join((*(line for line in named if _COMPANY in line), folded))


_COMPANY: Final = "thiscompany"
_FORMS: Final = re.compile(
    "ab|ag|aps|as|asa|bv|co|company|corp|corporation|gmbh|inc|incorporated|kft|kg|limited|llc|llp|ltd|nv|ohg|oyj?|plc"
    "|pte|pty|pvt|sa|sarl|sas|se|sl|spa|spzoo|srl|sro|ug"
)
"""Legal forms, with which a company signs and without which customers name it."""


@lru_cache(maxsize=8)
def _called(company: str) -> re.Pattern[str] | None:
    """What customers call the company in folded text; None when that could be anybody or anything."""
    words = fold(_in_one_spelling(company)).split()
    while len(words) > 1 and _FORMS.fullmatch(re.sub(r"\W", "", words[-1])):
        words = [*words[:-2], words[-2].rstrip(",")]
    if len("".join(words)) < _NAME_MIN or all(word in _common() or _FORMS.fullmatch(word) for word in words):
        return None
    name = r"\s+".join(map(re.escape, words))
    return re.compile(rf"(?<!\w){name}(?!\w)")


_NAME_MIN: Final = 2


@lru_cache(maxsize=1)
def _our_offers() -> tuple[str, ...]:
    """Our own sentences that offer a person, as they come back below a reply."""
    keys = ("written", "chat_first", "chat_offer")
    texts = (language.sentences.get(key, "") for language in languages() for key in keys)
    return tuple(unicodedata.normalize("NFKC", text).replace("’", "'") for text in texts if text)


_COARSE: Final = re.compile(r"(?i)\bcoño\b")
"""Coarse with its accent only: without it, a cone."""
_OUR_FOOTERS: Final = re.compile(
    r"(?i)to reach a person,? reply with the word \W?person\W?|type \W?human\W? (?:for|to reach) a person"
)


_NAMES: Final = re.compile(
    r"\b[A-Z]\. (?:Lawyer|Human|Person|Court|Price|Sue|Legal|Law)s?\b"
    r"|\b(?!(?:My|Our|The|A|An|Your|His|Her|Their|Real|Any|Some|This|That|Which|What|Is|No|One)\b)[A-Z][a-z]+"
    r" (?:Lawyer|Human|Person|Court|Price|Legal|Law)s?(?= (?:is (?:an? (?:new )?(?:\w+ )?"
    r"(?:colleague|member|employee|freelancer|manager)"
    r"|my|our|new)|joined|works (?:for|with|on|in) (?:us|our)|cannot (?:log|sign)|can't (?:log|sign)))"
)
"""Names of people that are words of the rules, where the text makes clear that they are names."""

_SUE: Final = re.compile(
    "|".join(
        (
            r"(?i:\b(?:i|we|they|he|she|client|customer)(?:'ll| will| shall| can| could| might| may| should| must|'d)"
            r"(?: (?:also|just|definitely|probably|have to|need to))? )sue\b(?!')",
            r"(?i:\b(?:going|gonna|want|wants|have|need|ready|prepared|threaten\w*|right|decided|forced|intend\w*"
            r"|plan\w*|able|like|about"
            r"|reason)(?: to)? )sue\b(?!')",
            r"(?i:\bsue)(?i: (?:you|u|y'all|them all|your (?:company|firm|business|ass))\b)",
            r"(?i:\bsue for (?:damages|compensation|breach|negligence|fraud|\W?\d))",
            r"(?i:\b(?:suing|sued)\b)(?i:(?! (?:reports?|et)\b))",
        )
    )
)
_SUE_LOUD: Final = re.compile(r"\bSUE\b")


def _threatens_to_sue(original: str) -> bool:
    """To sue is a verb: Sue, with a capital, is a colleague unless the whole message is in capitals."""
    if original.isupper():
        return bool(_SUE_LOUD.search(original))
    return bool(_SUE.search(original))


_WHATSAPP_WORDS: Final = re.compile(r"\b(?:humans?|agents?|representatives?)\b")


def _asks_for_person(masked: str, channel: Channel) -> bool:
    if any(_bare(line) for line in masked.split("\n")):
        return True
    return says("human_request", masked) or (channel == "whatsapp" and bool(_WHATSAPP_WORDS.search(masked)))


def _bare(line: str) -> bool:
    """Whether a line is a word for a person and nothing else but courtesies."""
    line = _EDGES.sub(" ", line).strip()
    words = line.split()
    return (
        0 < len(line) <= _BARE_MAX
        and not _bare_words().isdisjoint(words)
        and any(
            line in language.bare
            or " ".join(word for word in words if word not in language.polite) in language.bare
            for language in languages()
        )
    )


@lru_cache(maxsize=1)
def _bare_words() -> frozenset[str]:
    """Without one of these words no line is bare, in any language."""
    return frozenset(word for language in languages() for bare in language.bare for word in bare.split())


def _few(sentences: list[str]) -> list[str]:
    """Of more sentences than anybody writes the first and the last: each is looked at in every language."""
    half = _SENTENCES_MAX // 2
    return sentences if len(sentences) <= _SENTENCES_MAX else sentences[:half] + sentences[-half:]


_EDGES: Final = re.compile(r"[\s,.!?;:\"'“”„«»(){}¡¿…。！？、，।-]+")
_BARE_MAX: Final = 80


def _wants_back(ours: list[str]) -> bool:
    """Whether money we took is wanted back, said in one breath or in two neighbouring sentences."""
    together = (f"{one}\n{next_one}" for one, next_one in zip_longest(ours, ours[1:], fillvalue=""))
    return any(says("charged", both) and says("give back", both) for both in together)


def _asks_for_refund(ours: list[str]) -> bool:
    return any(says("refund_request", part) and not says("how to", part) for part in ours)


def _any(kind: str, sentences: list[str]) -> bool:
    return any(says(kind, sentence) for sentence in sentences)
