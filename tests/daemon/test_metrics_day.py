"""A day on all channels, small and with all its mishaps: what /metrics counts is what the tables hold."""

import asyncio
import random
import sys
from collections import Counter
from typing import Any

import httpx
import pytest

from fte.daemon.http import application
from fte.daemon.metrics import Metrics
from fte.domain.channels import CHANNELS
from fte.domain.ids import new_id
from fte.domain.turns import Escalation, Outcome, Trace
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import control, replies, turns
from tests.daemon.test_collector import PROGRAM, collecting
from tests.support import SECRET, hire, receive, until

MESSAGES = 90
LEASE = 60.0
ALL = "select count(*) from log where topic in ('fte.metrics', 'fte.escalations')"
COUNTED = "select count(distinct event_id) from agent_metrics"

TRUTH = {
    "fte_messages_processed_total": """
        select channel, 'outcome' as label, outcome as value, count(*)::float8 as number
          from messages where direction = 'inbound' and outcome is not null group by 1, 3""",
    "fte_turns_finished_total": """
        select t.channel, 'outcome' as label, case r.outcome when 'answered' then 'answered' else 'escalated' end as value,
               count(*)::float8 as number
          from runs r join turns t on t.id = r.turn_id join messages m on m.run_id = r.id group by 1, 3""",
    "fte_runs_wasted_total": """
        select t.channel, 'outcome' as label, r.outcome as value, count(*)::float8 as number
          from runs r join turns t on t.id = r.turn_id
         where not exists (select from messages m where m.run_id = r.id) group by 1, 3""",
    "fte_escalations_total": """
        select initial_channel as channel, 'reason' as label, escalation_reason as value, count(*)::float8 as number
          from conversations where escalation_reason is not null group by 1, 3""",
    "fte_deliveries_total": """
        select channel, 'state' as label, value, count(*)::float8 as number
          from (select channel, state as value from replies where state not in ('queued', 'sending')
                union all select channel, 'sent' from replies where state = 'delivered') r group by 1, 3""",
    "fte_agent_processing_seconds_count": """
        select t.channel, null as label, null as value, count(*)::float8 as number
          from runs r join turns t on t.id = r.turn_id group by 1""",
    "fte_agent_processing_seconds_sum": """
        select t.channel, null as label, null as value, sum(r.latency_ms)::float8 / 1000 as number
          from runs r join turns t on t.id = r.turn_id group by 1""",
    "fte_answer_seconds_count": """
        select channel, null as label, null as value, count(*)::float8 as number
          from turns where state = 'done' group by 1""",
    "fte_model_tokens_total": """
        select t.channel, 'kind' as label, k.value, sum(k.tokens)::float8 as number
          from runs r join turns t on t.id = r.turn_id
         cross join lateral (values ('input', r.input_tokens), ('output', r.output_tokens)) k (value, tokens)
         group by 1, 3""",
    "fte_replies": """
        select channel, 'state' as label, state as value, count(*)::float8 as number
          from replies where state in ('queued', 'sending', 'unknown') group by 1, 3""",
    "fte_turns": """
        select channel, 'state' as label, state as value, count(*)::float8 as number
          from turns where state in ('due', 'running') group by 1, 3""",
}
UNDER_30 = """
select t.channel, count(*) filter (where r.latency_ms <= 30000)::float8 as number
  from runs r join turns t on t.id = r.turn_id group by 1
"""


