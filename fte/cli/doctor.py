"""`fte doctor`: looks at everything the product needs, and says what to do where something is wrong."""

from typing import TYPE_CHECKING, Final

import typer

from fte.cli._session import AsJson, DataDir, load_settings, run
from fte.domain.text import printable

if TYPE_CHECKING:
    from fte.doctor.finding import Finding, State

_MARKS: "Final[dict[State, tuple[str, str | None]]]" = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "failed": ("FAILED", "red"),
    "skipped": ("-", None),
}


def doctor(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Look at the database, Kafka, the model, the channels and what waits; name the remedy where something is wrong.

    Asks the model for one word, and posts one request to our own webhooks. Ends with exit code 1 when something failed.
    """
    settings = load_settings(data_dir=data_dir)

    async def work() -> "list[Finding]":
        from fte.doctor.examination import examine

        return await examine(settings)

    found = run(work)
    if as_json:
        from fte.wire import encode

        typer.echo(encode(found).decode())
    else:
        for finding in found:
            _show(finding)
    if any(finding.state == "failed" for finding in found):
        raise typer.Exit(1)


def _show(finding: "Finding") -> None:
    word, colour = _MARKS[finding.state]
    typer.echo(typer.style(f"{word:<8}", fg=colour), nl=False)
    typer.echo(printable(f"{finding.check:<16}{finding.said}"))
    if finding.remedy and finding.state in ("failed", "warning"):
        typer.echo(printable(f"{'':<24}→ {finding.remedy}"))
