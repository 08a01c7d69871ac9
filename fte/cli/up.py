"""`fte up`: the whole daemon in one process."""

from typing import Annotated

import typer

from fte.cli._session import DataDir, load_settings, run

Port = Annotated[
    int | None,
    typer.Option("--port", help="Port to listen on, 8000 unless set (env: FTE_PORT)", show_default=False),
]
Host = Annotated[
    str | None,
    typer.Option(
        "--host", help="Address to listen on, 127.0.0.1 unless set (env: FTE_HOST)", show_default=False
    ),
]


def up(port: Port = None, host: Host = None, data_dir: DataDir = None) -> None:
    """Run everything in this process: HTTP, the agent's worker, housekeeping.

    Without FTE_DATABASE_URL an embedded PostgreSQL in the data folder is used, so nothing has to be installed.
    Stops on Ctrl+C or SIGTERM after finishing what is under way.
    """
    settings = load_settings(port=port, host=host, data_dir=data_dir)
    from fte.cli._logs import configure

    configure(secrets=settings.secrets)
    from fte.daemon import app

    def ready() -> None:
        typer.echo(f"Customer Success FTE is up: http://{settings.host}:{settings.port}/support", err=True)

    run(app.run(settings, on_ready=ready), fast=True)
