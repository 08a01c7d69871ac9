"""T16: files come from Twilio and from nowhere else; nothing a message names leads into our network."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence

import pytest

from fte.channels.whatsapp import media
from fte.channels.whatsapp.media import Fetcher, is_ours
from fte.demo.providers.whatsapp import Media
from fte.domain.errors import Rejected, Unavailable
from fte.store import attachments
from tests.whatsapp.support import CUSTOMER, House, Trap

JPEG = b"\xff\xd8\xff\xe0 a picture"
PATH = f"/2010-04-01/Accounts/AC{'a' * 32}/Messages/MM{'b' * 32}/Media/ME{'c' * 32}"


@pytest.fixture
async def fetcher(home: House) -> AsyncIterator[Fetcher]:
    made = Fetcher(home.account)
    yield made
    await made.close()


async def source_of(home: House, content: bytes = JPEG, type_: str = "image/jpeg") -> str:
    """The URL of a file a customer sent."""
    written = await home.twilio.customer_writes(
        CUSTOMER, "", media=[Media(content=content, media_type=type_)]
    )
    message = home.twilio.messages[written.sid]
    return f"{home.twilio.url}{message.path}/Media/{next(iter(message.media))}"


async def test_a_file_of_ours_is_fetched(home: House, fetcher: Fetcher) -> None:
    content = await fetcher.fetch(await source_of(home), "image/jpeg")
    assert (content.media_type, content.data) == ("image/jpeg", JPEG)


@pytest.mark.parametrize(
    "source",
    [
        "http://169.254.169.254{path}",
        "http://[::ffff:127.0.0.1]:{port}{path}",
        "http://2130706433:{port}{path}",
        "http://127.0.0.1:{port}{path}",
        "http://localhost:{port}{path}",
        "{api}@127.0.0.1:{port}{path}",
        "{api}.evil.example{path}",
        "{api}/../x{path}",
        "{api}{path}?x=http://127.0.0.1:{port}",
        "{api}{path}/../../../../x",
        "{api}{path}#x",
        "{api}{path}\n",
        "{api}/2010-04-01/Accounts.json",
        "{api}{other}",
        "file:///etc/passwd",
        "",
    ],
)
async def test_anything_else_is_never_asked_for(home: House, fetcher: Fetcher, source: str) -> None:
    async with Trap() as trap:
        path = PATH.replace("a" * 32, home.account.sid[2:])
        url = source.format(api=home.account.api_url, path=path, other=PATH, port=trap.port)
        assert not is_ours(home.account, url)
        with pytest.raises(Rejected):
            await fetcher.fetch(url, "image/jpeg")
        assert trap.connections == 0


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/",
        "https://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://mms.twiliocdn.com/",
        "https://mms.twiliocdn.com:{port}/",
        "https://x@mms.twiliocdn.com/",
        "https://mms.twiliocdn.com.evil.example/",
        "https://s3-external-1.amazonaws.com/another-bucket/x",
        "http://169.254.169.254/latest/meta-data",
        "//127.0.0.1:{port}/",
        "http://[",
    ],
)
async def test_a_redirect_elsewhere_is_not_followed(home: House, fetcher: Fetcher, target: str) -> None:
    source = await source_of(home)
    async with Trap() as trap:
        home.twilio.media_redirect = target.format(port=trap.port)
        with pytest.raises(Rejected, match=r"keeps no files|no address"):
            await fetcher.fetch(source, "image/jpeg")
        assert trap.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.7"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%eth0"],
        ["2002:7f00:1::"],
        ["64:ff9b::7f00:1"],
        ["224.0.0.1"],
        ["100.64.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        [],
    ],
    ids=repr,
)
async def test_a_known_name_that_leads_inside_is_not_followed(home: House, addresses: list[str]) -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return addresses

    fetcher = Fetcher(home.account, resolve)
    source = await source_of(home)
    home.twilio.media_redirect = "https://mms.twiliocdn.com/x"
    with pytest.raises(Rejected, match="not public"):
        await fetcher.fetch(source, "image/jpeg")
    assert asked == ["mms.twiliocdn.com"]
    await fetcher.close()


async def test_a_redirect_is_asked_without_credentials_at_the_address_that_was_checked(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Trap() as trap:
        heard: list[bytes] = []

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n\r\n" + JPEG)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(hear, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        # The one place where TLS is taken away, so that the request can be read.
        monkeypatch.setattr(media, "_is_cdn", lambda url: url.host == "mms.twiliocdn.com")
        monkeypatch.setattr(media, "_public", lambda addresses: addresses[0])

        async def resolve(_: str, __: int) -> Sequence[str]:
            return ["127.0.0.1"]

        fetcher = Fetcher(home.account, resolve)
        source = await source_of(home)
        home.twilio.media_redirect = f"http://mms.twiliocdn.com:{port}/x"
        assert (await fetcher.fetch(source, "image/jpeg")).data == JPEG
        assert b"authorization" not in heard[0].lower()
        assert b"Host: mms.twiliocdn.com" in heard[0]
        assert trap.connections == 0
        await fetcher.close()
        server.close()
        await server.wait_closed()


async def test_redirects_come_to_an_end(home: House, fetcher: Fetcher) -> None:
    source = await source_of(home)
    home.twilio.media_redirect = source
    with pytest.raises((Rejected, Unavailable)):
        await fetcher.fetch(source, "image/jpeg")


async def test_what_is_too_large_or_not_what_it_says_is_refused(
    home: House, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Rejected, match="not what it claims"):
        await fetcher.fetch(await source_of(home, b"MZ a program"), "image/jpeg")
    with pytest.raises(Rejected, match="not taken"):
        await fetcher.fetch(await source_of(home, b"<html>", "text/html"), "image/jpeg")
    monkeypatch.setattr(media, "SIZE_MAX", 100)
    with pytest.raises(Rejected, match="larger"):
        await fetcher.fetch(await source_of(home, JPEG + b"x" * 100), "image/jpeg")


async def test_a_file_that_never_comes_has_a_deadline(
    home: House, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "FETCH_TIMEOUT", 0.3)
    source = await source_of(home)
    home.twilio.faults.next("media.content", "hang_before")
    with pytest.raises(Unavailable):
        await fetcher.fetch(source, "image/jpeg")


# ---------------------------------------------------------------- from the row to the bytes


async def test_a_file_that_came_with_a_message_is_stored(home: House, fetcher: Fetcher) -> None:
    await source_of(home)
    home.twilio.faults.next("media.content", "server_error")
    watch = home.watch()
    assert await watch.fetch(fetcher)
    assert not await watch.fetch(fetcher), "it is put off, not tried at once"
    await home.pool.execute("update attachments set due_at = now()")
    assert await watch.fetch(fetcher)
    row = await home.pool.fetchrow("select state, content, size, reason, name, attempts from attachments")
    assert row is not None
    assert tuple(row) == ("stored", JPEG, len(JPEG), None, "image-1.jpg", 2)
    assert await home.pool.fetchval("select count(*) from log where type = 'attachment.changed'") == 1


async def test_a_file_that_cannot_be_had_is_lost_and_says_why(home: House, fetcher: Fetcher) -> None:
    await source_of(home)
    await home.pool.execute("update attachments set attempts = 7")
    home.twilio.faults.next("media.content", "server_error")
    await home.watch().fetch(fetcher)
    row = await home.pool.fetchrow("select state, reason, content from attachments")
    assert row is not None
    assert tuple(row) == ("lost", "Twilio answered 503.", None)


async def test_a_file_that_kills_its_fetchers_is_given_up(home: House, fetcher: Fetcher) -> None:
    await source_of(home)
    await home.pool.execute("update attachments set attempts = 8")
    await home.watch().fetch(fetcher)
    assert await home.pool.fetchval("select state from attachments") == "lost"


async def test_a_stored_source_is_checked_again(home: House, fetcher: Fetcher) -> None:
    await source_of(home)
    async with Trap() as trap:
        await home.pool.execute("update attachments set source = $1", f"http://127.0.0.1:{trap.port}{PATH}")
        await home.watch().fetch(fetcher)
        assert trap.connections == 0
    assert await home.pool.fetchval("select state from attachments") == "lost"


async def test_two_fetchers_do_not_take_the_same_file(home: House) -> None:
    for _ in range(6):
        await source_of(home)
    taken = await asyncio.gather(*(attachments.claim(home.pool, "whatsapp", 4, 60) for _ in range(4)))
    ids = [pending.id for some in taken for pending in some]
    assert len(ids) == len(set(ids)) == 6


def test_the_account_of_another_is_not_ours(home: House) -> None:
    other = dataclasses.replace(home.account, sid="AC" + "0" * 32)
    url = f"{home.account.api_url}{PATH.replace('a' * 32, home.account.sid[2:])}"
    assert is_ours(home.account, url)
    assert not is_ours(other, url)
