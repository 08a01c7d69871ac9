"""Channels' providers are probed: expand."""

from pathlib import Path

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    # One script of many statements: only the simple query protocol takes it, so it goes to the driver itself.
    op.get_bind().connection.dbapi_connection.run_async(lambda driver: driver.execute(script))
