"""A model without a model: deterministic, extractive, needing no network.

It reads the same input items as any model and issues the same tool calls. An answer is made of neighbouring
sentences of one passage, with the page's title as the source; when two searches bring nothing that fits, it
hands over. It knows nothing but its input.
"""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from typing import Any, Final
from uuid import uuid4

from agents import Model, ModelResponse, Usage
from agents.items import TResponseOutputItem, TResponseStreamEvent
from openai.types.responses import ResponseFunctionToolCall

from fte.agent.guard import mentions_price
from fte.domain.attachments import without_placeholders

_FENCED: Final = r"<<<{label}>>>\n(.*?)\n<<<END OF {label}>>>"
_SUBJECT: Final = re.compile(_FENCED.format(label="SUBJECT"), re.S)
_MESSAGE: Final = re.compile(_FENCED.format(label="CUSTOMER MESSAGE"), re.S)
_COLLEAGUE: Final = re.compile(_FENCED.format(label="COLLEAGUE"), re.S)
_PASSAGE: Final = re.compile(r"relevance (\d\.\d\d)\n" + _FENCED.format(label="PASSAGE"), re.S)
_ROOM: Final = re.compile(r"Channel: (\w+)\. The answer may have (\d+) (words|characters)")
_EARLIER: Final = re.compile(r"Earlier messages in this conversation: [1-9]")
_MOVED: Final = re.compile(r"Before, the customer wrote on (\w+);")
_CUSTOMER_SAID: Final = re.compile(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d customer \(\w+\): (.*)$")
_ASKED: Final = re.compile(
    r"(?<=[?？؟])\s*|\n+|(?<=[.!])\s+(?=(?:second|secondly|also|and|third|next|another)\b)", re.I
)
_ENUMERATED: Final = re.compile(
    r"^\W*(?:\d[.):]|first(?:ly)?\b|second(?:ly)?\b|third(?:ly)?\b|also\b|next\b)[,:]?\s*", re.I
)
_GOES_ON: Final = re.compile(
    r"^\W*(?:and|what about|how about|or|then|also|und|et|y|e|en|a|och|ve|и)\b", re.I
)
_REFERS: Final = re.compile(r"\b(?:it|that|this|them|those|one)\b", re.I)
_ASKING: Final = re.compile(
    r"[?？؟]|^\W*(?:how|what|which|where|when|why|who|can|could|do|does|is|are|may|should|will|would)\b", re.I
)
QUESTIONS_MAX: Final = 2
"""Questions of a message that are looked up one by one: as many as there are searches."""
_CATEGORY: Final = re.compile(r"Ticket category: (\w+)\.")
_WORD: Final = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_NUMBERED: Final = re.compile(r"^\s*\d+[.)]\s+(.*)$")
_STEPS_HEADING: Final = re.compile(r"(?i)^#+\s*(?:steps|how to)\b")
_BULLET: Final = re.compile(r"^\s*[-*•]\s+(.*)$")
_SENTENCE_ENDS: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“*`])")
_STOP_WORDS: Final = (
    "a about after again all also am an and any anybody anyone are as at be been before being best but by "
    "can cannot could day dear did do does doing done "
    "for from get gets getting go goes going good got had has have having he hello help her here hers hey "
    "hi him his how however i if in into is it its "
    "just kindly know like make makes many may me mean might more most much must my need needs new no not "
    "now of off ok on once one only or our out over "
    "please question regards she should since so some somebody someone something still such tell thank "
    "thanks that the their them then there these they "
    "thing this those to today too try trying two under until up us use using very want wanted was way we "
    "well were what when where which while who why "
    "will with without work works working would yes yet you your "
    "i'm i've it's don't can't doesn't we're won't didn't isn't"
)
_STOP: Final = frozenset(_STOP_WORDS.split())  # fmt: skip
_GREETING: Final = re.compile(
    r"\W*(?:(?:hi|hello|hey|hallo|good (?:morning|afternoon|evening|day)|greetings|bonjour|hola|ciao|there"
    r"|all|team|again|dear|support|how are you)\W*)+",
    re.I,
)
_THANKS: Final = re.compile(
    r"\W*(?:(?:ok|okay|great|perfect|super|cool|thanks?|thank you|thx|ty|many|a lot|so much|very much"
    r"|again|that|this|it|helped|works?|worked|now|all|good|got it|for|your|the|help|quick|fast"
    r"|answer|reply|cheers|lifesaver|merci|danke|gracias|solved|fixed|is|was|and|have a nice|day|bye"
    r"|goodbye|👍|🙏|done|very|you|found)\W*)+",
    re.I,
)
_SETTLED: Final = re.compile(
    r"\b(?:thanks|thank you|cheers|perfect|brilliant|works? (?:now|again)|worked|solved|fixed|sorted|all good"
    r"|(?:that|this) (?:did it|helped)|is gone)\b",
    re.I,
)
_UNSETTLED: Final = re.compile(
    r"\?|n['’]t\b|\b(?:not|no|but|still|except|however|unfortunately|how|what|why|where|when|which|who|can|could"
    r"|would|does|do i|is there|another|one more|also|please|need|want)\b",
    re.I,
)
_GRATITUDE: Final = re.compile(
    r"(?i)\b(?:thank|thanks|thx|ty|cheers|merci|danke|gracias|great|perfect|lifesaver|solved|works|worked"
    r"|helped|bye|ok|okay|cool)\b|👍|🙏"
)
_STEPS_ASKED: Final = re.compile(
    r"(?i)\bhow (?:do|can|to|does|should|would)\b|\bsteps?\b|\bset ?up\b|\bwhere\b|\bwhat (?:do"
    r"|should) (?:i|we)\b"
)
_POINTS_AT_FILE: Final = re.compile(
    r"(?i)\b(?:attach\w*|enclos\w*|screen ?(?:shot|grab|cap)\w*|photo\w*|picture\w*|pics?|images?|scan(?:s|ned)?"
    r"|recordings?|videos?|voice|files?|documents?|pdfs?|spreadsheets?|invoices?|logs?|see|shows?|shown|look|looks|here"
    r"|this|these|that|those|above|below|anhang|angeh[aä]ngt|beigef[uü]gt|bild|foto|ci-joint\w*|pi[eè]ce jointe|adjunt\w*"
    r"|allegat\w*|anex[oa]\w*|bijlage)\b"
)
"""Words that point at something to look at: with a file there, that may be it."""
_CUT: Final = 480
"""A passage this long was probably cut off by the search tool."""
_POINTS_MIN: Final = 3.0
_SCORE_SURE: Final = 0.75
_WHATSAPP_PREFERRED: Final = 160
_PLACES: Final = {"email": "by e-mail", "whatsapp": "on WhatsApp", "web_form": "on our support page"}
_TITLE_MAX: Final = 50
_SENTENCES_MAX: Final = 5


class OfflineModel(Model):
    """Answers from passages only. Safe for any number of runs at once: it keeps nothing between calls."""

    name = "offline"

    async def get_response(
        self, system_instructions: str | None, input: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        task = _read(input if isinstance(input, list) else [{"role": "user", "content": str(input)}])
        output: list[TResponseOutputItem] = [_call(name, arguments) for name, arguments in next_calls(task)]
        return ModelResponse(output=output, usage=Usage(requests=1), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        raise NotImplementedError("The offline model does not stream.")


@dataclass(slots=True)
class _Found:
    title: str
    score: float
    content: str


@dataclass(slots=True)
class _Task:
    """What can be read off the input items."""

    subject: str = ""
    message: str = ""
    channel: str = "email"
    room: int = 300
    earlier: bool = False
    moved_from: str = ""
    hint: str = ""
    files: int = 0
    category: str | None = None
    called: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return f"{self.subject}\n{self.message}".strip()

    @property
    def question(self) -> str:
        """What is asked now: the subject belongs to the first message, and later ones may be about something else."""
        asked = self.message if self.earlier else self.text
        return f"{asked}\n{self.hint}".strip()

    @property
    def questions(self) -> list[str]:
        """What is asked, one question each; one that goes on from another, or from earlier, carries that with it."""
        parts = _asked(self.message)
        before = "" if self.files else self.asked_before
        found: list[str] = []
        for part in parts:
            context = found[-1] if found else before
            found.append(f"{context}\n{part}" if context and _goes_on(part) else part)
        if len(found) < 2:
            alone = f"{before}\n{self.question}" if found and found[0] != parts[0] else self.question
            return [alone.strip()]
        return [f"{found[0]}\n{self.hint}".strip(), *found[1:QUESTIONS_MAX]]

    @property
    def asked_before(self) -> str:
        """The customer's last message before these; empty when there is none."""
        said = [match for output in self.outputs[:2] for match in _CUSTOMER_SAID.findall(output)]
        return said[-1].strip() if said else ""

    @property
    def passages(self) -> list[_Found]:
        found = [match for output in self.outputs for match in _PASSAGE.findall(output)]
        return [
            _Found(body.partition("\n")[0], float(score), body.partition("\n")[2]) for score, body in found
        ]


def _read(items: list[Any]) -> _Task:
    task = _Task()
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call":
            task.called.append(item["name"])
        elif kind == "function_call_output":
            task.outputs.append(str(item["output"]))
        elif item.get("role") == "user" and not task.message:
            _read_message(task, _plain(item.get("content")))
    return task


def _plain(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def _read_message(task: _Task, text: str) -> None:
    facts = text.partition("<<<")[0]
    if match := _ROOM.search(facts):
        task.channel, task.room = match[1], int(match[2])
    task.earlier = bool(_EARLIER.search(facts))
    if match := _MOVED.search(facts):
        task.moved_from = _PLACES.get(match[1], "")
    if match := _CATEGORY.search(facts):
        task.category = match[1]
    subject, message = _SUBJECT.search(text), _MESSAGE.search(text)
    if wish := _COLLEAGUE.search(text):
        task.hint = wish[1].strip()
    task.subject = subject[1].strip() if subject else ""
    said = message[1].strip() if message else (text if "<<<" not in text else "")
    task.message, task.files = without_placeholders(said)


def _call(name: str, arguments: dict[str, Any]) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call", call_id=f"call_{uuid4().hex}", name=name, arguments=json.dumps(arguments)
    )


def next_calls(task: _Task) -> list[tuple[str, dict[str, Any]]]:
    """The next tool calls: ticket and history, at most two searches, then an answer or a person."""
    if "create_ticket" not in task.called:
        category = task.category if task.category else None
        ticket = {"issue": _issue(task), "priority": "medium", "category": category}
        return [("create_ticket", ticket), ("get_customer_history", {})]
    if _depends_on_files(task):
        return [_hand_over("no_answer_found")]
    if (courtesy := _courtesy(task)) is not None:
        return [
            _hand_over("no_answer_found")
            if "send_response" in task.called
            else ("send_response", {"message": courtesy})
        ]
    searches = task.called.count("search_knowledge_base")
    questions = task.questions
    if searches == 0:
        return [
            ("search_knowledge_base", {"query": _one_line(question), "max_results": 5, "category": None})
            for question in questions
        ]
    if len(questions) > 1 and (said := _several(task, questions)) is not None:
        return [said]
    question = "\n".join(questions)
    best = _best(task, question)
    if best is None and searches < 2:
        return [("search_knowledge_base", {"query": _keywords(task), "max_results": 5, "category": None})]
    if best is None:
        return [_hand_over("no_answer_found")]
    attempts = task.called.count("send_response")
    answer = _answer(task, question, best, shorter=attempts > 0) if attempts < 2 else ""
    return [("send_response", {"message": answer})] if answer else [_hand_over("no_answer_found")]


def _one_line(question: str) -> str:
    return " ".join(question.split())[-300:]


def _asked(message: str) -> list[str]:
    """The questions of a message; what only leads up to one stays with it. Without several, the whole message."""
    parts = [_ENUMERATED.sub("", part).strip() for part in _ASKED.split(message) if part and part.strip()]
    asking = [part for part in parts if _ASKING.search(part) and len(_stems(part)) > 0]
    return asking if len(asking) > 1 else [message]


def _goes_on(part: str) -> bool:
    """Whether a question makes sense only with what was said before."""
    words = len(_stems(part))
    return (words <= 3 and bool(_REFERS.search(part))) or (words <= 1 and bool(_GOES_ON.search(part)))


def _several(task: _Task, questions: list[str]) -> tuple[str, dict[str, Any]] | None:
    """One message that answers several questions, each from its own page, and names what the pages do not hold.

    None in a chat that has no room for all: then one of them is answered.
    """
    attempts = task.called.count("send_response")
    if attempts >= 2:
        return _hand_over("no_answer_found")
    room = task.room - (len(_moved(task)) if task.channel == "whatsapp" else 0)
    answers: list[str] = []
    missing = 0
    chat = task.channel == "whatsapp"
    for question in questions:
        part = replace(
            task, room=room if chat else room // len(questions) - _APART, earlier=False, moved_from=""
        )
        best = _best(part, question)
        text = _answer(part, question, best, shorter=chat or attempts > 0) if best is not None else ""
        if text and text not in answers:
            answers.append(text)
        missing += not text
    if chat and (missing or sum(len(answer) + 1 for answer in answers) > room):
        return None
    if not answers:
        return _hand_over("no_answer_found")
    rest = ["Our help pages do not answer the rest of your question."] if missing else []
    if chat:
        return "send_response", {"message": "\n".join([f"{_moved(task)}{answers[0]}", *answers[1:]])}
    return "send_response", {"message": "\n\n".join([f"{_again(task)}{answers[0]}", *answers[1:], *rest])}


def _moved(task: _Task) -> str:
    return f"This continues what you wrote {task.moved_from}. " if task.moved_from else ""


_APART: Final = 12
"""Words left free of each answer's room."""


def _hand_over(reason: str) -> tuple[str, dict[str, Any]]:
    return "escalate_to_human", {"reason": reason, "urgency": "normal"}


def _issue(task: _Task) -> str:
    first = re.split(r"(?<=[.!?])\s", task.message, maxsplit=1)[0] if task.message else ""
    return (f"{task.subject}: {first}" if task.subject else first)[:300] or "(no text)"


def _depends_on_files(task: _Task) -> bool:
    """Whether what is asked cannot be known without a file that nobody here can read."""
    return task.files > 0 and (not _WORD.search(task.message) or bool(_POINTS_AT_FILE.search(task.text)))


def _courtesy(task: _Task) -> str | None:
    """The reply to a message that asks nothing; None when there is something to look up."""
    text = task.message
    if not any(character.isalnum() for character in text) and not _GRATITUDE.search(text):
        return "What can I help you with? Please describe what you want to do."
    if _GREETING.fullmatch(text) and not (task.subject and _stems(task.subject)):
        return "I answer from our help pages, automatically. What can I help you with?"
    if task.earlier and _SETTLED.search(text) and not _UNSETTLED.search(text):
        return "Good to hear. If anything else comes up, write here and I will look in our help pages."
    if _THANKS.fullmatch(text) and _GRATITUDE.search(text):
        return "You are welcome. If anything else comes up, write here and I will look in our help pages."
    return None


def _stems(text: str) -> set[str]:
    return {
        _stem(word)
        for word in _WORD.findall(text.lower().replace("’", "'"))
        if word not in _STOP and len(word) > 1
    }


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "ed", "es", "er", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _keywords(task: _Task) -> str:
    """The content words alone, those of the subject first: other words than the first search."""
    words = dict.fromkeys(
        word for word in _WORD.findall(task.text.lower()) if word not in _STOP and len(word) > 2
    )
    return " ".join(list(words)[:8]) or task.text[:100]


def _best(task: _Task, question: str) -> _Found | None:
    """The passage that shares most with the question, if it shares enough to be about the same thing."""
    asked = _meant(_stems(question), task.passages)
    ranked = sorted(task.passages, key=lambda found: -_points(asked, found))
    for found in ranked:
        if _fits(asked, found) and _answer(task, question, found, shorter=True):
            return found
    return None


_LEAD: Final = 1.5
"""What it is worth to be the beginning of a page: it sums the page up."""


def _meant(asked: set[str], passages: list[_Found]) -> set[str]:
    """The words asked for, as the passages spell them: a letter more, less or other is a slip."""
    known = {stem for found in passages for stem in _stems(f"{found.title}\n{found.content}")}
    near = {piece: stem for stem in sorted(known) if len(stem) >= _SLIP_MIN for piece in _pieces_of(stem)}
    return {
        stem
        if stem in known or len(stem) < _SLIP_MIN
        else next(
            (near[piece] for piece in sorted(_pieces_of(stem)) if near.get(piece, "")[:1] == stem[0]), stem
        )
        for stem in asked
    }


_SLIP_MIN: Final = 5


@lru_cache(maxsize=4096)
def _pieces_of(stem: str) -> frozenset[str]:
    return frozenset({stem, *(stem[:at] + stem[at + 1 :] for at in range(len(stem)))})


def _points(asked: set[str], found: _Found) -> float:
    title, body = _stems(found.title), _stems(found.content)
    lead = _LEAD * (" — " not in found.title and bool(asked & title))
    return 1.5 * _weight(asked & title) + _weight(asked & body - title) + 3 * found.score + lead


def _fits(asked: set[str], found: _Found) -> bool:
    shared = len(asked & _stems(f"{found.title}\n{found.content}"))
    if shared == 0:
        return False
    if found.score >= _SCORE_SURE or shared >= 0.6 * len(asked):
        return True
    return _points(asked, found) >= _POINTS_MIN and shared >= 2 and bool(asked & _stems(found.title))


@dataclass(slots=True)
class _Piece:
    """One sentence or step of a passage, at its place."""

    at: int
    text: str
    step: bool
    bullet: bool
    score: float = 0.0
    heading: str = ""
    """The heading it stands right below."""
    asked: bool = False
    """It has a word of the question, or the figure that is asked for."""


def _answer(task: _Task, question: str, found: _Found, *, shorter: bool) -> str:
    """Neighbouring sentences of the passage, within the channel's room; empty when none fits.

    Only neighbours: two true sentences of different sections can make a false answer together.
    """
    pieces = _scored(task, question, found)
    if not pieces:
        return ""
    if task.channel == "whatsapp":
        moved = _moved(task)
        brief = _brief(pieces, found.title, task.room - len(moved), shorter)
        return f"{moved}{brief}" if brief else ""
    best = max(pieces, key=lambda piece: piece.score)
    chosen = _around(pieces, best, 2 if shorter else _SENTENCES_MAX)
    if not shorter and (best.step or _STEPS_ASKED.search(question)):
        chosen = _with_steps(pieces, chosen)
    return _page(task, found, chosen)


def _around(pieces: list[_Piece], best: _Piece, limit: int) -> list[_Piece]:
    """The best piece and what stands next to it: first what follows, then what leads up to it."""
    if best.bullet or best.step:
        return [best]
    by_place = {piece.at: piece for piece in pieces if not (piece.step or piece.bullet)}
    first = last = best.at
    while last + 1 in by_place and last - first + 1 < limit:
        last += 1
    while first - 1 in by_place and last - first + 1 < limit:
        first -= 1
    return [by_place[at] for at in range(first, last + 1)]


def _with_steps(pieces: list[_Piece], chosen: list[_Piece]) -> list[_Piece]:
    """The chosen pieces with the whole list of steps they stand in or before: half a list misleads."""
    by_place = {piece.at: piece for piece in pieces}
    first, last = chosen[0].at, chosen[-1].at
    while last + 1 in by_place and by_place[last + 1].step:
        last += 1
    while by_place[first].step and first - 1 in by_place and by_place[first - 1].step:
        first -= 1
    return [by_place[at] for at in range(first, last + 1)]


def _page(task: _Task, found: _Found, chosen: list[_Piece]) -> str:
    head = f'{_again(task)}This is an automated answer from our help page "{found.title}":'
    body = _laid_out(chosen)
    cut = len(found.content) >= _CUT and any(piece.step for piece in chosen)
    tail = "\n\nThe page may have further steps." if cut else ""
    while chosen and len(f"{head} {body}{tail}".split()) > task.room:
        chosen = chosen[:-1]
        body = _laid_out(chosen)
    return f"{head}\n\n{body}{tail}" if chosen else ""


def _again(task: _Task) -> str:
    """Earlier contact, acknowledged."""
    if task.moved_from:
        return f"Thank you for coming back to us. This continues what you wrote {task.moved_from}. "
    return "Thank you for coming back to us. " if task.earlier else ""


def _laid_out(pieces: list[_Piece]) -> str:
    """Prose as paragraphs, steps numbered anew."""
    lines: list[str] = []
    numbers = count(1)
    after_prose = False
    for piece in pieces:
        prose = not (piece.step or piece.bullet)
        if piece.step:
            lines.append(f"{next(numbers)}. {piece.text}")
        elif prose and after_prose:
            lines[-1] += f" {piece.text}"
        else:
            lines.append(piece.text)
        after_prose = prose
    return "\n".join(lines)


def _brief(pieces: list[_Piece], title: str, room: int, shorter: bool) -> str:
    """One to three neighbouring sentences for a chat: the best, and more while it stays short or is asked for."""
    title = title.partition(" — ")[0]
    short = title if len(title) <= _TITLE_MAX else title[: _TITLE_MAX - 1].rstrip() + "…"
    tail = f' (help page "{short}")'
    fitting = [piece for piece in pieces if len(piece.text) + len(tail) <= room]
    if not fitting:
        return ""
    best = max(fitting, key=lambda piece: piece.score)
    chosen = [best]
    by_place = {piece.at: piece for piece in fitting}
    while (
        not shorter and len(chosen) < 3 and (following := by_place.get(chosen[-1].at + 1)) and not best.bullet
    ):
        size = sum(len(one.text) + 1 for one in (*chosen, following)) + len(tail)
        if size > room or (size > _WHATSAPP_PREFERRED and not following.asked):
            break
        chosen.append(following)
    return " ".join(piece.text for piece in chosen) + tail


def _scored(task: _Task, question: str, found: _Found) -> list[_Piece]:
    asked, title = _meant(_stems(question), task.passages), _stems(found.title.partition(" — ")[0])
    pieces = [piece for piece in _pieces(found.content) if not mentions_price(piece.text)]
    counted = Counter(stem for piece in pieces for stem in _stems(piece.text))
    pointed = _meant(_stems(" ".join(_QUESTION.findall(question))), task.passages)
    figure = bool(_COUNTED.search(question))
    for piece in pieces:
        stems = _stems(f"{piece.heading} {piece.text}")
        # What the title says already is true of the whole page; the other words pick the sentence, rare ones first, and
        # those of the question itself before those that lead up to it.
        own = asked & stems - title
        wanted = figure and any(map(str.isdigit, piece.text))
        piece.asked = bool(own) or wanted
        shared = sum(
            _weight({stem})
            * (1 + 1 / max(counted[stem], 1))
            / (1.5 if stem in pointed or not pointed else 3.0)
            for stem in own
        )
        shared += 0.8 * _weight(asked & stems & title) + _FIGURE_WANTED * wanted
        shared -= 2.0 * piece.text.startswith("This page")
        piece.score = (
            shared + (1.2 if piece.at == 0 else 0.6 if piece.at == 1 else 0.0) - 0.004 * len(piece.text)
        )
    return pieces


_QUESTION: Final = re.compile(r"[^.!?\n]+[?？؟]")
_COUNTED: Final = re.compile(
    r"(?i)\bhow (?:many|much|long|often|old|big|large|far|fast)\b"
    r"|\b(?:limits?|maximum|minimum|max|versions?|expires?|valid)\b"
)
_FIGURE_WANTED: Final = 0.8
"""What a figure in a sentence is worth when one was asked for."""


def _weight(stems: set[str]) -> float:
    """Error codes, versions and formats say more than other words."""
    return sum(3.0 if any(character.isdigit() for character in stem) else 1.0 for stem in stems)


def _pieces(content: str) -> list[_Piece]:
    """The passage's sentences and steps without markup; what was cut off at its end is left out.

    Places of neighbours differ by one; a heading (but for that of the steps), a table or anything
    left out makes a gap.
    """
    pieces: list[_Piece] = []
    at = count()
    heading = ""
    for line in content.split("\n"):
        if not line.strip():
            continue
        if line.lstrip().startswith(("#", "|", ">", "```")):
            heading = line.strip("# ") if line.startswith("#") else heading
            if not _STEPS_HEADING.match(line):
                next(at)
            continue
        numbered, bullet = _NUMBERED.match(line), _BULLET.match(line)
        marked = numbered or bullet
        for text in [marked[1]] if marked else _SENTENCE_ENDS.split(line):
            piece = _Piece(next(at), _unmarked(text), bool(numbered), bool(bullet), heading=heading)
            heading = ""
            if _complete(piece.text):
                pieces.append(piece)
    return pieces


def _unmarked(text: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text.strip())
    return re.sub(r"(?<!\w)[*_]([^*_]+)[*_](?!\w)", r"\1", re.sub(r"\*\*|`", "", text)).strip()


def _complete(text: str) -> bool:
    return len(text) > 3 and text[-1] in '.!?:")…' and not text.endswith(("…", ":"))
