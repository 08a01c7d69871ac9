"""A model without a model: deterministic, extractive, needing no network.

It reads the same input items as any model and issues the same tool calls. An answer is made of neighbouring
sentences of one passage, with the page's title as the source; when two searches bring nothing that fits, it
hands over. It knows nothing but its input and the thesaurus of the search.
"""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from math import log
from typing import Any, Final
from uuid import uuid4

from agents import Model, ModelResponse, Usage
from agents.items import TResponseOutputItem, TResponseStreamEvent
from openai.types.responses import ResponseFunctionToolCall

from fte.agent.guard import mentions_price
from fte.domain.attachments import without_placeholders
from fte.domain.languages import language_of, sentence
from fte.domain.thanks import only_thanks
from fte.knowledge.excerpt import LEFT_OUT
from fte.knowledge.stems import stem
from fte.knowledge.thesaurus import asked as asked_in
from fte.knowledge.thesaurus import read, spelled

_FENCED: Final = r"<<<{label}>>>\n(.*?)\n<<<END OF {label}>>>"
_SUBJECT: Final = re.compile(_FENCED.format(label="SUBJECT"), re.S)
_MESSAGE: Final = re.compile(_FENCED.format(label="CUSTOMER MESSAGE"), re.S)
_COLLEAGUE: Final = "COLLEAGUE {word}"
_MARKED_BY: Final = re.compile(r"only the marks COLLEAGUE (\w+) are")
_PASSAGE: Final = re.compile(r"relevance (\d\.\d\d)\n" + _FENCED.format(label="PASSAGE"), re.S)
_ROOM: Final = re.compile(r"Channel: (\w+)\. The answer may have (\d+) (words|characters)")
_EARLIER: Final = re.compile(r"Earlier messages in this conversation: [1-9]")
_MOVED: Final = re.compile(r"Before, the customer wrote on (\w+);")
_SPOKEN: Final = re.compile(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d (customer|agent|operator) \(\w+\): ")
_CUSTOMER_SAID: Final = re.compile(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d customer \(\w+\): (.*)$")
_ASKED: Final = re.compile(
    r"(?<=[?？؟])\s*|\n+|(?<=[.!])\s+(?=(?:second|secondly|also|and|third|next|another)\b)"
    r"|,? and (?=(?:also )?(?:how|what|which|where|when|why|who)(?: \w+)? (?:do|does|can|could|is|are|will)\b)"
    r"|, and (?=(?:can|could|may|do|does|is|are|should|will|would) (?:an?|the|my|our|i|we|you|he|she|it|they|there)\b)",
    re.I,
)
_ENUMERATED: Final = re.compile(
    r"^\W*(?:\d[.):]|first(?:ly)?\b|second(?:ly)?\b|third(?:ly)?\b|also\b|next\b)[,:]?\s*", re.I
)
_GOES_ON: Final = re.compile(
    r"^\W*(?:and|what about|how about|or|then|also|und|et|y|e|en|a|och|ve|и)\b", re.I
)
_REFERS: Final = re.compile(r"\b(?:it|that|this|they|them|those|one)\b", re.I)
_ASKING: Final = re.compile(
    r"[?？؟]|(?:^|[.!:])\W*(?:how|what|which|where|when|why|who|can|could|do|does|is|are|may|should|will|would)\b",
    re.I,
)
QUESTIONS_MAX: Final = 2
"""Questions of a message that are looked up one by one: as many as there are searches."""
_CATEGORY: Final = re.compile(r"Ticket category: (\w+)\.")
_WORD: Final = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_NUMBERED: Final = re.compile(r"^\s*\d+[.)]\s+(.*)$")
_STEPS_HEADING: Final = re.compile(r"(?i)^[#\s]*(?:steps|how to)\b")
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
_WHAT: Final = (
    r"(?:an? |eine? |une? |una? |un'|uma? |een )?(?:(?:real|live|actual|echter?|vraie?) )?"
    r"(?:(?:chat-?)?bot|robots?|robot[ae]|roboter|ai|ki|ia|a\.i\.|machine|maschine|m[aá]quina|macchina|computer"
    r"|human(?: being)?|person|mensch|humain|humano|personne|persona|pessoa|umano|mens)"
)
_ASKS_WHO: Final = re.compile(
    r"\W*(?:(?:hi|hello|hey|hallo|bonjour|hola|ciao|olá|so|and|wait|sorry)\W+)?(?:"
    r"(?:who|what) (?:are|r) (?:you|u)|(?:wer|was) (?:bist du|sind sie)|qui (?:êtes[- ]vous|es[- ]tu)"
    r"|(?:quién|quien|qué|que) (?:eres|es usted)|chi (?:sei|siete|è lei)|quem (?:és|é você)|wie (?:ben je|bent u)"
    r"|(?:(?:are|r) (?:you|u)(?: really| actually| just| even)?|bist du|sind sie|êtes[- ]vous|es[- ]tu|eres|es usted|sei"
    rf"|siete|és|você é|ben je|bent u) (?:real|{_WHAT}(?: (?:or|oder|ou|o|of) (?:not|{_WHAT}))?)"
    r")\W*",
    re.I,
)
"""Who or what answers, and nothing else."""
_WHO: Final = "I am an AI assistant, not a person. I answer from our help pages."
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
_WRONG: Final = (
    "assist assistance problem issue trouble question wrong broken broke stuck fails failed app application tool"
    " software program support fix solve urgent strange weird happens happened tried thanks nothing everything anything"
    " quickly sorry bug"
)
_WHAT_HELP: Final = "What can I help you with?"
_WHAT_EXACTLY: Final = (
    "What would you like to do, and what happens instead? Please name the page you are on, and the error code if there is"
    " one."
)
_OTHERS_OPEN: Final = "Your other questions are not answered here. Please send them again."
_OTHER_ALONE: Final = "Please send your other question on its own."
_PLACES: Final = {"email": "by e-mail", "whatsapp": "on WhatsApp", "web_form": "on our support page"}
_TITLE_MAX: Final = 50
_ASKING_MIN: Final = 3
"""Words that make the asking part of a message a question of its own."""
_SENTENCES_MAX: Final = 5


class OfflineModel(Model):
    """Answers from passages only. Safe for any number of runs at once: it keeps nothing between calls."""

    name = "offline"
    only_quotes = True
    """It speaks the documents' language, whatever the customer's."""

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

    @property
    def page(self) -> str:
        """The page's title, without those of its sections."""
        return self.title.partition(" — ")[0]


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
            goes_on = _goes_on(part) or (found and len(_stems(part)) <= 1)
            found.append(f"{context}\n{part}" if context and goes_on else part)
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
    def asked_back(self) -> bool:
        """Whether our last message asked the customer what they want."""
        parts = [part for output in self.outputs[:2] for part in _SPOKEN.split(output)[1:]]
        ours = [said for role, said in zip(parts[::2], parts[1::2], strict=True) if role != "customer"]
        return bool(ours) and any(question in ours[-1] for question in (_WHAT_HELP, _WHAT_EXACTLY))

    @property
    def left_out(self) -> int:
        """Questions of the message that are more than there are searches for."""
        return max(0, len(_asked(self.message)) - QUESTIONS_MAX)

    @property
    def searches(self) -> list[list[_Found]]:
        """What each search found, in the order of the searches."""
        answered = zip(self.called, self.outputs, strict=False)
        return [_listed(output) for name, output in answered if name == "search_knowledge_base"]


def _listed(output: str) -> list[_Found]:
    return [
        _Found(body.partition("\n")[0], float(score), body.partition("\n")[2])
        for score, body in _PASSAGE.findall(output)
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
    if named := _MARKED_BY.search(facts):
        wish = re.search(_FENCED.format(label=_COLLEAGUE.format(word=named[1])), text, re.S)
        task.hint = wish[1].strip() if wish else ""
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
    if task.asked_back and _unclear(task):
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
        return [_search(_one_line(question)) for question in questions]
    if len(questions) > 1:
        return [_several(task, questions)]
    found = [passage for search in task.searches for passage in search]
    attempts = task.called.count("send_response")
    answer = _answer(task, questions[0], found, shorter=attempts > 0) if attempts < 2 else ""
    if not answer and searches < 2:
        return [_search(_asking_part(task.message) or _keywords(task))]
    return [("send_response", {"message": answer})] if answer else [_hand_over("no_answer_found")]


def _search(query: str) -> tuple[str, dict[str, Any]]:
    return "search_knowledge_base", {"query": query, "max_results": 5, "category": None}


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


def _several(task: _Task, questions: list[str]) -> tuple[str, dict[str, Any]]:
    """One message that answers several questions, each from its own page, and names what the pages do not hold.

    In a chat that has no room for all, the newest that can be is answered, and that others are open is always said.
    """
    attempts = task.called.count("send_response")
    if attempts >= 2:
        return _hand_over("no_answer_found")
    chat = task.channel == "whatsapp"
    note = _OTHERS_OPEN if task.left_out else _OTHER_ALONE
    noted = replace(task, room=task.room - len(note) - 1) if chat else task
    room = noted.room - (len(_moved(task)) if chat else len(_OTHERS_OPEN.split()))
    answers: list[str] = []
    missing = 0
    asked = list(zip(questions, task.searches, strict=False))
    for question, found in asked:
        part = replace(
            task, room=room if chat else room // len(questions) - _APART, earlier=False, moved_from=""
        )
        text = _answer(part, question, found, shorter=chat or attempts > 0)
        if text and text not in answers:
            answers.append(text)
        missing += not text
    if not answers:
        return _hand_over("no_answer_found")
    if chat:
        whole = sum(len(answer) + 1 for answer in answers) <= room + (0 if task.left_out else len(note) + 1)
        if missing or not whole:
            newest = (
                _answer(noted, question, found, shorter=attempts > 0) for question, found in reversed(asked)
            )
            return "send_response", {"message": f"{next(filter(None, newest), answers[-1])}\n{note}"}
        both = "\n".join([f"{_moved(task)}{answers[0]}", *answers[1:]])
        return "send_response", {"message": f"{both}\n{note}" if task.left_out else both}
    rest = ["Our help pages do not answer the rest of your question."] if missing else []
    rest += [_OTHERS_OPEN] if task.left_out else []
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
        return f"{_WHAT_HELP} Please describe what you want to do."
    if _ASKS_WHO.fullmatch(text):
        return _WHO if (code := language_of(text)) == "en" else sentence(code, "handed")
    if _greets(task):
        return f"I answer from our help pages, automatically. {_WHAT_HELP}"
    if task.earlier and _SETTLED.search(text) and not _UNSETTLED.search(text):
        return "Good to hear. If anything else comes up, write here and I will look in our help pages."
    if _thanks(task):
        return "You are welcome. If anything else comes up, write here and I will look in our help pages."
    if not task.earlier and _vague(task):
        return _WHAT_EXACTLY
    return None


def _thanks(task: _Task) -> bool:
    if not task.earlier and task.subject and _stems(task.subject) and not only_thanks(task.subject):
        return False
    text = task.message
    return only_thanks(text) or bool(_THANKS.fullmatch(text) and _GRATITUDE.search(text))


def _greets(task: _Task) -> bool:
    return bool(_GREETING.fullmatch(task.message)) and not (task.subject and _stems(task.subject))


def _vague(task: _Task) -> bool:
    """Whether the message names nothing that could be looked up: only that something is wrong, or, at first, one word."""
    text = task.message if task.earlier else task.text
    words = _WORD.findall(text)
    if not words or task.files or task.hint or not text.isascii() or any(map(str.isdigit, text)):
        return False
    return (len(words) == 1 and not task.earlier) or _stems(text) <= _nothing_named()


@lru_cache(maxsize=1)
def _nothing_named() -> frozenset[str]:
    """The stems of words that say that something is wrong, and not what."""
    return _all(_WRONG) | {stem(word) for word in _STOP}


def _unclear(task: _Task) -> bool:
    if not any(map(str.isalnum, task.message)):
        return not _GRATITUDE.search(task.message)
    thanks = _thanks(task) or _THANKS.fullmatch(task.message) or _SETTLED.search(task.message)
    return _greets(task) or (_vague(task) and not thanks)


def _stems(text: str) -> set[str]:
    return {
        stem(word)
        for word in _WORD.findall(text.lower().replace("’", "'"))
        if word not in _STOP and len(word) > 1
    }


def _all(text: str) -> frozenset[str]:
    return frozenset(_stems(text))


def _asking_part(question: str) -> str:
    """The sentences that ask, without what leads up to them; empty when they are all, or say too little.

    Before a bare "How?" what is wanted is said in the sentence before.
    """
    asking = " ".join(_QUESTION.findall(question)).strip()
    if asking and len(_stems(asking)) < _ASKING_MIN:
        asking = " ".join([*_WISH.findall(question), asking])
    enough = len(_stems(asking)) >= _ASKING_MIN
    return _one_line(asking) if enough and len(asking) < len(question.strip()) else ""


def _what_asks(question: str) -> str:
    """The sentences that ask; without a question mark, a single sentence asks."""
    asking = " ".join(_QUESTION.findall(question))
    return asking if _stems(asking) else ("" if _SENTENCE_ENDS.search(question) else question)


def _up_to_question(text: str) -> str:
    """The text without what follows its last question: reasons and thanks."""
    return text[: max(text.rfind(mark) for mark in "?？؟") + 1] or text


def _keywords(task: _Task) -> str:
    """The content words alone, those of the subject first: other words than the first search."""
    words = dict.fromkeys(
        word
        for word in _WORD.findall(_up_to_question(task.text).lower())
        if word not in _STOP and len(word) > 2
    )
    return " ".join(list(words)[:8]) or task.text[:100]


@dataclass(frozen=True, slots=True)
class _Meaning:
    """One thing a question speaks of: its word, and others for the same, as stems."""

    word: frozenset[str]
    others: tuple[frozenset[str], ...]
    weight: float

    def said(self, stems: frozenset[str]) -> float:
        """From 0 to 1, how surely words with these stems speak of it."""
        if self.word <= stems:
            return 1.0
        return _OTHER_WORD if any(other <= stems for other in self.others) else 0.0


def _meanings(question: str, passages: list[_Found]) -> list[_Meaning]:
    """What the question speaks of, in the passages' words; what it asks before what leads up to it."""
    written = [f"{found.title}\n{found.content}" for found in passages]
    reading = read(spelled(read(asked_in(question)), written))
    pointed = _stems(read(" ".join(_QUESTION.findall(question))).text)
    synonyms = {
        word: tuple(stems for other in others if (stems := frozenset(_stems(other))))
        for key, others in reading.synonyms.items()
        if (word := frozenset(_stems(key)))
    }
    for own in _stems(reading.text).difference(*synonyms):
        synonyms[frozenset({own})] = ()
    return [
        _Meaning(word, others, 1.0 if word & pointed or not pointed else 0.5)
        for word, others in synonyms.items()
    ]


@dataclass(slots=True)
class _Piece:
    """One sentence or step of a passage, at its place, below its heading."""

    at: int
    text: str
    step: bool
    bullet: bool
    heading: str = ""


def _answer(task: _Task, question: str, passages: list[_Found], *, shorter: bool) -> str:
    """Neighbouring sentences of one passage, within the channel's room; empty when none fits.

    Only neighbours: two true sentences of different sections can make a false answer together.
    """
    rooms = [_space(task, found) for found in passages]
    chosen = _chosen(question, passages, rooms, 1 if shorter else _TOGETHER)
    if chosen is None:
        return ""
    found, pieces, core = chosen
    whole = core if shorter else _with_steps(pieces, core)
    if task.channel == "whatsapp":
        fits = len(_joined(whole)) <= _space(task, found)
        return f"{_moved(task)}{_joined(whole if fits else core)}{_tail(found)}"
    around = _around(pieces, core, 2 if shorter else _SENTENCES_MAX)
    if not shorter and (any(piece.step for piece in core) or _STEPS_ASKED.search(question)):
        around = _with_steps(pieces, around)
    return _page(task, found, around)


def _space(task: _Task, found: _Found) -> int:
    """Characters an answer from this passage may have; by mail the words are counted later."""
    if task.channel != "whatsapp":
        return len(found.content)
    return task.room - len(_moved(task)) - len(_tail(found))


def _joined(pieces: list[_Piece]) -> str:
    return " ".join(piece.text for piece in pieces)


def _chosen(
    question: str, passages: list[_Found], rooms: list[int], together: int
) -> tuple[_Found, list[_Piece], list[_Piece]] | None:
    """The neighbours that say most of what is asked in the fewest words, with their passage and all its pieces.

    `rooms` are the characters there is room for, one number a passage; `together` is how many sentences at most.
    None when no passage is sure enough, or none says anything of what is asked.
    """
    pieces = [[one for one in _pieces(found.content) if not mentions_price(one.text)] for found in passages]
    said = _said(_meanings(question, passages), [piece for each in pieces for piece in each])
    figure = bool(_COUNTED.search(question) or _MEASURED.search(_what_asks(question)))
    deed = _STEPS_ASKED.search(question) is not None
    fault = _FAULT.search(question) is not None
    given = set(_WORD.findall(question.lower()))
    pages = {found.page for found in passages}
    best: tuple[_Found, list[_Piece], list[_Piece]] | None = None
    most = 0.0
    for found, each, room in zip(passages, pieces, rooms, strict=True):
        if found.score < SURE_FROM:
            continue
        page = max(other.score for other in passages if other.page == found.page)
        for run in _runs(each, together):
            text = _joined(run)
            share = sum(map(max, zip(*(said[piece.at, piece.text] for piece in run), strict=True)))
            if len(text) > room or not share:
                continue
            score = share + _BY_PAGE * page + _BY_PASSAGE * found.score - _PER_CHARACTER * len(text)
            score += _FIRST * (run[0].at == 0)
            score -= _ELSEWHERE * any(f'"{page}"' in text for page in pages - {found.page})
            score += _FIGURE_WANTED * (figure and _has_figure(text, given))
            score += _FAULT_WANTED * (fault and any(_FAULTS.match(piece.heading) for piece in run))
            score += _DEED_WANTED * (deed and any(piece.step or _DEED.search(piece.text) for piece in run))
            if score > most:
                best, most = (found, each, run), score
    return best


def _said(meanings: list[_Meaning], pieces: list[_Piece]) -> dict[tuple[int, str], list[float]]:
    """What each piece says of each meaning, as shares of the question: words that few pieces have count more."""
    said = {}
    for piece in pieces:
        own, whole = _all(piece.text), _all(f"{piece.heading} {piece.text}")
        said[piece.at, piece.text] = [max(m.said(own), _BY_HEADING * m.said(whole)) for m in meanings]
    having = [sum(parts[at] > 0 for parts in said.values()) for at in range(len(meanings))]
    worth = [
        m.weight * log(1 + len(said) / number) if number else 0.0
        for m, number in zip(meanings, having, strict=True)
    ]
    total = sum(worth) or 1.0
    return {
        key: [part * value / total for part, value in zip(parts, worth, strict=True)]
        for key, parts in said.items()
    }


def _has_figure(text: str, given: set[str]) -> bool:
    """Whether the text has a figure that the question does not give itself."""
    return any(any(map(str.isdigit, word)) for word in _WORD.findall(text.lower()) if word not in given)


def _runs(pieces: list[_Piece], together: int) -> list[list[_Piece]]:
    """Every run of up to `together` neighbours; what stands in a list of its own stays alone."""
    runs = []
    for start in range(len(pieces)):
        for end in range(start + 1, min(start + together, len(pieces)) + 1):
            run = pieces[start:end]
            neighbours = run[-1].at - run[0].at == len(run) - 1
            if len(run) == 1 or (neighbours and not any(piece.bullet for piece in run)):
                runs.append(run)
    return runs


def _around(pieces: list[_Piece], core: list[_Piece], limit: int) -> list[_Piece]:
    """The core and what stands next to it: first what follows, then what leads up to it."""
    if core[0].bullet or any(piece.step for piece in core):
        return core
    by_place = {piece.at: piece for piece in pieces if not (piece.step or piece.bullet)}
    first, last = core[0].at, core[-1].at
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
    cut = found.content.endswith(LEFT_OUT) and any(piece.step for piece in chosen)
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


def _tail(found: _Found) -> str:
    """The source, as a chat names it."""
    title = found.page
    short = title if len(title) <= _TITLE_MAX else title[: _TITLE_MAX - 1].rstrip() + "…"
    return f' (help page "{short}")'


_QUESTION: Final = re.compile(r"(?<![^.!?\n])[^.!?\n]+[?？؟]")
"""Only from a sentence's first letter on: from each of its letters, a long text without a question took seconds."""
_WISH: Final = re.compile(r"(?i)\b(?:need|want|would like|have|try|trying|tried|wish) to [^.!?\n]+")
_COUNTED: Final = re.compile(r"(?i)\bhow (?:many|much|long|often|old|big|large|far|fast)\b")
_MEASURED: Final = re.compile(r"(?i)\b(?:limits?|maximum|minimum|max|versions?|expires?|valid)\b")
"""Words that ask for a figure where something is asked, and tell something else where it is told."""
_DEED: Final = re.compile(
    r"(?i)\w > \w|(?:^|[,;:] |\bthen )(?:select|open|go to|choose|turn|press|click|enter|paste|add)\b"
)
"""What tells the reader what to do: a menu, or an order."""
_FAULT: Final = re.compile(
    r"(?i)n['’]t (?:work|show|open|start|load|sync|send|arrive|appear|come|save|connect|update|print|let|find|see|get)\w*\b"
    r"|\b(?:not (?:work|show|arriv|load|sync|appear|updat|sent|com)\w*|missing|fail(?:s|ed)?|stuck|broken|errors?|refused)\b"
)
"""That something does not go as it should."""
_FAULTS: Final = re.compile(r"(?i)(?:errors?|problems?|troubleshooting|.*\b(?:not|fail\w*|wrong|missing)\b)")
"""Headings above what to do then."""
_TOGETHER: Final = 4
"""Sentences of one answer in a chat, and of what an answer by mail is built around."""
_OTHER_WORD: Final = 0.7
"""What another word for the same is worth."""
_BY_HEADING: Final = 0.8
"""What a word in the heading above a sentence is worth."""
SURE_FROM: Final = 0.35
"""A passage the search is less sure of than this is about something else."""
_BY_PAGE: Final = 2.0
_BY_PASSAGE: Final = 1.0
_PER_CHARACTER: Final = 0.0008
_FIRST: Final = 0.05
_ELSEWHERE: Final = 0.5
_FIGURE_WANTED: Final = 0.4
_DEED_WANTED: Final = 0.1
_FAULT_WANTED: Final = 0.25
"""What counts beside the share of the question spoken of: the search's score, length, the first place, a reference to
another page that was found, a figure where one is asked for, what to do where that is, what helps where something fails."""


def _pieces(content: str) -> list[_Piece]:
    """The passage's sentences, steps and rows of tables without markup; what was cut off at its end is left out.

    Places of neighbours differ by one; a heading (but for that of the steps) or anything left out makes a gap.
    """
    pieces: list[_Piece] = []
    at = count()
    heading = ""
    columns: list[str] = []
    for line in content.split("\n"):
        if not line.strip():
            continue
        numbered, bullet = _NUMBERED.match(line), _BULLET.match(line)
        marked = numbered or bullet
        cells = [cell.strip() for cell in line.split(" | ")]
        if len(cells) > 1 and not marked:
            place = next(at)
            if len(columns) == len(cells):
                pieces.append(_Piece(place, _row(columns, cells), False, True, heading))
            columns = columns or cells
            continue
        columns = []
        sentences = [marked[1]] if marked else _SENTENCE_ENDS.split(line)
        if line.lstrip().startswith(("#", "|", ">", "```")) or _is_heading(
            line, sentences, marked is not None
        ):
            heading = line.strip("# ")
            if not _STEPS_HEADING.match(line):
                next(at)
            continue
        for text in sentences:
            piece = _Piece(next(at), _unmarked(text), bool(numbered), bool(bullet), heading)
            if _complete(piece.text):
                pieces.append(piece)
    return pieces


def _is_heading(line: str, sentences: list[str], marked: bool) -> bool:
    """Whether a line without a mark names what follows: the importer keeps headings within a passage as plain lines."""
    return not marked and len(sentences) == 1 and line.strip()[-1] not in '.!?:)…"'


def _row(columns: list[str], cells: list[str]) -> str:
    """A table's row as a sentence."""
    values = ", ".join(f"{column} {cell}" for column, cell in zip(columns[1:], cells[1:], strict=True))
    return f"{columns[0]} {cells[0]}: {values}.".strip()


def _unmarked(text: str) -> str:
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text.strip())
    return re.sub(r"(?<!\w)[*_]([^*_]+)[*_](?!\w)", r"\1", re.sub(r"\*\*|`", "", text)).strip()


def _complete(text: str) -> bool:
    return len(text) > 3 and text[-1] in '.!?")'
