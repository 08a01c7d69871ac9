"""WhatsApp messages as Twilio keeps them: resources, media, the 24-hour window, and what callbacks say."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

SignatureAlgorithm = Literal["sha1", "sha256"]
Status = Literal["queued", "sent", "delivered", "read", "failed", "undelivered", "received"]

WINDOW: Final = 24 * 3600.0
"""Seconds after a customer's message in which free text reaches them."""
BODY_MAX: Final = 1_600
"""Characters of one message; Twilio refuses more with 21617."""
OUTSIDE_WINDOW: Final = 63016
API_VERSION: Final = "2010-04-01"
ERRORS: Final = {
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    21211: "Invalid 'To' Phone Number",
    21604: "A 'To' phone number is required.",
    21610: "Attempt to send to unsubscribed recipient",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21619: "A text message body or media urls must be specified.",
    63003: "Channel could not find To address",
    63007: "Twilio could not find a Channel with the specified From address",
    63016: "Failed to send freeform message because you are outside the allowed window.",
    63024: "Invalid message recipient",
}
"""What the codes mean: https://www.twilio.com/docs/api/errors."""


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """A file a customer sends along."""

    content: bytes
    media_type: str
    sid: str = ""


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """A button a customer pressed."""

    text: str
    payload: str


class Location(msgspec.Struct, frozen=True, kw_only=True):
    latitude: float
    longitude: float
    address: str = ""
    label: str = ""


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's emoji under a message of ours."""

    emoji: str
    to: str


@dataclass(slots=True)
class Message:
    """A Message resource. Times are seconds since 1970."""

    sid: str
    account: str
    sender: str
    recipient: str
    body: str
    direction: Literal["inbound", "outbound-api"]
    status: Status
    created_at: float = field(default_factory=time.time)
    sent_at: float | None = None
    updated_at: float = field(default_factory=time.time)
    error_code: int | None = None
    status_callback: str = ""
    content_sid: str = ""
    content_variables: str = ""
    media: dict[str, Media] = field(default_factory=dict)
    media_urls: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/{API_VERSION}/Accounts/{self.account}/Messages/{self.sid}"

    def settle(self, status: Status, error_code: int | None = None) -> None:
        """Take a new status, as the provider learns of it."""
        self.status, self.error_code, self.updated_at = status, error_code, time.time()

    def shown(self) -> dict[str, Any]:
        """The resource, without the StatusCallback: Twilio does not show that either."""
        return {
            "account_sid": self.account,
            "api_version": API_VERSION,
            "body": self.body,
            "date_created": _date(self.created_at),
            "date_sent": None if self.sent_at is None else _date(self.sent_at),
            "date_updated": _date(self.updated_at),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": ERRORS.get(self.error_code or 0),
            "from": self.sender,
            "messaging_service_sid": None,
            "num_media": str(len(self.media) + len(self.media_urls)),
            "num_segments": "1",
            "price": None,
            "price_unit": None,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{self.path}/Media.json"},
            "to": self.recipient,
            "uri": f"{self.path}.json",
        }

    def media_shown(self, sid: str) -> dict[str, Any]:
        return {
            "account_sid": self.account,
            "content_type": self.media[sid].media_type,
            "date_created": _date(self.created_at),
            "date_updated": _date(self.created_at),
            "parent_sid": self.sid,
            "sid": sid,
            "uri": f"{self.path}/Media/{sid}.json",
        }

    def report(self) -> dict[str, str]:
        """The parameters of a status callback."""
        said = {
            "AccountSid": self.account,
            "ApiVersion": API_VERSION,
            "ChannelPrefix": "whatsapp",
            "ChannelToAddress": self.recipient.removeprefix("whatsapp:"),
            "From": self.sender,
            "MessageSid": self.sid,
            "MessageStatus": self.status,
            "SmsSid": self.sid,
            "SmsStatus": self.status,
            "StructuredMessage": "true" if self.content_sid else "false",
            "To": self.recipient,
        }
        if self.status in ("delivered", "read"):
            said["EventType"] = self.status.upper()
        if self.error_code is not None:
            said |= {
                "ErrorCode": str(self.error_code),
                "ErrorMessage": ERRORS.get(self.error_code, ""),
                "EventType": "UNDELIVERED",
            }
        return said


def new_sid(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def inbound_parameters(
    message: Message,
    base: str,
    *,
    profile_name: str,
    button: Button | None = None,
    location: Location | None = None,
    reaction: Reaction | None = None,
    reply_to: str | None = None,
) -> dict[str, str]:
    """The form of an incoming WhatsApp message. Empty fields are there: they are signed, too."""
    said = {
        "AccountSid": message.account,
        "ApiVersion": API_VERSION,
        "Body": message.body,
        "From": message.sender,
        "MessageSid": message.sid,
        "MessageType": _type(message, button, location, reaction),
        "NumMedia": str(len(message.media)),
        "NumSegments": "1",
        "ProfileName": profile_name,
        "ReferralNumMedia": "0",
        "SmsMessageSid": message.sid,
        "SmsSid": message.sid,
        "SmsStatus": "received",
        "To": message.recipient,
        "WaId": message.sender.removeprefix("whatsapp:+"),
    }
    for number, (sid, media) in enumerate(message.media.items()):
        said[f"MediaContentType{number}"] = media.media_type
        said[f"MediaUrl{number}"] = f"{base}{message.path}/Media/{sid}"
    if button is not None:
        said |= {"ButtonText": button.text, "ButtonPayload": button.payload}
    if location is not None:
        said |= {"Latitude": str(location.latitude), "Longitude": str(location.longitude)}
        said |= {"Address": location.address, "Label": location.label}
    original = reaction.to if reaction else reply_to
    if original:
        said |= {"OriginalRepliedMessageSid": original, "OriginalRepliedMessageSender": message.recipient}
    return said


def _type(
    message: Message, button: Button | None, location: Location | None, reaction: Reaction | None
) -> str:
    if button is not None:
        return "button"
    if location is not None:
        return "location"
    if reaction is not None:
        return "reaction"
    for media in message.media.values():
        main = media.media_type.partition("/")[0]
        return main if main in ("image", "audio", "video") else "document"
    return "text"


def signature(token: str, url: str, parameters: Mapping[str, str], algorithm: SignatureAlgorithm) -> str:
    """X-Twilio-Signature: https://www.twilio.com/docs/usage/webhooks/webhooks-security."""
    text = url + "".join(name + parameters[name] for name in sorted(parameters))
    chosen = hashlib.sha1 if algorithm == "sha1" else hashlib.sha256
    return base64.b64encode(hmac.new(token.encode(), text.encode(), chosen).digest()).decode()


def reply_id_of(status_callback: str) -> str | None:
    """Our reply's id, where its StatusCallback carries it."""
    for pair in urlsplit(status_callback).query.split("&"):
        name, _, value = pair.partition("=")
        if name == "reply" and value:
            return value
    return None


def _date(moment: float) -> str:
    """RFC 2822, in whole seconds, as the API has it."""
    return format_datetime(datetime.fromtimestamp(moment, UTC))
