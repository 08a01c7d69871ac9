"""What customers attached, over the operators' API: listed with the message, and the bytes as nothing but a download."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from fte.daemon.downloads import disposition
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store.intake import Attachment, InboundMessage, take_in
from fte.wire import AttachmentView, ConversationView, decode
from tests.daemon.support import Backend, backend
from tests.support import SECRET

PDF = b"%PDF-1.7 an invoice"


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints) as running:
        yield running


@pytest.fixture
async def sam(daemon: Backend) -> AsyncIterator[httpx.AsyncClient]:
    async with await daemon.client(role="observer") as client:
        yield client


def a_file(name: str = "invoice.pdf", media_type: str = "application/pdf", **facts: Any) -> Attachment:
    content = facts.pop("content", PDF)
    defaults: dict[str, Any] = {"size": len(content), "state": "stored", "reason": None, "content": content}
    return Attachment(name=name, media_type=media_type, **(defaults | facts))


REFUSED = a_file(
    "setup.exe", "application/x-msdownload", state="refused", reason="type not accepted", content=b""
)
PENDING = a_file("image-1.jpg", "image/jpeg", state="pending", size=None, content=b"")


async def received(pool: Pool, *files: Attachment) -> UUID:
    """The conversation of a mail with these files."""
    message = InboundMessage(
        channel="email",
        account="care@example.com",
        provider_id=str(new_id()),
        identifier_type="email",
        identifier="ada@example.com",
        verified=True,
        name="Ada",
        subject="Charged twice",
        body="See the files.",
        attachments=files,
    )
    return (await take_in(pool, SECRET, message)).conversation


async def listed(sam: httpx.AsyncClient, conversation: UUID) -> list[AttachmentView]:
    view = decode((await sam.get(f"/operator/conversations/{conversation}")).content, ConversationView)
    return [file for message in view.messages for file in message.attachments]


async def test_a_message_lists_its_files_in_their_order(daemon: Backend, sam: httpx.AsyncClient) -> None:
    files = await listed(sam, await received(daemon.pool, a_file(), REFUSED, PENDING))
    assert [(f.name, f.media_type, f.size, f.state, f.reason) for f in files] == [
        ("invoice.pdf", "application/pdf", len(PDF), "stored", None),
        ("setup.exe", "application/x-msdownload", 0, "refused", "type not accepted"),
        ("image-1.jpg", "image/jpeg", None, "pending", None),
    ]


async def test_a_stored_file_is_a_download_and_nothing_else(daemon: Backend, sam: httpx.AsyncClient) -> None:
    [file] = await listed(sam, await received(daemon.pool, a_file("Rechnung März.pdf")))
    answer = await sam.get(f"/operator/attachments/{file.id}")
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"Rechnung M_rz.pdf\"; filename*=UTF-8''Rechnung%20M%C3%A4rz.pdf"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("type_", ["text/html", "image/svg+xml", "text/plain", "x/y\r\nSet-Cookie: a=b"])
async def test_a_type_a_browser_might_run_is_only_bytes(
    daemon: Backend, sam: httpx.AsyncClient, type_: str
) -> None:
    [file] = await listed(sam, await received(daemon.pool, a_file("page.txt", type_, content=b"<script>")))
    answer = await sam.get(f"/operator/attachments/{file.id}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("file", "says"),
    [
        pytest.param(REFUSED, "The file was not kept: type not accepted.", id="refused"),
        pytest.param(PENDING, "The file is still being fetched.", id="pending"),
        pytest.param(
            a_file(state="lost", reason="Twilio has it no more"), "Twilio has it no more", id="lost"
        ),
    ],
)
async def test_what_is_not_stored_is_said_plainly(
    daemon: Backend, sam: httpx.AsyncClient, file: Attachment, says: str
) -> None:
    [there] = await listed(sam, await received(daemon.pool, file))
    answer = await sam.get(f"/operator/attachments/{there.id}")
    assert answer.status_code == 409
    assert says in answer.json()["error"]


@pytest.mark.parametrize("id_", [str(UUID(int=7)), "nonsense", "%2e%2e", "0"])
async def test_no_such_file_is_the_same_answer_for_all(sam: httpx.AsyncClient, id_: str) -> None:
    answer = await sam.get(f"/operator/attachments/{id_}")
    assert (answer.status_code, answer.json()["error"]) == (404, "There is no such attachment.")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}], ids=["none", "wrong"])
async def test_it_is_closed_without_a_token(
    daemon: Backend, sam: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    [file] = await listed(sam, await received(daemon.pool, a_file()))
    async with httpx.AsyncClient(base_url=daemon.url, headers=headers) as nobody:
        for id_ in (file.id, new_id(), "nonsense"):
            answer = await nobody.get(f"/operator/attachments/{id_}")
            assert answer.status_code == 401
            assert PDF not in answer.content


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("invoice.pdf", 'attachment; filename="invoice.pdf"'),
        (
            'a"; filename="b.exe',
            "attachment; filename=\"a__ filename=_b.exe\"; filename*=UTF-8''a_%3B%20filename%3D_b.exe",
        ),
        ("../../.ssh/config", 'attachment; filename="config.bin"'),
        ("a\r\nX: y.pdf", 'attachment; filename="a X_ y.pdf"'),
        ("\u202efdp.exe", 'attachment; filename="fdp.exe"'),
        ("%41.pdf", "attachment; filename=\"_41.pdf\"; filename*=UTF-8''%2541.pdf"),
        ("票.pdf", "attachment; filename=\"_.pdf\"; filename*=UTF-8''%E7%A5%A8.pdf"),
        ("", 'attachment; filename="attachment.bin"'),
    ],
    ids=[f"name-{n}" for n in range(8)],
)
def test_the_name_in_the_header_is_clean(name: str, header: str) -> None:
    assert disposition(name) == header
