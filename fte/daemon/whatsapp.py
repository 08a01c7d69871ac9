"""Between the WhatsApp channel, which knows no settings and no store, and those."""

from datetime import datetime
from typing import Final

from fte.channels.whatsapp import account
from fte.channels.whatsapp.account import Account
from fte.channels.whatsapp.inbound import Incoming
from fte.settings import Settings
from fte.store.intake import Attachment, InboundMessage

SUBJECT_MAX: Final = 80
"""Characters of a message that stand for the subject WhatsApp does not have."""


def account_of(settings: Settings) -> Account | None:
    """The configured account; None when there is no WhatsApp channel. Raises Rejected when only half of it is there."""
    if not settings.twilio_account_sid:
        return None
    return account.checked(
        sid=settings.twilio_account_sid,
        token=settings.twilio_auth_token,
        number=settings.twilio_whatsapp_number,
        public_url=settings.public_url,
        algorithm=settings.twilio_signature,
        api_url=settings.twilio_api_url,
        template=settings.whatsapp_template,
    )


def as_inbound(ours: Account, incoming: Incoming, sent_at: datetime | None = None) -> InboundMessage:
    """A customer's message for intake. The number is proven: WhatsApp vouches for it, and Twilio's signature for that."""
    return InboundMessage(
        channel="whatsapp",
        account=ours.number,
        provider_id=incoming.sid,
        identifier_type="whatsapp",
        identifier=incoming.sender,
        verified=True,
        name=incoming.name,
        body=incoming.text,
        subject=incoming.text[:SUBJECT_MAX],
        envelope=dict(incoming.envelope),
        sent_at=sent_at,
        suppress="reaction" if incoming.reaction else None,
        attachments=tuple(
            Attachment(
                name=file.name,
                media_type=file.media_type,
                size=None,
                state="refused" if file.refusal else "pending",
                reason=file.refusal,
                source=file.source or None,
            )
            for file in incoming.media
        ),
    )
