"""A model that always plays the same turn: ticket and history, a search, the answer.

It finds its place in the script from what it is given, so one object serves any number of runs at a time.
"""

import asyncio
import json
from typing import Any, Final
from uuid import uuid4

from agents import Model, ModelResponse, Usage
from openai.types.responses import ResponseFunctionToolCall

REPLY: Final = (
    "On the sign-in page select Forgot password?, enter your email address and select Send link. "
    "The link works once and expires after 60 minutes."
)
SCRIPT: Final[tuple[tuple[tuple[str, dict[str, Any]], ...], ...]] = (
    (
        (
            "create_ticket",
            {"issue": "Cannot sign in any more.", "priority": "medium", "category": "technical"},
        ),
        ("get_customer_history", {}),
    ),
    (("search_knowledge_base", {"query": "reset password sign in"}),),
    (("send_response", {"message": REPLY}),),
)
CALLS_BEFORE: Final = {0: 0, 2: 1, 3: 2}
"""Tool results the model has seen, and the step of the script that comes next."""


class ScriptedModel(Model):
    """`delay` is how many seconds every call takes."""

    name = "scripted"

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay

    async def get_response(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        if self._delay:
            await asyncio.sleep(self._delay)
        seen = sum(item.get("type") == "function_call_output" for item in input)
        calls = [
            ResponseFunctionToolCall(
                type="function_call", call_id=uuid4().hex, name=name, arguments=json.dumps(arguments)
            )
            for name, arguments in SCRIPT[CALLS_BEFORE[seen]]
        ]
        return ModelResponse(
            output=list(calls),
            usage=Usage(requests=1, input_tokens=900, output_tokens=60, total_tokens=960),
            response_id=None,
        )

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError
