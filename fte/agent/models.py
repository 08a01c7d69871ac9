"""Which model answers, the offline one unless a key or a server is configured, and how one of its calls is bounded."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from math import ceil
from time import perf_counter
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from agents import Model, ModelResponse, Usage, set_trace_processors, set_tracing_disabled
from agents.exceptions import ModelBehaviorError
from agents.items import TResponseStreamEvent
from agents.models.default_models import get_default_model
from agents.models.fake_id import FAKE_RESPONSES_ID
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI
from openai.types.responses import (
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseReasoningItem,
)

from fte.agent.offline import OfflineModel
from fte.agent.provider import AWAY, Circuit, ModelFailure, failure_of, http_client
from fte.domain.errors import Rejected
from fte.domain.retry import pause

OFFLINE: Final = "offline"
OPENAI_URL: Final = "https://api.openai.com/v1"
Api = Literal["", "chat", "responses"]
"""How the provider is spoken to: chat completions or responses. Empty: responses with OpenAI, which its newer models ask
for, and chat completions, which everybody else has."""
RETRIES: Final = 2
"""Repeats of a call while the provider is away; the client's and the SDK's own stay off, for they would multiply."""
RETRY_WAIT_MAX: Final = 10.0
"""Seconds a run waits for a provider that asks for time. More, and the turn is put back instead."""
STEP_CALLS_MAX: Final = 6
"""Tool calls of one model step that are looked at; the rest is dropped unread."""
ARGUMENTS_MAX: Final = 40_000
"""Characters of one tool call's arguments; longer ones are emptied."""

CHARACTERS_PER_TOKEN: Final = 4
"""What is reckoned with where a provider does not tell what an answer took."""

OnCall = Callable[[float, bool], None]


def build_model(
    *,
    model: str = "",
    base_url: str = "",
    api_key: str = "",
    api: Api = "",
    stream: bool = False,
    timeout: float = 20.0,
    retries: int = RETRIES,
    on_call: OnCall = lambda seconds, worked: None,
) -> "BoundedModel":
    """The model these settings ask for.

    Without a key and without a server's address it is the offline model. `timeout` is in seconds, for each
    attempt of a call. With `stream`, answers are taken in pieces, for servers that give them in no other way; they are
    put together and checked whole all the same. Raises Rejected when a model is named that nobody is configured to run.
    """
    silence_tracing()
    if model == OFFLINE or not (model or base_url or api_key):
        return BoundedModel(OfflineModel(), on_call)
    if not (base_url or api_key):
        raise Rejected(
            f"The model {model!r} needs a provider.",
            fields={"model": "no key and no server configured"},
            remedy="Set OPENAI_API_KEY or FTE_MODEL_BASE_URL, or leave FTE_MODEL empty to work offline.",
        )
    if base_url and not model:
        raise Rejected(
            "The model server is configured, but not which of its models to use.",
            fields={"model": "missing"},
            remedy="Set FTE_MODEL to a model the server offers.",
        )
    client = AsyncOpenAI(
        api_key=api_key or "none",
        base_url=base_url or OPENAI_URL,
        max_retries=0,
        http_client=http_client(timeout),
    )
    name = model or get_default_model()
    inner: Model
    if (api or ("responses" if _is_openai(client) else "chat")) == "responses":
        inner = OpenAIResponsesModel(name, client)
    else:
        inner = OpenAIChatCompletionsModel(name, client)
    return BoundedModel(inner, on_call, timeout=timeout, retries=retries, stream=stream, metered=True)


def _is_openai(client: AsyncOpenAI) -> bool:
    return client.base_url.host == urlsplit(OPENAI_URL).hostname


def model_name(model: Model) -> str:
    """The name for traces."""
    inner = model.inner if isinstance(model, BoundedModel) else model
    return str(getattr(inner, "model", None) or getattr(inner, "name", None) or type(inner).__name__)


def silence_tracing() -> None:
    """Keep the SDK from sending traces anywhere: it would post inputs and outputs to OpenAI."""
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    set_tracing_disabled(True)
    set_trace_processors([])


@dataclass
class EstimatedUsage(Usage):
    """Tokens that no provider counted: a CHARACTERS_PER_TOKENth of the characters."""


