"""The page with the form on it, and the plain pages around it. Works without JavaScript."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from fte.channels.files import TYPES
from fte.channels.web_form.markup import NOTHING, Html, fill, join
from fte.channels.web_form.parse import FILE_BYTES_MAX, FILES_BYTES_MAX, FILES_MAX, HONEYPOT, MESSAGE
from fte.domain.modes import Answers
from fte.domain.tickets import Category, Priority

CATEGORY_WORDS: Final[dict[Category, str]] = {
    "general": "General question",
    "technical": "Technical problem",
    "billing": "Billing",
    "feedback": "Feedback",
    "bug_report": "Something is broken",
}
PRIORITY_WORDS: Final[dict[Priority, str]] = {
    "low": "Low – whenever it suits",
    "medium": "Normal",
    "high": "High – it stops my work",
}
_RATHER: Final = (
    "Would you rather talk to a person? Just say so, now or later, and a member of our team takes over."
)
LEAD_WORDS: Final[dict[Answers, str]] = {
    "ai": f"Our AI assistant answers first, usually within a minute. {_RATHER}",
    "checked": f"Our AI assistant drafts an answer, and a member of our team reads it before you get it. {_RATHER}",
    "people": "A member of our team answers you.",
    "either": f"Our AI assistant or a member of our team answers you. {_RATHER}",
}
FOOT_WORDS: Final[dict[Answers, str]] = {
    "ai": "An AI assistant answers first. You can ask for a person at any time.",
    "checked": "An AI assistant drafts our answers. You can ask for a person at any time.",
    "people": "People answer here.",
    "either": "You can ask for a person at any time.",
}
FIELD_IDS: Final = {
    name: f"field-{name.replace('_', '-')}"
    for name in (
        "name",
        "email",
        "subject",
        "category",
        "priority",
        "message",
        "attachments",
        "submission_id",
        HONEYPOT,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What every page shares. `company` is empty when none is set; the URLs are those of our static files.

    `answers` says who answers first, so that no page promises what will not be.
    """

    company: str
    stylesheet: str
    script: str
    answers: Answers = "either"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a form is shown again: a sentence, and one for each field that is wrong."""

    message: str
    fields: Mapping[str, str]


FINE: Final = Trouble("", {})


def form_page(site: Site, submission_id: str, kept: Mapping[str, object], trouble: Trouble = FINE) -> Html:
    """The form, with what was typed before in it. Values in `kept` that are not text are left out."""
    body = fill(
        _FORM_PAGE,
        lead=LEAD_WORDS[site.answers],
        summary=summary(trouble),
        name=_input("name", "Your name", 'autocomplete="name"', kept, trouble),
        email=_input("email", "E-mail address", _EMAIL_ATTRIBUTES, kept, trouble),
        subject=_input("subject", "Subject", 'autocomplete="off"', kept, trouble),
        category=_select("category", "What is it about?", CATEGORY_WORDS, "general", kept, trouble),
        priority=_select("priority", "How urgent is it?", PRIORITY_WORDS, "medium", kept, trouble),
        message=message_field("Message", MESSAGE.low, MESSAGE.high, 8, kept, trouble),
        files=files_field(kept, trouble),
        hidden=hidden_fields(submission_id),
        lookup=_LOOKUP,
    )
    return document(site, "Contact support", body, wrong=trouble is not FINE)


def notice_page(site: Site, title: str, text: str) -> Html:
    """A page that says one thing and leads back to the form."""
    return document(site, title, fill(_NOTICE, title=title, text=text, lookup=_LOOKUP))


def document(
    site: Site, title: str, body: Html, *, head: Html = NOTHING, wrong: bool = False, classes: str = ""
) -> Html:
    """A whole page around `body`."""
    return fill(
        _DOCUMENT,
        title=f"{'Error: ' if wrong else ''}{title} – {site.company or 'Support'}",
        company=f"{site.company} support" if site.company else "Customer support",
        stylesheet=site.stylesheet,
        script=site.script,
        head=head,
        classes=classes,
        body=body,
        foot=FOOT_WORDS[site.answers],
    )


def summary(trouble: Trouble) -> Html:
    """What went wrong, each problem a link to its field; nothing when all is fine."""
    if not trouble.message:
        return NOTHING
    items = join(
        fill('<li><a href="#$id">$text</a></li>', id=FIELD_IDS.get(name, "field-message"), text=text)
        for name, text in trouble.fields.items()
    )
    return fill(
        _SUMMARY, message=trouble.message, items=fill("<ul>$items</ul>", items=items) if items else NOTHING
    )


def message_field(
    label: str, low: int, high: int, rows: int, kept: Mapping[str, object], trouble: Trouble
) -> Html:
    """The text box with its counter."""
    return fill(
        _MESSAGE,
        label=label,
        error=_error("message", trouble),
        state=_state("message", "message-hint message-count", trouble),
        hint=f"{low} to {high:,} characters." if low > 1 else f"Up to {high:,} characters.",
        high=high,
        rows=rows,
        value=_typed("message", kept),
    )


def files_field(kept: Mapping[str, object], trouble: Trouble) -> Html:
    """The field for files. No browser gives back what was chosen, so after a failure it asks for it again."""
    again = trouble is not FINE and kept.get("attachments")
    return fill(
        _FILES,
        again="Please choose your files again. " if again else "",
        error=_error("attachments", trouble),
        state=_state("attachments", "attachments-hint attachments-problem", trouble),
        accept=",".join(TYPES),
        most=FILES_MAX,
        each=FILE_BYTES_MAX,
        total=FILES_BYTES_MAX,
        each_mb=FILE_BYTES_MAX // 1024**2,
        total_mb=FILES_BYTES_MAX // 1024**2,
    )


def hidden_fields(submission_id: str) -> Html:
    return fill(_HIDDEN, submission_id=submission_id, honeypot=HONEYPOT, honeypot_id=FIELD_IDS[HONEYPOT])


def _typed(name: str, kept: Mapping[str, object]) -> str:
    value = kept.get(name)
    return value if isinstance(value, str) else ""


def _input(
    name: str, label: str, attributes: LiteralString, kept: Mapping[str, object], trouble: Trouble
) -> Html:
    return fill(
        _INPUT,
        id=FIELD_IDS[name],
        name=name,
        label=label,
        error=_error(name, trouble),
        state=_state(name, "", trouble),
        attributes=Html(attributes),
        value=_typed(name, kept),
    )


def _select(
    name: str,
    label: str,
    words: Mapping[Any, str],
    default: str,
    kept: Mapping[str, object],
    trouble: Trouble,
) -> Html:
    chosen = _typed(name, kept) if _typed(name, kept) in words else default
    options = join(
        fill(
            '<option value="$value"$selected>$text</option>',
            value=value,
            selected=Html(" selected" if value == chosen else ""),
            text=text,
        )
        for value, text in words.items()
    )
    return fill(
        _SELECT,
        id=FIELD_IDS[name],
        name=name,
        label=label,
        error=_error(name, trouble),
        state=_state(name, "", trouble),
        options=options,
    )


def _error(name: str, trouble: Trouble) -> Html:
    if name not in trouble.fields:
        return NOTHING
    return fill(
        '<p class="error" id="$id-error"><span class="unseen">Error: </span>$text</p>',
        id=FIELD_IDS[name],
        text=trouble.fields[name],
    )


def _state(name: str, described: str, trouble: Trouble) -> Html:
    wrong = name in trouble.fields
    described = f"{described} {FIELD_IDS[name]}-error".strip() if wrong else described
    about = fill(' aria-describedby="$ids"', ids=described) if described else NOTHING
    return Html(f'{about} aria-invalid="true"') if wrong else about


_EMAIL_ATTRIBUTES: Final = 'autocomplete="email" inputmode="email" autocapitalize="none" spellcheck="false"'

_DOCUMENT: Final = """\
<!doctype html>
<html lang="en" class="$classes">
<head>
<meta charset="utf-8">
<title>$title</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
$head<link rel="icon" href="data:,">
<link rel="stylesheet" href="$stylesheet">
<script src="$script" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="top"><p><a href="/support">$company</a></p></header>
<main id="main">
$body
</main>
<footer class="foot"><p>$foot</p></footer>
</body>
</html>
"""

_SUMMARY: Final = """\
<div class="problems" id="problems" role="alert" tabindex="-1" autofocus aria-labelledby="problems-title">
<h2 id="problems-title">$message</h2>
$items
</div>
"""

_FORM_PAGE: Final = """\
<h1>How can we help?</h1>
<p class="lead">$lead</p>
$summary
<form class="card" method="post" action="/support/submit" enctype="multipart/form-data" novalidate>
<div class="pair">
$name
$email
</div>
$subject
<div class="pair">
$category
$priority
</div>
$message
$files
$hidden
<div class="actions">
<button type="submit">Send message</button>
<p class="hint">You get a private page where the answer appears.</p>
</div>
</form>
$lookup"""

_NOTICE: Final = """\
<h1>$title</h1>
<p class="lead">$text</p>
<p><a class="button" href="/support">Go to the contact form</a></p>
$lookup"""

_LOOKUP: Final = Html("""\
<section class="card quiet" aria-labelledby="lookup-title">
<h2 id="lookup-title">Already wrote to us?</h2>
<form method="get" action="/support/ticket" class="inline">
<div class="field">
<label for="lookup-id">Ticket number</label>
<input id="lookup-id" name="id" type="text" autocomplete="off" autocapitalize="none" spellcheck="false">
</div>
<button type="submit" class="second">Check its status</button>
</form>
</section>
""")

_INPUT: Final = """\
<div class="field">
<label for="$id">$label</label>
$error<input id="$id" name="$name" type="text" required $attributes value="$value"$state>
</div>"""

_SELECT: Final = """\
<div class="field">
<label for="$id">$label</label>
$error<select id="$id" name="$name"$state>$options</select>
</div>"""

# A newline right after <textarea> is dropped by browsers, so one is written for a text that begins with one.
# There is no maxlength: it would cut off what is pasted without a word.
_MESSAGE: Final = """\
<div class="field">
<label for="field-message">$label</label>
<p class="hint" id="message-hint">$hint</p>
$error<textarea id="field-message" name="message" rows="$rows" required data-limit="$high"$state>
$value</textarea>
<p class="hint counter" id="message-count" hidden></p>
<p class="unseen" role="status" id="message-spoken"></p>
</div>"""

_FILES: Final = """\
<div class="field">
<label for="field-attachments">Files (optional)</label>
<p class="hint" id="attachments-hint">${again}Up to $most files of $each_mb MB, $total_mb MB in all, such as a
screenshot or a PDF.</p>
$error<input id="field-attachments" name="attachments" type="file" multiple accept="$accept"
 data-most="$most" data-each="$each" data-total="$total"$state>
<p class="error" id="attachments-problem" role="status"></p>
</div>"""

_HIDDEN: Final = """\
<input type="hidden" name="submission_id" id="field-submission-id" value="$submission_id">
<div class="trap" aria-hidden="true">
<label for="$honeypot_id">Leave this field empty</label>
<input id="$honeypot_id" name="$honeypot" type="text" tabindex="-1" autocomplete="off" value="">
</div>"""
