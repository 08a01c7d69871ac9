"""A form with nothing around it: Starlette, asyncpg, uvicorn, and one statement that writes the same rows.

`python -m benchmarks.floors.submit URL PORT` says `ready` and serves until stopped.
"""

import hashlib
import socket
import sys
from typing import Any
from uuid import uuid4

import asyncpg
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

STATEMENT = """
with a_customer as (
    insert into customers (id, email, name) values ($1, $2, $3)
), an_identifier as (
    insert into customer_identifiers (customer_id, identifier_type, identifier_value) values ($1, 'email', $2)
), a_conversation as (
    insert into conversations (id, customer_id, initial_channel, last_seq, last_inbound_seq, sentiment_score)
    values ($4, $1, 'web_form', 1, 1, 0.5)
), a_ticket as (
    insert into tickets (id, public_hash, conversation_id, customer_id, source_channel, subject, category, priority)
    values ($5, $6, $4, $1, 'web_form', $7, $8, $9)
), a_message as (
    insert into messages (id, conversation_id, seq, channel, direction, role, content, sentiment, channel_message_id)
    values ($10, $4, 1, 'web_form', 'inbound', 'customer', $11, 0.5, $12)
), a_turn as (
    insert into turns (id, conversation_id, ticket_id, channel) values ($13, $4, $5, 'web_form')
), a_delivery as (
    insert into inbound (channel, account, provider_id, message_id, ticket_id)
    values ('web_form', 'form', $12, $10, $5)
)
insert into log (topic, key, type, payload)
select e.topic, $4::text, e.type,
       jsonb_build_object('conversation_id', $4::uuid, 'ticket_id', $5::uuid, 'message_id', $10::uuid, 'seq', 1,
                          'channel', 'web_form')
  from (values ('fte.conversations', 'message.received'), ('fte.channels.webform.inbound', 'message.received'),
               ('fte.tickets.incoming', 'turn.due')) as e (topic, type)
"""


def application(pool: "asyncpg.Pool[Any]") -> Starlette:
    async def submit(request: Request) -> JSONResponse:
        form = await request.json()
        ticket_id = uuid4().hex
        await pool.execute(
            STATEMENT,
            uuid4(),
            form["email"],
            form["name"],
            uuid4(),
            uuid4(),
            hashlib.sha256(ticket_id.encode()).digest(),
            form["subject"],
            form["category"],
            form["priority"],
            uuid4(),
            form["message"],
            uuid4().hex,
            uuid4(),
        )
        return JSONResponse({"ticket_id": ticket_id, "message": "stored", "estimated_response_time": "soon"})

    return Starlette(routes=[Route("/support/submit", submit, methods=["POST"])])


async def _keep(_: Any) -> None:
    """As ours: the round trip that resets a session is saved."""


async def serve(url: str, port: int) -> None:
    listening = socket.create_server(("127.0.0.1", port))
    async with asyncpg.create_pool(url, min_size=1, max_size=10, reset=_keep) as pool:
        print("ready", flush=True)
        config = uvicorn.Config(
            application(pool), http="httptools", log_level="critical", access_log=False, lifespan="off"
        )
        await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
