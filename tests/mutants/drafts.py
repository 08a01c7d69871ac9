"""The seeded bugs of answers held for approval."""

from tests.mutants.catalogue import Mutant

_TESTS = "tests/store/test_drafts.py"

DRAFTS = (
    Mutant(
        name="a-stale-draft-is-approved",
        invariant="I9 approved once",
        path="fte/domain/drafts.py",
        healthy="    if not is_current(draft, control):\n",
        sick="    if False:\n",
        tests=(_TESTS, "-k", "without_the_trigger"),
    ),
    Mutant(
        name="a-draft-survives-a-newer-message",
        invariant="I9 approved once",
        path="migrations/versions/0005_drafts.sql",
        healthy="    perform retire_draft(new.conversation_id, 'newer_message');\n",
        sick="",
        tests=(_TESTS, "-k", "newer_message"),
    ),
    Mutant(
        name="a-draft-survives-a-takeover",
        invariant="I9 approved once",
        path="migrations/versions/0005_drafts.sql",
        healthy="    perform retire_draft(new.id, 'changed_hands');\n",
        sick="",
        tests=(_TESTS, "-k", "takeover_retires"),
    ),
    Mutant(
        name="a-retired-drafts-customer-is-forgotten",
        invariant="I3 one outcome",
        path="migrations/versions/0005_drafts.sql",
        healthy="v_talk.last_inbound_seq > v_talk.answered_seq then",
        sick="false then",
        tests=(_TESTS, "-k", "needs_no_answer or merge_retires"),
    ),
    Mutant(
        name="two-decide-one-draft",
        invariant="I9 approved once",
        path="fte/domain/drafts.py",
        healthy='    if draft.state != "pending":\n',
        sick="    if False:\n",
        tests=(_TESTS, "-k", "racing or whatever"),
    ),
    Mutant(
        name="another-text-than-was-seen-is-sent",
        invariant="I9 what was seen is what is sent",
        path="fte/domain/drafts.py",
        healthy="    if fingerprint(draft.body) != seen:\n",
        sick="    if False:\n",
        tests=(_TESTS, "-k", "another_text"),
    ),
    Mutant(
        name="the-draft-is-sent-instead-of-the-edited-text",
        invariant="I9 what was seen is what is sent",
        path="fte/store/drafts.py",
        healthy='row["body"] if text is None else text, undo)',
        sick='row["body"], undo)',
        tests=(_TESTS, "-k", "edited_text"),
    ),
    Mutant(
        name="undo-after-the-claim",
        invariant="I5 no phantom",
        path="fte/domain/drafts.py",
        healthy='    if "sending" in said.states or "unknown" in said.states:\n'
        '        raise Conflict("Too late: it is being handed to the provider and may reach the customer.")\n'
        '    if any(state != "queued" for state in said.states):\n'
        '        raise Conflict("It is not waiting to be sent, so there is nothing to take back.")\n',
        sick="",
        tests=(_TESTS, "-k", "claimed"),
    ),
    Mutant(
        name="what-is-taken-back-leaves-all-the-same",
        invariant="I5 no phantom",
        path="fte/store/control.sql",
        healthy="    update replies set state = 'cancelled', updated_at = now()\n",
        sick="    update replies set updated_at = now()\n",
        tests=(_TESTS, "-k", "taken_back_and_the_draft"),
    ),
    Mutant(
        name="what-a-takeover-withdrew-counts-as-said",
        invariant="I3 one outcome",
        path="fte/store/control.py",
        healthy="    await case.connection.execute(_sql.unsaid, case.conversation)\n",
        sick="",
        tests=(_TESTS, "-k", "open_again"),
    ),
    Mutant(
        name="a-hand-written-wish-is-sent-unread",
        invariant="I9 approved once",
        path="fte/domain/modes.py",
        healthy="    if hinted:\n",
        sick="    if False:\n",
        tests=(_TESTS, "-k", "hint_makes"),
    ),
    Mutant(
        name="races-two-decide-one-draft",
        invariant="I9 approved once",
        path="fte/domain/drafts.py",
        healthy='    if draft.state != "pending":\n',
        sick="    if False:\n",
        tests=("tests/races",),
    ),
    Mutant(
        name="races-what-was-approved-is-not-what-is-sent",
        invariant="I9 approved once",
        path="fte/store/drafts.py",
        healthy='row["body"] if text is None else text, undo)',
        sick='row["body"], undo)',
        tests=("tests/races",),
    ),
)
