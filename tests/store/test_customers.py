"""Customers found by any part of a name, an address or a number."""

import pytest

from fte.pg.pool import Pool
from fte.store import customers
from tests.identity.support import chat, form, mail


async def found(pool: Pool, text: str) -> list[str | None]:
    return sorted(str(hit.email or hit.phone) for hit in (await customers.search(pool, text)).customers)


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("ove", ["ada@example.com"]),
        ("A LOVE", ["ada@example.com"]),
        ("example.com", ["ada@example.com", "bo@example.com"]),
        ("b", ["bo@example.com"]),
        ("ö", []),
        ("di", ["bo@example.com"]),
        ("dd", []),
        ("0112 3", []),
        ("7700 900123", ["+447700900123"]),
        ("0447700900123", ["+447700900123"]),
        ("100%", []),
        ("d_", []),
        ("%%%", []),
        ("\\", []),
        ("太郎", ["+447700900123"]),
        ("x" * 500, []),
    ],
)
async def test_customers_are_found_by_any_part(pool: Pool, text: str, hits: list[str]) -> None:
    await mail(pool, "ada@example.com", name="Ada Lovelace")
    await form(pool, "bo@example.com", name="Bö Diddley")
    await chat(pool, "+447700900123", name="山田 太郎")
    assert await found(pool, text) == hits


async def test_a_name_somebody_typed_is_found_until_it_is_gone(pool: Pool) -> None:
    await mail(pool, "ada@example.com", name="Ada Lovelace")
    typed = await form(pool, "ada@example.com", name="Countess")
    again = await form(pool, "ada@example.com", name="Countess")
    assert await found(pool, "countess") == ["ada@example.com"]
    await pool.execute("update conversations set name = null where id = $1", typed.conversation)
    assert await found(pool, "countess") == ["ada@example.com"]
    await pool.execute("update conversations set name = 'Lady' where id = $1", again.conversation)
    assert (await found(pool, "countess"), await found(pool, "lad")) == ([], ["ada@example.com"])
    assert await pool.fetchval("select count(*) from customer_names where name = 'Countess'") == 0


async def test_a_name_that_was_replaced_is_found_while_a_conversation_has_it(pool: Pool) -> None:
    talk = await form(pool, "ada@example.com", name="Countess")
    await pool.execute("update customers set name = 'Ada'")
    assert (await found(pool, "count"), await found(pool, "ada ")) == (["ada@example.com"],) * 2
    await pool.execute("update conversations set name = null where id = $1", talk.conversation)
    assert await found(pool, "count") == []
    await pool.execute("update customers set name = null")
    assert await pool.fetchval("select count(*) from customer_names") == 0
