import hashlib
from pathlib import Path

import fte.agent.instructions as instructions
from fte.agent.company import Company


def test_the_version_follows_the_document() -> None:
    document = Path(instructions.__file__).with_name("instructions.md").read_bytes()
    assert instructions.version() == hashlib.sha256(document).hexdigest()[:12]


def test_the_company_s_texts_are_filled_in_and_not_expanded() -> None:
    text = instructions.render(
        Company("Acme", profile="We say {canary} and {voice}.", voice="Calm."), "fte-1"
    )
    assert (
        "assistant of Acme" in text
        and "We say {canary} and {voice}." in text
        and "Calm." in text
        and text.count("fte-1") == 1
    )


def test_every_tool_is_named() -> None:
    for tool in (
        "create_ticket",
        "get_customer_history",
        "search_knowledge_base",
        "escalate_to_human",
        "send_response",
    ):
        assert tool in instructions.own_words()


def test_the_model_is_told_of_files_it_cannot_read() -> None:
    for line in ("[attachment: …]", "[attachment not kept: …]", "[image]", "[voice message]"):
        assert line in instructions.own_words()
