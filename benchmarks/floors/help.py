"""A bare Typer program with two commands, for its help alone."""

import typer

app = typer.Typer(name="bare", help="A bare program.", no_args_is_help=True)


@app.command()
def up(port: int = typer.Option(8000, help="Port to listen on.")) -> None:
    """Run everything."""


@app.command()
def console(url: str = typer.Option("", help="Address of the daemon.")) -> None:
    """Follow the queue."""


if __name__ == "__main__":
    app()
