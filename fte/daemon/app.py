"""The composition root: the one place that knows which parts stand behind the ports, and how they are joined."""

import asyncio
import contextlib
import faulthandler
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import structlog
from starlette.applications import Starlette

from fte.agent.company import Company
from fte.channels.web_form.origins import Origins
from fte.daemon import kafka, providers
from fte.daemon.collector import Collector
from fte.daemon.gmail_webhook import GmailWebhook
from fte.daemon.health import Health
from fte.daemon.http import application, bind, serve
from fte.daemon.instruments import Instruments
from fte.daemon.metrics import Metrics
from fte.daemon.operator_api import OperatorApi
from fte.daemon.overview import Overview
from fte.daemon.reference import Reference
from fte.daemon.roles import ROLES, Role
from fte.daemon.stream import Stream
from fte.daemon.suggestions import Suggestions
from fte.daemon.support import Support
from fte.daemon.support import routes as support_routes
from fte.daemon.sweeper import Sweeper
from fte.daemon.whatsapp import account_of
from fte.daemon.whatsapp_webhooks import Webhooks
from fte.domain import escalation
from fte.domain.deadlines import told
from fte.domain.errors import FteError, Rejected, Unavailable
from fte.domain.events import RELAY
from fte.domain.measurements import Prices
from fte.domain.retry import pause
from fte.pg import schema
from fte.pg.embedded import EmbeddedServer
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.ports import Embedder
from fte.settings import Settings, misspelt
from fte.store import deadlines, operators, presence, restore
from fte.store.retention import Periods

if TYPE_CHECKING:
    from fte.agent.agent import SupportAgent
    from fte.agent.models import Api, BoundedModel, OnCall

LOCAL_OPERATOR: Final = "local"
LOOK_EVERY: Final = 2.0
"""Seconds between two looks at the embedded server."""
START_PAUSE_MAX: Final = 30.0
STOP_TIMEOUT: Final = 25.0
"""Seconds a stop may take, whatever hangs; then the process ends all the same."""

_log = structlog.get_logger("fte.daemon")


@contextlib.asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[str]:
    """The database's address: the configured one, or the embedded server for as long as the block runs.

    An empty embedded database gets its schema. Raises Unavailable when a server does not come up.
    """
    if settings.database_url:
        yield settings.database_url
        return
    server = EmbeddedServer(settings.data_dir)
    await asyncio.to_thread(server.__enter__)
    leaving = asyncio.Event()
    keeping = asyncio.create_task(_keep_up(server, leaving))
    try:
        await _fill_if_empty(server.url)
        yield server.url
    finally:
        leaving.set()
        await asyncio.wait({keeping})  # it must not start what is stopped here
        await asyncio.to_thread(server.__exit__, None, None, None)


async def _keep_up(server: EmbeddedServer, leaving: asyncio.Event) -> None:
    """Start the server again whenever it has ended: nobody else looks after it."""
    failures = 0
    while not leaving.is_set():
        try:
            if await asyncio.to_thread(server.start_again):
                _log.warning("database started again")
            failures = 0
        except Unavailable as error:
            failures += 1
            _log.error("database does not start", error=error.message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY + pause(failures, longest=START_PAUSE_MAX)):
                await leaving.wait()


async def _fill_if_empty(url: str) -> None:
    pool = await Pool.open(url, size=1)
    try:
        async with pool.connection() as connection:
            empty = await schema.version(connection) is None
    finally:
        await pool.close()
    if empty:
        await asyncio.to_thread(schema.migrate, url)


@contextlib.asynccontextmanager
async def checked_pool(settings: Settings) -> AsyncIterator[tuple[Pool, str]]:
    """A pool on the database and its address. Raises Unavailable when its schema is not this program's."""
    async with database(settings) as url:
        pool = await Pool.open(url, size=settings.database_pool)
        try:
            async with pool.connection() as connection:
                await schema.check(connection)
            yield pool, url
        finally:
            await pool.close()


