"""Seeded bugs of who holds a conversation, and of whose word counts."""

from typing import Final

from tests.mutants.catalogue import Mutant

_CLAIM: Final = """for update of c, r skip locked
), taken as (
    update replies r
       set state = 'sending', attempts = r.attempts + 1, lease_holder = $2, began_at = now(),
           lease_until = now() + make_interval(secs => $3), updated_at = now()
      from picked where"""
_RACES: Final = ("tests/races/test_races.py",)

PRESENCE = (
    Mutant(
        name="who-vanished-keeps-the-claim",
        invariant="I8 one owner",
        path="fte/domain/presence.py",
        healthy='        return "vanished"\n',
        sick="        return None\n",
        tests=("tests/store/test_claims.py", "-k", "vanished"),
    ),
    Mutant(
        name="a-claim-ends-without-a-new-epoch",
        invariant="I8 one owner",
        path="fte/store/claims.py",
        healthy="epoch, reason = control.epoch + 1, _REASONS[loss]",
        sick="epoch, reason = control.epoch, _REASONS[loss]",
        tests=("tests/store/test_claims.py", "-k", "new_epoch"),
    ),
    Mutant(
        name="a-claim-is-ended-by-two",
        invariant="I8 one owner",
        path="fte/store/claims.sql",
        healthy="select id from conversations where id = $1 for update",
        sick="select id from conversations where id = $1",
        tests=("tests/store/test_claims.py", "-k", "several"),
    ),
    Mutant(
        name="a-heartbeat-keeps-somebody-elses-claim",
        invariant="I8 one owner",
        path="fte/store/presence.sql",
        healthy=" where id = $1 and (seen_at is null",
        sick=" where $1::uuid is not null and (seen_at is null",
        tests=("tests/store/test_claims.py", "-k", "nobody_elses"),
    ),
    Mutant(
        name="every-request-is-a-write",
        invariant="limits",
        path="fte/store/presence.sql",
        healthy=" and (seen_at is null or seen_at < now() - make_interval(secs => $2))",
        sick=" and $2::float8 > 0",
        tests=("tests/store/test_claims.py", "-k", "heartbeat"),
    ),
    Mutant(
        name="a-stream-is-no-sign-of-life",
        invariant="I8 one owner",
        path="fte/daemon/stream.py",
        healthy='                    await self.api.operator(request, "read")\n',
        sick="                    pass\n",
        tests=("tests/daemon/test_presence.py", "-k", "stream_alone"),
    ),
    Mutant(
        name="a-revoked-tokens-stream-goes-on",
        invariant="tokens end within a second",
        path="fte/store/operators.sql",
        healthy="where token_hash = $1 and revoked_at is null and",
        sick="where token_hash = $1 and",
        tests=("tests/daemon/test_presence.py", "-k", "revoked"),
    ),
    Mutant(
        name="a-stream-is-checked-once",
        invariant="tokens end within a second",
        path="fte/daemon/stream.py",
        healthy="if loop.time() - checked >= RECHECK:",
        sick="if False:",
        tests=("tests/daemon/test_presence.py", "-k", "about_a_second"),
    ),
    Mutant(
        name="a-revocation-frees-nothing",
        invariant="I8 one owner",
        path="fte/domain/presence.py",
        healthy='        return "revoked"\n',
        sick="        return None\n",
        tests=("tests/store/test_claims.py", "-k", "no_longer"),
    ),
    Mutant(
        name="after-a-start-everybody-has-vanished",
        invariant="I8 one owner",
        path="fte/daemon/sweeper.py",
        healthy="        self._free_at = time.monotonic() + self._grace\n\n",
        sick="        self._free_at = 0.0\n\n",
        tests=("tests/daemon/test_presence.py", "-k", "after_a_start"),
    ),
    Mutant(
        name="the-ai-answers-what-a-person-answered",
        invariant="I4 never answered twice",
        path="fte/store/control.sql",
        healthy="    update conversations set answered_seq = last_inbound_seq where id = $1\n",
        sick="    update conversations set answered_seq = answered_seq where id = $1\n",
        tests=("tests/store/test_claims.py", "-k", "answered_again"),
    ),
    Mutant(
        name="an-answer-from-elsewhere-answers-what-came-later",
        invariant="I3 one outcome",
        path="fte/store/control.sql",
        healthy="and coalesce(i.sent_at, m.created_at) <= $9",
        sick="and coalesce(i.sent_at, m.created_at, $9) is not null",
        tests=("tests/store/test_claims.py", "-k", "still_open"),
    ),
    Mutant(
        name="notes-reach-the-agent",
        invariant="notes are for colleagues",
        path="fte/domain/handover.py",
        healthy='m.role == "operator" and m.direction == "outbound"',
        sick='m.role == "operator"',
        tests=("tests/domain/test_presence.py",),
    ),
    Mutant(
        name="the-watch-on-the-fence-sleeps",
        invariant="I7 the fence",
        path="migrations/versions/0008_presence.sql",
        healthy="m.role = 'agent' and h.at < new.began_at",
        sick="m.role = 'agent' and false",
        tests=("tests/store/test_claims.py", "-k", "counted"),
    ),
    Mutant(
        name="the-watch-on-the-fence-cries-wolf",
        invariant="I7 the fence",
        path="migrations/versions/0008_presence.sql",
        healthy="m.role = 'agent' and h.at < new.began_at",
        sick="m.role = 'agent'",
        tests=("tests/store/test_claims.py", "-k", "counted"),
    ),
    Mutant(
        name="who-takes-over-again-is-told-nothing",
        invariant="I7 the fence",
        path="fte/store/control.py",
        healthy='"conversation.taken_over", in_flight=[row["message_id"] for row in rows])',
        sick='"conversation.taken_over")',
        tests=("tests/store/test_control.py", "-k", "in_flight"),
    ),
    # The races catch these, too: whoever judges them must see what goes wrong.
    Mutant(
        name="races-what-is-in-flight-is-not-named",
        invariant="I7 the fence",
        path="fte/store/control.sql",
        healthy="where m.conversation_id = $1 and m.role = 'agent' and r.kind = 'answer' and r.state = 'sending'",
        sick="where m.conversation_id = $1 and m.role = 'agent' and r.kind = 'answer' and r.state = 'read'",
        tests=_RACES,
    ),
    Mutant(
        # Asleep between looking and taking, as on a slow disk: otherwise chance would have to be very patient.
        name="races-a-claim-does-not-lock-the-conversation",
        invariant="I7 the fence",
        path="fte/store/replies.sql",
        healthy=_CLAIM,
        sick=_CLAIM.replace("update of c, r", "update of r").replace(
            "from picked", "from picked, pg_sleep(0.1)"
        ),
        tests=_RACES,
    ),
    Mutant(
        # Asleep between looking and acting, for the same reason.
        name="races-takeovers-do-not-wait-for-each-other",
        invariant="I8 one owner",
        path="fte/store/control.sql",
        healthy="order by id for update\n\n-- name: facts\nselect ",
        sick="order by id\n\n-- name: facts\nselect pg_sleep(0.02), ",
        tests=_RACES,
    ),
    Mutant(
        name="races-a-claim-ends-without-a-new-epoch",
        invariant="I8 one owner",
        path="fte/store/claims.py",
        healthy="epoch, reason = control.epoch + 1, _REASONS[loss]",
        sick="epoch, reason = control.epoch, _REASONS[loss]",
        tests=_RACES,
    ),
    Mutant(
        name="races-a-repeated-request-is-done-again",
        invariant="I8 one owner",
        path="fte/store/control.py",
        healthy="        if earlier is not None:\n",
        sick="        if False:\n",
        tests=_RACES,
    ),
    Mutant(
        name="races-the-ai-answers-what-a-person-answered",
        invariant="I4 never answered twice",
        path="fte/store/control.sql",
        healthy="    update conversations set answered_seq = last_inbound_seq where id = $1\n",
        sick="    update conversations set answered_seq = answered_seq where id = $1\n",
        tests=_RACES,
    ),
    Mutant(
        name="races-a-second-delivery-is-a-second-message",
        invariant="I2 duplicates collapse",
        path="fte/store/intake.py",
        healthy="        message.provider_id,\n",
        sick="        message.provider_id + str(new_id()),\n",
        tests=_RACES,
    ),
)
