"""Files that come with the form: kept with the message, refused with a reason, bounded in number, size and memory."""

import asyncio
import base64
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from fte.channels.files import Attached
from fte.channels.web_form.parse import (
    FILE_BYTES_MAX,
    FILES_BYTES_MAX,
    FILES_MAX,
    Upload,
    parse_answer,
    parse_form,
    provider_id,
)
from fte.daemon import bodies, http, support
from fte.domain.errors import Rejected
from fte.pg.pool import Pool
from fte.settings import Settings
from tests.support import DEADLINE, until
from tests.support_webform import BROWSER, SECRET, FakeClock, Stack, application, served, stack, valid

PNG = b"\x89PNG\r\n\x1a\n a screenshot"
PDF = b"%PDF-1.7 an invoice"


@pytest.fixture
async def site(pool: Pool) -> AsyncIterator[Stack]:
    async with stack(pool) as made:
        yield made


def in_json(name: str, content: bytes) -> dict[str, str]:
    return {"name": name, "content": base64.b64encode(content).decode("ascii")}


def as_parts(*files: tuple[str, bytes], field: str = "attachments", **changes: Any) -> list[tuple[str, Any]]:
    """A form as browsers send it with files."""
    texts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in valid(**changes).items()]
    return [*texts, *((field, file) for file in files)]


def said_of(files: object) -> str:
    with pytest.raises(Rejected) as caught:
        parse_form(valid(attachments=files))
    assert list(caught.value.fields) == ["attachments"]
    return caught.value.fields["attachments"]


async def kept(site: Stack) -> list[tuple[str, str, int, str, bytes]]:
    rows = await site.pool.fetch(
        "select name, media_type, size, state, content from attachments order by name, ordinal"
    )
    return [tuple(row) for row in rows]


# ---------------------------------------------------------------- what is taken


@pytest.mark.parametrize("nothing", [None, [], ""])
def test_files_are_optional(nothing: Any) -> None:
    assert parse_form(valid(attachments=nothing)).attachments == ()
    assert parse_answer({"message": "ok", "attachments": nothing}).attachments == ()


def test_what_a_file_is_its_bytes_tell() -> None:
    files = [in_json("a/../error.PDF", PNG), Upload("log.txt", "image/png", b"one line")]
    form = parse_form(valid(attachments=files))
    assert [(file.name, file.media_type, file.content) for file in form.attachments] == [
        ("error.PDF", "image/png", PNG),
        ("log.txt", "text/plain", b"one line"),
    ]


