import contextlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter

from fte.domain.errors import Rejected
from fte.knowledge import chunk, readers
from fte.knowledge.chunk import Page, joined, pieces
from fte.knowledge.clean import visible
from fte.knowledge.readers import read

HIDDEN = "SECRETORDER"


def text_of(page: Page) -> str:
    return joined(page.blocks)


def pdf(text: str = "Opening hours are nine to five.", pages: int = 1) -> bytes:
    """A PDF with the text on each of its pages, written by hand: the library only reads text."""
    stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode("latin-1")
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n in range(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >>"
            + f" /Contents {5 + 2 * n} 0 R >>".encode()
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n".encode() + stream + b"\nendstream")
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


def test_markdown_front_matter_names_the_page_and_its_category() -> None:
    page = read("x.md", b'---\ntitle: "Refunds: how"\ncategory: Billing\n---\n# Other\n\nText.\n')
    assert (page.title, page.category) == ("Refunds: how", "billing")
    assert "title:" not in text_of(page)


def test_without_front_matter_the_heading_names_the_page_and_then_the_file() -> None:
    assert read("x.md", b"# Opening hours\n\nNine to five.").title == "Opening hours"
    assert read("a/opening-hours.md", b"Nine to five.").title == "Opening hours"
    assert read("x.md", b"Text.").category == "general"


def test_markdown_reads_as_text() -> None:
    page = read(
        "x.md",
        b"Select **Save**, see [the guide](https://a.example/g), `code`.\n\n1. One\n2. Two\n   - inner\n\n"
        b"```\nx = 1\n  y = 2\n```\n\n| a | b |\n| --- | --- |\n| 1 | |\n",
    )
    assert text_of(page) == (
        "Select Save, see the guide (https://a.example/g), code.\n1. One\n2. Two\n  - inner\n\nx = 1\n  y = 2"
        "\n\na | b\n1 |"
    )


@pytest.mark.parametrize(
    "html",
    [
        f"<!-- {HIDDEN} -->",
        f"<!-- {HIDDEN}",
        f"<p hidden>{HIDDEN}</p>",
        f"<div hidden/><p>{HIDDEN}</p></div>",
        f'<p style="display: none">{HIDDEN}</p>',
        f'<p style="DISPLAY/**/:\nnone !important">{HIDDEN}</p>',
        f'<div style="visibility:hidden"><b><i>{HIDDEN}</i></b></div>',
        f'<span style="font-size:0px">{HIDDEN}</span>',
        f'<span style="opacity: 0">{HIDDEN}</span>',
        f'<span style="position:absolute;left:-9999px">{HIDDEN}</span>',
        f"<style>.x, #y {{ display:none }}</style><p class='a x'>{HIDDEN}</p><p id=y>{HIDDEN}</p>",
        f"<script>var a = '{HIDDEN}'</script>",
        f"<style>{HIDDEN}</style>",
        f"<template>{HIDDEN}</template><noscript>{HIDDEN}</noscript>",
        f'<img src=x alt="{HIDDEN}" title="{HIDDEN}">',
        f'<a href="javascript:{HIDDEN}" title="{HIDDEN}">shown</a>',
        f"<svg><text>{HIDDEN}</text></svg>",
        f"<textarea>{HIDDEN}</textarea>",
    ],
)
@pytest.mark.parametrize("name", ["x.md", "x.html"])
def test_text_that_a_reader_does_not_see_is_not_taken_in(name: str, html: str) -> None:
    page = read(name, f"<p>Seen before.</p>\n\n{html}\n".encode())
    assert HIDDEN not in text_of(page) + page.title
    assert "Seen before." in text_of(page)


def test_text_after_hidden_text_is_taken_in() -> None:
    html = b"<ul><li hidden>no<li>yes</ul><p hidden>no<p>again</p><p>and <span hidden>no</span>more</p>"
    assert text_of(read("x.html", html)) == "- yes\n\nagain\n\nand more"


def test_markdown_reference_definitions_and_link_titles_are_not_taken_in() -> None:
    links = f'[a](https://a.example "{HIDDEN}") ![{HIDDEN}](https://b.example/i.png)'
    source = f"[//]: # ({HIDDEN})\n\n{links}\n\nText."
    assert HIDDEN not in text_of(read("x.md", source.encode()))


def test_zero_width_bidirectional_and_tag_characters_are_stripped() -> None:
    smuggled = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    assert visible(f"a\u200bb\u202ec\u2066d\ufeffe\u00adf{smuggled}g\u200dh\ufe0fi\x1bj") == "abcdefghij"
    assert visible("می\u200cخواهم") == "می\u200cخواهم"


def test_nul_and_surrogates_become_storable() -> None:
    page = read("x.html", b"<p>a&#0;b&#xD800;c</p>")
    text_of(page).encode("utf-8")
    assert "\0" not in text_of(page)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_in_common_encodings_is_read(encoding: str) -> None:
    assert text_of(read("x.txt", "Café – öffnet um neun".encode(encoding))) == "Café – öffnet um neun"


def test_pdf_text_is_read() -> None:
    page = read("opening-hours.pdf", pdf())
    assert (page.title, text_of(page)) == ("Opening hours", "Opening hours are nine to five.")


def _locked_pdf() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(10, 10)
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("x.docx", b"PK", "not a kind"),
        ("x.md", b"\n \n---\n", "no text"),
        ("x.html", b"<p hidden>a</p>", "no text"),
        ("x.txt", b"\x7fELF\0\0\0\1", "not text"),
        ("x.pdf", b"%PDF-1.4 broken", "cannot be read"),
        ("x.pdf", _locked_pdf(), "locked"),
        ("x.md", b"a" * (readers.FILE_BYTES_MAX + 1), "larger than"),
        ("x.txt", b"a b\n" * (readers.TEXT_MAX // 4 + 1), "characters of text"),
        ("x.pdf", pdf("x", readers.PDF_PAGES_MAX + 1), "pages"),
    ],
    ids=["kind", "empty", "hidden", "binary", "broken", "locked", "large", "long", "many-pages"],
)
def test_what_cannot_be_read_is_refused_with_a_reason(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        read(name, data)


FRAGMENTS = (
    *("<p>", "</p>", "<ul>", "<li>", "</ul>", "</li>", "<ol start=3>", "<pre>", "</pre>", "<h2>", "</h2>"),
    *(
        "<table>",
        "<tr>",
        "<td>",
        "<a href='https://x'>",
        "</a>",
        "<div hidden>",
        "</div>",
        "<br/>",
        "<!--",
        "-->",
    ),
    *(
        "# ",
        "\n",
        "\n\n",
        "- ",
        "```",
        "word ",
        "\0",
        "\u202e",
        "&#xD800;",
        "---\n",
        "title: x\n",
        "<![CDATA[",
    ),
)


@settings(max_examples=150)
@given(
    st.sampled_from(["x.md", "x.html", "x.txt"]),
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.lists(
            st.sampled_from(FRAGMENTS),
            max_size=60,
        ).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass")),
    ),
)
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    try:
        page = read(name, data)
    except Rejected:
        return
    for piece in pieces(page):
        assert piece.content.strip()
        assert visible(piece.content) == piece.content
        assert visible(piece.title) == piece.title
        assert len(piece.title) <= chunk.TITLE_MAX


@settings(max_examples=20)
@given(st.binary(max_size=200), st.integers(0, 600))
def test_a_damaged_pdf_is_read_or_refused(noise: bytes, at: int) -> None:
    data = pdf()
    with contextlib.suppress(Rejected):
        read("x.pdf", data[:at] + noise + data[at + len(noise) :])


def test_deep_nesting_exhausts_nothing() -> None:
    deep = b"<div><ul><li>" * 20_000 + b"end"
    assert "end" in text_of(read("x.html", deep))
    read("x.md", b">" * 5_000 + b" end\n\n" + b"[" * 5_000 + b"*a " * 5_000)
