"""`fte export customer` and `fte erase customer`: what is held about a person, over the operators' API.

`fte erase list` and `again` are for whoever runs the database, before and after a restore.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from fte.cli._remote import TokenFile, Url, ask, say, say_json
from fte.cli._session import AsJson, DataDir, database, fail, load_settings, plain_errors, run
from fte.domain.errors import Conflict, NotFound, Rejected

if TYPE_CHECKING:
    from fte.console.client import Client
    from fte.store.erasure_list import Erased, Repeated
    from fte.wire import ErasureDone, ErasurePlan

WAIT_FOR_SENDING: Final = 90.0
"""Seconds an erasure waits for replies that are being handed to a provider: longer than any lease."""
LOOK_EVERY: Final = 1.0

export_app = typer.Typer(no_args_is_help=True)
erase_app = typer.Typer(no_args_is_help=True)

Who = Annotated[
    str, typer.Argument(metavar="CUSTOMER", help="A mail address, a phone number, or a customer's id.")
]


@export_app.callback()
def _group() -> None: ...


@erase_app.command("list")
def list_erased(data_dir: DataDir = None) -> None:
    """Print who was erased, for `fte erase again` after a restore: ids and keyed hashes, nobody's data.

    Keep it outside the database, beside the backups, and newer than they are: after each erasure, or every few minutes.
    """
    settings = load_settings(data_dir=data_dir)

    async def work() -> None:
        from fte.store import erasure_list

        async with database(settings) as pool:
            async for line in erasure_list.lines(pool):
                say(line)

    run(work)


@erase_app.command("again")
def erase_again(
    file: Annotated[
        Path, typer.Argument(help="What `fte erase list` printed, or the last lines of `fte erase customer`.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Erase once more, in a restored database, whom a file names, and what came back of them. May be repeated.

    Best before any daemon runs on it: who wrote anew beside what came back is named, and left to you.
    """
    with plain_errors():
        erased = _read_list(file)

    async def work() -> "Repeated":
        from fte.store import erasure_list

        async with database(load_settings(data_dir=data_dir)) as pool:
            return await erasure_list.again(pool, erased)

    done = run(work)
    for customer in done.gone:
        say(f"Erased again. Customer {customer} is not known any more.")
    if done.came_back:
        say(f"Conversations of what had been erased, and erased again: {done.came_back}.")
    for customer, why in done.left.items():
        say(f"Customer {customer} is here still: {why}")
    say(
        f"{len(done.gone)} erased again, {done.absent} were not here, {len(done.left)} are here still; "
        f"{len(erased.hashes)} deliveries are not taken in again."
    )
    if done.left:
        raise typer.Exit(1)


def _read_list(file: Path) -> "Erased":
    """Raises Rejected for a file that cannot be read, or that names nobody."""
    from fte.store import erasure_list

    try:
        with file.open(encoding="utf-8") as lines:
            erased = erasure_list.read(lines)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise Rejected(
            f"{file} cannot be read: {why}.", remedy="Name what `fte erase list` printed."
        ) from None
    if not erased.customers and not erased.hashes:
        raise Rejected(f"{file} names nobody who was erased.", remedy="Name what `fte erase list` printed.")
    return erased


@export_app.command("customer")
def export_customer(
    who: Who,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The file; readable by you alone.", show_default="customer-ID.json"
        ),
    ] = None,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Write everything held about a customer into one JSON document; for a lead or an admin. It is audited.

    Over a file that is there nothing is written.
    """

    async def find(client: "Client") -> UUID:
        return await _found(client, who)

    customer = ask(find, url, token_file, data_dir)
    path = output or Path(f"customer-{customer}.json")
    with plain_errors(), _new_private(path) as file:

        async def work(client: "Client") -> None:
            async for piece in client.export(customer):
                file.write(piece)

        ask(work, url, token_file, data_dir)
    say(f"Everything held about them is in {path}.")


@contextlib.contextmanager
def _new_private(path: Path) -> Iterator[IO[bytes]]:
    """A file only its owner can read, under another name until it is whole. Raises Conflict when there is one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    there = Conflict(f"{path} is there already.", remedy="Name another file with --output.")
    if path.exists():
        raise there
    try:
        part.touch(mode=0o600, exist_ok=False)
        with part.open("wb") as file:
            yield file
        os.link(part, path)
    except FileExistsError:
        raise there from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Rejected(f"{path} cannot be written: {reason}.", remedy="Name another --output.") from None
    finally:
        part.unlink(missing_ok=True)


