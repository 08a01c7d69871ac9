"""Who must speak to a person: the rules, in both directions."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fte
from fte.domain.channels import CHANNELS
from fte.domain.escalation import (
    REASONS,
    URGENCIES,
    after,
    before,
    reasons,
)
from fte.domain.mood import MOOD_FLOOR, mood_trend, mood_word
from fte.domain.sentiment import sentiment
from tests.support import is_quick

HAND_OVER = {
    "human_request": [
        "I want to talk to a human",
        "Can I speak to a real person please?",
        "let me talk to someone",
        "Could somebody from your team call me?",
        "connect me to an agent",
        "Please transfer me to a representative.",
        "put me through to your manager",
        "I need a human",
        "get me a supervisor",
        "Is there anybody real there?",
        "is anyone there?",
        "am I talking to a robot? I want a person",
        "stop sending me robot replies",
        "I don't want to talk to a bot",
        "no bots please",
        "please call me back",
        "Do you have a phone number I can call?",
        "escalate this please",
        "I'd rather deal with one of your colleagues",
        "Can I have a human being look at this?",
        "I would like to speak with your supervisor",
        "how do I contact a human",
        "I’d like to chat with a live agent",
        "person",
        "Person, please.",
        "human",
        "I want to file a formal complaint",
        "can someone phone me",
        "give me a call",
        "Kann ich bitte mit einem Menschen sprechen?",
        "Ich möchte mit einem echten Mitarbeiter reden",
        "Bitte rufen Sie mich an",
        "Verbinden Sie mich mit einem Mitarbeiter",
        "Je veux parler à un humain",
        "Puis-je parler à quelqu'un ?",
        "Je voudrais parler avec un conseiller",
        "rappelez-moi s'il vous plaît",
        "Quiero hablar con una persona",
        "¿Puedo hablar con un agente?",
        "necesito una persona real",
        "Vorrei parlare con un operatore",
        "posso parlare con una persona vera?",
        "Quero falar com um atendente",
        "gostaria de falar com uma pessoa",
        "Kan ik met een medewerker spreken?",
        "Ik wil een echt persoon spreken",
    ],
    "legal": [
        "My lawyer will be in touch",
        "we will take legal action",
        "I'm going to sue you",
        "See you in court",
        "I will sue",
        "our attorney has advised us",
        "this is illegal",
        "Ich schalte meinen Anwalt ein",
        "Je vais contacter mon avocat",
        "Hablaré con mi abogado",
        "Mi rivolgerò al mio avvocato",
        "vou falar com o meu advogado",
        "I WILL SUE YOU",
        "you will hear from my l\u200bawyer",
    ],
    "pricing_inquiry": [
        "How much does the Company plan cost?",
        "What are your prices?",
        "Can we get a discount?",
        "is there a discount for non-profits",
        "Could you send me a quote for 60 seats?",
        "What would an upgrade cost us?",
        "how much is it",
        "Was kostet der Company-Plan?",
        "Combien coûte le plan Studio ?",
        "¿Cuánto cuesta?",
        "Do you offer special terms for schools?",
        "Pricing for a team of ten?",
    ],
    "refund_request": [
        "I want a refund",
        "Please refund our subscription",
        "I want my money back",
        "You charged me twice this month",
        "give me my money back now",
        "How do I get a refund for my subscription?",
        "Ich will mein Geld zurück",
        "Je veux un remboursement",
        "Quiero un reembolso",
        "A question about credit notes for our clients. Also, please refund us the last payment.",
    ],
    "chargeback": [
        "I have opened a chargeback",
        "I disputed the charge with my bank",
        "my bank will reverse this payment",
    ],
    "cancellation_threat": [
        "I will cancel my subscription",
        "If this isn't fixed we are leaving you",
        "we're moving to another tool",
        "I want to cancel our account",
        "we will take our business elsewhere",
        "Hiermit kündige ich mein Abo",
    ],
    "privacy_request": [
        "Delete all my personal data",
        "Under the GDPR I request a copy of my data",
        "What data do you hold about me?",
        "please erase everything you have about me",
        "I want to exercise my right to be forgotten",
        "Bitte löschen Sie alle meine personenbezogenen Daten",
    ],
    "security_incident": [
        "our account was hacked",
        "Someone has logged into my account",
        "I think there is a data breach",
        "I found a vulnerability in your API",
        "my API token was stolen",
        "there was a sign-in that was not me",
    ],
    "profanity": [
        "this is fucking broken",
        "what a piece of shit",
        "you are idiots",
        "you people are useless",
        "f*** this",
        "so eine Scheiße",
        "putain ça marche pas",
        "vaya mierda de programa",
    ],
}

ORDINARY = [
    "Can I add our attorney as a guest user?",
    "How do I invite our lawyer to a project?",
    "The Legal tab is empty, where do I upload our terms?",
    "Our lawyer clients want time tracking; how do I set rates?",
    "Who can see my data in a shared project?",
    "How can I block hackers with IP allowlist?",
    "Is there a phone app?",
    "We use a human review step; how do I add it to a workflow?",
    "our sales agents cannot see the list, how do I share it?",
    "Can agents be renamed in the sync settings?",
    "How do I turn on the Human resources module?",
    "Is there a human-readable export?",
    "How do I refund my own customers' invoices with your product?",
    "How can I refund one of my clients who paid twice?",
    "How do I issue a refund to a client?",
    "Where is the Refund client button?",
    "Where do I create an agent API key?",
    "The Sync Agent is offline since Monday",
    "Agent API keys: how many can we have?",
    "Where do I change the legal entity field?",
    "LEDES export for a law firm, do you support that?",
    "How do I give Sue access to the project?",
    "Please ask Sue for the timesheet. Sue can approve it.",
    "I want to make Sue a manager",
    "Can Sue see my timesheet?",
    "I have an issue with the import",
    "The tissue samples project does not open",
    "How do I pursue an unpaid invoice? Is there a reminder?",
    "What is the representative field of a client?",
    "How do I cancel an invoice?",
    "Can I cancel a leave request?",
    "How do I cancel a scheduled report?",
    "My client's card is declined at Pay now",
    "How do I mark an invoice as disputed by the client?",
    "Is SSO in the Studio plan?",
    "How do I move from Studio to Company?",
    "How do I set an hourly price on a project?",
    "How do I add a discount to an invoice for my client?",
    "Where is the unit price column in the report?",
    "How much time did my team track last week?",
    "How much storage does the project have?",
    "How do I reset my password?",
    "How do I invite a person to my team?",
    "How do I assign a task to more than one person?",
    "How can a manager approve timesheets?",
    "My manager has not answered my leave request yet",
    "Can I transfer a project to another workspace?",
    "How do I transfer ownership to my colleague?",
    "The webhook callback URL does not work",
    "How do I stop automatic reminders for one invoice?",
    "How do I export my data to CSV?",
    "Where is our data stored?",
    "How do I delete imported data?",
    "We have a hackathon next week, can we get more API requests?",
    "How do I create a credit note?",
    "Our tennis court booking project is archived, how do I restore it?",
    "I get error 403 Unauthorized from the API",
    "Which browsers are supported?",
    "Scunthorpe office: how do I change the time zone?",
    "How do I assess project profitability?",
    "Thanks, that helped!",
    "Hello",
    "Wie lade ich einen Mitarbeiter ein?",
    "Wie setze ich mein Passwort zurück?",
    "Comment réinitialiser mon mot de passe ?",
    "¿Cómo cambio mi contraseña?",
    "Come cambio la password?",
    "Como altero a minha senha?",
    "Hoe wijzig ik mijn wachtwoord?",
    "How do I get the timer on a computer without internet?",
    "Does the phone app work offline?",
    "How do I remove a person who left?",
    "Can somebody tell me how rounding works?",
    "Can someone help me set up single sign-on?",
    "How do I change the contact person of a client?",
    "Can I see the cost rates of a project?",
    "Do the numbers of purchase orders appear on invoices?",
    'On the page it says "Delete project". Is that final?',
    'Thanks.\n> To reach a person, reply with the word "person".\n> Kind regards',
    'It works. This answer was written by our AI assistant. To reach a person, reply with the word "person".',
]

CASES = [(text, reason) for reason, texts in HAND_OVER.items() for text in texts]


@pytest.mark.parametrize(("text", "reason"), CASES)
def test_hands_over(text: str, reason: str) -> None:
    assert reason in reasons(text, "email", 0.5)
    assert before(text, "email", 0.5) is not None


@pytest.mark.parametrize(("text", "reason"), CASES)
def test_hands_over_inside_a_longer_message(text: str, reason: str) -> None:
    if len(text.split()) > 2:
        assert reason in reasons(
            f"Hello,\nsince Monday the timer is off.\n{text}\nBest, Kim", "web_form", 0.5
        )


@pytest.mark.parametrize("channel", ["email", "web_form"])
@pytest.mark.parametrize("text", ORDINARY)
def test_leaves_ordinary_questions_to_the_agent(text: str, channel: str) -> None:
    assert reasons(text, channel, sentiment(text)) == ()


@pytest.mark.parametrize("text", ["human", "Agent", "representative!", "can i get an agent", "human pls"])
def test_single_words_are_enough_on_whatsapp(text: str) -> None:
    assert before(text, "whatsapp", 0.5) == "human_request"


@pytest.mark.parametrize("text", ["how do i rotate an agent api key", "where is the human resources module"])
def test_lookalikes_stay_ordinary_on_whatsapp(text: str) -> None:
    assert before(text, "whatsapp", 0.5) is None


@pytest.mark.parametrize("channel", ["whatsapp", "web_form"])
def test_a_mark_of_quoting_is_the_customers_own_where_no_program_quotes(channel: str) -> None:
    text = "> I will talk to a lawyer about this"
    assert before(text, channel, 0.5) == "legal"
    assert before(text, "email", 0.5) is None


def test_mood_decides_at_the_floor() -> None:
    assert before("It is like this.", "email", MOOD_FLOOR) is None
    assert before("It is like this.", "email", MOOD_FLOOR - 0.001) == "negative_sentiment"


def test_the_most_pressing_reason_wins_and_the_others_are_kept() -> None:
    text = "I want a refund and to talk to a human, or my lawyer will write to you"
    assert reasons(text, "email", 0.2) == ("legal", "refund_request", "human_request", "negative_sentiment")


def test_every_reason_has_an_urgency() -> None:
    assert set(URGENCIES) == set(REASONS)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ({"requested": None, "searches": 1, "hits": 3, "answered": True}, None),
        ({"requested": None, "searches": 2, "hits": 0, "answered": True}, "no_answer_found"),
        ({"requested": None, "searches": 2, "hits": 1, "answered": True}, None),
        ({"requested": None, "searches": 0, "hits": 0, "answered": True}, None),
        ({"requested": "refund_request", "searches": 0, "hits": 0, "answered": True}, "refund_request"),
        ({"requested": None, "searches": 1, "hits": 1, "answered": False}, "agent_failure"),
        (
            {"requested": None, "searches": 1, "hits": 1, "answered": False, "violations": ("price",)},
            "policy_violation",
        ),
    ],
)
def test_after_a_run(run: dict, reason: str | None) -> None:
    assert after(**run) == reason


PADDING = st.text(alphabet=st.characters(codec="utf-8", categories=("Zs", "Po")), max_size=20)


@given(st.sampled_from(CASES), PADDING, PADDING, st.sampled_from(CHANNELS))
def test_punctuation_around_a_request_changes_nothing(
    case: tuple[str, str], left: str, right: str, channel: str
) -> None:
    text, reason = case
    found = reasons(f"{left}\n{text}\n{right}", channel, 0.5)
    assert reason in found


@given(st.sampled_from(CASES), st.sampled_from("\u200b\u200d\u2060\ufeff\u00ad"), st.integers(0, 200))
def test_invisible_characters_hide_nothing(case: tuple[str, str], invisible: str, at: int) -> None:
    text, reason = case
    at %= len(text)
    assert reason in reasons(text[:at] + invisible + text[at:], "email", 0.5)


@given(st.text(max_size=3000), st.sampled_from(CHANNELS), st.floats(0, 1))
def test_any_text_is_judged(text: str, channel: str, mood: float) -> None:
    found = reasons(text, channel, mood)
    assert list(found) == sorted(set(found), key=REASONS.index)
    assert ("negative_sentiment" in found) == (mood < MOOD_FLOOR)


@given(st.floats(0, 1))
def test_every_mood_has_a_word(mood: float) -> None:
    assert mood_word(mood)


@pytest.mark.parametrize(
    ("moods", "trend"),
    [([], ""), ([0.2], ""), ([0.5, 0.45], ""), ([0.6, 0.5, 0.2], "falling"), ([0.2, 0.3, 0.7], "rising")],
)
def test_where_the_mood_goes(moods: list[float], trend: str) -> None:
    assert mood_trend(moods) == trend


@pytest.mark.parametrize(
    "fragment",
    [
        "a",
        "a. ",
        "i want ",
        "you are so ",
        "how much ",
        "speak to a ",
        "my bank ",
        "refund ",
        ">",
        "f",
        "data ",
    ],
)
def test_hostile_repetition_takes_no_time(fragment: str) -> None:
    text = (fragment * 20_000)[:20_000]
    assert is_quick(lambda: reasons(text, "whatsapp", 0.5), 1.0)


@pytest.mark.parametrize(
    ("company", "text", "reason"),
    [
        ("Acme", "My sister says: sue Acme.", "legal"),
        ("Acme B.V.", "My sister says: sue ACME!", "legal"),
        ("Blue  River Labs, Inc.", "better sue Blue River\nLabs", "legal"),
        ("Müller & Söhne GmbH", "better sue Muller & Sohne", "legal"),
        ("O'Neill's Ltd", "better sue O\u2019Neill\u2019s now", "legal"),
        ("C++ (Studio) [x]*|.", "better sue c++ (studio) [x]*|.", "legal"),
        ("Acme", "We are leaving Acme for good.", "cancellation_threat"),
        ("Acme", "How much is Acme?", "pricing_inquiry"),
        ("Acme", "Acme took 90 euros. I want that back.", "refund_request"),
    ],
)
def test_the_company_is_meant_by_its_name(company: str, text: str, reason: str) -> None:
    assert reasons(text, "email", 0.6) == ()
    assert reasons(text, "email", 0.6, company) == (reason,)


@pytest.mark.parametrize(
    ("company", "text"),
    [
        ("Acme", "How do I see my hours in Acme?"),
        ("Acme", "My sister says: sue Acmeson."),
        ("Sue", "Sue cannot log in. Which role does she need?"),
        ("On", "I left the timer on. Can I leave on Friday a note for it?"),
        ("our company", "Three people leave our company in May. How do I archive them?"),
        (".", "How do I leave. Where is the button"),
        ("", "better sue Acme"),
        ("X" * 10_000, "How do I see my hours?"),
    ],
)
def test_a_company_by_its_name_is_no_reason(company: str, text: str) -> None:
    assert reasons(text, "email", 0.6, company) == ()


def test_words_of_a_company_s_name_keep_their_meaning() -> None:
    assert reasons("I want a human", "email", 0.6, "Human") == ("human_request",)


@given(st.text(max_size=40))
def test_no_company_by_its_name_takes_a_reason_away(company: str) -> None:
    assert "human_request" in reasons("I want to talk to a human", "email", 0.6, company)


COMPANY = Path(fte.__file__).parent / "demo" / "company" / "customers.json"


def test_the_sample_company_s_messages() -> None:
    wrong = []
    for message in json.loads(COMPANY.read_text()):
        words = [message["subject"], message["message"]]
        reason = before("\n".join(words), message["channel"], min(map(sentiment, words)))
        expected = message["reason"] if message["expect"] == "escalate" else None
        if reason != (None if expected == "no_documentation" else expected):
            wrong.append((message["subject"], reason, expected))
        after_answer = message["follow_up"] if message["expect"] == "answer" else None
        if after_answer and reasons(after_answer, message["channel"], sentiment(after_answer)):
            wrong.append((after_answer, "escalated", None))
    assert wrong == []


HERE = Path(__file__).parent


def _judged(name: str) -> tuple[list[bool], list[bool]]:
    """Of a table's messages that must go to a person, and of those that must not: whether the rules get each right."""
    _, *lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    judged = [(person == "yes", bool(_reasons_by_mail(text))) for _, _, person, text in map(_fields, lines)]
    return [found for person, found in judged if person], [
        not found for person, found in judged if not person
    ]