@dataclass(frozen=True, slots=True)
class Daemon:
    """Everything a running process consists of."""

    settings: Settings
    url: str
    pool: Pool
    hints: Hints
    secret: bytes
    stop: asyncio.Event
    problems: dict[str, str] = field(default_factory=dict)
    """What is wrong in this process now, by part; /health tells it."""
    instruments: Instruments = field(default_factory=Instruments)

    async def run(
        self, roles: tuple[Role, ...], listening: socket.socket, on_ready: Callable[[], None]
    ) -> None:
        """Run the roles until `stop` is set or one of them breaks."""
        async with asyncio.TaskGroup() as tasks:
            started = [tasks.create_task(self.hints.run())]
            webhooks = self.webhooks()
            if "http" in roles:
                started.append(tasks.create_task(webhooks.run()))
            watched = self.instruments.watch(self.application(roles, webhooks))
            serving = tasks.create_task(serve(watched, listening, self.stop))
            serving.add_done_callback(lambda _: self.stop.set())
            if "sweeper" in roles:
                sweeper = Sweeper(
                    self.pool,
                    self.hints,
                    log_retention_days=self.settings.log_retention_days,
                    operator_lease=self.settings.operator_lease,
                    periods=Periods(
                        conversations=self.settings.retention_conversations_days,
                        originals=self.settings.retention_originals_days,
                        traces=self.settings.retention_traces_days,
                        audit=self.settings.retention_audit_days,
                        measurements=self.settings.retention_metrics_days,
                    ),
                    on_removed=self.instruments.removed,
                )
                started.append(tasks.create_task(sweeper.run()))
            if "worker" in roles:
                started.append(tasks.create_task(self._work()))
            if "sender" in roles and providers.configured(self.settings):
                started.append(tasks.create_task(self._send()))
            if "relay" in roles:
                started.append(tasks.create_task(self._relay()))
            if "metrics" in roles:
                started.append(tasks.create_task(self._collect()))
            if "mailbox" in roles:
                for work in providers.inboxes(self.settings, self.secret, self.pool, self.hints):
                    started.append(tasks.create_task(work))
            on_ready()
            await self.stop.wait()
            for task in started:
                task.cancel()

    def webhooks(self) -> Webhooks:
        return Webhooks(self.pool, self.secret, account_of(self.settings), self.hints.ring)

    def application(self, roles: tuple[Role, ...], webhooks: Webhooks) -> Starlette:
        """Every process tells how it is; only the role http does more."""
        cluster = kafka.cluster_of(self.settings)
        channels = providers.configured(self.settings)
        relay = cluster.named(RELAY) if cluster else None
        health = Health(self.pool, channels, self.problems, relay, self.stop)
        lag = kafka.lag(self.settings)
        self.instruments.has(roles)
        # The whole system's state is told once, not by every process.
        metrics = Metrics(
            self.pool,
            channels,
            self.settings.metrics_token,
            relay,
            lag,
            instruments=self.instruments,
            whole="metrics" in roles,
            budget=self.settings.budget,
        )
        own = [*health.routes(), *metrics.routes()]
        if "http" not in roles:
            return application(own)
        api = OperatorApi(
            self.pool,
            self.hints.ring,
            undo=self.settings.undo_seconds,
            lease=self.settings.operator_lease,
            company=named(self.settings),
            company_name=self.settings.company_name,
        )
        stream = Stream(api, kafka.bus(self.settings, self.pool, self.hints, self.problems), self.stop)
        overview = Overview(api, self.hints, channels, self.problems, relay, lag)
        support = Support(
            pool=self.pool, secret=self.secret, settings=self.settings, on_stored=self.hints.ring
        )
        mail = GmailWebhook(self.pool, self.settings, self.hints.ring)
        routes = [
            *support_routes(support),
            *mail.routes(),
            *webhooks.routes(),
            *api.routes(),
            *stream.routes(),
            *overview.routes(),
            *Suggestions(api).routes(),
            *own,
        ]
        return application([*routes, *Reference(routes).routes()])

    async def _relay(self) -> None:
        relay = kafka.relay(self.settings, self.pool, self.hints, self.problems)
        if relay is not None:
            await relay.run()

    async def _collect(self) -> None:
        bus = kafka.bus(self.settings, self.pool, self.hints, self.problems)
        prices = Prices(self.settings.model_input_price, self.settings.model_output_price)
        await Collector(self.pool, bus, prices).run()

    async def _own_pool(self, role: Role) -> Pool:
        """Connections of a role's own: however much it does, a customer's message finds one free.

        The database was there when the process started; should it be away by now, it is waited for.
        """
        failures = 0
        while True:
            try:
                pool = await Pool.open(self.url, size=self.settings.database_pool)
            except Unavailable as error:
                failures += 1
                self.problems[role] = error.message
                _log.warning("role put off", role=role, error=error.message)
                await asyncio.sleep(pause(failures))
            else:
                self.problems.pop(role, None)
                return pool

    async def _send(self) -> None:
        from fte.daemon.sender import Sender

        pool = await self._own_pool("sender")
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(pool.close)
            await Sender(
                pool,
                kafka.bus(self.settings, pool, self.hints, self.problems),
                self.hints,
                self.secret,
                providers.channels(self.settings, self.secret, pool, closing),
                company=self.settings.company,
                public_url=self.settings.public_url or self.settings.local_url,
            ).run()

    def _model_called(self, seconds: float, worked: bool) -> None:
        self.instruments.model_called(seconds, worked)
        if worked:
            self.problems.pop("model", None)
        else:
            self.problems["model"] = "The last call of the model failed; `fte doctor` asks it and says why."

    async def _work(self) -> None:
        # The agent's libraries take seconds to load; forms are accepted meanwhile.
        from fte.daemon.worker import Worker, spare_the_loaded_code
        from fte.knowledge.embed import WordLlamaEmbedder
        from fte.knowledge.spelling import common_words

        pool = await self._own_pool("worker")
        try:
            embedder = WordLlamaEmbedder()
            answerer = await asyncio.to_thread(agent, self.settings, pool, embedder, self._model_called)
            await embedder.embed(["warm up"])
            await asyncio.to_thread(escalation.warm_up)
            await asyncio.to_thread(common_words)
            spare_the_loaded_code()
            _log.info("worker ready")
            concurrency = self.settings.worker_concurrency
            bus = kafka.bus(self.settings, pool, self.hints, self.problems)
            await Worker(pool, bus, self.hints, answerer, concurrency=concurrency).run()
        finally:
            await pool.close()


