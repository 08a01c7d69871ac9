"""A slow model as a server of its own: `python -m benchmarks.model_server PORT DELAY` speaks chat completions.

It plays the same turn as `ScriptedModel`. Every call takes DELAY seconds; connections are kept alive. It says `ready`
and serves until stopped.
"""

import asyncio
import json
import sys
from typing import Any
from uuid import uuid4

import uvloop

from benchmarks.scripted import CALLS_BEFORE, SCRIPT


def answer(request: Any) -> bytes:
    """The script's next step, found by the tool results in the request."""
    seen = sum(message["role"] == "tool" for message in request["messages"])
    calls = [
        {
            "id": uuid4().hex,
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for name, arguments in SCRIPT[CALLS_BEFORE[seen]]
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    completion = {
        "id": uuid4().hex,
        "object": "chat.completion",
        "created": 1,
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960},
    }
    body = json.dumps(completion).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _serve(delay: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            request = json.loads(await reader.readexactly(length))
            await asyncio.sleep(delay)
            writer.write(answer(request))
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def serve(port: int, delay: float) -> None:
    server = await asyncio.start_server(lambda r, w: _serve(delay, r, w), "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


def main() -> None:
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))


if __name__ == "__main__":
    main()
