"""`fte dlq`: dead letters, the events a group could not handle."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fte.cli._session import AsJson, DataDir, database, load_settings, run
from fte.domain.text import one_line, printable

if TYPE_CHECKING:
    from fte.bus.dead_letters import Letter, Report
    from fte.domain.dead_letters import State
    from fte.pg.pool import Pool

    Act = Callable[[Pool, Sequence[int]], Awaitable[Report]]

WIDE = 200
"""Columns of a table that goes into a file or a pipe."""
ID_MAX = 2**63 - 1

app = typer.Typer(no_args_is_help=True)

Id = Annotated[
    int,
    typer.Argument(min=1, max=ID_MAX, metavar="ID", help="The letter's number, as `fte dlq list` shows it."),
]
Ids = Annotated[
    list[int] | None,
    typer.Argument(min=1, max=ID_MAX, metavar="ID", help="Letters' numbers, as `fte dlq list` shows them."),
]
All = Annotated[bool, typer.Option("--all", help="All that are waiting, the oldest first.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only letters whose event was on this topic.")]
Group = Annotated[str | None, typer.Option("--group", help="Only letters this consumer group failed on.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --all.")]


@app.command("list")
def list_(
    state: Annotated[
        Literal["waiting", "replayed", "dropped", "all"], typer.Option("--state", help="Which letters.")
    ] = "waiting",
    topic: Topic = None,
    group: Group = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="How many to show at most.")] = 50,
    before: Annotated[
        int | None, typer.Option("--before", min=1, max=ID_MAX, help="Only letters with a smaller number.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List dead letters, the newest first: events that a consumer group failed on again and again.

    Only those waiting for somebody to look, unless --state says otherwise.
    """
    settings = load_settings(data_dir=data_dir)
    wanted: State | None = None if state == "all" else state

    async def work() -> "tuple[list[Letter], bool]":
        from fte.bus import dead_letters

        async with database(settings) as pool:
            found = await dead_letters.listed(pool, wanted, topic, group, limit, before)
            return found, bool(found) or bool(await dead_letters.listed(pool, None, limit=1))

    found, any_at_all = run(work)
    if as_json:
        _print_json(found)
    elif not found:
        _say("No dead letter is like that." if any_at_all else "There are no dead letters.")
    else:
        _print_table(found)
        if len(found) == limit:
            _say(f"There may be older ones: --before {found[-1].id} shows them.", err=True)


