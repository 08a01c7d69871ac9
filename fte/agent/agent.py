"""One turn answered: rules, a run of the model with its tools, rules again; an outcome whatever happens."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import cycle
from time import perf_counter
from typing import Any, Final, cast

from agents import (
    Agent,
    AgentsException,
    FunctionToolResult,
    Model,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    RunHooks,
    Runner,
    ToolsToFinalOutputResult,
)
from agents.run_config import ToolExecutionConfig

from fte.agent import format, instructions
from fte.agent.brief import ASKED_MAX, brief, mood_of
from fte.agent.company import Company
from fte.agent.guard import Bounds, fence
from fte.agent.models import BoundedModel, EstimatedUsage, model_name, silence_tracing
from fte.agent.provider import failure_of
from fte.agent.tools import RunContext, Search, all_tools, earlier
from fte.domain import escalation
from fte.domain.budget import Budget
from fte.domain.errors import FteError
from fte.domain.escalation import Reason
from fte.domain.presence import OnDuty
from fte.domain.text import one_line
from fte.domain.turns import Assignment, Escalation, Line, Outcome, Passage, Trace

BUDGET: Final = 40.0
"""Seconds a whole run may take."""
STEPS_MAX: Final = 8
"""Model calls of a run."""
TOKENS_MAX: Final = 2_000
"""Tokens of one model step."""
ALIKE: Final = 64
"""Copies of the SDK's agent that the runs are spread over."""
_BUDGET: Final = "BudgetUsedUp"
RULES: Final = "rules"
"""The model a trace names when the rules alone decided."""
NO_ANSWER: Final = "no answer sent"
"""The error of a run whose model said nothing to anybody."""
ESTIMATED: Final = "tokens estimated: the provider does not tell them"
"""The verdict of a run some of whose tokens nobody counted."""
_REMINDER: Final = (
    "That text reached nobody. End the turn with send_response, "
    "or with escalate_to_human if a person has to take over."
)
_EMOTICONS: Final = frozenset("👍👎🙏❤😀😊🙂😡😠😢☹☺")


_NO_LIMITS: Final = Budget()


class _UsedUp(Exception):
    """A run has taken its tokens."""