def _fields(line: str) -> list[str]:
    return line.split("\t")


def test_wordings_collected_from_messages_once_held_out() -> None:
    wanted, spared = _judged("wordings.tsv")
    assert (len(wanted), len(spared)) == (332, 564)
    assert sum(wanted) >= 0.94 * len(wanted), sum(wanted)
    assert sum(spared) >= 0.98 * len(spared), sum(spared)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("My card shows your charge three times. Please put two of them back.", "refund_request"),
        ("Avete prelevato 90 euro ieri. Ridatemeli.", "refund_request"),
        ("Ni har tagit pengar två gånger. Det ena vill vi ha tillbaka.", "refund_request"),
        ("Könnte mich ein Sachbearbeiter bitte kontaktieren?", "human_request"),
        ("Il me faut un interlocuteur.", "human_request"),
        ("Gostaria que um responsável entrasse em contato comigo.", "human_request"),
        ("Je voudrais être recontactée par une spécialiste.", "human_request"),
        ("Jag vill bli kontaktad av en expert.", "human_request"),
        ("Někdo z kolegů ať se mi ozve.", "human_request"),
        ("Нехай фахівець мені перетелефонує.", "human_request"),
        ("أريد من مختص أن يتواصل معي", "human_request"),
        ("किसी अधिकारी से कहिए मुझसे संपर्क करें।", "human_request"),
        ("전문가분이 저희에게 연락해 주시면 좋겠어요.", "human_request"),
        ("哪位同事方便给我回电？", "human_request"),
        ("Do I have to argue with a machine?", "human_request"),
        ("That transfer was not ours.", "security_incident"),
        ("There are sessions I do not recognise.", "security_incident"),
        ("My bank is already looking into it.", "chargeback"),
        ("What has your firm got on me?", "privacy_request"),
        ("Frankly, I don't see us renewing with you.", "cancellation_threat"),
    ],
)
def test_two_halves_of_a_wish_in_any_wording(text: str, reason: str) -> None:
    assert reason in _reasons_by_mail(text)


