"""Names of files and the words that stand for them: whatever a customer calls a file, neither does harm."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fte.channels.whatsapp import media
from fte.domain.attachments import NAME_BYTES_MAX, file_name, kept, not_kept, without_placeholders

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=300)


@given(ANY_TEXT)
@example("0 \ue000\r0")
@example("0" + "ﬁ" * 66 + "0")
def test_a_name_fits_a_file_system_and_stays_in_its_folder(name: str) -> None:
    safe = file_name(name)
    assert safe and len(safe.encode()) <= NAME_BYTES_MAX
    assert not set(safe) & set('/\\\0\n\r:"[]') and not safe.startswith(".") and safe not in (".", "..")
    assert file_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("con.txt", "_con.txt"),
        ("console.txt", "console.txt"),
        ("..\\..\\boot.ini", "boot.ini"),
        (".bashrc", "bashrc.bin"),
        ("票" * 200 + ".pdf", "票" * 65 + ".pdf"),
    ],
    ids=["device", "no-device", "path", "hidden", "long"],
)
def test_names(name: str, safe: str) -> None:
    assert file_name(name) == safe


@given(ANY_TEXT, st.sampled_from(["type not accepted", "larger than 10 MB"]))
def test_every_stand_in_is_known_as_one(name: str, reason: str) -> None:
    text = f"My words\n{kept(file_name(name))}\n{not_kept(file_name(name), reason)}"
    assert without_placeholders(text) == ("My words", 2)


def test_every_kind_of_file_on_whatsapp_is_known_as_one() -> None:
    for kind in {kind for kind, _ in media._KINDS.values()} | {"file"}:
        assert without_placeholders(f"[{kind}]\nLook") == ("Look", 1)


def test_other_lines_in_brackets_are_the_customers_words() -> None:
    for words in ("[location: 1, 2]", "[button: Yes]", "see [image] here", "[reaction: x]"):
        assert without_placeholders(words) == (words, 0)
