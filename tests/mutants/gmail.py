"""The seeded bugs of the mailbox and of sending through Gmail."""

from tests.mutants.catalogue import Mutant

MAILBOX = "fte/daemon/mailbox.py"
SORTER = "fte/daemon/mail_sorter.py"

GMAIL = (
    Mutant(
        name="mail-from-the-newest-place",
        invariant="I15 the Gmail cursor",
        path=MAILBOX,
        healthy="await self._read_history(lease, lease.cursor)",
        sick="await self._read_history(lease, (await self._client.profile()).history_id - 1)",
        tests=("tests/gmail/test_mailbox.py", "-k", "stored_place"),
    ),
    Mutant(
        name="mail-place-moves-before-storing",
        invariant="I15 the Gmail cursor",
        path=MAILBOX,
        healthy="            yield page.mails\n",
        sick="            yield page.mails\n"
        "            await self._pool.execute('update mailboxes set history_id = $1', page.history_id)\n",
        tests=("tests/gmail/test_mailbox.py", "-k", "breaks_off"),
    ),
    Mutant(
        name="mail-place-of-the-last-page",
        invariant="I15 the Gmail cursor",
        path=MAILBOX,
        healthy="max(start, min(places))",
        sick="max(start, max(places))",
        tests=("tests/gmail/test_mailbox.py", "-k", "later_page"),
    ),
    Mutant(
        name="mail-place-moves-back",
        invariant="I15 the Gmail cursor",
        path="fte/store/mailboxes.sql",
        healthy="greatest(history_id, $3::numeric)",
        sick="$3::numeric",
        tests=("tests/gmail/test_mailbox.py", "-k", "never_moves_back"),
    ),
    Mutant(
        name="mail-given-up-in-an-outage",
        invariant="I1 acknowledged means durable",
        path="fte/store/mailboxes.sql",
        healthy=", mail = null",
        sick="",
        tests=("tests/gmail/test_mailbox.py", "-k", "gmail_is_away"),
    ),
    Mutant(
        name="mail-poison-blocks",
        invariant="I13 poison is isolated",
        path=MAILBOX,
        healthy="            if tries > TRIES_MAX:\n",
        sick="            if False:\n",
        tests=("tests/gmail/test_mailbox.py", "-k", "kills_its_reader"),
    ),
    Mutant(
        name="mail-forged-sender-goes-on",
        invariant="T6 thread hijack",
        path=SORTER,
        healthy="return await self._referred(summary, mail), verified",
        sick="return await self._referred(summary, mail), True",
        tests=("tests/gmail/test_sorter.py", "-k", "other_reference"),
    ),
    Mutant(
        name="mail-machines-are-answered",
        invariant="I16 loops are bounded",
        path=SORTER,
        healthy="elif why := machine.machine(mail, own={self._account}):",
        sick="elif why := None:",
        tests=("tests/gmail/test_sorter.py", "-k", "two_installations"),
    ),
    Mutant(
        name="mail-no-brake",
        invariant="I16 loops are bounded",
        path=SORTER,
        healthy="ANSWERS_PER_HOUR: Final = 10",
        sick="ANSWERS_PER_HOUR: Final = 10**9",
        tests=("tests/gmail/test_sorter.py", "-k", "two_installations"),
    ),
    Mutant(
        name="mail-draft-not-kept",
        invariant="I4 never answered twice",
        path="fte/channels/gmail/channel.py",
        healthy="            await keep_draft(draft)\n",
        sick="",
        tests=("tests/gmail/test_channel.py", "-k", "kept_before"),
    ),
    Mutant(
        name="mail-gone-draft-is-written-again",
        invariant="I4 never answered twice",
        path="fte/channels/gmail/channel.py",
        healthy="        except NotFound:\n            return await self._sent(reply)",
        sick="        except NotFound:\n            return await self._client.send_draft(await self._draft(reply))",
        tests=("tests/gmail/test_channel.py", "-k", "accepted_without"),
    ),
    Mutant(
        name="push-of-any-account",
        invariant="T1 forged webhook",
        path="fte/channels/gmail/push.py",
        healthy="if not same or claims",
        sick="if claims",
        tests=("tests/gmail/test_push.py", "-k", "proven"),
    ),
)
