"""Which model answers: the offline one unless a key or a server is configured."""

import json
import os
from collections.abc import AsyncIterator, Callable
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from agents import Model, ModelResponse, set_trace_processors, set_tracing_disabled
from agents.items import TResponseStreamEvent
from agents.models.default_models import get_default_model
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.responses import ResponseFunctionToolCall

from fte.agent.offline import OfflineModel
from fte.domain.errors import Rejected

OFFLINE: Final = "offline"
OPENAI_URL: Final = "https://api.openai.com/v1"
RETRIES: Final = 2
"""Repeats of a failed call, by the client; the SDK's own retries stay off, for the two would multiply."""
STEP_CALLS_MAX: Final = 6
"""Tool calls of one model step that are looked at; the rest is dropped unread."""
ARGUMENTS_MAX: Final = 40_000
"""Characters of one tool call's arguments; longer ones are emptied."""


def build_model(
    *, model: str = "", base_url: str = "", api_key: str = "", timeout: float = 20.0, retries: int = RETRIES
) -> Model:
    """The model these settings ask for.

    Without a key and without a server's address it is the offline model. `timeout` is in seconds, for each
    attempt of a call. Raises Rejected when a model is named that nobody is configured to run.
    """
    silence_tracing()
    if model == OFFLINE or not (model or base_url or api_key):
        return OfflineModel()
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
        timeout=timeout,
        max_retries=retries,
        # A redirect could carry a customer's text to a host nobody configured.
        http_client=DefaultAsyncHttpxClient(follow_redirects=False, timeout=timeout),
    )
    return BoundedModel(OpenAIChatCompletionsModel(model or get_default_model(), client))


def model_name(model: Model) -> str:
    """The name for traces."""
    inner = model.inner if isinstance(model, BoundedModel) else model
    return str(getattr(inner, "model", None) or getattr(inner, "name", None) or type(inner).__name__)


def silence_tracing() -> None:
    """Keep the SDK from sending traces anywhere: it would post inputs and outputs to OpenAI."""
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    set_tracing_disabled(True)
    set_trace_processors([])


class BoundedModel(Model):
    """A model whose steps are bounded before anything acts on them.

    It looks at a few tool calls of a step only, empties huge or malformed arguments, and gives calls without
    an id of their own (some compatible servers repeat or omit them) a fresh one.
    """

    def __init__(
        self, inner: Model, on_call: Callable[[float, bool], None] = lambda seconds, worked: None
    ) -> None:
        """`on_call` is told of every call: its seconds, and whether it gave an answer."""
        self.inner = inner
        self._on_call = on_call

    async def close(self) -> None:
        await self.inner.close()
        client = getattr(self.inner, "_client", None)
        if isinstance(client, AsyncOpenAI):
            await client.close()

    async def get_response(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        began, worked = perf_counter(), False
        try:
            response = await self.inner.get_response(system_instructions, input, *args, **kwargs)
            worked = True
        finally:
            self._on_call(perf_counter() - began, worked)
        used = (
            {item.get("call_id") for item in input if isinstance(item, dict)}
            if isinstance(input, list)
            else set()
        )
        _bound(response, used)
        return response

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        return self.inner.stream_response(*args, **kwargs)


def _bound(response: ModelResponse, used: set[Any]) -> None:
    kept = []
    calls = 0
    for item in response.output:
        if isinstance(item, ResponseFunctionToolCall):
            calls += 1
            if calls > STEP_CALLS_MAX:
                continue
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