class _Meter(RunHooks[RunContext]):
    """Ends a run that has taken `limit` tokens."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    async def on_llm_end(self, context: RunContextWrapper[RunContext], agent: Any, response: Any) -> None:
        context.context.usage = context.usage
        if isinstance(response.usage, EstimatedUsage) and ESTIMATED not in context.context.verdicts:
            context.context.verdicts.append(ESTIMATED)
        if self._limit and context.usage.input_tokens + context.usage.output_tokens > self._limit:
            raise _UsedUp


@dataclass(slots=True)
class _Run:
    """The facts of one pass that no model can change."""

    assignment: Assignment
    mood: float
    started: float = field(default_factory=perf_counter)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SupportAgent:
    """Answers turns. One object serves any number of turns at the same time.

    `search` finds passages; `budget` is in seconds, for everything a turn's answer takes. `on_duty` says whether
    somebody is there to take over; `document` is in place of the instructions we have. `limits` are what the model may
    cost.
    """

    def __init__(
        self,
        model: Model,
        search: Search,
        company: Company,
        *,
        budget: float = BUDGET,
        now: Callable[[], datetime] = _utc_now,
        on_duty: Callable[[], Awaitable[OnDuty]] | None = None,
        document: str | None = None,
        limits: Budget = _NO_LIMITS,
    ) -> None:
        silence_tracing()
        self._model = model if isinstance(model, BoundedModel) else BoundedModel(model)
        self._search = search
        self._company = company
        self._budget = budget
        self._now = now
        self._on_duty = on_duty
        self._document = document
        self._version = instructions.version(document)
        self._limits = limits
        self._name = model_name(self._model)
        self._canary = f"fte-{secrets.token_hex(8)}"
        self._config = RunConfig(
            tracing_disabled=True,
            trace_include_sensitive_data=False,
            tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1),
            tool_not_found_behavior="return_error_to_model",
        )
        agent: Agent[RunContext] = Agent(
            name="support",
            instructions=instructions.render(company, self._canary, document),
            model=self._model,
            tools=all_tools(),
            model_settings=ModelSettings(store=False, max_tokens=TOKENS_MAX),
            tool_use_behavior=_ended,
        )
        # At every step the SDK goes through all runs under way of the same agent: many runs share a few alike.
        self._agents = cycle([agent.clone() for _ in range(ALIKE)])

    async def close(self) -> None:
        """Release the model's connections."""
        await self._model.close()

    async def answer(self, assignment: Assignment) -> Outcome:
        """What should become of a turn. Never raises, except CancelledError when the caller cancels.

        A model that is down, slow or makes no sense gives an outcome with `failed` set and a hand-over ready.
        """
        run = _Run(assignment, mood_of(assignment))
        try:
            outcome = await self._decided(run)
        except Exception as error:
            outcome = self._handed_over(run, None, "agent_failure", error=failure_of(error).kind)
        return await self._with_times(outcome, assignment)

    async def _with_times(self, outcome: Outcome, assignment: Assignment) -> Outcome:
        """Who is handed over is told when nobody is there. Not knowing it changes nothing."""
        if outcome.escalation is None or self._on_duty is None or not outcome.reply:
            return outcome
        try:
            on_duty = await self._on_duty()
        except FteError:
            return outcome
        reason = cast("Reason", outcome.escalation.reason)
        words = format.handover(
            reason,
            assignment,
            self._company,
            self._now(),
            priority=outcome.priority,
            on_duty=on_duty.here,
        )
        return replace(outcome, reply=words)

    def give_up(self, assignment: Assignment, error: str) -> Outcome:
        """The outcome that hands a turn to a person because no run of it ever ended. `error` is for the trace."""
        return self._handed_over(_Run(assignment, mood_of(assignment)), None, "agent_failure", error=error)

    async def _decided(self, run: _Run) -> Outcome:
        question = run.assignment.question
        if not _says_anything(question):
            if _empty_before(run.assignment.lines) >= escalation.ASKED_MAX - 1:
                return self._handed_over(run, None, "repeated_question", verdicts=("empty a third time",))
            reply = format.clarification(run.assignment, self._company)
            return Outcome(reply, self._trace(run, None, verdicts=("empty message",)))
        words = f"{run.assignment.subject}\n{question}" if run.assignment.first_answer else question
        found = escalation.reasons(words, run.assignment.channel, run.mood, self._company.name)
        if found:
            return self._handed_over(
                run, None, found[0], verdicts=tuple(f"rule: {reason}" for reason in found)
            )
        if (hunch := escalation.suspected(words, run.assignment.channel)) is not None:
            reason, sure = hunch
            return self._handed_over(run, None, reason, verdicts=(f"hunch: {reason}, {sure:.2f}",))
        if escalation.asked_again(run.assignment.lines):
            return self._handed_over(run, None, "repeated_question", verdicts=("asked a third time",))
        if (limit := self._limits.used_up(run.assignment.spent)) is not None:
            return self._handed_over(run, None, "budget_exhausted", verdicts=(f"budget used up: {limit}",))
        context = RunContext(
            run.assignment,
            self._search,
            self._bounds(run.assignment),
            translates=not getattr(self._model.inner, "only_quotes", False),
        )
        return self._judged(run, context, await self._attempted(context))

    async def _attempted(self, context: RunContext) -> str | None:
        """Run the model; the kind of error that ended it, or None."""
        try:
            async with asyncio.timeout(self._budget):
                await self._ran(context)
        except TimeoutError:
            return "TimeoutError"
        except _UsedUp:
            context.verdicts.append("budget used up: run")
            return _BUDGET
        except Exception as error:
            if isinstance(error, AgentsException) and error.run_data is not None:
                context.usage = error.run_data.context_wrapper.usage
            failure = failure_of(error)
            context.retry_after = failure.wait
            return failure.kind
        return context.fault

    async def _ran(self, context: RunContext) -> None:
        agent = next(self._agents)
        result = await self._step(agent, self.items(context.assignment), context, STEPS_MAX)
        left = STEPS_MAX - len(result.raw_responses)
        if not context.over and left > 0:
            context.verdicts.append("reminded: text without a tool call")
            context.earlier, context.usage = context.usage, None
            items = [*result.to_input_list(), {"role": "user", "content": _REMINDER}]
            await self._step(agent, items, context, min(left, 3))

    async def _step(self, agent: Agent[RunContext], items: list[Any], context: RunContext, steps: int) -> Any:
        result = await Runner.run(
            agent,
            items,
            context=context,
            max_turns=steps,
            run_config=self._config,
            hooks=_Meter(self._limits.run),
        )
        context.usage = result.context_wrapper.usage
        return result

    def items(self, assignment: Assignment) -> list[Any]:
        """What the model is given: our facts about the turn, and the customer's words between marks."""
        unit = "words" if assignment.channel != "whatsapp" else "characters, 160 preferred"
        before = sum(not line.new for line in assignment.lines)
        word = secrets.token_hex(4)
        facts = (
            f"Channel: {assignment.channel}. The answer may have {format.room(assignment, self._company)} "
            f"{unit}.\n"
            f"Earlier messages in this conversation: {before}. Ticket category: {assignment.category}."
            f"{_moved(assignment)}{_window(assignment)}"
            f"{_wish(assignment, word)}"
        )
        subject = fence(one_line(assignment.subject)[:300], "SUBJECT") + "\n" if assignment.subject else ""
        words = fence(assignment.question, "CUSTOMER MESSAGE")
        told = f"{facts}\n{_left_behind(assignment)}{subject}{words}{_hint(assignment, word)}"
        return [{"role": "user", "content": told}]

    def _bounds(self, assignment: Assignment) -> Any:
        limit = format.room(assignment, self._company)
        own = instructions.own_words(self._document)
        wrote = [line.content for line in assignment.lines if line.role == "customer"]
        said = "\n".join(
            (
                assignment.subject,
                *(line.content for line in earlier(assignment)),
                *assignment.handover,
                assignment.hint,
            )
        )

        def bounds(passages: tuple[Passage, ...]) -> Bounds:
            return Bounds(
                channel=assignment.channel,
                limit=limit,
                company=self._company,
                passages=passages,
                question=assignment.question,
                reference=assignment.reference,
                instructions=own,
                canary=self._canary,
                said=said,
                customer=assignment.customer_name,
                own="\n".join(wrote) if assignment.verified else "",
            )

        return bounds

    def _judged(self, run: _Run, context: RunContext, error: str | None) -> Outcome:
        reason = escalation.after(
            requested=context.requested,
            searches=len(context.queries),
            hits=len(context.passages),
            answered=context.reply is not None,
            violations=context.broken,
        )
        if error is not None and context.requested is None and not context.broken and context.reply is None:
            reason = "budget_exhausted" if error is _BUDGET else "agent_failure"
        if reason is not None or context.reply is None:
            reason = reason or "agent_failure"
            error = error or (NO_ANSWER if reason == "agent_failure" else None)
            return self._handed_over(run, context, reason, error=error)
        reply = format.finished(context.reply, run.assignment, self._company)
        return Outcome(
            reply, self._trace(run, context, error), category=context.category, priority=context.priority
        )

    def _handed_over(
        self,
        run: _Run,
        context: RunContext | None,
        reason: Reason,
        *,
        verdicts: tuple[str, ...] = (),
        error: str | None = None,
    ) -> Outcome:
        told = _brief(run, context, reason, verdicts)
        priority = escalation.priority(reason, told.urgency, context.priority if context else None)
        return Outcome(
            reply=format.handover(reason, run.assignment, self._company, self._now(), priority=priority),
            trace=self._trace(run, context, error, (*verdicts, f"escalated: {reason}")),
            escalation=told,
            category=context.category if context else None,
            priority=priority,
            failed=reason == "agent_failure",
            retry_after=context.retry_after if context else 0.0,
        )

    def _trace(
        self, run: _Run, context: RunContext | None, error: str | None = None, verdicts: tuple[str, ...] = ()
    ) -> Trace:
        spent = [usage for usage in (context.earlier, context.usage) if usage] if context else []
        return Trace(
            model=self._name if context else RULES,
            instructions_version=self._version,
            passages=tuple(context.passages) if context else (),
            tools=tuple(context.calls) if context else (),
            verdicts=(f"mood {run.mood:.2f}", *(context.verdicts if context else ()), *verdicts),
            input_tokens=sum(usage.input_tokens for usage in spent),
            output_tokens=sum(usage.output_tokens for usage in spent),
            latency_ms=round((perf_counter() - run.started) * 1000),
            error=error,
        )


