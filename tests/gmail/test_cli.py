"""`fte gmail` as somebody who sets it up meets it."""

import asyncio
import json
import re
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from typer.testing import CliRunner

from fte.channels.gmail import oauth
from fte.channels.gmail.client import read_token
from fte.cli.gmail import app
from fte.demo.providers import SimulatedGmail
from fte.domain.errors import Rejected
from fte.domain.ids import new_id
from fte.pg.pool import Pool
from fte.store import channel_health, mailboxes
from tests.gmail.support import US


@pytest.fixture
def set_up(
    gmail: SimulatedGmail, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., None]:
    """Sets the variables of a mailbox that nobody has signed in to yet; `changes` win."""

    def apply(**changes: str) -> None:
        environment = gmail.environment(tmp_path) | {
            "FTE_DATABASE_URL": database_url,
            "FTE_DATA_DIR": str(tmp_path / "data"),
            "FTE_GMAIL_TOKEN_FILE": str(tmp_path / "new" / "token.json"),
        }
        for name, value in (environment | changes).items():
            monkeypatch.setenv(name, value)

    return apply


async def run(*arguments: str, answer: str | None = None) -> tuple[int, str, str]:
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


async def agree(address: str) -> str:
    """Where Google's page sends the browser."""
    async with httpx.AsyncClient(timeout=10) as browser:
        return (await browser.get(address)).headers["location"]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser whose user agrees at once."""

    def open_(address: str) -> bool:
        with httpx.Client(timeout=10, follow_redirects=True) as web:
            assert "go back to the terminal" in web.get(address).text
        return True

    monkeypatch.setattr(webbrowser, "open", open_)


async def test_signing_in_with_a_browser(
    gmail: SimulatedGmail, set_up: Callable[..., None], browser: None, tmp_path: Path
) -> None:
    set_up()
    code, out, _ = await run("auth")
    path = tmp_path / "new" / "token.json"
    assert (code, f"Signed in to {US}. The token is in {path}." in out) == (0, True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_token(path).refresh_token
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert "token  works" in re.sub(" +", "  ", (await run("status"))[1])


async def test_signing_in_without_a_browser(
    set_up: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_up()
    client = oauth.read_client(tmp_path / "gmail-client.json")
    consent = oauth.begin(client, US, oauth.PASTED)
    monkeypatch.setattr(oauth, "begin", lambda *_: consent)
    code, _, err = await run("auth", "--no-browser", answer=await agree(consent.url) + "\n")
    assert code == 0, err
    assert consent.url in err


async def test_what_is_asked_of_google(set_up: Callable[..., None], tmp_path: Path) -> None:
    set_up()
    client = oauth.read_client(tmp_path / "gmail-client.json")
    asked = parse_qs(urlsplit(oauth.begin(client, US, "http://127.0.0.1:1").url).query)
    assert asked["scope"] == [" ".join(oauth.SCOPES)]
    assert asked["login_hint"] == [US]
    assert (asked["access_type"], asked["code_challenge_method"]) == (["offline"], ["S256"])


async def test_another_accounts_token_is_not_kept(
    set_up: Callable[..., None], browser: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up()
    monkeypatch.setenv("FTE_GMAIL_ACCOUNT", "someone@example.org")
    begin = oauth.begin
    monkeypatch.setattr(oauth, "begin", lambda client, _, redirect: begin(client, US, redirect))
    code, _, err = await run("auth")
    assert (code, f"You signed in to {US}, but FTE_GMAIL_ACCOUNT is someone@example.org." in err) == (1, True)
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        ({"FTE_GMAIL_ACCOUNT": ""}, ("status",), "FTE_GMAIL_ACCOUNT"),
        ({"FTE_GMAIL_CLIENT_FILE": ""}, ("auth",), "FTE_GMAIL_CLIENT_FILE"),
        ({"FTE_GMAIL_CLIENT_FILE": "/nowhere.json"}, ("auth",), "cannot be read"),
        ({"FTE_GMAIL_TOPIC": ""}, ("watch",), "FTE_GMAIL_TOPIC"),
        ({}, ("watch",), "fte gmail auth"),
    ],
    ids=["no account", "no client", "no file", "no topic", "not signed in"],
)
async def test_what_is_missing_is_named(
    set_up: Callable[..., None], changes: dict[str, str], arguments: tuple[str, ...], says: str
) -> None:
    set_up(**changes)
    code, _, err = await run(*arguments)
    assert (code, says in err) == (1, True), err


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"web": {}}', '{"installed": {"client_id": "x"}}'])
def test_a_client_file_that_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "client.json"
    path.write_text(content)
    with pytest.raises(Rejected) as caught:
        oauth.read_client(path)
    assert "Desktop app" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "http://localhost:1/",
        "http://localhost:1/?code=4/x",
        "?code=4/x&state=other",
        "?error=access_denied&state=S",
    ],
)
def test_an_answer_to_another_question_is_refused(answer: str) -> None:
    consent = oauth.Consent("https://example.com", oauth.PASTED, "S", "v")
    with pytest.raises(Rejected):
        oauth.code_in(answer, consent, bare=True)


def test_a_bare_code_is_taken_from_a_person_only() -> None:
    consent = oauth.Consent("https://example.com", oauth.PASTED, "S", "v")
    assert oauth.code_in(" 4/abc ", consent, bare=True) == "4/abc"
    with pytest.raises(Rejected):
        oauth.code_in("4/abc", consent)


@pytest.mark.parametrize(
    ("scope", "enough"),
    [
        (" ".join(oauth.SCOPES), True),
        ("https://www.googleapis.com/auth/gmail.modify", True),
        (oauth.SCOPES[0], False),
        ("", False),
    ],
)
def test_everything_asked_for_must_be_granted(scope: str, enough: bool) -> None:
    client = oauth.OAuthClient("id", "secret", "https://a", "https://t")
    answer: dict[str, Any] = {"scope": scope, "refresh_token": "r"}
    if enough:
        assert oauth._token(client, answer)["refresh_token"] == "r"
    else:
        with pytest.raises(Rejected, match="Not everything"):
            oauth._token(client, answer)


async def test_a_used_code_is_explained(
    gmail: SimulatedGmail, set_up: Callable[..., None], tmp_path: Path
) -> None:
    set_up()
    client = oauth.read_client(tmp_path / "gmail-client.json")
    consent = oauth.begin(client, US, oauth.PASTED)
    code = oauth.code_in(await agree(consent.url), consent)
    await oauth.exchange(client, consent, code)
    with pytest.raises(Rejected, match="does not take the code"):
        await oauth.exchange(client, consent, code)


async def test_watching_and_the_status(
    gmail: SimulatedGmail, set_up: Callable[..., None], tmp_path: Path, pool: Pool
) -> None:
    set_up(FTE_GMAIL_TOKEN_FILE=str(gmail.write_token_file(tmp_path / "token.json")))
    code, out, _ = await run("watch")
    assert (code, "Gmail announces new mail until" in out) == (0, True)
    lease = await mailboxes.claim(pool, US, new_id(), 60)
    assert lease is not None
    await mailboxes.advance(pool, lease, 4_711, 60)

    code, out, _ = await run("status", "--json")
    facts = json.loads(out)
    assert code == 0
    assert (facts["account"], facts["token"], facts["cursor"], facts["problem"]) == (US, "works", 4_711, None)
    assert facts["watch_until"] and facts["last_sync"]

    await channel_health.report(pool, "email", US, "Gmail fails.")
    code, out, _ = await run("status")
    assert (code, "Gmail fails." in out) == (1, True)

    gmail.tokens.revoke(US)
    code, out, _ = await run("status")
    assert (code, "fte gmail auth" in out) == (1, True)


async def test_looking_makes_no_database(
    gmail: SimulatedGmail, set_up: Callable[..., None], tmp_path: Path
) -> None:
    set_up(FTE_GMAIL_TOKEN_FILE=str(gmail.write_token_file(tmp_path / "token.json")), FTE_DATABASE_URL="")
    folder = tmp_path / "data"
    code, out, _ = await run("status", "--json")
    facts = json.loads(out)
    assert (code, facts["token"], facts["cursor"]) == (1, "works", None)
    assert f"There is no database in {folder}." in facts["problem"]
    assert "`fte up`" in facts["problem"]
    assert not folder.exists()
