"""What the customer reads, on every channel."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.agent.company import Company
from fte.agent.format import bare, clarification, finished, handover, room
from fte.domain.channels import CHANNELS, within_limits
from fte.domain.escalation import REASONS
from fte.domain.languages import languages, names_an_ai, sentence
from tests.support_agent import COMPANY, assignment, line

MONDAY = datetime(2026, 11, 23, 10, tzinfo=UTC)
"""Eleven o'clock in Amsterdam."""
channels = pytest.mark.parametrize("channel", CHANNELS)


def test_email_is_formal() -> None:
    text = finished("Select Send link.", assignment(), COMPANY)
    assert text.startswith(
        "Dear Lena Brandt,\n\nSelect Send link.\n\nKind regards,\nTallywren Support\nTicket TK-4F2A"
    )
    assert "AI assistant" in text and 'the word "person"' in text


def test_web_form_is_semi_formal() -> None:
    text = finished("Select Send link.", assignment(channel="web_form"), COMPANY)
    assert text.startswith("Hello Lena,\n\n") and "AI assistant" in text
    assert "TK-4F2A" not in text  # the page it stands on is the ticket


def test_whatsapp_says_once_that_it_is_an_ai() -> None:
    first = finished("Select Send link.", assignment(channel="whatsapp"), COMPANY)
    heard = (
        line(first, role="agent", channel="whatsapp", new=False),
        line("Thanks", channel="whatsapp", seq=2),
    )
    turn = assignment(channel="whatsapp", lines=heard, first_answer=False)
    later = finished("Select Send link.", turn, COMPANY)
    assert "AI assistant" in first and '"human"' in first
    assert "AI assistant" not in later and '"human"' in later


def test_a_greeting_of_the_model_is_not_doubled() -> None:
    text = finished("Dear Ms Brandt,\n\nSelect Send link.\n\nKind regards,\nThe team", assignment(), COMPANY)
    assert text.count("Dear") == 1 and text.count("Kind regards") == 1 and "The team" not in text


@pytest.mark.parametrize(
    "name",
    [
        "http://evil.com",
        "evil.com",
        "Click here: x",
        "a@b.com",
        "x" * 60,
        "",
        "<b>Bob</b>",
        "Bob\nBcc: x@y.z",
        "1234567",
    ],
)
@channels
def test_a_name_that_is_none_is_left_out(name: str, channel: str) -> None:
    text = finished("Yes.", assignment(channel=channel, customer_name=name), COMPANY)
    assert not name or name not in text


@pytest.mark.parametrize(
    "name",
    ["Lena", "Lena Brandt", "José María Núñez", "O'Neil", "J. Smith", "Anne-Marie van der Berg", "王伟"],
)
def test_names_are_used(name: str) -> None:
    assert finished("Yes.", assignment(customer_name=name), COMPANY).startswith(f"Dear {name},")


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("hours", ["", COMPANY.hours])
@channels
def test_every_handover_is_honest_and_fits(channel: str, reason: str, hours: str) -> None:
    text = handover(reason, assignment(channel=channel), Company("Tallywren", hours=hours), MONDAY)
    assert within_limits(channel, text)
    assert "person" in text
    assert (hours in text) if hours else not any(word in text for word in ("hour", "minute", "soon", "day,"))
    assert reason not in text


@channels
def test_an_empty_message_gets_a_question(channel: str) -> None:
    text = clarification(assignment("", channel), COMPANY)
    assert "?" in text and within_limits(channel, text) and "AI assistant" in text


@given(st.sampled_from(CHANNELS), st.booleans(), st.text(max_size=80))
def test_what_fits_the_room_fits_the_channel(channel: str, first: bool, name: str) -> None:
    turn = assignment(channel=channel, first_answer=first, customer_name=name)
    size = room(turn, COMPANY)
    assert size > 100
    body = "x" * size if channel == "whatsapp" else "x " * size
    assert within_limits(channel, finished(body, turn, COMPANY))


@pytest.mark.parametrize("reason", REASONS)
@channels
def test_a_customer_handed_over_at_night_is_told_when_somebody_answers(channel: str, reason: str) -> None:
    at_night = MONDAY + timedelta(hours=12)
    text = handover(reason, assignment(channel=channel), COMPANY, at_night)
    assert "Nobody of our team is here right now." in text
    assert (
        "We aim to answer by tomorrow, 10:00 (Europe/Amsterdam)." in text
    )  # at 8 we open, 2 hours are the goal
    assert within_limits(channel, text)