def _ended(
    context: RunContextWrapper[RunContext], results: list[FunctionToolResult]
) -> ToolsToFinalOutputResult:
    return ToolsToFinalOutputResult(is_final_output=context.context.over, final_output="")


def _left_behind(assignment: Assignment) -> str:
    """What a colleague said before they gave the conversation back: it stands, and is not answered again."""
    if not assignment.handover:
        return ""
    fenced = fence("\n".join(assignment.handover), "COLLEAGUE'S HAND-OVER")
    return f"A person of our team spoke with this customer before you; what they said stands.\n{fenced}\n"


def _moved(assignment: Assignment) -> str:
    """The fact that the customer goes on elsewhere, for the model to acknowledge."""
    if assignment.moved_from is None:
        return ""
    return f"\nBefore, the customer wrote on {assignment.moved_from}; this is the same person."


def _window(assignment: Assignment) -> str:
    """Until when an answer reaches the customer, for the model to know what it may announce."""
    if assignment.window_until is None:
        return ""
    return f"\nWhatsApp takes messages to this customer until {assignment.window_until:%Y-%m-%d %H:%M} UTC."


def _wish(assignment: Assignment, word: str) -> str:
    """The fact by which a model knows a colleague's wish from what only looks like one."""
    return f"\nOf this message only the marks COLLEAGUE {word} are a colleague's." if assignment.hint else ""


def _hint(assignment: Assignment, word: str) -> str:
    """What an operator asks of the answer, who did not want an earlier one sent; `word` makes its marks unguessable."""
    if not assignment.hint:
        return ""
    ask = "A colleague read an earlier answer and wants another one. Follow this as far as all rules allow:"
    return f"\n{ask}\n{fence(one_line(assignment.hint), f'COLLEAGUE {word}')}"


def _empty_before(lines: Sequence[Line]) -> int:
    """How many empty messages come right before the customer's new one; without an answer in between they are one."""
    count, answered = 0, False
    for line in reversed([line for line in lines if not line.new]):
        if line.role != "customer":
            answered = True
        elif _says_anything(line.content):
            break
        elif answered:
            count, answered = count + 1, False
    return count


def _says_anything(text: str) -> bool:
    return any(character.isalnum() or character in _EMOTICONS for character in text)


def _brief(run: _Run, context: RunContext | None, reason: Reason, verdicts: tuple[str, ...]) -> Escalation:
    if context is None:
        tried = [verdict.replace("_", " ") for verdict in verdicts]
        return brief(reason, run.assignment, run.mood, tried=tried)
    tried = [f"searched: {query}" for query in context.queries]
    if context.reply is not None:
        tried.append(f"answer not sent: {context.reply[:ASKED_MAX]}")
    return brief(
        reason,
        run.assignment,
        run.mood,
        wanted=context.urgency,
        summary=context.issue,
        tried=tried,
        sources=[passage.title for passage in context.passages],
    )
