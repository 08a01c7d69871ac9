"""The simulated Gmail, as Google's own client sees it."""

import base64
import email
import json
import time
from pathlib import Path

import httpx
import jwt
import pytest
from google.auth.exceptions import RefreshError
from googleapiclient.errors import HttpError

from fte.demo.providers import Attachment, Mail, SimulatedGmail
from fte.demo.providers.mailbox import FIRST_HISTORY
from tests.demo.support import OTHERS, US, Gmail, Receiver, mail, signed_in
from tests.support import until

QUESTION = Mail(sender="ada@example.net", name="Ada", subject="Größe", text="How do I export?")
ADDED = {"historyTypes": ["messageAdded"]}


def status(error: pytest.ExceptionInfo[HttpError]) -> int:
    return int(error.value.resp.status)


# ---------------------------------------------------------------- reading


async def test_a_delivered_mail_is_read_in_every_format(gmail: SimulatedGmail, google: Gmail) -> None:
    file = Attachment(name="Überblick.csv", content=b"a;b\n", media_type="text/csv")
    stored = await gmail.deliver(
        Mail(sender="ada@example.net", subject="Größe", text="See.", attachments=[file])
    )

    raw = await google.get(stored.id, "raw")
    assert base64.urlsafe_b64decode(raw["raw"]) == stored.raw
    full = await google.get(stored.id)
    headers = {header["name"]: header["value"] for header in full["payload"]["headers"]}
    assert headers["Subject"] == "Größe"
    body, attached = full["payload"]["parts"]
    assert base64.urlsafe_b64decode(body["body"]["data"]).strip() == b"See."
    assert attached["filename"] == "Überblick.csv"
    assert "data" not in attached["body"]
    part = await google(
        google.users.messages()
        .attachments()
        .get(userId="me", messageId=stored.id, id=attached["body"]["attachmentId"])
    )
    assert base64.urlsafe_b64decode(part["data"]) == b"a;b\n"
    metadata = await google(
        google.users.messages().get(
            userId="me", id=stored.id, format="metadata", metadataHeaders=["From", "Subject"]
        )
    )
    assert {header["name"] for header in metadata["payload"]["headers"]} == {"From", "Subject"}
    assert "payload" not in await google.get(stored.id, "minimal")


@pytest.mark.parametrize("dmarc", ["pass", "fail", "none"])
async def test_the_result_of_authentication_stands_above_what_the_sender_claims(
    gmail: SimulatedGmail, dmarc: str
) -> None:
    forged = {"Authentication-Results": "mx.google.com; dmarc=pass header.from=bank.example"}
    stored = await gmail.deliver(
        Mail(sender="ada@example.net", text="Hi", headers=forged),
        dmarc=dmarc,  # type: ignore[arg-type]
    )
    results = email.message_from_bytes(stored.raw).get_all("Authentication-Results")
    assert results is not None
    assert results[0].startswith("mx.google.com; ")
    assert ("dmarc=" + dmarc in results[0]) == (dmarc != "none")
    assert results[1:] == list(forged.values())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"Subject: =?utf-8?q?a=0d=0aBcc:x?=\r\nContent-Type: text/plain; charset=klingon\r\n\r\n\xff\xfe\x00",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 100,
        b"From: \r\n =?x?y?z\r\nReferences: <<<>>>\r\nContent-Type: message/rfc822\r\n\r\nnothing",
    ],
    ids=["empty", "no headers", "unknown charset", "nested", "broken"],
)
async def test_a_hostile_mail_is_shown_like_any_other(
    gmail: SimulatedGmail, google: Gmail, raw: bytes
) -> None:
    stored = await gmail.deliver(raw)
    assert (await google.get(stored.id))["id"] == stored.id
    assert base64.urlsafe_b64decode((await google.get(stored.id, "raw"))["raw"]).endswith(raw)


async def test_search_finds_by_message_id_place_and_time(gmail: SimulatedGmail, google: Gmail) -> None:
    first = await gmail.deliver(Mail(sender="ada@example.net", subject="One", message_id="<one@example.net>"))
    junk = await gmail.deliver(Mail(sender="spam@example.net", subject="Two"), labels=["SPAM"])
    assert await google.find("rfc822msgid:<one@example.net>") == [first.id]
    assert await google.find("rfc822msgid:one@example.net") == [first.id]
    assert await google.find("rfc822msgid:other@example.net") == []
    assert await google.find(f"in:inbox after:{int(time.time()) - 60}") == [first.id]
    assert await google.find(f"in:inbox after:{int(time.time()) + 60}") == []
    assert await google.find("in:anywhere") == [junk.id, first.id]
    assert await google.find("from:ada -subject:two") == [first.id]
    assert await google.find("", includeSpamTrash=True) == [junk.id, first.id]
    with pytest.raises(HttpError) as error:
        await google.find("larger:5M")
    assert status(error) == 400