def model(settings: Settings, on_call: "OnCall" = lambda seconds, worked: None) -> "BoundedModel":
    """The model these settings ask for. Raises Rejected."""
    from fte.agent.models import build_model

    return build_model(
        model=settings.model,
        base_url=settings.model_base_url,
        api_key=settings.openai_api_key,
        api=cast("Api", settings.model_api),
        stream=settings.model_stream == "on",
        timeout=settings.model_timeout,
        on_call=on_call,
    )


def agent(
    settings: Settings,
    pool: Pool,
    embedder: Embedder,
    on_call: "OnCall" = lambda seconds, worked: None,
    document: str | None = None,
) -> "SupportAgent":
    """The agent these settings ask for; `document` is in place of its own instructions. Raises Rejected."""
    from fte.agent.agent import SupportAgent
    from fte.knowledge.search import search

    duty = partial(presence.on_duty, pool, settings.operator_lease)
    find = partial(search, pool, embedder)
    return SupportAgent(
        model(settings, on_call),
        find,
        company(settings),
        on_duty=duty,
        document=document,
        limits=settings.budget,
    )


def named(settings: Settings) -> Company:
    """Whom we answer for, without the documents that only a model reads."""
    return Company(
        settings.company,
        url=settings.public_url,
        hours=told(settings.policy.hours) if settings.policy.hours else "",
        policy=settings.policy,
        link_hosts=tuple(settings.link_hosts.lower().split()),
    )