@pytest.mark.parametrize(
    "text",
    [
        "I charged my client twice. How do I pay it back?",
        "Ein Kollege soll den Kunden anrufen. Wo trage ich die Nummer ein?",
        "We paid the invoice. Where do I get the receipt?",
        "Un collègue doit valider mes heures. Comment le choisir ?",
        "Mon équipe discute du budget avec un client. Voit-il le rapport ?",
        "How do I let somebody look at my calendar?",
        "Může vedoucí schválit moje hodiny?",
        "Чи може працівник бачити мої години?",
        "هل يستطيع مدير المشروع رؤية ساعاتي؟",
        "담당자가 제 시간을 승인하나요?",
    ],
)
def test_half_a_wish_is_none(text: str) -> None:
    assert _reasons_by_mail(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "The refund came through this morning, thank you!",
        "Got the refund, cheers. Where do I download the receipt?",
        "Someone from your team called me back, all solved.",
        "Don't put me through to anybody. How do I mute a channel?",
        "No need for a call back, I figured it out.",
    ],
)
def test_what_is_settled_needs_nobody(text: str) -> None:
    assert _reasons_by_mail(text) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The refund arrived, but it is only half of it.", "refund_request"),
        ("The refund arrived. Now I want the other half of my money back.", "refund_request"),
        ("Your colleague called me back. It still fails, I want to talk to a person.", "human_request"),
        ("Your colleague called and nothing was solved, put me through to a human.", "human_request"),
        ("The refund arrived, and my lawyer will write about the rest.", "legal"),
    ],
)
def test_what_is_settled_in_part_needs_somebody(text: str, reason: str) -> None:
    assert reason in _reasons_by_mail(text)


