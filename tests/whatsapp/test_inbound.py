"""What a signed form says."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.channels.whatsapp.account import Account, checked
from fte.channels.whatsapp.inbound import Incoming, StatusReport, understand
from fte.domain.errors import Malformed, Rejected

SID = "SM" + "1" * 32
FILE = f"https://api.twilio.com/2010-04-01/Accounts/AC{'a' * 32}/Messages/MM{'b' * 32}/Media/ME{'c' * 32}"
ACCOUNT = checked(
    sid="AC" + "a" * 32,
    token="secret",
    number="whatsapp:+14155238886",
    public_url="https://help.example.com/",
    algorithm="sha1",
    api_url="https://api.twilio.com",
    template="",
)
FORM = {
    "AccountSid": ACCOUNT.sid,
    "Body": "Hello",
    "From": "whatsapp:+4915112345678",
    "MessageSid": SID,
    "NumMedia": "0",
    "ProfileName": "Ada",
    "To": "whatsapp:+14155238886",
}


def read(**changes: str) -> Incoming:
    meaning = understand(list((FORM | changes).items()), ACCOUNT)
    assert isinstance(meaning, Incoming)
    return meaning


def with_file(type_: str, url: str = FILE) -> dict[str, str]:
    return {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": type_, "Body": ""}


def test_a_message() -> None:
    message = read(SomethingNew="is passed over")
    assert (message.sid, message.sender, message.name, message.text) == (
        SID,
        "+4915112345678",
        "Ada",
        "Hello",
    )
    assert not message.media
    assert not message.reaction


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"Body": ""}, "", id="empty"),
        pytest.param({"MessageType": "reaction", "Body": "👍"}, "[reaction: 👍]", id="reaction"),
        pytest.param({"MessageType": "reaction", "Body": ""}, "[reaction withdrawn]", id="no reaction"),
        pytest.param(
            {"Body": "", "Latitude": "52.5", "Longitude": "-13.4", "Label": "Café", "Address": "A 1\nB"},
            "[location: Café, A 1 B, 52.5, -13.4]",
            id="location",
        ),
        pytest.param({"Latitude": "x", "Longitude": "1"}, "Hello", id="no location"),
        pytest.param({"ButtonText": "Hello", "ButtonPayload": "p"}, "[button: Hello]", id="button"),
        pytest.param(
            {"ListTitle": "Refund", "ListDescription": "of an order", "Body": "Refund"},
            "[chosen from a list: Refund, of an order]",
            id="list",
        ),
        pytest.param({"ReferralHeadline": "Our ad"}, "[came from: Our ad]\nHello", id="referral"),
        pytest.param({"Forwarded": "true"}, "[forwarded]\nHello", id="forwarded"),
        pytest.param({"Body": "", "InteractiveData": '{"a":1}'}, '[form filled in: {"a":1}]', id="form"),
        pytest.param(
            {"Body": "", "MessageType": "order"}, "[a message we cannot show: order]", id="cannot be shown"
        ),
        pytest.param(with_file("audio/ogg; codecs=opus"), "[voice message]", id="voice"),
        pytest.param(with_file("image/webp") | {"MessageType": "sticker"}, "[sticker]", id="sticker"),
        pytest.param(with_file("image/jpeg") | {"Body": "Look"}, "[image]\nLook", id="caption"),
        pytest.param(with_file("text/vcard"), "[contact card]", id="contact"),
        pytest.param(with_file("application/zip"), "[file]", id="unknown file"),
    ],
)
def test_what_is_not_text_is_put_into_words(changes: Mapping[str, str], text: str) -> None:
    assert read(**changes).text == text


def test_files_are_taken_or_refused_by_type_and_place() -> None:
    (taken,) = read(**with_file("image/jpeg")).media
    assert (taken.name, taken.media_type, taken.source, taken.refusal) == (
        "image-1.jpg",
        "image/jpeg",
        FILE,
        None,
    )
    (program,) = read(**with_file("application/x-msdownload")).media
    assert "application/x-msdownload" in (program.refusal or "")
    (foreign,) = read(**with_file("image/png", FILE.replace("a" * 32, "d" * 32))).media
    assert foreign.refusal
    assert not foreign.source


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AccountSid", "AC" + "9" * 32),
        ("AccountSid", ""),
        ("To", "whatsapp:+14155238887"),
        ("To", "+14155238886"),
        ("From", "+4915112345678"),
        ("From", "whatsapp:4915112345678"),
        ("From", "whatsapp:+49\u0661\u0662\u0663\u0664\u0665\u0666"),
        ("MessageSid", "SM123"),
        ("MessageSid", SID + "\n"),
        ("NumMedia", "-1"),
        ("NumMedia", "11"),
        ("NumMedia", "999999999999"),
        ("NumMedia", "²"),
        ("NumMedia", "1"),
        ("MessageStatus", "Delivered!"),
    ],
)
def test_a_shape_nobody_knows_is_malformed_and_named(name: str, value: str) -> None:
    with pytest.raises(Malformed) as raised:
        understand(list((FORM | {name: value}).items()), ACCOUNT)
    assert any(field.startswith((name, "Media")) for field in raised.value.fields)


def test_a_parameter_that_decides_may_not_be_there_twice() -> None:
    understand([*FORM.items(), ("Body", "Hello")], ACCOUNT)
    understand([*FORM.items(), ("Other", "1"), ("Other", "2")], ACCOUNT)
    with pytest.raises(Malformed, match="Body came more than once"):
        understand([*FORM.items(), ("Body", "Goodbye")], ACCOUNT)


@pytest.mark.parametrize(
    ("status", "read_as"),
    [("delivered", "delivered"), ("undelivered", "failed"), ("canceled", "failed"), ("new_one", "new_one")],
)
def test_a_status(status: str, read_as: str) -> None:
    form = FORM | {"MessageStatus": status, "ErrorCode": "63016", "ErrorMessage": "No\x1b[31m"}
    report = understand(list(form.items()), ACCOUNT)
    assert report == StatusReport(sid=SID, status=read_as, code=63016, message="No\x1b[31m")


@given(
    st.dictionaries(st.sampled_from([*FORM, "MediaUrl0", "Latitude", "MessageType"]), st.text(max_size=40))
)
def test_whatever_is_signed_is_understood_or_malformed(changes: dict[str, str]) -> None:
    try:
        understand(list((FORM | changes).items()), ACCOUNT)
    except Malformed as error:
        assert error.fields


@pytest.mark.parametrize(
    ("name", "value", "variable"),
    [
        ("sid", "SK1", "TWILIO_ACCOUNT_SID"),
        ("token", "", "TWILIO_AUTH_TOKEN"),
        ("number", "+14155238886", "TWILIO_WHATSAPP_NUMBER"),
        ("public_url", "", "FTE_PUBLIC_URL"),
        ("public_url", "https://x.example/?a=b", "FTE_PUBLIC_URL"),
        ("algorithm", "md5", "FTE_TWILIO_SIGNATURE"),
        ("api_url", "api.twilio.com", "FTE_TWILIO_API_URL"),
        ("template", "hello", "FTE_WHATSAPP_TEMPLATE"),
    ],
)
def test_half_an_account_is_refused_by_name(name: str, value: str, variable: str) -> None:
    right = {f: getattr(ACCOUNT, f) for f in Account.__dataclass_fields__} | {"number": ACCOUNT.address}
    with pytest.raises(Rejected) as raised:
        checked(**(right | {name: value}))
    assert set(raised.value.fields) == {variable}
    assert ACCOUNT.token not in repr(ACCOUNT)
