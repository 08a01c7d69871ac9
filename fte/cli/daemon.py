"""`fte daemon`: some of the daemon's roles in this process, the others elsewhere."""

from typing import TYPE_CHECKING, Annotated

import typer

from fte.cli._session import DataDir, fail, load_settings, run
from fte.cli.up import Host, Port
from fte.domain.errors import Rejected

if TYPE_CHECKING:
    from fte.daemon.roles import Role

Roles = Annotated[
    str,
    typer.Option(
        "--roles",
        help="Some of http, worker, sender, relay, mailbox, metrics and sweeper, separated by commas.",
    ),
]


def daemon(roles: Roles, port: Port = None, host: Host = None, data_dir: DataDir = None) -> None:
    """Run some roles in this process. Every role may run in any number of processes, on any number of machines.

    http takes messages and serves the form and the console; worker lets the agent answer; sender hands replies to
    Gmail and Twilio; relay carries events to Kafka; mailbox fetches what came in; metrics counts; sweeper finishes
    what a dead process left. Each must run somewhere. Every process answers at /health on its port.
    """
    chosen = _chosen(roles)
    settings = load_settings(port=port, host=host, data_dir=data_dir)
    from fte.cli._logs import configure

    configure(secrets=settings.secrets)
    from fte.daemon import app

    def ready() -> None:
        typer.echo(
            f"Roles {', '.join(chosen)} are up: http://{settings.host}:{settings.port}/health", err=True
        )

    run(app.run(settings, chosen, on_ready=ready), fast=True)


def _chosen(text: str) -> "tuple[Role, ...]":
    from fte.daemon.roles import ROLES

    named = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in named if name not in ROLES]:
        fail(Rejected(f"There is no role {unknown[0]!r}.", remedy=f"The roles are {', '.join(ROLES)}."))
    if not named:
        fail(Rejected("No role is named.", remedy=f"The roles are {', '.join(ROLES)}."))
    return tuple(role for role in ROLES if role in named)
