"""The bare Agents SDK: the same scripted turns, tools with the same parameters that only answer, no database.

`python -m benchmarks.floors.turns TURNS CONCURRENCY` prints the rate of the steady state as JSON.
"""

import asyncio
import json
import sys
import time
from typing import Annotated, Any, Literal

import uvloop
from agents import Agent, ModelSettings, RunConfig, Runner, StopAtTools, function_tool, set_tracing_disabled
from pydantic import Field

from benchmarks.load import QUESTION
from benchmarks.measure import steady_rate
from benchmarks.pages import PASSWORD
from benchmarks.scripted import ScriptedModel

INSTRUCTIONS = "You answer customers. Record the ticket, look at the history, search, then send one answer."


@function_tool
async def create_ticket(issue: str, priority: Literal["low", "medium", "high"], category: str | None) -> str:
    """Record what the customer wants."""
    return "Ticket #1 recorded."


@function_tool
async def get_customer_history() -> str:
    """What was said earlier."""
    return "No earlier messages."


@function_tool
async def search_knowledge_base(
    query: str, max_results: Annotated[int, Field(ge=1, le=5)] = 5, category: str | None = None
) -> str:
    """Search the help pages."""
    return PASSWORD


@function_tool
async def escalate_to_human(reason: str, urgency: str) -> str:
    """Hand the conversation to a person."""
    return "A person takes over."


@function_tool
async def send_response(message: str) -> str:
    """Send the answer."""
    return "Sent."


async def measure(turns: int, concurrency: int) -> float:
    agent: Agent[Any] = Agent(
        name="floor",
        instructions=INSTRUCTIONS,
        model=ScriptedModel(),
        tools=[create_ticket, get_customer_history, search_knowledge_base, escalate_to_human, send_response],
        model_settings=ModelSettings(store=False, max_tokens=2_000),
        tool_use_behavior=StopAtTools(stop_at_tool_names=["send_response", "escalate_to_human"]),
    )
    config = RunConfig(tracing_disabled=True)
    waiting = iter(range(turns))
    finished: list[float] = []

    async def work() -> None:
        for _ in waiting:
            await Runner.run(agent, QUESTION, max_turns=8, run_config=config)
            finished.append(time.perf_counter())

    await asyncio.gather(*[work() for _ in range(concurrency)])
    return steady_rate(finished, concurrency)


def main() -> None:
    set_tracing_disabled(True)
    print(json.dumps(uvloop.run(measure(int(sys.argv[1]), int(sys.argv[2])))))


if __name__ == "__main__":
    main()