class BoundedModel(Model):
    """A model whose calls and steps are bounded before anything acts on them.

    A call has a deadline and is repeated while the provider is away, and the provider is left alone when it stays away.
    Of a step it looks at a few tool calls only, empties huge or malformed arguments, and gives calls without
    an id of their own (some compatible servers repeat or omit them) a fresh one.
    """

    def __init__(
        self,
        inner: Model,
        on_call: OnCall = lambda seconds, worked: None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        stream: bool = False,
        metered: bool = False,
    ) -> None:
        """`on_call` is told of every call: its seconds, and whether it gave an answer.

        The tokens of a `metered` model are estimated where it does not tell them: a budget must not depend on that.
        """
        self.inner = inner
        self._on_call = on_call
        self._timeout = timeout
        self._retries = retries
        self._stream = stream
        self._metered = metered
        self._circuit = Circuit()

    async def close(self) -> None:
        await self.inner.close()
        client = getattr(self.inner, "_client", None)
        if isinstance(client, AsyncOpenAI):
            await client.close()

    async def get_response(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        """One step of the model. Raises ModelFailure."""
        response = await self._answered(system_instructions, input, *args, **kwargs)
        if self._metered and not (response.usage.input_tokens or response.usage.output_tokens):
            response.usage = _estimated(system_instructions, input, response.output)
        used = (
            {item.get("call_id") for item in input if isinstance(item, dict)}
            if isinstance(input, list)
            else set()
        )
        _bound(response, used)
        return response

    async def _answered(self, *args: Any, **kwargs: Any) -> ModelResponse:
        repeated = 0
        while True:
            if (wait := self._circuit.wait()) > 0:
                raise ModelFailure("provider left alone", wait)
            try:
                return await self._called(*args, **kwargs)
            except ModelFailure as failure:
                repeated += 1
                delay = failure.asked or pause(repeated, first=AWAY / 2)
                if not failure.wait or repeated > self._retries or delay > RETRY_WAIT_MAX:
                    raise
            await asyncio.sleep(delay)

    async def _called(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """One call, its end told to whoever counts. Raises ModelFailure."""
        began, worked = perf_counter(), False
        try:
            async with asyncio.timeout(self._timeout):
                response = await (self._streamed if self._stream else self.inner.get_response)(
                    *args, **kwargs
                )
            if not response.output:
                raise ModelBehaviorError("The answer is empty.")
            worked = True
        except Exception as error:
            failure = failure_of(error)
            if failure.wait:
                self._circuit.failed(failure.wait)
            else:
                self._circuit.answered()
            raise failure from None
        except BaseException:
            self._circuit.given_up()
            raise
        finally:
            self._on_call(perf_counter() - began, worked)
        self._circuit.answered()
        return response

    async def _streamed(
        self, system_instructions: Any, input: Any, model_settings: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        asked = replace(model_settings, include_usage=True)
        events: Any = self.inner.stream_response(system_instructions, input, asked, *args, **kwargs)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, ResponseCompletedEvent):
                    return ModelResponse(event.response.output, _usage(event.response.usage), None)
        raise ModelBehaviorError("The stream ended before the answer did.")

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        return self.inner.stream_response(*args, **kwargs)


def _usage(told: Any) -> Usage:
    if told is None:
        return Usage(requests=1)
    return Usage(
        requests=1,
        input_tokens=told.input_tokens or 0,
        output_tokens=told.output_tokens or 0,
        total_tokens=told.total_tokens or 0,
    )


def _estimated(system_instructions: Any, input: Any, output: list[Any]) -> EstimatedUsage:
    asked = f"{system_instructions or ''}{json.dumps(input, ensure_ascii=False, default=str)}"
    said = "".join(item.model_dump_json(exclude_none=True) for item in output)
    taken, given = (ceil(len(text) / CHARACTERS_PER_TOKEN) for text in (asked, said))
    return EstimatedUsage(requests=1, input_tokens=taken, output_tokens=given, total_tokens=taken + given)


def _bound(response: ModelResponse, used: set[Any]) -> None:
    kept: list[Any] = []
    calls = 0
    for item in response.output:
        if isinstance(item, ResponseReasoningItem) and item.id != FAKE_RESPONSES_ID:
            continue  # the provider keeps nothing for us, so it would not know its own thoughts again
        if isinstance(item, ResponseOutputMessage):
            item.id = FAKE_RESPONSES_ID
        if isinstance(item, ResponseFunctionToolCall):
            calls += 1
            if calls > STEP_CALLS_MAX:
                continue
            item.id = FAKE_RESPONSES_ID
            item.arguments = _readable(item.arguments)
            if not item.call_id or item.call_id in used:
                item.call_id = f"call_{uuid4().hex}"
            used.add(item.call_id)
        kept.append(item)
    response.output[:] = kept


def _readable(arguments: str) -> str:
    """The arguments if they are a JSON object of reasonable size, else an empty one."""
    if len(arguments) > ARGUMENTS_MAX:
        return "{}"
    try:
        return arguments if isinstance(json.loads(arguments), dict) else "{}"
    except (ValueError, RecursionError):
        return "{}"
