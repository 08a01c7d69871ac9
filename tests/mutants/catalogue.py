"""The seeded bugs: what is changed, which promise that breaks, and the tests that must notice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`healthy` is found exactly once in the file at `path` and replaced with `sick`."""

    name: str
    invariant: str
    path: str
    healthy: str
    sick: str
    tests: tuple[str, ...]


DELIVERY = (
    Mutant(
        name="doubt-is-a-no",
        invariant="I4 never answered twice",
        path="fte/daemon/sender.py",
        healthy="error=type(error).__name__)\n            await replies.ask_in(self._pool, claim, ASK_AGAIN)",
        sick='error=type(error).__name__)\n            await replies.put_back(self._pool, claim, 0.0, "?")',
        tests=("tests/daemon/test_sender.py",),
    ),
    Mutant(
        name="no-look-at-the-clock-before-sending",
        invariant="I4 never answered twice",
        path="fte/daemon/sender.py",
        healthy="if now() - claimed_at > BEGIN_BY:",
        sick="if False:",
        tests=("tests/daemon/test_sender.py", "-k", "stopped"),
    ),
    Mutant(
        name="two-senders-one-reply",
        invariant="I4 never answered twice",
        path="fte/store/replies.py",
        healthy='row["state"] not in _ON_ITS_WAY or row["lease_holder"] != claim.holder:\n'
        "            return False\n        await _set(",
        sick="False:\n            return False\n        await _set(",
        tests=("tests/store/test_replies.py",),
    ),
    Mutant(
        name="what-was-found-stays-in-doubt",
        invariant="I5 no phantom",
        path="fte/daemon/sender.py",
        healthy='await replies.accepted(self._pool, claim.reply, provider_id)\n            self._tell("found")',
        sick='await replies.park(self._pool, claim, "?", 60.0)\n            self._tell("found")',
        tests=("tests/daemon/test_sender.py",),
    ),
    Mutant(
        name="no-order",
        invariant="I6 order",
        path="fte/store/replies.sql",
        healthy="and (em.seq, e.part) < (m.seq, r.part)",
        sick="and false",
        tests=("tests/daemon/test_sender.py",),
    ),
    Mutant(
        name="parts-go-on-after-a-refusal",
        invariant="I6 order",
        path="fte/store/replies.py",
        healthy='        await connection.execute(_sql.cancel_rest, row["message_id"], row["part"])\n',
        sick="        pass\n",
        tests=("tests/daemon/test_sender.py", "-k", "part"),
    ),
    Mutant(
        name="two-claims-take-the-same-places",
        invariant="every queue has a limit",
        path="fte/daemon/sender.py",
        healthy="            if free := CONCURRENCY - len(self._running):\n",
        sick="            if free := CONCURRENCY:\n",
        tests=("tests/daemon/test_sender.py", "-k", "share_the_places"),
    ),
    Mutant(
        name="what-is-parked-takes-places-of-its-own",
        invariant="every queue has a limit",
        path="fte/store/replies.sql",
        healthy="limit $1 - (select count(*) from cut_off)",
        sick="limit $1",
        tests=("tests/store/test_replies.py", "-k", "no_more_is_taken"),
    ),
    Mutant(
        name="two-claims-count-the-same-places",
        invariant="every queue has a limit",
        path="fte/daemon/sender.py",
        healthy="        async with self._claiming:\n            if free",
        sick="        async with asyncio.Lock():\n            if free",
        tests=("tests/daemon/test_sender.py", "-k", "share_the_places"),
    ),
    Mutant(
        name="no-fence",
        invariant="I7 the fence",
        path="fte/store/replies.sql",
        healthy="(r.kind <> 'answer' or m.role <> 'agent' or r.epoch = c.epoch)",
        sick="true",
        tests=("tests/store/test_replies.py", "-k", "epoch"),
    ),
    Mutant(
        name="a-claim-does-not-lock-the-conversation",
        invariant="I7 the fence",
        path="fte/store/replies.sql",
        healthy="for update of c, r skip locked\n), taken",
        sick="for update of r skip locked\n), taken",
        tests=("tests/store/test_replies.py", "-k", "takeover"),
    ),
    Mutant(
        name="the-last-report-wins",
        invariant="I14 delivery status is a lattice",
        path="fte/domain/delivery.py",
        healthy='{"sent": 1, "failed": 2, "delivered": 3, "read": 4}',
        sick='{"delivered": 1, "read": 2, "sent": 3, "failed": 4}',
        tests=("tests/store/test_replies.py",),
    ),
    Mutant(
        name="a-report-does-not-wait-for-the-id",
        invariant="I14 delivery status is a lattice",
        path="fte/store/replies.py",
        healthy="    await connection.execute(_sql.lock_provider_id, channel, provider_id)\n    row",
        sick="    row",
        tests=("tests/store/test_replies.py", "-k", "races"),
    ),
    Mutant(
        name="a-closed-window-is-tried-for-ever",
        invariant="I17 the window",
        path="fte/store/replies.py",
        healthy='elif error == WINDOW_CLOSED and not row["window_closed"]:',
        sick="elif error == WINDOW_CLOSED:",
        tests=("tests/store/test_replies.py", "-k", "window"),
    ),
    Mutant(
        name="the-notice-tells-what-was-typed",
        invariant="T5 no relay for strangers' words",
        path="fte/daemon/sender.py",
        healthy='if reply.kind != "notice":',
        sick="if True:",
        tests=("tests/daemon/test_sender.py", "-k", "announced"),
    ),
)