async def test_a_list_comes_in_pages(gmail: SimulatedGmail, google: Gmail) -> None:
    stored = [(await gmail.deliver(QUESTION)).id for _ in range(5)]
    gmail.page_size = 2
    seen: list[str] = []
    pages, request = 0, google.users.messages().list(userId="me")
    while request is not None:
        answer = await google(request)
        seen += [message["id"] for message in answer["messages"]]
        pages, request = pages + 1, google.users.messages().list_next(request, answer)
    assert (pages, seen) == (3, stored[::-1])


# ---------------------------------------------------------------- history


async def test_history_tells_every_mail_in_pages_and_is_empty_afterwards(
    gmail: SimulatedGmail, google: Gmail
) -> None:
    stored = [await gmail.deliver(QUESTION) for _ in range(5)]
    gmail.mailbox(US).relabel(stored[0].id, remove=["UNREAD"])
    seen: list[str] = []
    request = google.users.history().list(
        userId="me", startHistoryId=str(FIRST_HISTORY), maxResults=2, **ADDED
    )
    while request is not None:
        answer = await google(request)
        seen += [added["message"]["id"] for record in answer["history"] for added in record["messagesAdded"]]
        newest, request = answer["historyId"], google.users.history().list_next(request, answer)
    assert seen == [message.id for message in stored]
    assert "history" not in await google.history(newest, **ADDED)
    everything = await google.history(FIRST_HISTORY)
    assert everything["history"][-1]["labelsRemoved"][0]["labelIds"] == ["UNREAD"]


async def test_a_history_id_that_is_too_old_is_not_found(gmail: SimulatedGmail, google: Gmail) -> None:
    await gmail.deliver(QUESTION)
    gmail.mailbox(US).forget_history()
    with pytest.raises(HttpError) as error:
        await google.history(FIRST_HISTORY)
    assert status(error) == 404
    now = (await google(google.users.getProfile(userId="me")))["historyId"]
    await gmail.deliver(QUESTION)
    assert len((await google.history(now))["history"]) == 1


async def test_a_mail_that_was_deleted_is_told_of_but_not_found(gmail: SimulatedGmail, google: Gmail) -> None:
    stored = await gmail.deliver(QUESTION)
    gmail.mailbox(US).remove(stored.id)
    assert (await google.history(FIRST_HISTORY, **ADDED))["history"]
    with pytest.raises(HttpError) as error:
        await google.get(stored.id)
    assert status(error) == 404


# ---------------------------------------------------------------- sending


async def test_a_draft_is_used_up_by_sending(gmail: SimulatedGmail, google: Gmail) -> None:
    draft = await google.draft(mail(X_FTE_Reply="reply-1"))
    listed = await google(google.users.drafts().list(userId="me"))
    assert [entry["id"] for entry in listed["drafts"]] == [draft["id"]]
    assert gmail.accepted.sends == []

    before = gmail.mailbox(US).history_id
    sent = await google.send_draft(draft["id"])
    assert sent["labelIds"] == ["SENT"]
    assert sent["id"] != draft["message"]["id"]
    assert gmail.mailbox(US).history_id > before
    for again in (google.send_draft(draft["id"]), google.get(draft["message"]["id"])):
        with pytest.raises(HttpError) as error:
            await again
        assert status(error) == 404
    assert "drafts" not in await google(google.users.drafts().list(userId="me"))
    accepted = gmail.accepted.sends
    assert [(a.provider_id, a.reply_id, a.recipient) for a in accepted] == [
        (sent["id"], "reply-1", "ada@example.net")
    ]
    assert [a.operation for a in gmail.accepted] == ["drafts.create", "drafts.send"]
    assert gmail.outbox[-1].text.strip() == "Here."


async def test_a_draft_is_read_and_deleted(google: Gmail) -> None:
    draft = await google.draft(mail())
    shown = await google(google.users.drafts().get(userId="me", id=draft["id"], format="raw"))
    assert b"Here." in base64.urlsafe_b64decode(shown["message"]["raw"])
    await google(google.users.drafts().delete(userId="me", id=draft["id"]))
    with pytest.raises(HttpError) as error:
        await google(google.users.drafts().get(userId="me", id=draft["id"]))
    assert status(error) == 404