@channels
def test_a_customer_handed_over_by_day_is_told_so_too(channel: str) -> None:
    text = handover("human_request", assignment(channel=channel), COMPANY, MONDAY)
    assert "We aim to answer by today, 13:00 (Europe/Amsterdam)." in text
    assert "Nobody" not in text
    urgent = handover("human_request", assignment(channel=channel), COMPANY, MONDAY, priority="high")
    assert "by today, 11:30" in urgent


@channels
def test_with_nobody_on_duty_by_day_the_next_opening_counts(channel: str) -> None:
    text = handover("human_request", assignment(channel=channel), COMPANY, MONDAY, on_duty=False)
    assert "Nobody of our team is here right now. We aim to answer by tomorrow, 10:00" in text


SAMPLES = {
    "en": "How do I reset my password please?",
    "de": "Wie setze ich mein Passwort zurück?",
    "fr": "Comment puis-je changer mon mot de passe ?",
    "es": "¿Cómo puedo cambiar mi contraseña?",
    "it": "Come posso cambiare la mia password?",
    "pt": "Como posso mudar a minha senha?",
    "nl": "Hoe kan ik mijn wachtwoord wijzigen?",
    "pl": "Jak mogę zmienić moje hasło?",
    "sv": "Hur kan jag byta mitt lösenord?",
    "tr": "Şifremi nasıl değiştirebilirim lütfen?",
    "ru": "Как мне сменить пароль?",
    "ar": "كيف يمكنني تغيير كلمة المرور؟",
    "zh": "怎么修改密码？",
    "ja": "パスワードを変更するには？",
    "hi": "मैं अपना पासवर्ड कैसे बदलूँ?",
    "da": "Hvordan ændrer jeg min adgangskode?",
    "no": "Hvordan endrer jeg passordet mitt?",
    "cs": "Jak si mohu změnit heslo?",
    "uk": "Як мені змінити пароль?",
    "ko": "비밀번호를 어떻게 바꾸나요?",
    "fi": "Miten voin vaihtaa salasanani?",
    "el": "Πώς μπορώ να αλλάξω τον κωδικό μου;",
    "id": "Bagaimana cara saya mengganti kata sandi?",
    "ro": "Cum pot să îmi schimb parola?",
    "vi": "Làm sao để tôi đổi mật khẩu?",
    "hu": "Hogyan tudom megváltoztatni a jelszavamat?",
}


@pytest.mark.parametrize("code", [one.code for one in languages()])
@channels
def test_customers_are_told_in_their_language(channel: str, code: str) -> None:
    turn = assignment(SAMPLES[code], channel)
    assert turn.language == code
    for reason, on_duty in product(REASONS, (None, False)):
        text = handover(reason, turn, COMPANY, MONDAY + timedelta(hours=12), on_duty=on_duty)
        assert within_limits(channel, text) and "{" not in text
        assert sentence(code, "away") in text and names_an_ai(text)
        if code != "en":
            assert "person of our team" not in text and "2026-11-24 10:00" in text
    told = finished("Forgot password?", turn, COMPANY)
    assert within_limits(channel, told)
    assert sentence(code, "chat_first" if channel == "whatsapp" else "written") in told
    assert room(turn, COMPANY) > 100


@pytest.mark.parametrize(
    "own",
    [
        "Guten Tag Frau Brandt,\n\n{}\n\nMit freundlichen Grüßen\nIhr Team",
        "Bonjour Lena,\n{}\n\nCordialement,",
        "Hei Lena,\n\n{}\n\nVennlig hilsen\nTallywren",
        "Dobrý den,\n\n{}\n\nS pozdravem\nTallywren",
        "Вітаємо!\n\n{}\n\nЗ повагою,\nTallywren",
        "안녕하세요.\n\n{}\n\n감사합니다.\nTallywren",
    ],
)
def test_a_greeting_in_any_language_is_not_doubled(own: str) -> None:
    assert bare(own.format("Wählen Sie Send link."), "email") == "Wählen Sie Send link."


def test_a_short_message_is_in_the_language_of_those_before() -> None:
    lines = (line(SAMPLES["de"], new=False), line("ok?", seq=3))
    assert assignment(lines=lines, first_answer=False).language == "de"
