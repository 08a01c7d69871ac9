"""Who listens at an address: the difference between a wrong address, a stopped server and another program."""

import asyncio
import contextlib
from typing import Final, Literal

TIMEOUT: Final = 3.0

Listener = Literal["somebody", "nobody", "no such host", "no answer"]


async def listener(host: str, port: int) -> Listener:
    """Whether a TCP connection can be made, and why not."""
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return "no such host" if "Name or service" in str(error) or "nodename" in str(error) else "nobody"
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(TIMEOUT):
            await writer.wait_closed()
    return "somebody"
