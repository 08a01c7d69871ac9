"""The whole HTTP side, as the composition root joins it, over a real database with something of everything in it."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from fte.daemon.app import Daemon
from fte.daemon.http import bind, serve
from fte.daemon.roles import ROLES
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import canned, merges, operators
from fte.wire import CannedReply
from tests.daemon.test_attachments import PENDING, a_file
from tests.daemon.test_attachments import received as received_mail
from tests.daemon.test_overview import bury
from tests.databases import created_database
from tests.store.test_drafts import held, hold_all
from tests.store.test_suggestions import taught
from tests.support import SECRET, hire, receive

SETTINGS = Settings(
    form_rate_per_ip=10_000_000,
    form_rate_per_address=10_000_000,
    gmail_account="care@example.com",
    gmail_push_account="push@example.iam.gserviceaccount.com",
    public_url="https://support.example.com",
    twilio_account_sid="AC" + "0" * 32,
    twilio_auth_token="a token of the tests",
    twilio_whatsapp_number="whatsapp:+14155238886",
)

OPERATORS = {"observer": "Ola", "agent": "Sam", "lead": "Lea", "admin": "Ada"}


def application(pool: Pool, url: str, settings: Settings = SETTINGS) -> Starlette:
    """Every route there can be."""
    daemon = Daemon(settings, url, pool, Hints(url), SECRET, asyncio.Event())
    return daemon.application(ROLES, daemon.webhooks())


def routes() -> list[BaseRoute]:
    """The same, to look at. Making them touches no database."""
    return application(cast(Any, None), "").routes


@dataclass(frozen=True)
class House:
    """A running one. `known` are ids that lead somewhere, by the first words of the address."""

    url: str
    pool: Pool
    tokens: dict[str, str]
    known: dict[str, list[str]]


@contextlib.asynccontextmanager
async def house(server: str, settings: Settings = SETTINGS) -> AsyncIterator[House]:
    stop = asyncio.Event()
    async with created_database(server) as url:
        pool = await Pool.open(url)
        listening = bind("127.0.0.1", 0)
        serving = asyncio.create_task(serve(application(pool, url, settings), listening, stop))
        try:
            tokens = {role: await operators.add(pool, name, role) for role, name in OPERATORS.items()}
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            yield House(address, pool, tokens, await furnished(pool))
        finally:
            stop.set()
            async with asyncio.timeout(10):
                await serving
            listening.close()
            await pool.close()


@contextlib.contextmanager
def house_beside(server: str) -> Iterator[House]:
    """One in a thread of its own, for a test that is not asynchronous."""
    opened, done = Future[House](), threading.Event()

    async def run() -> None:
        async with house(server) as running:
            opened.set_result(running)
            await asyncio.to_thread(done.wait)

    def thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(error)

    beside = threading.Thread(target=thread)
    beside.start()
    try:
        yield opened.result(30)
    finally:
        done.set()
        beside.join(30)


async def customer_of(pool: Pool, conversation: UUID) -> UUID:
    found: UUID = await pool.fetchval("select customer_id from conversations where id = $1", conversation)
    return found


async def furnished(pool: Pool) -> dict[str, list[str]]:
    """Something of everything."""
    await hold_all(pool)
    drafts = [
        (await held(pool, email, identifier=email))[1] for email in ("ada@example.com", "bo@example.com")
    ]
    names = ("Cy", "Di", "Ed", "Flo", "Gus")
    form = [await receive(pool, identifier=f"{name}@example.com", name=name) for name in names]
    mail = await received_mail(pool, a_file(), PENDING)
    lead = await hire(pool, "Lou", "lead")
    kept, merged = [await customer_of(pool, each.conversation) for each in form[3:]]
    merge = await merges.merge(pool, "a merge", kept, merged, lead)
    await canned.save(pool, lead.id, CannedReply(key="hello", title="Hi", body="Hi"))
    letters = [await bury(pool, a="1") for _ in range(3)]
    lesson = await taught(pool)
    conversations = [str(each.conversation) for each in form[:3]] + [str(mail)]

    async def ids(table: str) -> list[str]:
        return [str(row["id"]) for row in await pool.fetch(f"select id from {table}")]

    return {
        "operator/conversations": conversations,
        "conversations": conversations,
        "operator/tickets": ["1", *conversations],
        "operator/customers": await ids("customers"),
        "operator/attachments": await ids("attachments"),
        "operator/drafts": [str(draft.id) for draft in drafts],
        "operator/merges": [str(merge.merge_id)],
        "operator/canned": ["hello"],
        "operator/suggestions": [str(lesson)],
        "operator/dead_letters": [str(letter) for letter in letters],
        "support/ticket": [each.ticket_id for each in form],
        "docs": ["docs.js"],
    }
