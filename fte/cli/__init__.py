"""The `fte` command. Every group of commands is a module; what is heavy is imported inside the commands."""

import sys
from typing import Annotated

import typer

from fte import __version__
from fte.cli import (
    _bugs,
    backup,
    canned,
    conversations,
    customer,
    demo,
    dlq,
    drafts,
    eval,
    gmail,
    kb,
    mode,
    operator,
    report,
    simulate,
    suggestions,
    tickets,
    topics,
    whatsapp,
)
from fte.cli._command import Command, Group
from fte.cli.config import config
from fte.cli.console import console
from fte.cli.daemon import daemon
from fte.cli.doctor import doctor
from fte.cli.mcp import mcp
from fte.cli.migrate import migrate
from fte.cli.shadow import shadow
from fte.cli.up import up

app = typer.Typer(
    cls=Group,
    name="fte",
    help="Customer Success FTE: an AI support employee that knows when to hand over to a person.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fte {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None: ...


app.command(cls=Command)(up)
app.command(cls=Command)(daemon)
app.command(cls=Command)(console)
app.command(cls=Command)(migrate)
app.command(cls=Command)(doctor)
app.command(cls=Command)(config)
app.command(cls=Command)(mcp)
app.command(cls=Command)(shadow)
app.command(cls=Command)(demo.demo)
app.add_typer(simulate.app, name="simulate", help="Write as a customer: email, whatsapp, form.")
app.add_typer(tickets.app, name="tickets", help="Tickets in plain lines: list, show, events, set.")
app.add_typer(
    conversations.app,
    name="conversations",
    help="Conversations in plain lines: list, show, take, release, reply, note, resolve, snooze, wake, assign, merge.",
)
app.add_typer(canned.app, name="canned", help="Answers written once: list, add, edit, remove.")
app.add_typer(kb.app, name="kb", help="The knowledge base: import, search, list, delete, gaps.")
app.add_typer(
    suggestions.app,
    name="suggestions",
    help="Pages people's answers could become: list, show, approve, reject.",
)
app.add_typer(backup.app, name="backup", help="Backup: save, load; and what a restored database needs.")
app.add_typer(customer.export_app, name="export", help="Everything held about a customer, as a document.")
app.add_typer(
    customer.erase_app, name="erase", help="Erase all that is held about a customer: customer, list, again."
)
app.add_typer(
    eval.app, name="eval", help="Whether the agent does what it must: run suites of cases, list, add."
)
app.add_typer(gmail.app, name="gmail", help="The mailbox: sign in, watch, status.")
app.add_typer(whatsapp.app, name="whatsapp", help="The WhatsApp number: status.")
app.add_typer(
    drafts.app,
    name="drafts",
    help="Answers that wait for approval: list, show, approve, edit, reject, regenerate.",
)
app.add_typer(
    mode.app, name="mode", help="Whether answers are sent, held for approval, or not given: show, set."
)
app.add_typer(report.app, name="report", help="What happened in a day, for those who run the desk: daily.")
app.add_typer(dlq.app, name="dlq", help="Dead letters, events that failed: list, show, retry, drop.")
app.add_typer(topics.app, name="topics", help="The topics in Kafka: create, list, describe.")
app.add_typer(
    operator.app,
    name="operator",
    help="People who work with the console: add, list, show, rotate, role, duty, revoke.",
)


def main() -> None:
    """Run the command line. Whatever nobody expected ends it with a sentence, never with a traceback."""
    try:
        app()
    except (SystemExit, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a cancellation that a library lets out is none of these either
        _bugs.end(error, _bugs.name_of(typer.main.get_command(app), sys.argv[1:]))
