"""`fte operator`: who may use the console."""

from typing import Annotated

import typer

from fte.cli._session import AsJson, DataDir, database, load_settings, run

app = typer.Typer(no_args_is_help=True)

Role = Annotated[str, typer.Option("--role", help="observer, agent, lead or admin.")]
Days = Annotated[
    int | None,
    typer.Option("--days", min=1, max=3650, help="Days the token is valid.", show_default="no end"),
]
Name = Annotated[str, typer.Argument(help="The operator's name, as customers and colleagues see it.")]


@app.command()
def add(name: Name, role: Role = "agent", days: Days = None, data_dir: DataDir = None) -> None:
    """Let an operator in and print their token. The token is shown once and stored only as a hash."""
    settings = load_settings(data_dir=data_dir)

    async def work() -> str:
        from fte.store import operators

        async with database(settings) as pool:
            return await operators.add(pool, name, role, days)

    token = run(work)
    typer.echo(token)
    typer.echo(
        "Keep it safe: it is not shown again. Use it as FTE_TOKEN, or with `fte console --token-file`.",
        err=True,
    )


@app.command("list")
def list_(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the operators, the revoked ones too."""
    settings = load_settings(data_dir=data_dir)

    async def work() -> list:  # type: ignore[type-arg]
        from fte.store import operators

        async with database(settings) as pool:
            return await operators.listed(pool)

    found = run(work)
    if as_json:
        from fte.wire import encode

        typer.echo(encode(found).decode())
        return
    from rich.console import Console
    from rich.table import Table

    from fte.domain.text import printable

    table = Table("name", "role", "since", "until", "state", box=None, pad_edge=False)
    for operator in found:
        until = f"{operator.expires_at:%Y-%m-%d}" if operator.expires_at else "no end"
        state = "revoked" if operator.revoked_at else "active"
        table.add_row(
            printable(operator.name), operator.role, f"{operator.created_at:%Y-%m-%d}", until, state
        )
    Console(markup=False).print(table)


@app.command()
def revoke(name: Name, data_dir: DataDir = None) -> None:
    """Take an operator's access away. Their token stops working within a second."""
    settings = load_settings(data_dir=data_dir)

    async def work() -> None:
        from fte.store import operators

        async with database(settings) as pool:
            await operators.revoke(pool, name)

    run(work)
    typer.echo(f"{name} no longer has access.")
