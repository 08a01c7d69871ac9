"""The agent's five tools. They have no effects: they record what the run wants, bound to one assignment.

No tool takes a customer, a ticket or a recipient, so no text can choose one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from agents import RunContextWrapper, Tool, Usage, function_tool
from pydantic import Field

from fte.agent import guard
from fte.agent.commands import without_commands
from fte.agent.format import bare
from fte.agent.guard import Bounds, fence
from fte.agent.secrets import masked, masked_beginning
from fte.domain.escalation import SEARCHES_MAX, Reason, ReasonToAsk
from fte.domain.tickets import Category, Priority
from fte.domain.turns import HISTORY_MAX, Assignment, Line, Passage, ToolCall, Urgency

Search = Callable[[str, int, str | None], Awaitable[list[Passage]]]
"""`(query, max_results, category) -> passages`, best first, only those above the score floor."""

RESULTS_MAX: Final = 5
CALLS_MAX: Final = 12
"""Tool calls of one run that are carried out; more are refused."""
RESPONSES_MAX: Final = 2
"""Attempts at an answer: the second may correct the first."""
UNTITLED: Final = "Help page"
"""The title of a page whose own was nothing but words to a model."""
SHOWN: Final = 500
"""Characters of a passage the model is shown."""
_QUERY_MAX: Final = 300
_ISSUE_MAX: Final = 500
_LINE_MAX: Final = 1_000
_TRACED: Final = 500
_OVER: Final = "This turn has ended. Call nothing more."
_TOO_MANY: Final = "Too many tool calls. End the turn with send_response or escalate_to_human."


@dataclass(slots=True)
class RunContext:
    """What one run knows and what it has recorded so far."""

    assignment: Assignment
    search: Search
    bounds: Callable[[tuple[Passage, ...]], Bounds]
    passages: list[Passage] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    usage: Usage | None = None
    earlier: Usage | None = None
    """What was used before the model was reminded: the SDK counts anew."""
    issue: str = ""
    category: Category | None = None
    priority: Priority | None = None
    reply: str | None = None
    requested: Reason | None = None
    urgency: Urgency | None = None
    translates: bool = True
    """Whether the model can say something in another language; one that only quotes cannot."""
    attempts: int = 0
    broken: tuple[str, ...] = ()
    """Rules the last refused reply broke, once no correction is left."""
    fault: str | None = None
    """Why the run cannot go on although nobody misbehaved: the search failed."""
    retry_after: float | None = 0.0
    """As in Outcome, when the run broke."""

    @property
    def over(self) -> bool:
        return (
            self.reply is not None
            or self.requested is not None
            or bool(self.broken)
            or self.fault is not None
        )


Context = RunContextWrapper[RunContext]


def _recorded(context: Context, name: str, arguments: dict[str, Any], result: str) -> str:
    """The result, after it was written into the trace with secrets masked."""
    run = context.context
    run.usage = context.usage
    if len(run.calls) < CALLS_MAX:
        shown = {
            key: masked(value)[:_TRACED] if isinstance(value, str) else value
            for key, value in arguments.items()
        }
        run.calls.append(ToolCall(name, shown, masked(result)[:_TRACED]))
    return result


def _refusal(run: RunContext) -> str | None:
    if run.over:
        return _OVER
    return _TOO_MANY if len(run.calls) >= CALLS_MAX else None


@function_tool(failure_error_function=lambda context, error: "The arguments are not valid. Correct them.")
async def create_ticket(context: Context, issue: str, priority: Priority, category: Category | None) -> str:
    """Record what the customer wants. Call this first.

    Args:
        issue: The customer's issue in one sentence.
        priority: How urgent it is for the customer.
        category: What it is about, if clear.
    """
    arguments = {"issue": issue, "priority": priority, "category": category}
    return _recorded(context, "create_ticket", arguments, _create(context.context, issue, priority, category))


def _create(run: RunContext, issue: str, priority: Priority, category: Category | None) -> str:
    if (refusal := _refusal(run)) is not None:
        return refusal
    run.issue, run.priority, run.category = masked(issue)[:_ISSUE_MAX], priority, category
    return f"Ticket {run.assignment.reference} recorded."


@function_tool(failure_error_function=lambda context, error: "The arguments are not valid. Correct them.")
async def get_customer_history(context: Context) -> str:
    """What was said earlier in this conversation. Call this second."""
    run = context.context
    return _recorded(context, "get_customer_history", {}, _refusal(run) or history(run.assignment))


def earlier(assignment: Assignment) -> list[Line]:
    """The conversation's earlier messages; for a customer who is not verified, only this channel's."""
    return [
        line
        for line in assignment.lines
        if not line.new and (assignment.verified or line.channel == assignment.channel)
    ][-HISTORY_MAX:]


def history(assignment: Assignment) -> str:
    """The earlier messages as the model sees them."""
    lines = earlier(assignment)
    if not lines:
        return "No earlier messages."
    told = "\n".join(
        f"{line.at:%Y-%m-%d %H:%M} {line.role} ({line.channel}): {masked_beginning(line.content, _LINE_MAX)}"
        for line in lines
    )
    return f"Earlier messages: {len(lines)}\n{fence(told, 'HISTORY')}"


@function_tool(failure_error_function=lambda context, error: "The arguments are not valid. Correct them.")
async def search_knowledge_base(
    context: Context,
    query: str,
    max_results: Annotated[int, Field(ge=1, le=RESULTS_MAX)] = RESULTS_MAX,
    category: str | None = None,
) -> str:
    """Search the help pages. At most two searches.

    Args:
        query: Key words of the question, in English.
        max_results: How many passages, at most 5.
        category: Search only this category of pages.
    """
    arguments = {"query": query, "max_results": max_results, "category": category}
    result = await _searched(context.context, query, max_results, category)
    return _recorded(context, "search_knowledge_base", arguments, result)


async def _searched(run: RunContext, query: str, max_results: int, category: str | None) -> str:
    if (refusal := _refusal(run)) is not None:
        return refusal
    if len(run.queries) >= SEARCHES_MAX:
        return "No more searches. Answer with what was found, or call escalate_to_human with no_answer_found."
    query = (masked(query).strip() or masked(run.assignment.question))[:_QUERY_MAX]
    run.queries.append(query)
    try:
        found = await run.search(query, max_results, category[:100] if category else None)
    except Exception as error:
        run.fault = f"search failed: {type(error).__name__}"
        return "The search is not available."
    clean = [_cleaned(passage) for passage in found[:max_results]]
    if clean != found[:max_results]:
        run.verdicts.append("left out of a passage: words to a model")
    run.passages += [passage for passage in clean if passage not in run.passages]
    return listing(clean)


def _cleaned(passage: Passage) -> Passage:
    """Without words to a model, neither in the title nor in the text."""
    title = without_commands(passage.title).strip()
    return replace(passage, title=title or UNTITLED, content=without_commands(passage.content))


def listing(passages: list[Passage]) -> str:
    """The passages as the model sees them: title, relevance, the first 500 characters."""
    if not passages:
        return "Nothing found."
    return "\n\n".join(
        f"{number}. relevance {passage.score:.2f}\n{_shown(passage)}"
        for number, passage in enumerate(passages, 1)
    )


def _shown(passage: Passage) -> str:
    return fence(f"{passage.title}\n{passage.content[:SHOWN]}", "PASSAGE")


@function_tool(failure_error_function=lambda context, error: "The arguments are not valid. Correct them.")
async def escalate_to_human(context: Context, reason: ReasonToAsk, urgency: Urgency) -> str:
    """Hand the conversation to a person. The customer is told by us. This ends the turn.

    Args:
        reason: Why a person is needed.
        urgency: How soon.
    """
    arguments = {"reason": reason, "urgency": urgency}
    return _recorded(context, "escalate_to_human", arguments, _escalated(context.context, reason, urgency))


def _escalated(run: RunContext, reason: Reason, urgency: Urgency) -> str:
    """Handing over wins over an answer recorded in the same step: when in doubt, a person."""
    if run.requested is not None:
        return _OVER
    run.requested, run.urgency = reason, urgency
    return "A person takes over."


@function_tool(failure_error_function=lambda context, error: "The arguments are not valid. Correct them.")
async def send_response(context: Context, message: str) -> str:
    """Send the answer to the customer. This ends the turn; one answer per turn.

    Args:
        message: The body of the answer in plain text, without greeting and signature.
    """
    return _recorded(context, "send_response", {"message": message}, _responded(context.context, message))


def _responded(run: RunContext, message: str) -> str:
    if run.over:
        return _OVER
    run.attempts += 1
    body = bare(masked(message), run.assignment.channel)
    broken = guard.violations(body, run.bounds(tuple(run.passages)))
    if run.translates and run.attempts < RESPONSES_MAX:
        # Asked for once: an answer in another language is better than none.
        other = guard.other_language(body, run.assignment.question)
        broken = (*broken, other) if other else broken
    if not broken:
        run.reply = body
        return "Sent."
    run.verdicts += [f"refused: {violation.rule}" for violation in broken]
    if run.attempts >= RESPONSES_MAX:
        run.broken = tuple(violation.rule for violation in broken)
        return _OVER
    return "Not sent. " + " ".join(violation.advice for violation in broken)


def all_tools() -> list[Tool]:
    """The five, in the order the instructions name them."""
    return [create_ticket, get_customer_history, search_knowledge_base, escalate_to_human, send_response]