@app.command()
def show(id_: Id, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a dead letter whole: which event failed, in which group, with what kind of error, how often.

    An event holds ids and facts, never a customer's words.
    """
    settings = load_settings(data_dir=data_dir)

    async def work() -> "Letter":
        from fte.bus import dead_letters

        async with database(settings) as pool:
            return await dead_letters.shown(pool, id_)

    letter = run(work)
    if as_json:
        _print_json(letter)
    else:
        _print_letter(letter)


@app.command()
def retry(
    ids: Ids = None,
    all_: All = False,
    topic: Topic = None,
    group: Group = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Send letters' events once more to the groups that failed on them, and to no other group.

    Do this when the cause is gone. An event that fails again is the same letter again, waiting. After three
    replays a letter is refused. One that was dropped may be sent again when it is named.
    """

    async def act(pool: "Pool", letters: Sequence[int]) -> "Report":
        from fte.bus import dead_letters

        return await dead_letters.retry(pool, letters, dropped_too=bool(ids), dry_run=dry_run)

    chosen = _Choice(ids or [], all_, topic, group, data_dir)
    if chosen.settled(ask="Send {} to their groups again?", unasked=yes or dry_run):
        chosen.act(act, "would be sent again" if dry_run else "sent again")


@app.command()
def drop(
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for whoever looks later; 500 characters at most.")
    ],
    ids: Ids = None,
    all_: All = False,
    topic: Topic = None,
    group: Group = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Give letters up: their events are not going to be handled. The letters stay, with the reason.

    `fte dlq list --state dropped` shows them, and `fte dlq retry` may still send one again.
    """

    async def act(pool: "Pool", letters: Sequence[int]) -> "Report":
        from fte.bus import dead_letters

        return await dead_letters.drop(pool, letters, reason, dry_run=dry_run)

    chosen = _Choice(ids or [], all_, topic, group, data_dir)
    if chosen.settled(ask="Drop {}?", unasked=yes or dry_run):
        chosen.act(act, "would be dropped" if dry_run else "dropped")


class _Choice:
    """The letters a command is about: named ones, or all that are waiting."""

    def __init__(
        self, ids: Sequence[int], all_: bool, topic: str | None, group: str | None, data_dir: Any
    ) -> None:
        if bool(ids) == all_:
            raise typer.BadParameter("Name letters by their numbers, or give --all.")
        if ids and (topic or group):
            raise typer.BadParameter("--topic and --group go with --all.")
        self._ids = list(ids)
        self._filters = (topic, group)
        self._settings = load_settings(data_dir=data_dir)

    def settled(self, *, ask: str, unasked: bool) -> bool:
        """Whether there is anything to do. With --all, finds the letters and asks the person unless `unasked`."""
        if self._ids:
            return True
        if not unasked and not sys.stdin.isatty():
            _say("Error: nobody is there to confirm it for all.", err=True)
            _say("  Add --yes to do it without asking, or --dry-run to see what would be done.", err=True)
            raise typer.Exit(2)
        self._ids = run(self._oldest)
        if not self._ids:
            _say(
                "No dead letter is waiting."
                if not any(self._filters)
                else "No dead letter like that is waiting."
            )
        elif not unasked:
            typer.confirm(ask.format(_counted(len(self._ids))), abort=True)
        return bool(self._ids)

    async def _oldest(self) -> list[int]:
        from fte.bus import dead_letters

        async with database(self._settings) as pool:
            found = await dead_letters.waiting(pool, *self._filters)
        if len(found) == dead_letters.ALL_MAX:
            _say(f"These are the oldest {len(found):,}; there may be more, for another time.", err=True)
        return found

    def act(self, act: "Act", done: str) -> None:
        """Do it, say for how many it was done and for which not, and end with code 1 if there are any of these."""
        reports: list[Report] = []

        async def work() -> None:
            async with database(self._settings) as pool:
                for batch in _batches(self._ids):
                    reports.append(await act(pool, batch))

        try:
            run(work)
        finally:
            if reports:
                _say(f"{_counted(sum(len(report.done) for report in reports))} {done}.")
        refused = {letter: why for report in reports for letter, why in report.refused.items()}
        for letter, why in refused.items():
            _say(f"Letter {letter} was left as it is: {why}.", err=True)
        if refused:
            raise typer.Exit(1)


def _batches(ids: list[int]) -> list[list[int]]:
    from fte.bus.dead_letters import BATCH_MAX

    return [ids[start : start + BATCH_MAX] for start in range(0, len(ids), BATCH_MAX)]


def _counted(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{number:,} dead letters"


def _print_table(letters: "list[Letter]") -> None:
    from rich.console import Console
    from rich.table import Table

    columns = ("id", "since", "state", "topic", "group", "type", "error", "tries", "replays")
    table = Table(*columns, box=None, pad_edge=False)
    for letter in letters:
        words = (letter.topic, letter.group, letter.type, letter.error)
        table.add_row(
            str(letter.id),
            f"{letter.created_at:%Y-%m-%d %H:%M}",
            letter.state,
            *(printable(one_line(word)) for word in words),
            str(letter.attempts),
            str(letter.replays),
        )
    width = None if sys.stdout.isatty() else WIDE
    Console(markup=False, emoji=False, highlight=False, width=width).print(table)


def _print_letter(letter: "Letter") -> None:
    import msgspec

    facts = {
        "letter": letter.id,
        "state": letter.state,
        "reason": letter.reason,
        "event": f"{letter.type} {letter.event_id}",
        "at": f"{letter.at:%Y-%m-%d %H:%M:%S} UTC",
        "topic": letter.topic,
        "key": letter.key,
        "group": letter.group,
        "error": letter.error,
        "tries": letter.attempts,
        "replays": letter.replays,
        "since": f"{letter.created_at:%Y-%m-%d %H:%M:%S} UTC",
        "changed": f"{letter.changed_at:%Y-%m-%d %H:%M:%S} UTC",
    }
    for name, value in facts.items():
        if value is not None:
            _say(f"{name:8} {one_line(str(value))}")
    _say(msgspec.json.format(msgspec.json.encode(letter.payload), indent=2).decode())


def _say(text: str, *, err: bool = False) -> None:
    typer.echo(printable(text), err=err)


def _print_json(value: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
