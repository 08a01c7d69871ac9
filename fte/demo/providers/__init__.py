"""Gmail and Twilio, simulated: real HTTP servers that the providers' own clients talk to.

`fte demo`, tests, and everybody without accounts use them. Each is a server in the caller's loop, on a port of its own:

    async with SimulatedGmail("support@example.com").running() as gmail:
        environment = gmail.environment(folder)              # FTE_GMAIL_…: token file, API and key addresses
        gmail.push_to("support@example.com", "http://127.0.0.1:8000/webhooks/gmail")
        await gmail.deliver({"sender": "ada@example.net", "subject": "Hi", "text": "…"}, dmarc="pass")
        gmail.outbox[-1].text                                # what customers were sent
        gmail.accepted.sends                                 # what was accepted, by provider id and reply id

    async with SimulatedTwilio("http://127.0.0.1:8000/webhooks/whatsapp").running() as twilio:
        environment = twilio.environment()                   # TWILIO_…, FTE_TWILIO_…
        await twilio.customer_writes("+4915112345678", "Hello?", profile_name="Ada")
        twilio.outbox, twilio.accepted, await twilio.settled()

What can go wrong, on command, for any operation in `OPERATIONS` or `*`:

    gmail.faults.next("drafts.send", "hang_after")           # accepted, but no answer ever comes
    twilio.faults.next("messages.create", "too_many", times=3, retry_after=2)
    twilio.refuse(21610); twilio.next_ends("failed", 63024); twilio.close_window("+4915112345678")
    gmail.pushes.disturb("lost"); twilio.pushes.disturb("reordered", times=3)
    gmail.tokens.expire(); gmail.tokens.revoke(address); gmail.mailbox(address).forget_history()
    gmail.clear()                                            # all of it ends, hanging calls are cut

The same over HTTP, for another process: GET /control, /control/accepted, /control/outbox and /control/pushed (each
with ?after=N), POST /control/faults, /control/pushes, /control/clear with the arguments above as JSON; Gmail has
/control/deliver and /control/tokens, Twilio /control/write, /control/window, /control/ends and /control/report.
"""

from fte.demo.providers.gmail import SentMail, SimulatedGmail
from fte.demo.providers.mail import Attachment, Mail
from fte.demo.providers.twilio import SentMessage, SimulatedTwilio, Written
from fte.demo.providers.whatsapp import Button, Location, Media, Reaction

__all__ = [
    "Attachment",
    "Button",
    "Location",
    "Mail",
    "Media",
    "Reaction",
    "SentMail",
    "SentMessage",
    "SimulatedGmail",
    "SimulatedTwilio",
    "Written",
]