def company(settings: Settings) -> Company:
    """Whom the agent answers for. Raises Rejected when the company's documents cannot be read."""

    def document(name: str) -> str:
        if settings.company_dir is None:
            return ""
        try:
            return (settings.company_dir / name).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise Rejected(
                f"{name} cannot be read: {error}.",
                fields={"FTE_COMPANY_DIR": "wrong folder"},
                remedy="FTE_COMPANY_DIR needs a profile.md and a brand_voice.md.",
            ) from None

    return replace(named(settings), profile=document("profile.md"), voice=document("brand_voice.md"))


async def run(
    settings: Settings, roles: tuple[Role, ...] = ROLES, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Run the daemon until a signal stops it. A second signal ends the process at once.

    Raises Unavailable or Rejected when it cannot start.
    """
    _check(settings, roles)
    listening = bind(settings.host, settings.port)
    stop = asyncio.Event()
    _on_signals(stop)
    try:
        async with checked_pool(settings) as (pool, url):
            secret = load_secret(settings)
            await restore.check_home(pool)
            await deadlines.keep_policy(pool, settings.hours, settings.deadlines)
            if not settings.database_url:
                await _let_local_operator_in(pool, settings.token_file)
            daemon = Daemon(settings, url, pool, Hints(url), secret, stop)
            await daemon.run(roles, listening, on_ready)
    finally:
        listening.close()


def _check(settings: Settings, roles: tuple[Role, ...]) -> None:
    """What the settings name must be there, before anything is. Raises Rejected."""
    for name, nearest in misspelt().items():
        _log.warning("there is no such setting", name=name, nearest=nearest)
    providers.configured(settings)
    if "http" in roles:
        Origins(settings.embed_origins)
    if "worker" in roles:
        company(settings)
    if cluster := kafka.cluster_of(settings):
        cluster.check()


def _on_signals(stop: asyncio.Event) -> None:
    """The first signal lets everything finish within STOP_TIMEOUT, the second ends the process, whatever hangs.

    The limit stands until the process is gone: a thread may hang when the last task is long done.
    """
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        faulthandler.dump_traceback_later(
            STOP_TIMEOUT, exit=True
        )  # a thread of its own: the loop may hang, too
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)


def load_secret(settings: Settings) -> bytes:
    """The key ticket ids are derived from: configured, or drawn once and kept in the data folder.

    Raises Rejected when a database is configured but no key: every process must have the same one.
    """
    if settings.secret_key:
        return settings.secret_key.encode()
    if settings.database_url:
        raise Rejected(
            "FTE_SECRET_KEY is not set.",
            fields={"FTE_SECRET_KEY": "missing"},
            remedy="Set it to the same random text for every process; `openssl rand -hex 32` makes one.",
        )
    with contextlib.suppress(FileExistsError):
        write_private(settings.secret_file, secrets.token_hex(32))
    return settings.secret_file.read_bytes()


async def _let_local_operator_in(pool: Pool, token_file: Path) -> None:
    """Whoever may read the data folder may use the console without further ado."""
    with contextlib.suppress(OSError):
        if await operators.by_token(pool, await asyncio.to_thread(token_file.read_text)) is not None:
            return
    await asyncio.to_thread(token_file.unlink, missing_ok=True)
    with contextlib.suppress(FteError):
        await operators.revoke(pool, LOCAL_OPERATOR)
    write_private(token_file, await operators.add(pool, LOCAL_OPERATOR, "admin"))


def write_private(path: Path, text: str) -> None:
    """A new file only its owner can read, whole from the moment it is there. Raises FileExistsError."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    draft.touch(mode=0o600, exist_ok=False)
    draft.write_text(text, encoding="utf-8")
    try:
        os.link(draft, path)
    finally:
        draft.unlink()
