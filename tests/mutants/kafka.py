"""Seeded bugs of the way events take through Kafka."""

from tests.mutants.catalogue import Mutant

_BUS = "tests/bus/test_kafka_bus.py"
_CANARIES = ("tests/acceptance/test_canaries.py", "-k", "Kafka")
_RECORDS = "        records = [(self._cluster.named(one.event.topic), Record.of(one)) for one in events]\n"
_NOBODYS = "nothing of anybody's is told"

KAFKA = (
    Mutant(
        name="a-place-before-the-handler",
        invariant="I11 offsets never run ahead",
        path="fte/bus/dispatch.py",
        healthy="            await self._handle(entry.event)\n            entry.done = True\n",
        sick="            entry.done = True\n            await self._handle(entry.event)\n",
        tests=(_BUS, "-k", "runs_ahead"),
    ),
    Mutant(
        name="the-relay-moves-before-the-brokers-say-yes",
        invariant="I12 Kafka is expendable",
        path="fte/bus/relay.py",
        healthy="            await asyncio.gather(*sent)\n",
        sick="            await asyncio.sleep(0)\n",
        tests=(_BUS, "-k", "killed_broker"),
    ),
    Mutant(
        name="a-new-group-begins-at-the-newest",
        invariant="I12 Kafka is expendable",
        path="fte/bus/kafka.py",
        healthy='auto_offset_reset="earliest"',
        sick='auto_offset_reset="latest"',
        tests=(_BUS, "-k", "oldest_event"),
    ),
    Mutant(
        name="deleted-topics-stay-away",
        invariant="I12 Kafka is expendable",
        path="fte/bus/relay.py",
        healthy="            if await topics.create_missing(self._cluster, self._plan):\n",
        sick="            fresh = not held.place.position and not held.place.until and held.place.seen == '3:3:'\n"
        "            if fresh and await topics.create_missing(self._cluster, self._plan):\n",
        tests=(_BUS, "-k", "deleted_in_the_middle"),
    ),
    Mutant(
        name="an-unreadable-record-stops-the-group",
        invariant="I13 poison is isolated",
        path="fte/bus/kafka.py",
        healthy="            await self._bury(_strange(self._cluster, one), error, 1)\n",
        sick="            raise\n",
        tests=(_BUS, "-k", "nobody_can_read"),
    ),
    Mutant(
        name="what-the-page-showed-comes-again",
        invariant="I20 the console misses nothing",
        path="fte/bus/kafka.py",
        healthy=" or self._passed.passed(appended.tx, appended.position):",
        sick=":",
        tests=(_BUS, "-k", "followed_exactly"),
    ),
    Mutant(
        name="what-the-relay-repeats-is-told-twice",
        invariant="I20 the console misses nothing",
        path="fte/bus/kafka.py",
        healthy="return event if self._recent.is_new(event.id) else None",
        sick="return event",
        tests=(_BUS, "-k", "carries_twice"),
    ),
    Mutant(
        name="nobody-looks-after-a-deaf-consumer",
        invariant="L2 recovery with no human",
        path="fte/bus/kafka.py",
        healthy="        if self._missed == LOOKS_MAX:\n",
        sick="        if False:\n",
        tests=(_BUS, "-k", "hears_nothing"),
    ),
    Mutant(
        name="the-stream-is-ready-before-it-is-subscribed",
        invariant="L2 an outage is told",
        path="fte/daemon/stream.py",
        healthy="        async with contextlib.aclosing(await self.bus.subscribe(topics, cursor)) as events:\n"
        '            yield _notice(StreamNotice(kind="ready", cursor=cursor))\n',
        sick='        yield _notice(StreamNotice(kind="ready", cursor=cursor))\n'
        "        async with contextlib.aclosing(await self.bus.subscribe(topics, cursor)) as events:\n",
        tests=("tests/daemon/test_stream.py", "-k", "does_not_begin"),
    ),
    Mutant(
        name="the-console-is-live-before-the-stream-is-ready",
        invariant="L2 an outage is told",
        path="fte/console/client.py",
        healthy="            live = False\n",
        sick="            live = True\n            yield Link(Phase.LIVE), cursor\n",
        tests=("tests/console/test_client.py", "-k", "it_is_live"),
    ),
    Mutant(
        name="a-subscription-listens-to-silence",
        invariant="L2 an outage is told",
        path="fte/bus/kafka.py",
        healthy="_Watch(self._consumer, FOLLOWER_LOOK_EVERY)",
        sick="_Watch(self._consumer, LOOK_EVERY)",
        tests=(_BUS, "-k", "broker_is_frozen"),
    ),
    Mutant(
        name="health-believes-in-kafka",
        invariant="L2 an outage is told",
        path="fte/daemon/health.py",
        healthy="silent is not None and silent < CARRIED_WITHIN",
        sick="True",
        tests=("tests/daemon/test_health.py",),
    ),
    Mutant(
        name="a-listener-goes-on-in-a-topic-made-anew",
        invariant="I20 the console misses nothing",
        path="fte/bus/kafka.py",
        healthy="        if place.get(offsets.MADE, [0]) != [self._made.times]:\n",
        sick="        if False:\n",
        tests=("tests/bus/test_kafka_bus.py", "-k", "made_again"),
    ),
    Mutant(
        name="a-given-up-consumer-goes-on-asking",
        invariant="L2 recovery",
        path="fte/bus/cluster.py",
        healthy="    if fetcher is not None:\n        await _stopped(fetcher.close())\n",
        sick="",
        tests=("tests/bus/test_kafka_bus.py", "-k", "frozen_broker_is_told"),
    ),
    Mutant(
        name="records-say-who-may-write-them",
        invariant=_NOBODYS,
        path="fte/bus/relay.py",
        healthy=_RECORDS,
        sick=_RECORDS + "        for _, record in records:\n"
        '            record.headers.append(("fte-signed", self._cluster.password.encode()))\n',
        tests=_CANARIES,
    ),
    Mutant(
        name="records-quote-the-customer",
        invariant=_NOBODYS,
        path="fte/bus/relay.py",
        healthy=_RECORDS,
        sick="        said = await self._pool.fetchval(\"select max(content) from messages where role = 'customer'\")\n"
        "        for one in events:\n"
        '            one.event.payload["text"] = said\n' + _RECORDS,
        tests=_CANARIES,
    ),
    Mutant(
        name="records-are-keyed-by-the-customers-address",
        invariant=_NOBODYS,
        path="fte/bus/relay.py",
        healthy=_RECORDS,
        sick='        who = (await self._pool.fetchval("select max(email) from customers") or "").encode()\n'
        + _RECORDS.replace(
            "Record.of(one))", "Record((r := Record.of(one)).value, who or r.key, r.timestamp, r.headers))"
        ),
        tests=_CANARIES,
    ),
)