@erase_app.command("customer")
def erase_customer(
    who: Who,
    yes: Annotated[
        str | None,
        typer.Option("--yes", metavar="ID", help="Do not ask, for scripts: the customer's exact id."),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Erase all that is held about a customer, for good; for an admin. It shows what will go, and asks.

    What is being sent at that moment is waited for; nothing is sent afterwards. The provider's own copies stay: mails in
    the mailbox, messages at Twilio.
    """

    async def look(client: "Client") -> "ErasurePlan":
        return await client.erasure_plan(await _found(client, who))

    plan = ask(look, url, token_file, data_dir)
    if not as_json:
        _show(plan)
    with plain_errors():
        _confirm(plan, yes)

    async def work(client: "Client") -> "ErasureDone":
        return await _erase(client, plan.customer_id, quiet=as_json)

    done = ask(work, url, token_file, data_dir)
    if not done.erased:
        fail(
            Conflict(
                f"Replies still being sent: {len(done.in_flight)}; all others are withdrawn.",
                remedy="Run the command again in a minute.",
            )
        )
    if as_json:
        say_json(done)
        return
    gone = ", ".join(
        f"{name.replace('_', ' ')} {count}" for name, count in sorted(done.counts.items()) if count
    )
    say(f"Erased: {gone}. Customer {done.customer_id} is not known any more.")
    _show_pages(done.pages)


async def _erase(client: "Client", customer: UUID, *, quiet: bool) -> "ErasureDone":
    from asyncio import sleep

    from fte.domain.ids import new_id

    key = new_id()
    for left in range(int(WAIT_FOR_SENDING / LOOK_EVERY), -1, -1):
        done = await client.erase(customer, key)
        if done.erased or not left:
            break
        if not quiet:
            say(f"Waiting for what is being sent: {len(done.in_flight)}.")
        await sleep(LOOK_EVERY)
    return done


def _show(plan: "ErasurePlan") -> None:
    say(f"Customer {plan.customer_id}: {plan.name or 'no name'}")
    for identifier in plan.identifiers:
        say(identifier, "  ")
    numbers = ", ".join(f"#{number}" for number in plan.conversations) or "none"
    say(f"Conversations: {numbers}")
    say(
        f"This will go: messages and notes {plan.messages}, tickets {plan.tickets}, attachments {plan.attachments},"
        f" drafts {plan.drafts}, replies {plan.replies}, traces {plan.runs}."
    )
    if plan.unsent:
        say(f"Replies that wait to be sent and never will be: {plan.unsent}.")
    _show_pages(plan.pages)


def _show_pages(pages: list[str]) -> None:
    """What was made of the customer's conversations is the company's, and somebody's to read again."""
    if pages:
        say(
            "Pages made of these conversations stay, and may hold the customer's words. Read them, and write them anew or"
            " delete them with `fte kb delete SOURCE`:"
        )
    for page in pages:
        say(page, "  ")


def _confirm(plan: "ErasurePlan", yes: str | None) -> None:
    """Raises Rejected unless the customer was named exactly."""
    if yes is not None:
        if yes.strip().lower() != str(plan.customer_id):
            raise Rejected(
                f"--yes names another customer: {yes}.", remedy=f"This one's id is {plan.customer_id}."
            )
        return
    wanted = plan.identifiers[0] if plan.identifiers else str(plan.customer_id)
    typed = typer.prompt(f"There is no way back. Type {wanted} to erase", default="", show_default=False)
    if typed.strip().lower() != wanted.lower():
        raise Rejected("That is not what was to be typed: nothing is erased.")


async def _found(client: "Client", who: str) -> UUID:
    """The customer's id. Raises NotFound."""
    who = who.strip()
    try:
        return UUID(who)
    except ValueError:
        pass
    try:
        found = await (client.lookup(email=who) if "@" in who else client.lookup(phone=who))
    except NotFound:
        raise NotFound(
            f"There is no customer {who}.",
            remedy="Give the whole address, the number with its country, or an id.",
        ) from None
    return found.id
