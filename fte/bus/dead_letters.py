"""Dead letters: events a group could not handle, kept with the reason until a person decides."""

from fte.domain.events import DEAD_LETTERS
from fte.pg import queries
from fte.pg.pool import Pool
from fte.wire import Envelope

_sql = queries.load(__file__)


async def bury(pool: Pool, group: str, event: Envelope, error: BaseException, tries: int) -> None:
    """Keep an event that `group` failed on `tries` times. Of the error only its kind is kept: its text may quote."""
    await pool.execute(
        _sql.bury,
        event.replay.of if event.replay else event.id,
        group,
        event.topic,
        event.key,
        {"type": event.type, "at": event.at, "payload": event.payload},
        type(error).__name__,
        tries,
        DEAD_LETTERS,
    )
