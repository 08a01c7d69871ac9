"""${message}

expand | contract: say which, and what the release before this one does with the new schema.
"""

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    pass
