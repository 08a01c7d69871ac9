"""The schema: one version known in two places, shipped in the wheel, refused when it does not fit."""

import asyncio
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from fte.domain.errors import Unavailable
from fte.pg import schema
from fte.pg.pool import Pool
from fte.store.intake import take_in
from tests.support import SECRET, form_message

ROOT = Path(__file__).parent.parent.parent
TABLES = {
    "customers": {"id", "email", "phone", "name", "created_at", "metadata"},
    "customer_identifiers": {"customer_id", "identifier_type", "identifier_value", "verified"},
    "conversations": {
        "customer_id",
        "initial_channel",
        "started_at",
        "ended_at",
        "status",
        "sentiment_score",
        "resolution_type",
        "escalated_to",
        "metadata",
    },
    "messages": {
        "conversation_id",
        "channel",
        "direction",
        "role",
        "content",
        "tokens_used",
        "latency_ms",
        "tool_calls",
        "channel_message_id",
        "delivery_status",
    },
    "tickets": {
        "conversation_id",
        "customer_id",
        "source_channel",
        "category",
        "priority",
        "status",
        "created_at",
        "resolved_at",
        "resolution_notes",
    },
    "knowledge_base": {"title", "content", "category", "embedding"},
    "channel_configs": {"channel", "enabled", "config", "response_template", "max_response_length"},
    "agent_metrics": {"metric_name", "metric_value", "channel", "dimensions", "recorded_at"},
}


def test_the_program_knows_the_newest_migration() -> None:
    folder = schema.migrations_folder()
    assert ScriptDirectory.from_config(Config(folder / "alembic.ini")).get_heads() == [schema.SCHEMA_VERSION]


async def test_the_tables_of_the_contract_are_there(pool: Pool) -> None:
    for table, columns in TABLES.items():
        rows = await pool.fetch(
            "select column_name from information_schema.columns where table_name = $1", table
        )
        assert columns <= {row["column_name"] for row in rows}, table


def test_several_may_migrate_an_empty_database_at_once_and_again(tmp_path: Path, server: str) -> None:
    name = f"empty_{os.getpid()}"
    asyncio.run(_run_sql(server, f"create database {name}"))
    environment = os.environ | {"FTE_DATABASE_URL": server.replace("/fte?", f"/{name}?")}
    command = [sys.executable, "-m", "fte", "migrate"]
    for _ in range(2):
        started = [
            subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(3)
        ]
        assert [process.communicate(timeout=60)[1] for process in started] == ["", "", ""]
        assert [process.returncode for process in started] == [0, 0, 0]
    asyncio.run(_run_sql(server, f"drop database {name} with (force)"))


async def _run_sql(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize(("found", "remedy"), [("0000", "fte migrate"), ("9999", "release")])
async def test_another_schema_is_refused_with_the_remedy(pool: Pool, found: str, remedy: str) -> None:
    await pool.execute("update alembic_version set version_num = $1", found)
    await pool.execute("update schema_floor set oldest_program = $1", found)
    async with pool.connection() as connection:
        with pytest.raises(Unavailable) as caught:
            await schema.check(connection)
    assert found in caught.value.message
    assert remedy in (caught.value.remedy or "")


async def test_a_schema_that_has_only_grown_is_good_for_this_program_too(
    pool: Pool, database_url: str
) -> None:
    await pool.execute("update alembic_version set version_num = '9999'")
    async with pool.connection() as connection:
        await schema.check(connection)
    migrated = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "fte", "migrate"],
        env=os.environ | {"FTE_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
    )
    assert (migrated.returncode, migrated.stderr) == (0, "")
    assert "9999 already" in migrated.stdout
    assert await pool.fetchval("select version_num from alembic_version") == "9999"


def test_only_a_migration_that_removes_something_raises_the_floor() -> None:
    """The word in each migration's docstring is kept: what a release before ours still uses stays until a contract."""
    removing = re.compile(
        r"\bdrop (table|column|view|type|function)\b|\brename\b|\bset not null\b", re.IGNORECASE
    )
    scripts = sorted((schema.migrations_folder() / "versions").glob("*.sql"))
    after_the_floor = [script for script in scripts if script.name > "0009"]
    assert after_the_floor
    for script in after_the_floor:
        said = script.with_suffix(".py").read_text(encoding="utf-8").splitlines()[0]
        sql = script.read_text(encoding="utf-8")
        contracts = re.search(r"^update schema_floor set oldest_program = '\d{4}';$", sql, re.MULTILINE)
        assert bool(contracts) == ("contract" in said), script.name
        assert contracts or not removing.search(sql), f"{script.name} removes, and is no contract"