class Day:
    """Traffic by the dice; each mishap happens at least once, for there are many more messages than kinds of them."""

    def __init__(self, pool: Pool, dice: random.Random) -> None:
        self.pool = pool
        self.dice = dice
        self.number = 0
        self.expired: Counter[str] = Counter()

    async def live(self) -> None:
        boss = await hire(self.pool, "Bo")
        for _ in range(MESSAGES // 10):
            arrived = [await self._arrive() for _ in range(10)]
            taken = self.dice.choice([one for one in arrived if one is not None])
            await control.take_over(self.pool, str(new_id()), taken.conversation, boss)
            await self._answer()
            await self._send()
        await self._arrive()

    async def _arrive(self) -> Any:
        self.number += 1
        channel = self.dice.choice(CHANNELS)
        who: dict[str, Any] = {"identifier": f"c{self.number}@example.com"}
        if channel == "whatsapp":
            who = {"identifier_type": "whatsapp", "identifier": f"+4917012{self.number:05}"}
        suppressed = {"suppress": "a machine wrote it"} if self.number % 9 == 0 else {}
        stored = await receive(
            self.pool, channel=channel, account="us", verified=channel != "web_form", **who, **suppressed
        )
        if self.number % 4 == 0 and not suppressed:  # a second message of the same customer
            await receive(
                self.pool,
                "And another thing.",
                channel=channel,
                account="us",
                verified=channel != "web_form",
                into_ticket=stored.ticket,
                **who,
            )
        return None if suppressed else stored

    async def _answer(self) -> None:
        while True:
            await self.pool.execute("update turns set due_at = now() where state = 'due'")
            claims = await turns.claim(self.pool, new_id(), 50, LEASE)
            if not claims:
                return
            for claim in claims:
                if self.dice.random() < 0.15:
                    await self._lose(claim)
                else:
                    await turns.finish(self.pool, claim, self._outcome())

    async def _lose(self, claim: turns.Claim) -> None:
        """The worker was stopped past its lease: its turn goes back, and what it then says is void."""
        await self.pool.execute(
            "update turns set lease_until = now() - interval '1 s' where id = $1", claim.turn
        )
        self.expired[claim.assignment.channel] += len(await turns.recover(self.pool))
        await turns.finish(self.pool, claim, self._outcome())

    def _outcome(self) -> Outcome:
        trace = Trace(
            "m",
            "1",
            input_tokens=self.dice.randint(0, 4_000),
            output_tokens=self.dice.randint(0, 300),
            latency_ms=self.dice.choice([20, 30_000, 30_001, 90_000, self.dice.randint(1, 5_000)]),
        )
        kind = self.dice.choice(["answer", "answer", "answer", "escalate", "fail"])
        if kind == "answer":
            return Outcome("An answer.", trace)
        reason = "agent_failure" if kind == "fail" else self.dice.choice(["legal", "pricing_inquiry"])
        return Outcome("A person will answer.", trace, Escalation(reason, "high", "?"), failed=kind == "fail")

    async def _send(self) -> None:
        claims = await replies.claim(self.pool, SECRET, new_id(), ("email", "whatsapp"), 50, LEASE)
        for claim in claims:
            fate = self.dice.choice(["deliver", "accept", "fail", "park", "put back"])
            if fate == "fail":
                await replies.fail(self.pool, claim, "refused")
            elif fate == "park":
                await replies.park(self.pool, claim, "who knows", 300.0)
            elif fate == "put back":
                await replies.put_back(self.pool, claim, 3_600.0, "later")
            else:
                await replies.accepted(self.pool, claim.reply, provider_id := str(new_id()))
                if fate == "deliver":
                    await replies.report(self.pool, claim.reply.channel, provider_id, "delivered", None, None)


async def shown(pool: Pool) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What /metrics says: values by name and labels."""
    from prometheus_client.parser import text_string_to_metric_families

    app = application(Metrics(pool, {"email": "us", "whatsapp": "us"}, "").routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as prometheus:
        response = await prometheus.get("/metrics")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def labels(row: Any) -> frozenset[tuple[str, str]]:
    named = {("channel", row["channel"])}
    return frozenset(named | {(row["label"], row["value"])} if row["label"] else named)


@pytest.mark.process
async def test_the_counts_of_a_day_are_those_of_the_tables(
    pool: Pool, hints: Hints, database_url: str
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    day = Day(pool, random.Random(seed))
    await day.live()
    await killed_at_work(pool, database_url)
    await pool.execute("delete from cursors")  # so everything comes again
    async with collecting(pool, hints):
        await until(lambda: everything(pool))
        await pool.execute("update cursors set position = 0, seen = '3:3:', until = null")
    async with collecting(pool, hints):
        await until(lambda: everything(pool))
    found = await shown(pool)
    for name, query in TRUTH.items():
        rows = await pool.fetch(query)
        assert rows, f"nothing of {name} happened"
        truth = {labels(row): row["number"] for row in rows}
        told = {key: value for (metric, key), value in found.items() if metric == name and value}
        assert told == pytest.approx(truth), name
    for row in await pool.fetch(UNDER_30):
        bucket = frozenset({("channel", row["channel"]), ("le", "30.0")})
        assert found["fte_agent_processing_seconds_bucket", bucket] == row["number"]
    for channel, count in day.expired.items():
        lost = frozenset({("channel", channel), ("of", "turn")})
        assert found["fte_lease_expiries_total", lost] == count
    assert day.expired
    assert not [key for (_, key), value in found.items() if value and ("other" in dict(key).values())]


async def killed_at_work(pool: Pool, url: str) -> None:
    """A collector that is killed when it has counted some."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, url)
    try:
        await until(lambda: pool.fetchval(COUNTED))
    finally:
        process.kill()
        await process.wait()


async def everything(pool: Pool) -> bool:
    done: bool = await pool.fetchval(ALL) == await pool.fetchval(COUNTED) and await passed(pool)
    return done


async def passed(pool: Pool) -> bool:
    """The group has put every event behind it."""
    behind: bool = await pool.fetchval(
        "select coalesce(bool_and(not exists (select from log l where l.topic in ('fte.metrics', 'fte.escalations')"
        " and not pg_visible_in_snapshot(l.tx, c.seen))), false) from cursors c"
    )
    return behind
