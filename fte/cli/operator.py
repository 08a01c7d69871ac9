"""`fte operator`: who may use the console."""

from typing import TYPE_CHECKING, Annotated

import typer

from fte.cli._session import AsJson, DataDir, database, load_settings, run

if TYPE_CHECKING:
    from fte.store.operators import Record

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

        async with database(settings, new=True) as pool:
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
def show(name: Name, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show an operator: role, access, duty, what they hold, and what they did last."""
    settings = load_settings(data_dir=data_dir)

    async def work() -> "Record":
        from fte.store import operators

        async with database(settings) as pool:
            return await operators.one(pool, name)

    record = run(work)
    if as_json:
        from fte.wire import encode

        typer.echo(encode(record).decode())
        return
    from fte.domain.text import printable

    operator = record.operator
    until = f"until {operator.expires_at:%Y-%m-%d %H:%M} UTC" if operator.expires_at else "no end"
    access = f"revoked {operator.revoked_at:%Y-%m-%d %H:%M} UTC" if operator.revoked_at else until
    seen = f"{operator.seen_at:%Y-%m-%d %H:%M} UTC" if operator.seen_at else "never"
    typer.echo(f"{printable(operator.name)}, {operator.role}")
    typer.echo(f"access  {access}")
    typer.echo(f"seen    {seen}, duty {operator.duty}")
    typer.echo(f"holds   {', '.join(f'#{number}' for number in record.held) or 'nothing'}")
    for deed in record.deeds:
        typer.echo(f"{deed.at:%Y-%m-%d %H:%M:%S} UTC  {deed.action}")


@app.command()
def revoke(name: Name, data_dir: DataDir = None) -> None:
    """Take an operator's access away. Their token stops working within a second; what they hold is freed."""
    settings = load_settings(data_dir=data_dir)

    async def work() -> int:
        from fte.store import operators

        async with database(settings) as pool:
            return len(await operators.revoke(pool, name, settings.operator_lease))

    freed = run(work)
    typer.echo(f"{name} no longer has access.{_freed(freed)}")


@app.command()
def rotate(name: Name, days: Days = None, data_dir: DataDir = None) -> None:
    """Give an operator a new token and print it. The old one stops working within a second."""
    settings = load_settings(data_dir=data_dir)

    async def work() -> str:
        from fte.store import operators

        async with database(settings) as pool:
            return await operators.rotate(pool, name, days)

    typer.echo(run(work))
    typer.echo("Keep it safe: it is not shown again. The old token no longer works.", err=True)


@app.command()
def role(
    name: Name,
    role: Annotated[str, typer.Argument(help="observer, agent, lead or admin.")],
    data_dir: DataDir = None,
) -> None:
    """Change what an operator may do. An observer answers nobody, so what they hold is freed."""
    settings = load_settings(data_dir=data_dir)

    async def work() -> int:
        from fte.store import operators

        async with database(settings) as pool:
            return len(await operators.set_role(pool, name, role, settings.operator_lease))

    freed = run(work)
    typer.echo(f"{name} is {role} now.{_freed(freed)}")


@app.command()
def duty(
    name: Name,
    duty: Annotated[str, typer.Argument(help="on, off, or auto: on duty while their console is open.")],
    data_dir: DataDir = None,
) -> None:
    """Say whether customers may count on an operator. It lasts until they have been away for a while."""
    settings = load_settings(data_dir=data_dir)

    async def work() -> None:
        from fte.store import operators

        async with database(settings) as pool:
            await operators.set_duty(pool, name, duty)

    run(work)
    typer.echo(f"Duty of {name}: {duty}.")


def _freed(count: int) -> str:
    if not count:
        return ""
    return f" {count} conversation{'s' if count > 1 else ''} they held {'are' if count > 1 else 'is'} free again."
