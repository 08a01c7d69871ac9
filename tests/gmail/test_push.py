"""Whose pushes are believed, and what a push does."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from fte.channels.gmail import push
from fte.channels.gmail.push import NotGoogle, PushVerifier, SigningKeys
from fte.daemon.gmail_webhook import GmailWebhook
from fte.demo.providers import SimulatedGmail
from fte.demo.providers.gmail import PUSH_ACCOUNT
from fte.demo.providers.oauth import SigningKey, claims
from fte.domain.errors import Unavailable
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import mailboxes
from tests.gmail.support import US

AUDIENCE = "https://support.example.com/webhooks/gmail"
Forge = Callable[[SimulatedGmail], str | None]


def verifier(gmail: SimulatedGmail, **changes: Any) -> PushVerifier:
    values = {"audience": AUDIENCE, "account": PUSH_ACCOUNT, "keys": SigningKeys(f"{gmail.url}/certs")}
    return PushVerifier(**(values | changes))


def bearer(**changed: Any) -> Forge:
    return lambda gmail: "Bearer " + gmail.push_token(AUDIENCE, **changed)


def signed_otherwise(algorithm: str, key: Callable[[SimulatedGmail], Any]) -> Forge:
    def forge(gmail: SimulatedGmail) -> str:
        said, headers = claims(AUDIENCE, PUSH_ACCOUNT), {"kid": gmail.key.id}
        return "Bearer " + jwt.encode(said, key(gmail), algorithm=algorithm, headers=headers)

    return forge


def hs256_with_the_public_key(gmail: SimulatedGmail) -> str:
    """What a library that lets the token choose the algorithm would take for signed."""
    import hashlib
    import hmac

    pem = gmail.key.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def part(value: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "kid": gmail.key.id}) + b"." + part(claims(AUDIENCE, PUSH_ACCOUNT))
    mac = base64.urlsafe_b64encode(hmac.digest(pem, signed, hashlib.sha256)).rstrip(b"=")
    return f"Bearer {(signed + b'.' + mac).decode()}"


def tampered(gmail: SimulatedGmail) -> str:
    head, _, signature = gmail.push_token(AUDIENCE, email="evil@example.org").split(".")
    body = gmail.push_token(AUDIENCE).split(".")[1]
    return f"Bearer {head}.{body}.{signature}"


FORGED: dict[str, Forge] = {
    "missing": lambda _: None,
    "empty": lambda _: "",
    "no scheme": lambda gmail: gmail.push_token(AUDIENCE),
    "other scheme": lambda gmail: "Basic " + gmail.push_token(AUDIENCE),
    "not a token": lambda _: "Bearer nonsense",
    "three dots": lambda _: "Bearer a.b.c",
    "not ascii": lambda _: "Bearer é.ü.ß",
    "too long": lambda gmail: "Bearer " + gmail.push_token(AUDIENCE) + "A" * 10_000,
    "alg none": signed_otherwise("none", lambda _: None),
    "HS256 with the public key": hs256_with_the_public_key,
    "RS512": signed_otherwise("RS512", lambda gmail: gmail.key.private),
    "another key of the same name": signed_otherwise("RS256", lambda _: SigningKey().private),
    "unknown key": lambda _: "Bearer " + SigningKey().signed(claims(AUDIENCE, PUSH_ACCOUNT)),
    "body of another token": tampered,
    "wrong audience": bearer(aud="https://evil.example.org/webhooks/gmail"),
    "no audience": bearer(aud=None),
    "right audience, wrong email": bearer(email="evil@evil.iam.gserviceaccount.com"),
    "email in other letters": bearer(email=PUSH_ACCOUNT.upper()),
    "no email": bearer(email=None),
    "email is a list": bearer(email=[PUSH_ACCOUNT]),
    "email not verified": bearer(email_verified=False),
    "email verified in words": bearer(email_verified="true"),
    "verification missing": bearer(email_verified=None),
    "expired": bearer(exp=int(time.time()) - 60),
    "no expiry": bearer(exp=None),
    "from the future": bearer(iat=int(time.time()) + 600),
    "other issuer": bearer(iss="https://accounts.evil.example"),
    "no issuer": bearer(iss=None),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_what_is_not_proven_is_refused(gmail: SimulatedGmail, forge: Forge) -> None:
    with pytest.raises(NotGoogle):
        await verifier(gmail).verify(forge(gmail))


@pytest.mark.parametrize(
    "changed",
    [{}, {"iss": "accounts.google.com"}, {"exp": int(time.time()) - 5, "iat": int(time.time()) - 3_600}],
    ids=["plain", "issuer without scheme", "expired within the skew"],
)
async def test_what_google_signs_for_our_subscription_is_believed(
    gmail: SimulatedGmail, changed: dict[str, Any]
) -> None:
    if "exp" in changed:
        changed = {"exp": int(time.time()) - 3}
    await verifier(gmail).verify("Bearer " + gmail.push_token(AUDIENCE, **changed))


@pytest.mark.parametrize("unset", ["audience", "account"])
async def test_nothing_is_believed_while_something_is_not_configured(
    gmail: SimulatedGmail, unset: str
) -> None:
    token = gmail.push_token(
        "" if unset == "audience" else AUDIENCE, **({"email": ""} if unset == "account" else {})
    )
    with pytest.raises(NotGoogle):
        await verifier(gmail, **{unset: ""}).verify(f"Bearer {token}")


class Google:
    """Counts the fetches of the keys, on a clock of our own."""

    def __init__(self, gmail: SimulatedGmail, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fetches = 0
        self.now = 1_000.0
        download = push._download

        async def counted(url: str) -> Any:
            self.fetches += 1
            return await download(url)

        monkeypatch.setattr(push, "_download", counted)
        self.keys = SigningKeys(f"{gmail.url}/certs", clock=lambda: self.now)
        self.verifier = verifier(gmail, keys=self.keys)


@pytest.fixture
def google(gmail: SimulatedGmail, monkeypatch: pytest.MonkeyPatch) -> Google:
    return Google(gmail, monkeypatch)


async def test_keys_are_fetched_once_for_many_pushes(gmail: SimulatedGmail, google: Google) -> None:
    token = "Bearer " + gmail.push_token(AUDIENCE)
    await asyncio.gather(*(google.verifier.verify(token) for _ in range(20)))
    assert google.fetches == 1


async def test_unknown_keys_cause_one_fetch_a_minute(gmail: SimulatedGmail, google: Google) -> None:
    await google.verifier.verify("Bearer " + gmail.push_token(AUDIENCE))
    for _ in range(50):
        with pytest.raises(NotGoogle):
            await google.verifier.verify("Bearer " + SigningKey().signed(claims(AUDIENCE, PUSH_ACCOUNT)))
    assert google.fetches == 1
    google.now += push.REFETCH_PAUSE
    with pytest.raises(NotGoogle):
        await google.verifier.verify("Bearer " + SigningKey().signed(claims(AUDIENCE, PUSH_ACCOUNT)))
    assert google.fetches == 2


async def test_a_rotated_key_is_learnt(gmail: SimulatedGmail, google: Google) -> None:
    await google.verifier.verify("Bearer " + gmail.push_token(AUDIENCE))
    gmail.rotate_key()
    google.now += push.REFETCH_PAUSE
    await google.verifier.verify("Bearer " + gmail.push_token(AUDIENCE))


async def test_known_keys_outlast_a_pause_of_google_but_not_for_ever(
    gmail: SimulatedGmail, google: Google
) -> None:
    await google.verifier.verify("Bearer " + gmail.push_token(AUDIENCE))
    gmail.faults.next("certs", "server_error", times=100)
    google.now += push.KEYS_FRESH + 1
    await google.verifier.verify("Bearer " + gmail.push_token(AUDIENCE))
    google.now += push.KEYS_STALE
    with pytest.raises(Unavailable):
        await google.verifier.verify("Bearer " + gmail.push_token(AUDIENCE))


async def test_without_keys_nobody_is_let_in_or_turned_away(gmail: SimulatedGmail, google: Google) -> None:
    gmail.faults.next("certs", "server_error", times=100)
    for _ in range(10):
        with pytest.raises(Unavailable):
            await google.verifier.verify("Bearer " + gmail.push_token(AUDIENCE))
    assert google.fetches == 1


async def test_a_hanging_key_server_has_a_deadline(
    gmail: SimulatedGmail, google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "FETCH_TIMEOUT", 0.2)
    gmail.faults.next("certs", "hang_before")
    with pytest.raises(Unavailable):
        await google.verifier.verify("Bearer " + gmail.push_token(AUDIENCE))


# ---------------------------------------------------------------- the route


def notice(address: str = US) -> dict[str, Any]:
    data = json.dumps({"emailAddress": address, "historyId": 42}).encode()
    return {"message": {"data": base64.b64encode(data).decode(), "messageId": "1"}, "subscription": "s"}


async def posted(
    gmail: SimulatedGmail, site: str, content: bytes, token: str | None = None
) -> httpx.Response:
    token = gmail.push_token(site) if token is None else token
    async with httpx.AsyncClient(timeout=10) as client:
        return await client.post(site, content=content, headers={"Authorization": f"Bearer {token}"})


async def is_dirty(pool: Pool) -> bool:
    state = await mailboxes.state(pool, US)
    return state is not None and state.dirty


async def test_a_push_is_stored_before_it_is_acknowledged(
    gmail: SimulatedGmail, site: str, pool: Pool
) -> None:
    assert not await is_dirty(pool)
    response = await posted(gmail, site, json.dumps(notice()).encode())
    assert (response.status_code, response.content) == (204, b"")
    assert await is_dirty(pool)


async def test_googles_own_pushes_arrive(gmail: SimulatedGmail, site: str, pool: Pool) -> None:
    gmail.push_to(US, site)
    gmail.announce(US)
    await gmail.pushes.settled()
    assert [pushed.status for pushed in gmail.pushes.log] == [204]
    assert await is_dirty(pool)


@pytest.mark.parametrize("path", ["good body", "bad body"])
async def test_without_a_good_token_nothing_is_read(
    gmail: SimulatedGmail, site: str, pool: Pool, path: str
) -> None:
    content = json.dumps(notice()).encode() if path == "good body" else b"\xff\x00{"
    response = await posted(gmail, site, content, gmail.push_token("https://elsewhere.example"))
    assert response.status_code == 403
    assert not await is_dirty(pool)


POISON = {
    "no JSON": b"{",
    "empty": b"",
    "not UTF-8": b"\xff\xfe",
    "no message": b"{}",
    "data is no base64": b'{"message": {"data": "%%%"}}',
    "data is no JSON": json.dumps({"message": {"data": base64.b64encode(b"hi").decode()}}).encode(),
    "address is no text": json.dumps({"message": {"data": "eyJlbWFpbEFkZHJlc3MiOiAxfQ=="}}).encode(),
    "deep": b"[" * 50_000,
    "large": b'{"message": {"data": "' + b"A" * 100_000 + b'"}}',
    "somebody else's mailbox": json.dumps(notice("other@example.com")).encode(),
}


@pytest.mark.parametrize("content", POISON.values(), ids=POISON.keys())
async def test_a_push_that_says_nothing_is_acknowledged_and_ignored(
    gmail: SimulatedGmail, site: str, pool: Pool, content: bytes
) -> None:
    assert (await posted(gmail, site, content)).status_code == 204
    assert not await is_dirty(pool)


async def test_a_push_is_not_acknowledged_while_the_database_is_away(
    gmail: SimulatedGmail, site: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise Unavailable

    monkeypatch.setattr(mailboxes, "mark_dirty", away)
    assert (await posted(gmail, site, json.dumps(notice()).encode())).status_code == 503


async def test_an_unconfigured_route_refuses_everything(gmail: SimulatedGmail, pool: Pool) -> None:
    from starlette.requests import Request

    from fte.domain.errors import Refused

    webhook = GmailWebhook(pool, Settings(gmail_account=US), lambda: None)
    request = Request({"type": "http", "method": "POST", "headers": []})
    with pytest.raises(Refused):
        await webhook._push(request)
