"""What Twilio's errors mean for a reply: https://www.twilio.com/docs/api/errors

Never put an SDK exception into a string: on a terminal it paints itself.
"""

from typing import Final

from fte.domain.errors import FteError, InDoubt, Rejected, Unavailable
from fte.domain.text import nameless


class ChannelDown(Unavailable):
    """Twilio takes nothing from this account or number until somebody puts that right."""


class WindowClosed(Rejected):
    """Free text is not taken outside the 24-hour window."""


CLOSED: Final = 63016

_CHECK_CREDENTIALS: Final = "Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN."
_CHECK_NUMBER: Final = "Check TWILIO_WHATSAPP_NUMBER; it must be a WhatsApp sender of this account."
_OTHER_WAY: Final = "Reach the customer in another way."
_CHECK_TEMPLATE: Final = (
    "Check FTE_WHATSAPP_TEMPLATE; docs/howto/whatsapp.md says what the template must hold."
)

DOWN: Final = {
    20003: ("Twilio does not accept our credentials", _CHECK_CREDENTIALS),
    20005: ("the Twilio account is not active", "Look at the account in Twilio's console."),
    20006: ("Twilio denies this account access", _CHECK_CREDENTIALS),
    20008: ("these are Twilio's test credentials", _CHECK_CREDENTIALS),
    21212: ("our number is not valid", _CHECK_NUMBER),
    21606: ("our number cannot send", _CHECK_NUMBER),
    21660: ("our number belongs to another account", _CHECK_NUMBER),
    30002: ("the Twilio account is suspended", "Look at the account in Twilio's console."),
    63007: ("our number is not a WhatsApp sender", _CHECK_NUMBER),
    63020: (
        "Meta's business account has not accepted Twilio",
        "Finish the sender's setup in Twilio's console.",
    ),
}
"""Nothing can be sent, whatever it is, until a setting or the account changes."""
LATER: Final = {
    14107: "Twilio's rate limit is reached",
    20429: "too many requests to Twilio at once",
    30001: "Twilio's queue is full",
    63017: "WhatsApp's rate limit is reached",
    63018: "WhatsApp's rate limit is reached",
    63038: "the account's messages of the day are used up",
}
"""Not taken now; the same message may be taken later."""
NEVER: Final = {
    21211: ("the customer's number is not valid", _OTHER_WAY),
    21408: ("this account may not send to the customer's country", "Allow it under Geo permissions."),
    21610: ("the customer has opted out", "Wait until they write again, or reach them in another way."),
    21614: ("the customer's number cannot receive this", _OTHER_WAY),
    21617: ("the text is too long", "Write it shorter."),
    21619: ("the message is empty", "Write something."),
    21654: ("the template does not exist", _CHECK_TEMPLATE),
    21655: ("the template's id is not valid", _CHECK_TEMPLATE),
    21656: ("the template's variables do not fit", _CHECK_TEMPLATE),
    21658: ("the text is too long for the template", "Write it shorter."),
    63003: ("the customer's number is not on WhatsApp", _OTHER_WAY),
    63005: ("WhatsApp does not accept the content", "Write it differently."),
    63013: ("the message breaks WhatsApp's policies", "Write it differently."),
    63015: ("the customer has not joined the sandbox", "They must send the sandbox's join code first."),
    CLOSED: (
        "the 24-hour window is closed",
        "Only a template can be sent until the customer writes again: set FTE_WHATSAPP_TEMPLATE.",
    ),
    63024: ("the customer's number cannot be reached on WhatsApp", _OTHER_WAY),
    63027: ("the template does not exist in this language", _CHECK_TEMPLATE),
    63028: ("the template's variables do not fit", _CHECK_TEMPLATE),
    63032: ("the customer cannot receive our messages", _OTHER_WAY),
    63033: ("the customer has blocked us", _OTHER_WAY),
    63049: ("Meta chose not to deliver it", "Wait until the customer writes, or reach them in another way."),
}
"""Not taken, and the same message never will be."""


def explained(code: int | None, message: str = "") -> str:
    """An error in words, for the people who see the reply: what it is, what helps, and Twilio's number of it."""
    if code is None:
        return nameless(message)
    known = DOWN.get(code) or NEVER.get(code)
    if known is None:
        what, remedy = LATER.get(code) or nameless(message) or "Twilio could not send it", ""
    else:
        what, remedy = known
    return f"{what[:1].upper()}{what[1:300].rstrip('.')} (Twilio {code}). {remedy}".rstrip()


def of_creation(status: int, code: int | None, message: str) -> FteError:
    """The error of a message's creation, by what may be done next; the table is in `channel.py`."""
    if code in DOWN or status == 401:
        return ChannelDown(explained(code, message), remedy=DOWN.get(code or 0, ("", _CHECK_CREDENTIALS))[1])
    if code in LATER or status == 429:
        return Unavailable(explained(code, message))
    if status >= 500 or status < 400:
        return InDoubt(f"Twilio answered {status}; it may have taken the message.")
    kind = WindowClosed if code == CLOSED else Rejected
    return kind(explained(code, message), remedy=NEVER.get(code or 0, ("", None))[1])


def of_reading(status: int, code: int | None, message: str) -> FteError:
    """The error of a question to Twilio, after which nothing is changed."""
    if code in DOWN or status in (401, 403):
        return ChannelDown(explained(code, message), remedy=DOWN.get(code or 0, ("", _CHECK_CREDENTIALS))[1])
    return Unavailable(f"Twilio answered {status}.")
