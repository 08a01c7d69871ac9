"""What the tests of the simulated providers share: the providers' own clients, and somebody to post to."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httplib2
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from fte.daemon.http import bind, serve
from fte.demo.providers import SimulatedGmail, SimulatedTwilio

US = "support@tallywren.example"
OTHERS = "support@fennbook.example"
ADA = "+4915112345678"


class Gmail:
    """Google's own client on a simulated mailbox."""

    def __init__(self, token_file: Path, url: str, timeout: float = 10.0) -> None:
        token = json.loads(token_file.read_text())
        credentials = Credentials(
            None,
            refresh_token=token["refresh_token"],
            token_uri=token["token_uri"],
            client_id=token["client_id"],
            client_secret=token["client_secret"],
        )
        http = AuthorizedHttp(credentials, http=httplib2.Http(timeout=timeout))
        options = {"api_endpoint": url}
        self.service = build("gmail", "v1", static_discovery=True, http=http, client_options=options)
        self.users = self.service.users()

    async def __call__(self, request: Any) -> Any:
        return await asyncio.to_thread(request.execute)

    async def send(self, raw: str, thread_id: str | None = None) -> Any:
        body = {"raw": raw} | ({"threadId": thread_id} if thread_id else {})
        return await self(self.users.messages().send(userId="me", body=body))

    async def draft(self, raw: str, thread_id: str | None = None) -> Any:
        message = {"raw": raw} | ({"threadId": thread_id} if thread_id else {})
        return await self(self.users.drafts().create(userId="me", body={"message": message}))

    async def send_draft(self, draft_id: str) -> Any:
        return await self(self.users.drafts().send(userId="me", body={"id": draft_id}))

    async def get(self, message_id: str, format: str = "full") -> Any:
        return await self(self.users.messages().get(userId="me", id=message_id, format=format))

    async def history(self, start: int | str, **options: Any) -> Any:
        return await self(self.users.history().list(userId="me", startHistoryId=str(start), **options))

    async def find(self, query: str, **options: Any) -> list[str]:
        answer = await self(self.users.messages().list(userId="me", q=query, **options))
        return [message["id"] for message in answer.get("messages", [])]

    async def watch(self, **options: Any) -> Any:
        body = {"topicName": "projects/p/topics/t"} | options
        return await self(self.users.watch(userId="me", body=body))


@contextlib.contextmanager
def signed_in(
    gmail: SimulatedGmail, folder: Path, address: str = US, timeout: float = 10.0
) -> Iterator[Gmail]:
    client = Gmail(gmail.write_token_file(folder / f"{address}.json", address), gmail.url, timeout)
    try:
        yield client
    finally:
        client.service.close()


@contextlib.contextmanager
def twilio_client(twilio: SimulatedTwilio, timeout: float = 10.0) -> Iterator[Client]:
    http = TwilioHttpClient(timeout=timeout)
    client = Client(twilio.account, twilio.auth_token, http_client=http)
    client.api.base_url = twilio.url
    try:
        yield client
    finally:
        http.session.close()


def mail(
    to: str = "ada@example.net", subject: str = "Your question", text: str = "Here.", **headers: str
) -> str:
    """A mail of ours, as the API takes it."""
    message = EmailMessage()
    message["To"], message["Subject"] = to, subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return base64.urlsafe_b64encode(message.as_bytes()).decode()


@dataclass(slots=True)
class Received:
    headers: dict[str, str]
    form: dict[str, str]
    json: Any


@dataclass(slots=True)
class Receiver:
    """Our side of webhooks: keeps what was posted, and answers `statuses` first, then 200."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        content = await request.body()
        kind = request.headers.get("content-type", "")
        form = {name: str(value) for name, value in (await request.form()).items()} if "form" in kind else {}
        self.got.append(
            Received(dict(request.headers), form, json.loads(content) if "json" in kind else None)
        )
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Receiver"]:
        listening, stop = bind("127.0.0.1", 0), asyncio.Event()
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        app = Starlette(routes=[Route("/hook", self.take, methods=["POST"])])
        serving = asyncio.create_task(serve(app, listening, stop))
        try:
            yield self
        finally:
            stop.set()
            await serving
            listening.close()


async def threaded(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    return await asyncio.to_thread(call, *arguments, **options)
