"""The pool, where no database is."""

import asyncio

import pytest

from fte.domain.errors import Unavailable
from fte.pg import pool
from fte.pg.pool import Pool


async def test_a_database_that_says_nothing_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CONNECT_TIMEOUT", 0.2)

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable, match=r"cannot be reached: no answer in 0.2 s\.$"):
            await Pool.open(f"postgresql://fte@127.0.0.1:{port}/fte?sslmode=disable")