async def test_a_mail_without_a_recipient_is_refused(google: Gmail) -> None:
    with pytest.raises(HttpError) as error:
        await google.send(base64.urlsafe_b64encode(b"Subject: x\r\n\r\nhi").decode())
    assert status(error) == 400


async def test_an_answer_is_in_the_thread_it_names_or_refers_to(gmail: SimulatedGmail, google: Gmail) -> None:
    question = await gmail.deliver(QUESTION)
    named = await google.send(mail(subject="Re: Größe"), question.thread_id)
    assert named["threadId"] == question.thread_id
    reference = gmail.outbox[-1].message_id

    async def reply(subject: str, in_reply_to: str) -> str:
        written = Mail(sender="ada@example.net", subject=subject, text="Thanks", in_reply_to=in_reply_to)
        return (await gmail.deliver(written)).thread_id

    assert await reply("AW: Re: Größe", reference) == question.thread_id
    assert await reply("Another matter", reference) != question.thread_id
    assert await reply("Re: Größe", "<unknown@example.net>") != question.thread_id
    thread = await google(google.users.threads().get(userId="me", id=question.thread_id))
    assert len(thread["messages"]) == 3
    with pytest.raises(HttpError) as error:
        await google.send(mail(), "1234567890abcdef")
    assert status(error) == 404


async def test_two_installations_mail_each_other(
    gmail: SimulatedGmail, google: Gmail, tmp_path: Path
) -> None:
    await google.send(mail(to=OTHERS, subject="Hello", Bcc="secret@example.net"))
    with signed_in(gmail, tmp_path, OTHERS) as others:
        [received] = await others.find("in:inbox")
        got = email.message_from_bytes(gmail.mailbox(OTHERS).messages[received].raw)
        assert got["From"] == US
        assert "dmarc=pass" in got["Authentication-Results"]
        assert got["Bcc"] is None
        await others.send(mail(to=US, subject="Re: Hello", In_Reply_To=got["Message-ID"]))
    [answer] = await google.find("in:inbox")
    assert len(gmail.mailbox(US).thread((await google.get(answer))["threadId"])) == 2


async def test_gmail_may_give_a_mail_another_message_id(tmp_path: Path) -> None:
    async with SimulatedGmail(US, keeps_message_ids=False).running() as gmail:
        with signed_in(gmail, tmp_path) as google:
            await google.send(mail(Message_ID="<ours@tallywren.example>"))
            assert await google.find("rfc822msgid:ours@tallywren.example") == []
    sent = gmail.outbox[-1]
    assert sent.message_id.endswith("@mail.gmail.com>")
    assert sent.reading.header("X-Google-Original-Message-ID") == "<ours@tallywren.example>"


# ---------------------------------------------------------------- access


async def test_an_expired_token_is_renewed_and_a_revoked_one_is_not(
    gmail: SimulatedGmail, google: Gmail
) -> None:
    await google(google.users.getProfile(userId="me"))
    gmail.tokens.expire()
    await google(google.users.getProfile(userId="me"))
    gmail.tokens.revoke(US)
    with pytest.raises(RefreshError, match="invalid_grant"):
        await google(google.users.getProfile(userId="me"))
    gmail.tokens.restore(US)
    await google(google.users.getProfile(userId="me"))


async def test_nobody_gets_in_without_a_token_or_into_another_mailbox(
    gmail: SimulatedGmail, google: Gmail
) -> None:
    async with httpx.AsyncClient(base_url=gmail.url) as web:
        for headers in ({}, {"Authorization": "Bearer forged"}):
            answer = await web.get("/gmail/v1/users/me/profile", headers=headers)
            assert answer.status_code == 401
    with pytest.raises(HttpError) as error:
        await google(google.users.getProfile(userId=OTHERS))
    assert status(error) == 403


async def test_the_consent_gives_a_code_that_is_exchanged_once(gmail: SimulatedGmail, tmp_path: Path) -> None:
    installed = json.loads(gmail.write_client_file(tmp_path / "client.json").read_text())["installed"]
    async with httpx.AsyncClient() as web:
        answer = await web.get(
            installed["auth_uri"], params={"redirect_uri": "http://localhost:1/", "state": "s"}
        )
        back = httpx.URL(answer.headers["location"])
        exchange = {
            "grant_type": "authorization_code",
            "code": back.params["code"],
            "client_id": installed["client_id"],
            "client_secret": installed["client_secret"],
        }
        assert back.params["state"] == "s"
        token = (await web.post(installed["token_uri"], data=exchange)).json()
        assert token["refresh_token"]
        assert (await web.post(installed["token_uri"], data=exchange)).json()["error"] == "invalid_grant"


