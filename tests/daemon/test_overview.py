"""How things are, over HTTP: metrics, channels, dead letters, customers, knowledge."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest

from fte.bus import dead_letters
from fte.bus.lag import lag
from fte.domain.errors import Unavailable
from fte.domain.events import METRICS
from fte.domain.ids import new_id
from fte.domain.measurements import Measurement
from fte.knowledge.search import SCORE_FLOOR
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import agent_metrics, channel_health
from fte.wire import (
    ChannelsView,
    ConsumerLag,
    CustomerHits,
    Envelope,
    KnowledgeHits,
    LetterPage,
    LettersDone,
    LetterView,
    MetricsView,
    SuggestionsPage,
    decode,
)
from tests.bus.contract import TOPIC, announce, consuming
from tests.bus.support_kafka import carried, own_cluster
from tests.daemon.support import Backend, backend
from tests.store.test_suggestions import taught
from tests.support import receive, until


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints) as running:
        yield running


@pytest.fixture
async def sam(daemon: Backend) -> AsyncIterator[httpx.AsyncClient]:
    async with await daemon.client() as client:
        yield client


@pytest.fixture
async def lead(daemon: Backend) -> AsyncIterator[httpx.AsyncClient]:
    async with await daemon.client("Lea", "lead") as client:
        yield client


PATHS = (
    "/operator/metrics",
    "/operator/channels",
    "/operator/dead_letters",
    "/operator/dead_letters/1",
    "/operator/customers?q=ada",
    "/operator/knowledge/search?q=export",
)


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_told_without_a_token(daemon: Backend, path: str) -> None:
    async with httpx.AsyncClient(base_url=daemon.url) as nobody:
        assert (await nobody.get(path)).status_code == 401


# ---------------------------------------------------------------- metrics


async def test_how_far_the_consumers_of_kafka_are_behind_is_told(
    kafka: str, pool: Pool, hints: Hints
) -> None:
    cluster, free, handled = own_cluster(kafka), asyncio.Event(), 0

    async def handler(_: Envelope) -> None:
        nonlocal handled
        if handled:
            await free.wait()
        handled += 1

    async with (
        backend(pool, hints, lag=partial(lag, cluster, ("g",))) as running,
        await running.client() as sam,
    ):

        async def told() -> tuple[str | None, list[ConsumerLag] | None]:
            view = decode((await sam.get("/operator/metrics")).content, MetricsView)
            return view.bus, view.lag

        async def behind(count: int) -> bool:
            return await told() == ("kafka", [ConsumerLag(group="g", topic=TOPIC, events=count)])

        await announce(pool, hints, "a", 1, 2, 3)
        async with carried(cluster, pool, hints) as carrying, consuming(carrying.bus, handler):
            await until(lambda: behind(2))
            free.set()
            await until(lambda: behind(0))


async def test_metrics_are_told_while_the_cluster_is_away(pool: Pool, hints: Hints) -> None:
    async def away() -> dict[tuple[str, str], int]:
        raise Unavailable

    async with backend(pool, hints, lag=away) as running, await running.client() as sam:
        view = decode((await sam.get("/operator/metrics")).content, MetricsView)
    assert (view.bus, view.lag) == ("kafka", None)


async def test_metrics_add_up_by_channel_and_over_time(daemon: Backend, sam: httpx.AsyncClient) -> None:
    await receive(daemon.pool)
    await receive(daemon.pool, "This is a disgrace, I am furious!")
    now = datetime.now(UTC)
    for age, seconds, reason in (
        (0, 10.0, None),
        (0, 20.0, "anger"),
        (30, 40.0, "anger"),
        (90, 99.0, "price"),
    ):
        measured = [Measurement("turn", 1.0, "email"), Measurement("turn_seconds", seconds, "email")]
        if reason:
            measured.append(Measurement("escalation", 1.0, "email", {"reason": reason}))
        read = agent_metrics.Reading(new_id(), now - timedelta(minutes=age), measured)
        await agent_metrics.record(daemon.pool, [read])
    view = decode((await sam.get("/operator/metrics")).content, MetricsView)
    series = {one.channel: one for one in view.series}
    assert (view.span, view.step, len(series["all"].received)) == ("1h", 60, 60)
    assert sum(series["web_form"].received) == sum(series["all"].received) == 2
    assert sum(series["email"].turns) == 3
    assert series["email"].reasons == {"anger": 2}
    assert sum(series["all"].escalations) == 2
    assert series["email"].p50_all == 20.0
    assert series["whatsapp"].p95_all is None
    assert series["all"].sentiment_all is not None
    assert view.backlog.owed == 2
    assert (view.bus, view.lag) == ("log", None)
    day = decode((await sam.get("/operator/metrics?span=24h")).content, MetricsView)
    assert len(day.series[0].turns) == 48
    assert day.series[0].reasons == {"anger": 2, "price": 1}
    assert (await sam.get("/operator/metrics?span=9y")).status_code == 422


# ---------------------------------------------------------------- channels


async def test_a_channel_that_is_ill_is_named_with_its_remedy(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    await channel_health.report(daemon.pool, "web_form", "", "The disk is full; make room.")
    view = decode((await sam.get("/operator/channels")).content, ChannelsView)
    states = {one.channel: one for one in view.channels}
    assert states["web_form"].state == "unhealthy"
    assert states["web_form"].detail == "The disk is full; make room."
    assert states["email"].state == "inactive"
    assert view.relay_delay is None


# ---------------------------------------------------------------- dead letters


async def bury(pool: Pool, **payload: str) -> int:
    event = Envelope(
        id=new_id(),
        topic=METRICS,
        key=str(new_id()),
        type="turn.finished",
        at=datetime.now(UTC),
        payload=payload,
    )
    await dead_letters.bury(pool, "fte-metrics-collector", event, ValueError("secret"), 5)
    [newest] = await dead_letters.listed(pool, limit=1)
    return newest.id


async def decide(
    client: httpx.AsyncClient, what: str, letters: list[int], key: str = "", **more: str
) -> httpx.Response:
    headers = {"Idempotency-Key": key or str(new_id())}
    return await client.post(
        f"/operator/dead_letters/{what}", json={"letters": letters, **more}, headers=headers
    )


async def test_dead_letters_are_listed_shown_sent_again_and_dropped(
    daemon: Backend, lead: httpx.AsyncClient
) -> None:
    first, second = await bury(daemon.pool, a="1"), await bury(daemon.pool)
    page = decode((await lead.get("/operator/dead_letters")).content, LetterPage)
    assert [letter.id for letter in page.letters] == [second, first]
    older = decode((await lead.get(f"/operator/dead_letters?before={second}")).content, LetterPage)
    assert [letter.id for letter in older.letters] == [first]
    one = decode((await lead.get(f"/operator/dead_letters/{first}")).content, LetterView)
    assert (one.payload, one.error, one.attempts) == ({"a": "1"}, "ValueError", 5)
    assert (await lead.get("/operator/dead_letters/999999")).status_code == 404
    assert (await lead.get("/operator/dead_letters/x")).status_code == 404
    done = decode((await decide(lead, "retry", [first])).content, LettersDone)
    assert done.done == [first]
    again = decode((await decide(lead, "retry", [first])).content, LettersDone)
    assert again.done == []
    assert "again already" in again.refused[str(first)]
    assert (await decide(lead, "drop", [second])).status_code == 422
    assert decode((await decide(lead, "drop", [second], reason="a test")).content, LettersDone).done == [
        second
    ]
    page = decode((await lead.get("/operator/dead_letters?state=all")).content, LetterPage)
    assert [(letter.state, letter.reason) for letter in page.letters] == [
        ("dropped", "a test"),
        ("replayed", None),
    ]
    assert (await lead.get("/operator/dead_letters?state=odd")).status_code == 422
    actions = await daemon.pool.fetch(
        "select action, details from audit where operator_id is not null order by id"
    )
    assert [row["action"] for row in actions] == [
        "retry_dead_letters",
        "retry_dead_letters",
        "drop_dead_letters",
    ]


async def test_the_same_decision_asked_twice_happens_once_and_is_answered_twice(
    daemon: Backend, lead: httpx.AsyncClient
) -> None:
    letter, key = await bury(daemon.pool), str(new_id())
    answers = [decode((await decide(lead, "retry", [letter], key)).content, LettersDone) for _ in range(2)]
    assert [answer.done for answer in answers] == [[letter], [letter]]
    assert (await dead_letters.shown(daemon.pool, letter)).replays == 1


async def test_a_key_that_was_used_for_another_decision_is_refused(
    daemon: Backend, lead: httpx.AsyncClient
) -> None:
    first, second = await bury(daemon.pool), await bury(daemon.pool)
    key = str(new_id())
    assert (
        await lead.post("/operator/duty", json={"duty": "on"}, headers={"Idempotency-Key": key})
    ).is_success
    assert (await decide(lead, "retry", [first], key)).status_code == 409
    key = str(new_id())
    assert (await decide(lead, "retry", [first], key)).status_code == 200
    assert (await decide(lead, "drop", [first], key, reason="no use")).status_code == 409
    assert (await decide(lead, "retry", [first, second], key)).status_code == 409
    assert (await dead_letters.shown(daemon.pool, second)).state == "waiting"


async def test_only_a_lead_or_an_admin_decides_on_dead_letters(daemon: Backend) -> None:
    letter = await bury(daemon.pool)
    for role, code in (("observer", 403), ("agent", 403), ("lead", 200), ("admin", 200)):
        async with await daemon.client(role, role) as client:
            assert (await client.get("/operator/dead_letters")).status_code == 200
            assert (await decide(client, "retry", [letter])).status_code == code, role
            assert (await decide(client, "drop", [letter], reason="x")).status_code == code, role


async def test_a_decision_on_nothing_or_too_much_is_refused(lead: httpx.AsyncClient) -> None:
    assert (await decide(lead, "retry", [])).status_code == 422
    assert (await decide(lead, "retry", [-1])).status_code == 422
    assert (await decide(lead, "retry", list(range(1, 600)))).status_code == 422
    assert (await decide(lead, "retry", [12345])).status_code == 404
    response = await lead.post("/operator/dead_letters/retry", json={"letters": [1]})
    assert "Idempotency-Key" in response.text


# ---------------------------------------------------------------- searching


async def test_a_customer_is_found_by_part_of_a_name_address_or_number(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    talk = (await receive(daemon.pool)).conversation
    await receive(
        daemon.pool, identifier="+447700900123", identifier_type="whatsapp", channel="whatsapp", verified=True
    )

    async def found(text: str) -> CustomerHits:
        return decode((await sam.get("/operator/customers", params={"q": text})).content, CustomerHits)

    [ada] = (await found("da@exam")).customers
    assert (ada.email, ada.conversations, ada.newest) == ("ada@example.com", 1, talk)
    assert len((await found("0770 0900 123")).customers) == 1
    for text in ("", "%", "_", "\x00", "nobody"):
        assert (await found(text)).customers == [], text


async def test_a_question_shows_what_is_found_and_what_is_below_the_floor(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    response = await sam.get("/operator/knowledge/search", params={"q": "how do I export?"})
    hits = decode(response.content, KnowledgeHits)
    assert (hits.floor, hits.hits) == (SCORE_FLOOR, [])


# ---------------------------------------------------------------- what the AI may learn


async def test_what_a_person_answered_becomes_a_page_the_ai_finds(
    pool: Pool, sam: httpx.AsyncClient, lead: httpx.AsyncClient
) -> None:
    message = await taught(pool)
    [found] = decode((await sam.get("/operator/suggestions")).content, SuggestionsPage).items
    assert (found.id, found.title) == (message, "Where can I park?")
    assert found.body == "Visitors park behind the house, in the places that are marked with a V."
    path = f"/operator/suggestions/{message}"
    page = {"title": "Parking for visitors", "body": found.body}
    assert (await sam.put(path, json=page)).status_code == 403
    refused = await lead.put(path, json=page | {"body": "Dear [name], behind the house."})
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["body"])
    done = await lead.put(path, json=page)
    assert done.json() == {"source": f"learned/{found.number}-parking-for-visitors.md"}
    hits = decode(
        (await sam.get("/operator/knowledge/search?q=where can visitors park")).content, KnowledgeHits
    )
    assert (hits.hits[0].title, hits.hits[0].score > SCORE_FLOOR) == ("Parking for visitors", True)
    assert (await sam.get("/operator/suggestions")).json() == {"items": []}
    assert (await lead.put(path, json=page)).status_code == 409
    assert (await lead.delete(path)).status_code == 409


async def test_two_answers_to_one_matter_become_one_page_with_both_as_its_sources(
    pool: Pool, sam: httpx.AsyncClient, lead: httpx.AsyncClient
) -> None:
    longer = (
        "Visitors park behind the house, in the places that are marked with a V, until eight in the evening."
    )
    first = await taught(pool, question="is there parking at your office")
    second = await taught(pool, longer, question="Where can I park near your office?")
    [found] = decode((await sam.get("/operator/suggestions")).content, SuggestionsPage).items
    assert (found.id, found.title, found.body) == (second, "Where can I park near your office?", longer)
    assert [(other.id, other.question) for other in found.others] == [
        (first, "is there parking at your office")
    ]
    later = await taught(pool, question="Where may visitors park?")
    path = f"/operator/suggestions/{second}?also={first}"
    assert (await lead.put(f"{path}x", json={"title": "Parking", "body": longer})).status_code == 422
    done = await lead.put(path, json={"title": "Parking", "body": longer})
    assert done.json() == {"source": f"learned/{found.number}-parking.md"}
    sources = await pool.fetch("select message_id from suggestions where source = $1", done.json()["source"])
    assert {row["message_id"] for row in sources} == {first, second}
    assert await pool.fetchval("select count(*) from documents") == 1
    # What came after it was seen is not decided on with it.
    [left] = decode((await sam.get("/operator/suggestions")).content, SuggestionsPage).items
    assert (left.id, left.others) == (later, [])


async def test_what_is_rejected_is_not_suggested_again(pool: Pool, lead: httpx.AsyncClient) -> None:
    message = await taught(pool)
    assert (await lead.delete(f"/operator/suggestions/{message}")).status_code == 204
    assert (await lead.get("/operator/suggestions")).json() == {"items": []}
    for unknown in (new_id(), "parking"):
        assert (await lead.delete(f"/operator/suggestions/{unknown}")).status_code == 404
    assert await pool.fetchval("select count(*) from documents") == 0
