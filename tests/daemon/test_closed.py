"""Every route of the whole daemon is closed, unless it must be open."""

import asyncio
import re
from pathlib import Path

import httpx
from starlette.routing import Route

from fte.daemon.app import Daemon
from fte.daemon.roles import ROLES
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from tests.support import SECRET

OPEN = {
    "GET /support",
    "POST /support/submit",
    "OPTIONS /support/submit",
    "GET /support/form.css",
    "GET /support/form.js",
    "GET /support/embed.js",
    "GET /support/ticket",
    "GET /support/ticket/{ticket_id:path}",
    "GET /support/ticket/{ticket_id}/messages",
    "POST /support/ticket/{ticket_id}/messages",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/{file}",
    "GET /redoc",
}
"""For customers, who have a ticket's unguessable id or nothing, for probes, and to be read by those who write programs."""
SIGNED = {"POST /webhooks/gmail", "POST /webhooks/whatsapp", "POST /webhooks/whatsapp/status"}
"""Closed by the provider's signature."""


async def test_only_what_must_be_open_is_open(pool: Pool, hints: Hints, tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        public_url="https://support.example",
        metrics_token="a token of the tests",
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token="0" * 32,
        twilio_whatsapp_number="whatsapp:+14155238886",
    )
    daemon = Daemon(settings, "", pool, hints, SECRET, asyncio.Event())
    served = daemon.application(ROLES, daemon.webhooks())
    answers: dict[str, int] = {}
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://support.example") as nobody:
        for route in served.routes:
            assert isinstance(route, Route), f"{route} is not looked at"
            path = re.sub(r"\{\w+(:\w+)?\}", str(new_id()), route.path)
            for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
                answer = await nobody.request(method, path, content=b"{}")
                answers[f"{method} {route.path}"] = answer.status_code
    assert {name for name, status in answers.items() if status == 403} == SIGNED
    assert {name for name, status in answers.items() if status not in (401, 403)} == OPEN
    assert len(answers) > len(OPEN) + len(SIGNED) + 20
