"""The parts a process can be made of. Each must run somewhere; any number of each may."""

from typing import Final, Literal, get_args

Role = Literal["http", "worker", "sender", "relay", "mailbox", "metrics", "sweeper"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