def test_messages_held_out() -> None:
    """The limits lie slightly below what docs/agent.md reports; a line that fails is no reason to add its words."""
    wanted, spared = _judged("held_out.tsv")
    assert (len(wanted), len(spared)) == (108, 55)
    assert sum(wanted) >= 81, sum(wanted)
    assert sum(spared) >= 51, sum(spared)


def test_messages_held_out_in_six_more_languages_and_in_dialects() -> None:
    """As above; `learnt` were held out once, and no phrase nears what the `indirect` ones say."""
    _, *lines = (HERE / "six_languages.tsv").read_text(encoding="utf-8").splitlines()
    rows = [(kind, person, bool(_reasons_by_mail(text))) for kind, _, _, person, text in map(_fields, lines)]
    plain, learnt, indirect = (
        [found for kind, person, found in rows if kind == one and person == "yes"]
        for one in ("plain", "learnt", "indirect")
    )
    spared = [not found for _, person, found in rows if person == "no"]
    assert (len(plain), len(learnt), len(indirect), len(spared)) == (99, 48, 24, 53)
    assert sum(plain) >= 95, sum(plain)
    assert sum(learnt) >= 47, sum(learnt)
    assert sum(spared) >= 52, sum(spared)


FIRST_MESSAGE = """
import sys
from fte.domain import escalation

escalation.warm_up()
loaded = []
sys.addaudithook(lambda event, args: loaded.append(args[0]) if event == "open" else None)
for text in ("How do I export my invoices?", "Ich verklage euch! I want my money back and a person."):
    escalation.reasons(text, "email", 0.1)
    escalation.suspected(text, "email")
print(loaded)
"""


def test_no_message_waits_for_the_phrases_files_once_they_are_read() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_MESSAGE], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def _reasons_by_mail(text: str) -> tuple[str, ...]:
    message = text.replace("\\n", "\n")
    return reasons(message, "email", sentiment(message))
