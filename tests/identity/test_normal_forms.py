"""The two forms of an address: where mail goes, and the key a customer is recognised by."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.domain.errors import Rejected
from fte.domain.identity import email_address, identity_key, normalise_email, normalise_phone

EMAILS = {
    "Ada.L+shop@GoogleMail.com": ("Ada.L+shop@googlemail.com", "adal@gmail.com"),
    "Ada <ada@Example.COM>": ("ada@example.com", "ada@example.com"),
    '"Lovelace, Ada" <ADA@example.com>': ("ADA@example.com", "ada@example.com"),
    "mailto:ada@example.com?subject=Hi": ("ada@example.com", "ada@example.com"),
    " \t<ada@example.com>;\u200b": ("ada@example.com", "ada@example.com"),
    "'ada@example.com'": ("ada@example.com", "ada@example.com"),
    "ada@example.com.": ("ada@example.com", "ada@example.com"),
    "Ada+x@Hotmail.com": ("Ada+x@hotmail.com", "ada@hotmail.com"),
    "ada.l+x@icloud.com": ("ada.l+x@icloud.com", "ada.l@icloud.com"),
    "ada+x@fastmail.fm": ("ada+x@fastmail.fm", "ada@fastmail.fm"),
    "ada+x@proton.me": ("ada+x@proton.me", "ada@proton.me"),
    "ada+x@company.com": ("ada+x@company.com", "ada+x@company.com"),
    "a.da@company.com": ("a.da@company.com", "a.da@company.com"),
    "ada@straße.de": ("ada@xn--strae-oqa.de", "ada@xn--strae-oqa.de"),
    "ada@MÜLLER.de": ("ada@xn--mller-kva.de", "ada@xn--mller-kva.de"),
    '"victim@gmail.com" <other@evil.example>': ("other@evil.example", "other@evil.example"),
    "用户@例子.中国": ("用户@xn--fsqu00a.xn--fiqs8s", "用户@xn--fsqu00a.xn--fiqs8s"),
}
NO_EMAILS = (
    "",
    "ada",
    "ada@",
    "@example.com",
    "ada@localhost",
    "ada@[127.0.0.1]",
    "ada@1.2.3.4",
    "ada@example.c",
    "ada@exa_mple.com",
    "ada..l@example.com",
    ".ada@example.com",
    "ada l@example.com",
    '"ada l"@example.com',
    "ada@example.com, bo@example.com",
    "<a@example.com> <b@example.com>",
    "victim@gmail.com other@evil.example",
    "\u212ada@example.com",
    "ada\u200b@example.com",
    "ada\x00@example.com",
    "ada@example.com\r\nBcc: bo@example.com",
    "+tag@gmail.com",
    f"{'a' * 65}@example.com",
    f"ada@{'a.' * 130}com",
    "a" * 5_000,
)
PHONES = {
    ("whatsapp:+4915112345678", None): "+4915112345678",
    ("tel:+1-201-555-0123", None): "+12015550123",
    ("0049 151 12345678", None): "+4915112345678",
    ("0049 151 12345678", "US"): "+4915112345678",
    ("011 49 151 12345678", "US"): "+4915112345678",
    ("+49 (0)151 12345678", None): "+4915112345678",
    ("06 698 12345", "IT"): "+390669812345",
    ("011 15-2345-6789", "ar"): "+5491123456789",
    ("+521 55 1234 5678", None): "+525512345678",
    ("+5511 8765-4321", None): "+5511987654321",
    ("+5511 3212-3456", None): "+551132123456",
    ("٠١٠٠١٢٣٤٥٦٧", "EG"): "+201001234567",
}
NO_PHONES = (
    "",
    "+",
    "123",
    "0151 12345678",
    "+1 800 FLOWERS",
    "+1 415 555 2671 ext. 5",
    "+999 123 456 789",
    "+49151123456789012345",
    "whatsapp:US.13491208655302741918",
    "+1" * 100,
)


@pytest.mark.parametrize("text", EMAILS, ids=str)
def test_an_address_has_the_form_it_is_sent_to_and_its_key(text: str) -> None:
    assert (email_address(text), normalise_email(text)) == EMAILS[text]


@pytest.mark.parametrize("text", NO_EMAILS, ids=range(len(NO_EMAILS)))
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        normalise_email(text)


@pytest.mark.parametrize(("text", "region"), PHONES, ids=str)
def test_a_number_has_one_form(text: str, region: str | None) -> None:
    assert normalise_phone(text, region) == PHONES[text, region]


@pytest.mark.parametrize("text", NO_PHONES, ids=range(len(NO_PHONES)))
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        normalise_phone(text)


@given(
    text=st.one_of(st.text(max_size=80), st.from_regex(r"[\w.+]{1,20}@[\w.]{1,20}\.(com|de)", fullmatch=True))
)
def test_a_key_is_its_own_key(text: str) -> None:
    for type_ in ("email", "whatsapp"):
        key = identity_key(type_, text)
        assert identity_key(type_, key) == key


def test_what_has_no_form_is_its_own_key() -> None:
    assert identity_key("whatsapp", "whatsapp:US.13491208655302741918") == "whatsapp:US.13491208655302741918"


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, fte.domain.identity; print({'phonenumbers', 'idna'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