async def test_a_migration_does_not_hold_up_those_who_use_a_table(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives up its place in the queue for the table, changes nothing, and says what to do."""
    monkeypatch.setattr(schema, "LOCK_TIMEOUT", 0.2)
    name = f"busy_{os.getpid()}"
    url = server.replace("/fte?", f"/{name}?")
    await _run_sql(server, f"create database {name}")
    await asyncio.to_thread(schema.migrate, url, "0001")
    user = await asyncpg.connect(url)
    async with user.transaction():
        await user.execute("lock table conversations in access share mode")
        with pytest.raises(Unavailable) as caught:
            await asyncio.to_thread(schema.migrate, url)
        assert await schema.version(user) == "0001"
    await asyncio.to_thread(schema.migrate, url)
    assert await schema.version(user) == schema.SCHEMA_VERSION
    await user.close()
    assert "fte migrate" in (caught.value.remedy or "")


async def test_an_address_may_say_how_to_connect(server: str) -> None:
    """As those of rented databases do."""
    name = f"told_{os.getpid()}"
    await _run_sql(server, f"create database {name}")
    url = server.replace("/fte?", f"/{name}?") + "&sslmode=prefer&target_session_attrs=read-write"
    await asyncio.to_thread(schema.migrate, url)
    pool = await Pool.open(url)
    async with pool.connection() as connection:
        await schema.check(connection)
    await pool.close()


def test_the_wheel_carries_the_migrations_and_the_documents(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    for name in (
        "fte/migrations/versions/0001_initial.sql",
        "fte/migrations/env.py",
        "fte/migrations/alembic.ini",
        "fte/demo/company/customers.json",
        "fte/agent/instructions.md",
        "fte/store/intake.sql",
        "fte/console/console.tcss",
        "fte/channels/web_form/static/form.css",
        "fte/py.typed",
    ):
        assert name in names


_BEFORE_0002 = """
insert into customers (id, email, name) values ('{0}', 'ada@example.com', 'Ada');
insert into customer_identifiers (customer_id, identifier_type, identifier_value)
values ('{0}', 'email', 'ada@example.com');
insert into conversations (id, customer_id, initial_channel, last_seq, last_inbound_seq)
values ('{0}', '{0}', 'web_form', 2, 1);
insert into tickets (id, public_hash, conversation_id, customer_id, source_channel)
values ('{0}', 'x', '{0}', '{0}', 'web_form');
insert into messages (id, conversation_id, seq, channel, direction, role, content)
values ('{0}', '{0}', 1, 'web_form', 'inbound', 'customer', 'Hello?'),
       ('{1}', '{0}', 2, 'web_form', 'outbound', 'agent', 'Hello.');
insert into inbound (channel, account, provider_id, message_id, ticket_id)
values ('web_form', 'form', 'p', '{0}', '{0}');
insert into replies (message_id, epoch, state) values ('{1}', 0, 'sent');
""".format("0" * 32, "1" * 32)


async def test_an_installation_of_the_first_schema_is_brought_along_with_its_data(server: str) -> None:
    """A customer who wrote before the change goes on after it, and what was sent stays sent."""
    url = server.replace("/fte?", f"/old_{os.getpid()}?")
    await _run_sql(server, f"create database old_{os.getpid()}")
    await asyncio.to_thread(schema.migrate, url, "0001")
    await _run_sql(url, _BEFORE_0002)
    await asyncio.to_thread(schema.migrate, url)
    pool = await Pool.open(url)
    reply = await pool.fetchrow("select id, conversation_id, channel, kind, state from replies")
    assert reply is not None
    assert tuple(reply) == (UUID("1" * 32), UUID("0" * 32), "web_form", "answer", "sent")
    again = await take_in(pool, SECRET, form_message(into_ticket=UUID("0" * 32)))
    assert again.conversation == UUID("0" * 32)
    fresh = await take_in(pool, SECRET, form_message())
    assert await pool.fetchval("select count(*) from customers") == 1
    assert fresh.conversation != again.conversation
    await pool.close()
