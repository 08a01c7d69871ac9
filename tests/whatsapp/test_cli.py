"""`fte whatsapp status`, as somebody who sets it up meets it."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fte.cli import app
from fte.demo.providers.twilio import SimulatedTwilio
from tests.whatsapp.support import CUSTOMER, House


async def invoke(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run the command in a thread: it has an event loop of its own, and the simulator is in this one."""
    runner = CliRunner(env=environment)
    result = await asyncio.to_thread(runner.invoke, app, ["whatsapp", "status", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def environment(home: House, database_url: str) -> dict[str, str]:
    return {
        **home.twilio.environment(),
        "FTE_PUBLIC_URL": "https://support.example.com/",
        "FTE_DATABASE_URL": database_url,
        "FTE_SECRET_KEY": "s" * 32,
    }


async def test_all_is_well(home: House, environment: dict[str, str]) -> None:
    await home.twilio.customer_writes(CUSTOMER, "Hello")
    code, shown = await invoke(environment, "--json")
    facts = json.loads(shown)
    assert code == 0, shown
    assert facts["account_state"] == "active"
    assert facts["inbound_webhook"] == "https://support.example.com/webhooks/whatsapp"
    assert facts["status_callback"] == "https://support.example.com/webhooks/whatsapp/status"
    assert facts["last_inbound"]
    assert facts["problem"] is None
    code, shown = await invoke(environment)
    assert code == 0
    assert home.account.token not in shown
    assert "https://support.example.com/webhooks/whatsapp" in shown


async def test_wrong_credentials_are_named(environment: dict[str, str], twilio: SimulatedTwilio) -> None:
    code, shown = await invoke(environment | {"TWILIO_AUTH_TOKEN": "wrong"})
    assert code == 1
    assert "TWILIO_AUTH_TOKEN" in shown


async def test_looking_makes_no_database(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    code, shown = await invoke(environment | {"FTE_DATABASE_URL": "", "FTE_DATA_DIR": str(folder)}, "--json")
    facts = json.loads(shown)
    assert (code, facts["account_state"], facts["last_inbound"]) == (1, "active", None)
    assert f"There is no database in {folder}." in facts["problem"]
    assert "`fte up`" in facts["problem"]
    assert not folder.exists()


@pytest.mark.parametrize(
    ("missing", "named"),
    [("TWILIO_ACCOUNT_SID", "TWILIO_ACCOUNT_SID"), ("FTE_PUBLIC_URL", "FTE_PUBLIC_URL")],
)
async def test_what_is_missing_is_named(environment: dict[str, str], missing: str, named: str) -> None:
    code, shown = await invoke(environment | {missing: ""})
    assert code == 1
    assert named in shown
    assert "Traceback" not in shown
