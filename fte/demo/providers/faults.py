"""Faults on command: what shall go wrong with the next calls of an operation."""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Final, Literal, get_args

from fte.domain.errors import Rejected

FaultKind = Literal[
    "too_many", "server_error", "refuse", "hang_before", "hang_after", "reset_before", "reset_after", "slow"
]
"""429 · 5xx · a refusal of the provider's own · no answer, nothing done · done, but no answer · the connection
reset before · done, but the connection reset instead of an answer · done, answered late."""

ANY: Final = "*"
TIMES_MAX: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one call.

    `status` is the HTTP status of a server error or refusal, `code` the provider's own error code of a refusal,
    `retry_after` the seconds a 429 asks for, `seconds` how late a slow answer is.
    """

    kind: FaultKind
    status: int = 0
    code: int = 0
    retry_after: int = 1
    seconds: float = 1.0


class Faults:
    """Faults waiting for their calls, first ordered first. An operation of its own name goes before `*`."""

    def __init__(self, operations: frozenset[str]) -> None:
        self._operations = operations
        self._waiting: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def next(
        self,
        operation: str,
        kind: FaultKind,
        *,
        times: int = 1,
        status: int = 0,
        code: int = 0,
        retry_after: int = 1,
        seconds: float = 1.0,
    ) -> None:
        """Let the next `times` calls of `operation` (or of any, `*`) go wrong.

        Raises Rejected for an operation or kind there is none of.
        """
        if operation != ANY and operation not in self._operations:
            known = ", ".join(sorted(self._operations))
            raise Rejected(
                f"There is no operation {operation!r}.", fields={"operation": f"one of *, {known}"}
            )
        if kind not in get_args(FaultKind):
            raise Rejected(
                f"There is no fault {kind!r}.", fields={"kind": "one of " + ", ".join(get_args(FaultKind))}
            )
        fault = Fault(kind=kind, status=status, code=code, retry_after=retry_after, seconds=seconds)
        self._waiting[operation].extend([fault] * min(times, TIMES_MAX))

    def take(self, operation: str) -> Fault | None:
        """The fault of the call that is being made now, used up by asking."""
        for name in (operation, ANY):
            if self._waiting[name]:
                return self._waiting[name].popleft()
        return None

    def clear(self) -> None:
        self._waiting.clear()
