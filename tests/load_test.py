"""Load on a running system, with locust: forms, WhatsApp messages, Gmail pushes and health.

    bash tests/run_load_test.sh http://localhost:8000 20 5 2m      # headless, with a summary and an exit code
    locust -f tests/load_test.py --host=http://localhost:8000      # with locust's own page, on port 8089

It ends with exit code 1 when the 95th percentile of the requests is not below P95_MAX or not fewer than ERRORS_MAX of
them failed. Raise FTE_FORM_RATE_PER_IP and FTE_FORM_RATE_PER_ADDRESS of the daemon first: it turns floods away.

WhatsApp takes part when TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_WHATSAPP_NUMBER and FTE_PUBLIC_URL are set as for
the daemon: its requests are signed like Twilio's. Gmail takes part when FTE_GMAIL_ACCOUNT and LOAD_GMAIL_TOKEN, a push
token that the daemon believes, are set. It knows nothing of the program but its addresses.
"""

import base64
import hashlib
import hmac
import json
import os
import random
import uuid
from typing import Any, Final

from locust import HttpUser, between, events, task
from locust.env import Environment

P95_MAX: Final = float(os.environ.get("LOAD_P95_MAX") or 3.0)
"""Seconds."""
ERRORS_MAX: Final = float(os.environ.get("LOAD_ERRORS_MAX") or 0.001)
"""Share of all requests."""
QUESTIONS: Final = (
    "How do I reset my password?",
    "How can I export my data to a spreadsheet?",
    "The app shows an error when I save. What can I do?",
    "Which browsers do you support?",
    "I want to talk to a person, please.",
)
_TWILIO: Final = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_WHATSAPP_NUMBER", "FTE_PUBLIC_URL")
_GMAIL: Final = ("FTE_GMAIL_ACCOUNT", "LOAD_GMAIL_TOKEN")


def _given(names: tuple[str, ...]) -> bool:
    return all(os.environ.get(name) for name in names)


class FormUser(HttpUser):
    """Writes by the form, then looks at the ticket's page now and then."""

    weight = 3
    wait_time = between(0.5, 2.0)
    ticket: str | None = None

    @task(2)
    def submit(self) -> None:
        someone = uuid.uuid4().hex
        form = {
            "name": f"Load {someone[:6]}",
            "email": f"load-{someone}@example.com",
            "subject": "A question under load",
            "category": random.choice(("general", "technical", "billing", "feedback")),
            "priority": random.choice(("low", "medium", "high")),
            "message": random.choice(QUESTIONS),
        }
        with self.client.post("/support/submit", json=form, catch_response=True) as response:
            if response.status_code == 429:
                response.failure("turned away; raise FTE_FORM_RATE_PER_IP of the daemon for this test")
            elif ticket := _ticket(response):
                self.ticket = ticket
            else:
                response.failure(f"HTTP {response.status_code} without a ticket")

    @task
    def look(self) -> None:
        if self.ticket is not None:
            self.client.get(f"/support/ticket/{self.ticket}", name="/support/ticket/{id}")


def _ticket(response: Any) -> str | None:
    """The ticket an answer names; None for any other answer."""
    try:
        return str(response.json()["ticket_id"]) if response.status_code == 200 else None
    except (ValueError, KeyError, TypeError):
        return None


class WhatsappUser(HttpUser):
    """A customer of WhatsApp, as Twilio tells of them."""

    weight = 2 if _given(_TWILIO) else 0
    wait_time = between(0.5, 2.0)

    def on_start(self) -> None:
        self.number = f"+4915{random.randrange(10**8):08d}"

    @task
    def write(self) -> None:
        form = {
            "AccountSid": os.environ["TWILIO_ACCOUNT_SID"],
            "Body": random.choice(QUESTIONS),
            "From": f"whatsapp:{self.number}",
            "MessageSid": f"SM{uuid.uuid4().hex}",
            "NumMedia": "0",
            "ProfileName": "Load",
            "To": os.environ["TWILIO_WHATSAPP_NUMBER"],
        }
        headers = {"X-Twilio-Signature": signature(form)}
        self.client.post("/webhooks/whatsapp", data=form, headers=headers)


def signature(form: dict[str, str]) -> str:
    """Twilio's, see https://www.twilio.com/docs/usage/security#validating-requests."""
    url = os.environ["FTE_PUBLIC_URL"].rstrip("/") + "/webhooks/whatsapp"
    signed = url + "".join(name + form[name] for name in sorted(form))
    algorithm = os.environ.get("FTE_TWILIO_SIGNATURE") or "sha1"
    key = os.environ["TWILIO_AUTH_TOKEN"].encode()
    return base64.b64encode(hmac.digest(key, signed.encode(), getattr(hashlib, algorithm))).decode()


class GmailUser(HttpUser):
    """Pub/Sub, which says that there is something new in the mailbox."""

    weight = 2 if _given(_GMAIL) else 0
    wait_time = between(0.5, 2.0)

    @task
    def announce(self) -> None:
        notice = json.dumps({"emailAddress": os.environ["FTE_GMAIL_ACCOUNT"], "historyId": 1}).encode()
        push = {"message": {"data": base64.b64encode(notice).decode(), "messageId": uuid.uuid4().hex}}
        headers = {"Authorization": f"Bearer {os.environ['LOAD_GMAIL_TOKEN']}"}
        self.client.post("/webhooks/gmail", json=push, headers=headers)


class HealthUser(HttpUser):
    weight = 1
    wait_time = between(1.0, 3.0)

    @task
    def look(self) -> None:
        self.client.get("/health")


def missed(requests: int, failures: int, p95: float) -> list[str]:
    """What was not reached; nothing when all was. `p95` is in seconds."""
    if not requests:
        return ["no request was made"]
    found = []
    if p95 >= P95_MAX:
        found.append(f"p95 is {p95:.2f} s and should be below {P95_MAX:g} s")
    if failures and failures >= ERRORS_MAX * requests:
        found.append(f"{failures} of {requests} requests failed; it should be fewer than {ERRORS_MAX:.1%}")
    return found


@events.quitting.add_listener
def _judge(environment: Environment, **_: Any) -> None:
    total = environment.stats.total
    p95 = (total.get_response_time_percentile(0.95) or 0) / 1000
    for left_out, names in (("WhatsApp", _TWILIO), ("Gmail", _GMAIL)):
        if not _given(names):
            print(
                f"{left_out} was left out: {', '.join(name for name in names if not os.environ.get(name))} not set."
            )
    print(
        f"{total.num_requests} requests, {total.total_rps:.1f} a second, {total.num_failures} failed, "
        f"p95 {p95:.3f} s"
    )
    problems = missed(total.num_requests, total.num_failures, p95)
    for problem in problems:
        print(f"MISSED: {problem}.")
    environment.process_exit_code = 1 if problems else 0
