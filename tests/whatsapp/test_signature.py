"""T1: only what Twilio signed for our address is genuine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from fte.channels.whatsapp import signature
from fte.channels.whatsapp.account import Algorithm

TOKEN = "t" * 32
URL = "https://help.example.com"
TARGET = b"/webhooks/whatsapp?a=%20b"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FORM = {"Body": "Hello", "From": "whatsapp:+491511", "ReferralBody": ""}


def header(algorithm: str = "sha1", url: str = URL, token: str = TOKEN, **form: str) -> bytes:
    made = RequestValidator(token).compute_signature(
        url + TARGET.decode(), FORM | form, {"sha1": "HMAC_SHA1", "sha256": "HMAC_SHA256"}[algorithm]
    )
    return str(made).encode()


def genuine(
    given: bytes | None,
    form: dict[str, str] = FORM,
    *,
    token: str = TOKEN,
    algorithm: Algorithm = "sha1",
    public_url: str = URL,
    target: bytes = TARGET,
) -> bool:
    pairs = [(name.encode(), value.encode()) for name, value in form.items()]
    return signature.is_genuine(
        given, token=token, algorithm=algorithm, public_url=public_url, target=target, form=pairs
    )


@given(st.dictionaries(TEXT, TEXT, max_size=8), st.sampled_from(["sha1", "sha256"]))
def test_it_is_what_twilios_own_library_computes(form: dict[str, str], algorithm: Algorithm) -> None:
    names = {"sha1": "HMAC_SHA1", "sha256": "HMAC_SHA256"}
    made = RequestValidator(TOKEN).compute_signature(URL + TARGET.decode(), form, names[algorithm])
    assert genuine(made.encode(), form, algorithm=algorithm)
    assert not genuine(made.encode(), form | {"Body": "another, longer than any"}, algorithm=algorithm)


@pytest.mark.parametrize(
    "given_header",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"abc", id="short"),
        pytest.param(b"=" * 28, id="of the right length"),
        pytest.param(b"\xff" * 28, id="not ascii"),
        pytest.param(header(token="u" * 32), id="another account's"),
        pytest.param(header("sha256"), id="another algorithm"),
        pytest.param(header(url="http://help.example.com"), id="another scheme"),
        pytest.param(header(url="https://evil.example.com"), id="another host"),
        pytest.param(header(url="https://help.example.com:8443"), id="another port"),
        pytest.param(header(Body="Hallo"), id="a parameter changed"),
        pytest.param(header(Extra="x"), id="a parameter dropped"),
        pytest.param(header(ReferralBody="x"), id="a blank one filled"),
    ],
)
def test_what_is_not_genuine(given_header: bytes | None) -> None:
    assert genuine(header())
    assert not genuine(given_header)


def test_blank_parameters_and_the_raw_target_are_part_of_it() -> None:
    without_blank = {name: value for name, value in FORM.items() if value}
    assert genuine(header(), without_blank | {"ReferralBody": ""})
    assert not genuine(header(), without_blank)
    assert not genuine(header(), target=TARGET.replace(b"%20", b"+"))
    assert not genuine(header(), target=b"/webhooks/whatsapp")


def test_without_a_token_nothing_is_genuine() -> None:
    assert not genuine(header(token=""), token="")


def test_the_stronger_algorithm_is_not_talked_down() -> None:
    assert genuine(header("sha256"), algorithm="sha256")
    assert not genuine(header("sha1"), algorithm="sha256")


@pytest.mark.parametrize("signed_for", [URL, f"{URL}:443"])
@pytest.mark.parametrize("configured", [URL, f"{URL}:443", f"{URL}/"])
def test_the_default_port_may_be_named_or_not(signed_for: str, configured: str) -> None:
    assert genuine(header(url=signed_for), public_url=configured)
