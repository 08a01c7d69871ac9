"""The Kafka cluster: how it is reached, and its clients, each of which starts and stops within a deadline.

The library's clients wait for ever where a broker hangs, and raise a cancellation of their own where one is gone
while they stop. So nothing here awaits one of their calls without a deadline, and none is stopped but in a task of
its own.
"""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from fte.domain.errors import Rejected, Unavailable

REQUEST_TIMEOUT: Final = 5.0
"""Seconds one request to a broker may take."""
START_TIMEOUT: Final = 15.0
"""Seconds a client may take to find the cluster and its topics."""
CONSUMER_TIMEOUT: Final = 15.0
"""Seconds one request of a consumer may take: joining a group waits until a dead member's session is over."""
STOP_TIMEOUT: Final = 3.0
"""Seconds a client may take to say goodbye; then its connections are cut."""
METADATA_MAX_AGE: Final = 15.0
"""Seconds after which topics that were deleted or made anew are noticed."""
IDLE_WAIT: Final = 2.0
"""Seconds a broker may keep a fetch open while there is nothing to be had."""

GONE: Final = (KafkaError, OSError, TimeoutError)
"""What the library raises when the cluster is away, busy or confused, rather than we."""

Security = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where the cluster is and how we show who we are.

    `prefix` is put before every topic and group, for several installations on one cluster. `ca_file` vouches for
    the brokers (None: what the system trusts); `cert_file` and `key_file` are shown to them.
    """

    bootstrap: str
    prefix: str = ""
    security: Security = "plaintext"
    sasl_mechanism: str = "PLAIN"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def named(self, name: str) -> str:
        """What a topic or group of ours is called in the cluster."""
        return self.prefix + name

    def ours(self, name: str) -> str:
        """What a topic of the cluster is called among us."""
        return name.removeprefix(self.prefix)

    @contextlib.asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """A producer whose records come once and in order per partition. Raises Unavailable."""
        producer = AIOKafkaProducer(
            **self._options("producer"),
            enable_idempotence=True,
            acks="all",
            max_batch_size=256 * 1024,
        )
        try:
            await _started(producer.start())
            yield producer
        finally:
            await _stopped(_give_up(producer))

    @contextlib.asynccontextmanager
    async def consumer(self, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer that is not started yet; it is stopped at the end."""
        ours = {
            "request_timeout_ms": round(CONSUMER_TIMEOUT * 1000),
            "fetch_max_wait_ms": round(IDLE_WAIT * 1000),
            "enable_auto_commit": False,
        }
        consumer = AIOKafkaConsumer(**self._options("consumer") | ours | options)
        try:
            yield consumer
        finally:
            await _stopped(consumer.stop())
            await _ended(consumer)

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """A client for topics and groups. Raises Unavailable when the cluster cannot be reached."""
        options = self._options("admin")
        admin = AIOKafkaAdminClient(**options)
        try:
            await _started(admin.start())
            yield admin
        finally:
            await _stopped(admin.close())

    def _options(self, role: str) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.bootstrap,
            "client_id": f"fte-{role}",
            "request_timeout_ms": round(REQUEST_TIMEOUT * 1000),
            "metadata_max_age_ms": round(METADATA_MAX_AGE * 1000),
            "security_protocol": self.security.upper(),
            "ssl_context": self._ssl_context(),
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.username or None,
            "sasl_plain_password": self.password or None,
        }

    def check(self) -> None:
        """Raises Rejected when what it takes to reach the cluster cannot be read."""
        self._ssl_context()

    def _ssl_context(self) -> ssl.SSLContext | None:
        if not self.security.endswith("ssl"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise _unreadable(error, FTE_KAFKA_CA_FILE=self.ca_file) from error
        if self.cert_file is not None:
            try:
                context.load_cert_chain(self.cert_file, self.key_file)
            except OSError as error:
                both = {"FTE_KAFKA_CERT_FILE": self.cert_file, "FTE_KAFKA_KEY_FILE": self.key_file}
                raise _unreadable(error, **both) from error
        return context


def unavailable(error: BaseException) -> Unavailable:
    """The cluster's failure, as ours."""
    said = str(error) or type(error).__name__
    if isinstance(error, KafkaConnectionError) and "Unable to bootstrap" in said:
        said = "no broker answers as one does"
    return Unavailable(
        f"Kafka cannot be reached: {said}.",
        remedy="Check FTE_KAFKA_BOOTSTRAP_SERVERS, the FTE_KAFKA_ security settings, and that the brokers run.",
    )


def _unreadable(error: OSError, **files: Path | None) -> Rejected:
    named = " and ".join(f"{name} ({path})" for name, path in files.items())
    return Rejected(
        f"{named} cannot be read: {error.strerror or type(error).__name__}.",
        fields=dict.fromkeys(files, "cannot be read"),
        remedy="Give PEM files that this process may read.",
    )


async def _started(starting: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT):
            await starting
    except GONE as error:
        raise unavailable(error) from error


async def _stopped(stopping: Coroutine[Any, Any, None]) -> None:
    """Let a client stop, whatever that raises, for as long as it may take."""
    task = asyncio.create_task(stopping)
    try:
        await asyncio.wait({task}, timeout=STOP_TIMEOUT)
    finally:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await asyncio.wait({task}, timeout=1.0)
        if task.done():
            task.result()


async def _ended(consumer: AIOKafkaConsumer) -> None:
    """End what a consumer's stop did not come to, as when the broker is frozen: it would ask for ever otherwise."""
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    for name in ("_stop_heartbeat_task", "_stop_commit_offsets_refresh_task"):
        if (stop := getattr(coordinator, name, None)) is not None:
            await _stopped(stop())
    if fetcher is not None:
        await _stopped(fetcher.close())
    await _stopped(consumer._client.close())


async def _give_up(producer: AIOKafkaProducer) -> None:
    """Stop a producer without the library's last flush, which waits for ever when a broker is away.

    Whoever uses a producer of ours has waited for what it sent; what is left was given up and is sent again by the
    next one, and must not be sent by this one later than that.
    """
    sending = producer._sender.sender_task
    if sending is not None:
        sending.remove_done_callback(
            producer._sender._fail_all
        )  # done here, and it stumbles without transactions
        sending.cancel()
    waiting = producer._message_accumulator
    waiting.fail_all(KafkaConnectionError("the producer was given up"))
    for batch in (*itertools.chain.from_iterable(waiting._batches.values()), *waiting._pending_batches):
        for given_up in (batch.future, batch._drain_waiter):
            given_up.exception()  # nobody else may ask for it, and asyncio would tell of an error
    await producer.client.close()
    await producer.stop()
