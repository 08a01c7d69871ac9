"""The seeded bugs of WhatsApp's way in and out."""

from tests.mutants.catalogue import Mutant

WEBHOOKS = "fte/daemon/whatsapp_webhooks.py"
CHANNEL = "fte/channels/whatsapp/channel.py"

WHATSAPP = (
    Mutant(
        name="whatsapp-acknowledges-what-is-not-stored",
        invariant="I1 acknowledged means durable",
        path=WEBHOOKS,
        healthy="problem=error.message)\n            return problem(error)",
        sick='problem=error.message)\n            return Response(TWIML, 200, UNSTORED, "application/xml")',
        tests=("tests/whatsapp/test_webhooks.py", "-k", "acknowledged"),
    ),
    Mutant(
        name="whatsapp-believes-any-signature",
        invariant="T1 forged webhook",
        path="fte/channels/whatsapp/signature.py",
        healthy="return any(hmac.compare_digest(header, candidate) for candidate in expected)",
        sick="return bool(expected)",
        tests=("tests/whatsapp/test_signature.py", "tests/whatsapp/test_webhooks.py"),
    ),
    Mutant(
        name="whatsapp-nothing-listed-means-not-sent",
        invariant="I4 never answered twice",
        path=CHANNEL,
        healthy='raise InDoubt("Twilio lists no message that could be this one.")',
        sick="return None",
        tests=("tests/whatsapp/test_channel.py",),
    ),
    Mutant(
        name="whatsapp-writes-outside-the-window",
        invariant="I17 the window",
        path=CHANNEL,
        healthy="if not self._window_closed(reply, self._now()):",
        sick="if True:",
        tests=("tests/whatsapp/test_channel.py",),
    ),
    Mutant(
        name="whatsapp-fetches-from-anywhere",
        invariant="T16 no request to a stranger's address",
        path="fte/channels/whatsapp/media.py",
        healthy="if not is_ours(self._account, source):",
        sick="if False:",
        tests=("tests/whatsapp/test_media.py",),
    ),
)
