"""A bare idempotent producer: `python -m benchmarks.floors.producer RECORDS BOOTSTRAP` sends a file's records.

The records are in memory before the clock starts; each is sent as soon as the library takes it. It prints the records
a second from the first sending to the last acknowledgement, as JSON.
"""

import asyncio
import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer

BATCH = 256 * 1024
"""Bytes of a batch, at most: the relay's own setting."""


def main() -> None:
    records, bootstrap = sys.argv[1:]
    lines = [json.loads(line) for line in Path(records).read_text().splitlines()]
    given = [
        (topic, value.encode(), key.encode(), at, [("fte-place", base64.b64decode(place))])
        for topic, key, value, at, place in lines
    ]
    print(json.dumps(uvloop.run(measure(given, bootstrap))))


async def measure(given: list[Any], bootstrap: str) -> float:
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", max_batch_size=BATCH
    ) as producer:
        begun = time.perf_counter()
        sent = [
            await producer.send(topic, value, key, timestamp_ms=at, headers=headers)
            for topic, value, key, at, headers in given
        ]
        await asyncio.gather(*sent)
        return len(sent) / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