MB = 1024 * 1024
REFUSED: list[tuple[object, str]] = [
    ("photo.png", "did not come along"),
    ({"name": "x"}, "did not come along"),
    (["photo.png"], "needs a name"),
    ([{"name": "photo.png"}], "needs a name"),
    ([{"name": "x" * 256, "content": ""}], "needs a name"),
    ([{"name": "photo.png", "content": "not base64!"}], "in base64"),
    ([{"name": "photo.png", "content": "ä"}], "in base64"),
    ([in_json("photo.png", b"")], "photo.png cannot be taken: empty"),
    ([in_json("setup.png", b"MZ a program")], "setup.png cannot be taken: type not accepted"),
    ([in_json("page.html", b"<script>alert(1)</script>")], "type not accepted"),
    ([in_json("large.png", PNG + bytes(FILE_BYTES_MAX))], "large.png cannot be taken: larger than 5 MB"),
    (
        [in_json(f"{n}.png", PNG + bytes(FILES_BYTES_MAX // 2)) for n in range(2)],
        "1.png cannot be taken: more",
    ),
    ([in_json("photo.png", PNG)] * (FILES_MAX + 1), "at most 5 files; these are 6"),
]


@pytest.mark.parametrize(("files", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_what_cannot_be_taken_is_told_with_the_reason(files: object, why: str) -> None:
    assert why in said_of(files)


def test_files_are_part_of_the_provider_id() -> None:
    def file(name: str, content: bytes) -> Attached:
        return Attached(name=name, media_type="image/png", size=1, state="stored", content=content)

    ids = {
        provider_id("key", "text", files=files)
        for files in [(), (file("a", b"1"),), (file("b", b"1"),), (file("a", b"2"),)]
    }
    assert len(ids) == 4
    assert provider_id("key", "text", files=(file("a", b"1"),)) in ids


# ---------------------------------------------------------------- over the routes


@pytest.mark.parametrize("how", ["json", "multipart"])
async def test_files_are_kept_with_the_message_and_named_in_it(site: Stack, how: str) -> None:
    if how == "json":
        files = [in_json("error.png", PNG), in_json("invoice.pdf", PDF)]
        reply = await site.client.post("/support/submit", json=valid(attachments=files))
    else:
        parts = as_parts(("error.png", PNG), ("invoice.pdf", PDF))
        reply = await site.client.post("/support/submit", files=parts)
    assert reply.status_code == 200, reply.text
    assert await kept(site) == [
        ("error.png", "image/png", len(PNG), "stored", PNG),
        ("invoice.pdf", "application/pdf", len(PDF), "stored", PDF),
    ]
    ticket = (await site.client.get(f"/support/ticket/{reply.json()['ticket_id']}")).json()
    assert ticket["messages"][0]["content"] == (
        f"{valid()['message']}\n\n[attachment: error.png]\n[attachment: invoice.pdf]"
    )


async def test_a_file_is_an_attachment_whatever_its_field(site: Stack) -> None:
    parts = as_parts(("error.png", PNG), field="upload")
    assert (await site.client.post("/support/submit", files=parts)).status_code == 200
    assert [row[0] for row in await kept(site)] == ["error.png"]


async def test_a_browsers_empty_file_field_is_no_file(site: Stack) -> None:
    reply = await site.client.post("/support/submit", files=as_parts(("", b"")), headers=BROWSER)
    assert reply.status_code == 303 and await kept(site) == []


async def test_a_further_message_may_bring_files_too(site: Stack) -> None:
    ticket = await site.submit()
    address = f"/support/ticket/{ticket}/messages"
    reply = await site.client.post(address, json={"message": "Here.", "attachments": [in_json("a.png", PNG)]})
    assert reply.status_code == 200
    shown = (await site.client.get(f"/support/ticket/{ticket}")).json()["messages"]
    assert shown[1]["content"] == "Here.\n\n[attachment: a.png]"
    assert [row[4] for row in await kept(site)] == [PNG]


async def test_the_same_files_sent_again_are_one_message_and_others_another(site: Stack) -> None:
    sent = [
        await site.submit(submission_id="view-1", attachments=[in_json("a.png", content)])
        for content in (PNG, PNG, PNG + b"2")
    ]
    assert sent[0] == sent[1] != sent[2]
    assert [row[4] for row in await kept(site)] == [PNG, PNG + b"2"]


async def test_a_refused_file_stores_nothing_and_the_page_keeps_the_text(site: Stack) -> None:
    parts = as_parts(("error.png", PNG), ("setup.exe", b"MZ"))
    reply = await site.client.post("/support/submit", files=parts, headers=BROWSER)
    assert reply.status_code == 422
    assert "setup.exe cannot be taken: type not accepted" in reply.text
    assert valid()["message"] in reply.text and "Please choose your files again." in reply.text
    assert await site.count("messages") == 0 and await kept(site) == []


# ---------------------------------------------------------------- bounds


async def test_files_larger_than_other_bodies_go_through_the_whole_server(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def to_disk(*_: object) -> None:
        raise AssertionError("a pod has no disk for it")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", to_disk)
    shared = support.Support(pool=pool, secret=SECRET, settings=Settings(), on_stored=lambda: None)
    transport = httpx.ASGITransport(app=http.application(support.routes(shared)))
    content = PNG + bytes(FILES_BYTES_MAX // 2)
    async with httpx.AsyncClient(transport=transport, base_url="http://support.test") as client:
        assert (await client.post("/support/submit", files=as_parts(("a.png", content)))).status_code == 200
        files = valid(message="The same in JSON, please.", attachments=[in_json("a.png", content)])
        assert (await client.post("/support/submit", json=files)).status_code == 200
    sizes = await pool.fetch("select length(content) from attachments")
    assert [row[0] for row in sizes] == [len(content)] * 2


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
async def test_what_is_too_large_is_refused_before_it_is_read(site: Stack, kind: str) -> None:
    headers = {"Content-Type": kind, "Content-Length": str(bodies.UPLOAD_MAX + 1)}

    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    reply = await site.client.post("/support/submit", content=never(), headers=headers)
    assert reply.status_code == 413 and "10 MB" in reply.json()["error"]


async def test_so_many_large_bodies_at_a_time_and_no_more(
    site: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {"Content-Type": "application/json", "Content-Length": str(bodies.BODY_MAX + 1)}
    go_on, begun = asyncio.Event(), 0

    async def slowly() -> AsyncIterator[bytes]:
        nonlocal begun
        begun += 1
        await go_on.wait()
        yield b"{}".ljust(bodies.BODY_MAX + 1)

    def send() -> Any:
        return site.client.post("/support/submit", content=slowly(), headers=large)

    async with asyncio.timeout(DEADLINE):
        sending = [asyncio.ensure_future(send()) for _ in range(bodies.UPLOADS_MAX)]
        await until(lambda: begun == bodies.UPLOADS_MAX)
        with monkeypatch.context() as impatient:
            impatient.setattr(bodies, "UPLOAD_PATIENCE", 0.05)
            full = await send()
        assert full.status_code == 503 and "try again in a moment" in full.json()["error"]
        patient = asyncio.ensure_future(send())
        assert await site.submit(), "a message without files needs no place"
        assert begun == bodies.UPLOADS_MAX, "what has no place is not read"
        go_on.set()
        assert {reply.status_code for reply in await asyncio.gather(*sending, patient)} == {422}
        assert {(await send()).status_code for _ in range(bodies.UPLOADS_MAX + 1)} == {422}, (
            "places are free again"
        )


async def test_a_page_without_script_keeps_the_text_of_what_is_too_large(pool: Pool) -> None:
    typed = valid(message='It broke & "so" </textarea><b>on</b>', priority="high")
    large = ("film.mp4", bytes(bodies.UPLOAD_MAX))
    async with (
        stack(pool) as site,
        served(application(pool, Settings(), lambda: None, FakeClock())) as url,
        httpx.AsyncClient(base_url=url, headers=BROWSER, timeout=DEADLINE) as browser,
    ):
        reply = await browser.post("/support/submit", files=as_parts(large, **typed))
        ticket = await site.submit()
        answer = [("message", (None, "Here it is: <b>")), ("attachments", large)]
        further = await browser.post(f"/support/ticket/{ticket}/messages", files=answer)
    for page in (reply, further):
        assert page.status_code == 413
        assert "everything together may have 10 MB" in page.text
        assert "Please choose your files again." in page.text and "<b>" not in page.text
    for words in (
        'value="Ann Example"',
        'value="ann@example.com"',
        'value="Wrong invoice"',
        '<option value="billing" selected',
        '<option value="high" selected',
        "It broke &amp; &quot;so&quot; &lt;/textarea&gt;&lt;b&gt;on&lt;/b&gt;",
    ):
        assert words in reply.text, words
    assert f'action="/support/ticket/{ticket}/messages"' in further.text
    assert "Here it is: &lt;b&gt;" in further.text
    assert await site.count("messages") == 1 and await kept(site) == []


async def test_a_page_without_script_keeps_the_text_when_its_turn_does_not_come(
    site: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "UPLOAD_PATIENCE", 0)
    monkeypatch.setattr(bodies, "UPLOADS_MAX", 0)
    async with stack(site.pool) as full:
        reply = await full.client.post(
            "/support/submit", files=as_parts(("a.png", PNG + bytes(bodies.BODY_MAX))), headers=BROWSER
        )
    assert reply.status_code == 503 and "Retry-After" in reply.headers
    assert "Please try again in a moment" in reply.text
    assert valid()["message"] in reply.text and "Please choose your files again." in reply.text


async def test_a_text_that_is_not_there_whole_is_told_to_be_lost(
    site: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = ("attachments", ("film.mp4", bytes(bodies.UPLOAD_MAX)))
    first = await site.client.post("/support/submit", files=[large, *as_parts()], headers=BROWSER)
    long = await site.client.post(
        "/support/submit", files=as_parts(message="x" * bodies.UPLOAD_MAX), headers=BROWSER
    )
    for page in (first, long):
        assert page.status_code == 413
        assert "could not be kept. Go back in your browser" in page.text and "xxx" not in page.text


async def test_what_is_kept_of_a_refused_body_is_bounded_and_so_is_the_wait(
    site: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that goes on for ever takes no memory, and is answered."""
    monkeypatch.setattr(bodies, "BODY_TIMEOUT", 0.2)
    begun: list[bodies.Beginning] = []

    class Watched(bodies.Beginning):
        def __init__(self, receive: Any) -> None:
            super().__init__(receive)
            begun.append(self)

    monkeypatch.setattr(support, "Beginning", Watched)

    async def for_ever() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000
            await asyncio.sleep(0)

    headers = {
        **BROWSER,
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(bodies.UPLOAD_MAX + 1),
    }
    async with asyncio.timeout(DEADLINE):
        reply = await site.client.post("/support/submit", content=for_ever(), headers=headers)
    assert reply.status_code == 413 and "could not be kept" in reply.text
    assert [len(one._kept) for one in begun] == [bodies.BODY_MAX]


async def test_an_ip_may_send_so_many_messages_with_files(site: Stack) -> None:
    for number in range(support.FILES_PER_IP):
        await site.submit(submission_id=f"{number}", attachments=[in_json("a.png", PNG)])
    reply = await site.client.post("/support/submit", files=as_parts(("a.png", PNG)), headers=BROWSER)
    assert reply.status_code == 429 and valid()["message"] in reply.text
    await site.submit()
    site.clock.forward(3600)
    await site.submit(attachments=[in_json("a.png", PNG)])