def test_files_with_secrets_are_private(tmp_path: Path) -> None:
    gmail = SimulatedGmail(US)
    gmail._url = "http://127.0.0.1:1"
    assert gmail.write_token_file(tmp_path / "token.json").stat().st_mode & 0o777 == 0o600


# ---------------------------------------------------------------- pushes


async def test_a_watched_mailbox_pushes_with_a_token_google_would_sign(
    gmail: SimulatedGmail, google: Gmail, receiver: Receiver
) -> None:
    gmail.push_to(US, receiver.url, "our-audience")
    await gmail.deliver(QUESTION)
    await gmail.pushes.settled()
    assert receiver.got == []

    watched = await google.watch(labelIds=["INBOX"])
    assert 6.9 < (int(watched["expiration"]) / 1000 - time.time()) / 86_400 < 7.1
    await gmail.deliver(QUESTION)
    await gmail.deliver(QUESTION, labels=["SPAM"])
    await gmail.pushes.settled()
    [push] = receiver.got
    notice = json.loads(base64.b64decode(push.json["message"]["data"]))
    assert notice == {"emailAddress": US, "historyId": int(watched["historyId"]) + 1}
    async with httpx.AsyncClient() as web:
        [key] = jwt.PyJWKSet.from_dict((await web.get(f"{gmail.url}/certs")).json()).keys
    token = push.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(
        token, key, algorithms=["RS256"], audience="our-audience", issuer="https://accounts.google.com"
    )
    assert (claims["email"], claims["email_verified"]) == (gmail.push_account, True)

    await google(google.users.stop(userId="me"))
    await gmail.deliver(QUESTION)
    await gmail.pushes.settled()
    assert len(receiver.got) == 1


async def test_a_push_that_is_not_acknowledged_comes_again(
    gmail: SimulatedGmail, google: Gmail, receiver: Receiver
) -> None:
    gmail.push_to(US, receiver.url)
    await google.watch()
    receiver.statuses = [503]
    await gmail.deliver(QUESTION)
    await gmail.pushes.settled()
    assert [tried.status for tried in gmail.pushes.log] == [503, 200]


async def test_a_new_key_signs_from_now_on(gmail: SimulatedGmail) -> None:
    old = gmail.push_token("a")
    gmail.rotate_key()
    async with httpx.AsyncClient() as web:
        [key] = jwt.PyJWKSet.from_dict((await web.get(f"{gmail.url}/certs")).json()).keys
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(old, key, algorithms=["RS256"], audience="a")
    assert jwt.decode(gmail.push_token("a"), key, algorithms=["RS256"], audience="a")


# ---------------------------------------------------------------- another process


async def test_another_process_delivers_and_reads_along(gmail: SimulatedGmail, google: Gmail) -> None:
    async with httpx.AsyncClient(base_url=gmail.url) as web:
        order = {"mail": {"sender": "ada@example.net", "subject": "Hi", "text": "There"}, "dmarc": "fail"}
        stored = (await web.post("/control/deliver", json=order)).json()
        assert (await google.get(stored["id"]))["snippet"] == "There"
        await google.send(mail(X_FTE_Reply="reply-7"))
        assert [a["reply_id"] for a in (await web.get("/control/accepted")).json()] == ["reply-7"]
        assert (await web.get("/control/accepted", params={"after": 1})).json() == []
        assert [sent["text"].strip() for sent in (await web.get("/control/outbox")).json()] == ["Here."]
        for wrong in (
            {"mail": {"subject": "nobody"}},
            {"to": "x@y.example", "mail": {"sender": "a@b.example"}},
            {},
        ):
            assert (await web.post("/control/deliver", json=wrong)).status_code == 422
        await web.post("/control/tokens", json={"action": "revoke"})
        with pytest.raises(RefreshError):
            await google(google.users.getProfile(userId="me"))


async def test_pushes_of_one_mailbox_keep_their_order(
    gmail: SimulatedGmail, google: Gmail, receiver: Receiver
) -> None:
    gmail.push_to(US, receiver.url)
    await google.watch()
    receiver.statuses = [503]
    for _ in range(5):
        await gmail.deliver(QUESTION)
    await until(lambda: len(receiver.got) == 6)
    ids = [json.loads(base64.b64decode(push.json["message"]["data"]))["historyId"] for push in receiver.got]
    assert ids == sorted(ids)
