"""Load on the form, from a process of its own: raw HTTP/1.1 over asyncio protocols, one request per keep-alive
connection at a time.

It parses nothing of an answer but its end, and runs beside the server, not in it. Run as a program it prints what it
saw as JSON; `cpu` is its own share of one processor.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure import quantile

QUESTION = (
    "Good morning, I cannot sign in any more since yesterday. I entered my password several times and the page says "
    "it is wrong. How do I reset my password? I did not change anything on my side, and a colleague has no trouble."
)
_HEAD = "POST /support/submit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


def request(address: str) -> bytes:
    """A whole submission from an e-mail address."""
    form = {
        "name": "Ada Lovelace",
        "email": address,
        "subject": "Cannot sign in",
        "category": "technical",
        "priority": "medium",
        "message": QUESTION,
    }
    body = json.dumps(form).encode()
    return _HEAD.format(len(body)).encode() + body


@dataclass
class Seen:
    """What the generator saw: seconds per answer, wall-clock time of each sending by address."""

    latencies: list[float] = field(default_factory=list)
    sent: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


class Client(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self) -> None:
        self._received = b""
        self._answered: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length and self._answered is not None and not self._answered.done():
            self._answered.set_result(self._received)
            self._received = b""

    def connection_lost(self, _: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionError("the server closed the connection"))

    async def ask(self, message: bytes) -> bytes:
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._answered

    def close(self) -> None:
        self._transport.close()


async def connect(port: int) -> Client:
    _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
    return client


async def submit(client: Client, address: str, seen: Seen) -> None:
    """Send one submission and note what came of it."""
    message = request(address)
    seen.sent[address] = time.time()
    begun = time.perf_counter()
    answer = await client.ask(message)
    seen.latencies.append(time.perf_counter() - begun)
    if not answer.startswith(b"HTTP/1.1 200"):
        seen.refused.append(answer.decode(errors="replace")[:500])


async def at_full_speed(port: int, connections: int, seconds: float, count: int, prefix: str) -> Seen:
    """Every connection sends the next as soon as the last is answered, until the time or the count is over."""
    seen = Seen()
    end = time.perf_counter() + seconds
    numbers = iter(range(count))

    async def send_on(client: Client) -> None:
        while time.perf_counter() < end and (number := next(numbers, None)) is not None:
            await submit(client, f"{prefix}{number}@example.com", seen)
        client.close()

    await asyncio.gather(*[send_on(await connect(port)) for _ in range(connections)])
    return seen


async def at_rate(port: int, connections: int, rate: float, count: int, prefix: str) -> Seen:
    """`count` submissions at `rate` a second, at the time planned whether or not the earlier ones are answered."""
    seen = Seen()
    idle: asyncio.Queue[Client] = asyncio.Queue()
    for _ in range(connections):
        idle.put_nowait(await connect(port))

    async def send(number: int) -> None:
        client = await idle.get()
        await submit(client, f"{prefix}{number}@example.com", seen)
        idle.put_nowait(client)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            tasks.create_task(send(number))
    while not idle.empty():
        idle.get_nowait().close()
    return seen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--count", type=int, default=10**9)
    parser.add_argument("--rate", type=float, help="a second; without it as fast as answers come")
    parser.add_argument("--prefix", required=True, help="of the senders' addresses")
    parser.add_argument("--refusals", action="store_true", help="count refusals; without it one is a failure")
    given = parser.parse_args()
    import uvloop

    begun = time.perf_counter()
    if given.rate:
        seen = uvloop.run(at_rate(given.port, given.connections, given.rate, given.count, given.prefix))
    else:
        seen = uvloop.run(
            at_full_speed(given.port, given.connections, given.seconds, given.count, given.prefix)
        )
    took = time.perf_counter() - begun
    if seen.refused and not given.refusals:
        raise SystemExit(f"{len(seen.refused)} submissions were refused, such as: {seen.refused[0]}")
    print(
        json.dumps(
            {
                "count": len(seen.latencies),
                "refused": len(seen.refused),
                "rate": len(seen.latencies) / took,
                "p95": quantile(seen.latencies, 0.95),
                "cpu": time.process_time() / took,
                "sent": seen.sent,
            }
        )
    )


if __name__ == "__main__":
    main()
