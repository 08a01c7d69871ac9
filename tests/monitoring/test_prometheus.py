"""A real Prometheus reads a running `fte`, something breaks, and the alert fires; it ends when that is mended."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from fte.demo.providers import SimulatedGmail
from tests.acceptance.support import Fte, installed
from tests.monitoring.tools import FOLDER, RULES, alerts, loaded, program
from tests.ports import reserve
from tests.support import until

pytestmark = [pytest.mark.alerts, pytest.mark.process, pytest.mark.timeout(240)]

MAILBOX = "support@acme.example"
EVERY = "1s"
SHORT = "10s"
"""What stands for the minutes that the rules look back; how long an alert waits becomes EVERY."""
SEEN = 40.0
"""Seconds until an alert must have fired or ended."""
TOKEN = "prometheus' own token"


class Prometheus:
    """A server of its own that reads one process."""

    def __init__(self, folder: Path, target: str) -> None:
        port = reserve(self)
        self.web = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5)
        self.log = folder / "prometheus.log"
        self._settings(folder, target)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _settings(self, folder: Path, target: str) -> None:
        """Ours, but for where the target is and how often it is read."""
        settings = loaded(FOLDER / "prometheus.yml")
        settings["global"] = {
            "scrape_interval": EVERY,
            "scrape_timeout": EVERY,
            "evaluation_interval": EVERY,
        }
        settings["rule_files"] = [str(folder / "rules.yml")]
        job = settings["scrape_configs"][0]
        del job["dns_sd_configs"], job["relabel_configs"]
        job["static_configs"] = [{"targets": [target]}]
        job["authorization"]["credentials_file"] = str(folder / "token")
        (folder / "token").write_text(TOKEN)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        rules = loaded(RULES)
        for group in rules["groups"]:
            for rule in group["rules"]:
                rule["expr"] = re.sub(r"\[\d+[mh]\]", f"[{SHORT}]", rule["expr"])
                if "for" in rule:
                    rule["for"] = EVERY
        (folder / "rules.yml").write_text(yaml.safe_dump(rules))

    async def get(self, path: str) -> Any:
        """What its API answers; nothing while it does not."""
        with contextlib.suppress(httpx.HTTPError):
            response = await self.web.get(f"/api/v1/{path}")
            if response.status_code == 200:
                return response.json()["data"]
        return {}

    async def firing(self) -> dict[str, dict[str, Any]]:
        found = (await self.get("alerts")).get("alerts", [])
        return {alert["labels"]["alertname"]: alert for alert in found if alert["state"] == "firing"}

    async def fires(self, *names: str) -> dict[str, dict[str, Any]]:
        """Wait until these are firing, and return all that are."""

        async def all_fire() -> Any:
            found = await self.firing()
            return found if set(names) <= set(found) else None

        found: dict[str, dict[str, Any]] = await until(all_fire, deadline=SEEN)
        return found

    async def is_calm(self) -> None:
        """Wait until all rules were evaluated and nothing fires."""

        async def calm() -> bool:
            groups = (await self.get("rules")).get("groups", [])
            rules = [rule for group in groups for rule in group["rules"]]
            judged = {rule["name"] for rule in rules if rule["health"] == "ok"} == set(alerts())
            read = [target["health"] for target in (await self.get("targets")).get("activeTargets", [])]
            return judged and read == ["up"] and not await self.firing()

        await until(calm, deadline=SEEN)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def fte() -> Iterator[Fte]:
    program("prometheus")
    with installed() as fresh:
        fresh.environment |= {"FTE_METRICS_TOKEN": TOKEN}
        yield fresh


@pytest.fixture
async def gmail(fte: Fte) -> AsyncIterator[SimulatedGmail]:
    async with SimulatedGmail(MAILBOX).running() as running:
        fte.environment |= running.environment(fte.folder) | {"FTE_GMAIL_POLL": "1"}
        yield running


@pytest.fixture
async def prometheus(fte: Fte, gmail: SimulatedGmail, tmp_path: Path) -> AsyncIterator[Prometheus]:
    await fte.up()
    running = Prometheus(tmp_path, f"127.0.0.1:{fte.port}")
    yield running
    running.stop()
    await running.web.aclose()


async def test_what_breaks_is_seen_to_fire_and_what_is_mended_to_end(
    fte: Fte, gmail: SimulatedGmail, prometheus: Prometheus
) -> None:
    await prometheus.is_calm()

    gmail.faults.next("*", "server_error", times=10_000, status=503)
    broken = await prometheus.fires("ChannelUnavailable")
    assert set(broken) == {"ChannelUnavailable"}
    assert broken["ChannelUnavailable"]["labels"]["channel"] == "email"
    notes = broken["ChannelUnavailable"]["annotations"]
    assert notes["summary"] == "The channel email does not work."
    assert notes["runbook"] == "docs/runbooks/ChannelUnavailable.md"
    gmail.faults.clear()
    await prometheus.is_calm()

    stop_database(fte)
    form = {"name": "Ada", "email": "ada@example.com", "subject": "A question", "category": "general"}
    async with httpx.AsyncClient(base_url=fte.url, timeout=10) as web:

        async def refused() -> bool:
            response = await web.post("/support/submit", json=form | {"message": "How do I reset it?"})
            assert response.status_code == 503
            return "HighErrorRate" in await prometheus.firing()

        await until(refused, deadline=SEEN)
    broken = await prometheus.fires("DatabaseConnectionFailure")
    assert broken["DatabaseConnectionFailure"]["labels"]["instance"] == f"127.0.0.1:{fte.port}"

    fte.kill()
    await prometheus.fires("ProcessDown", "NoWorker", "RoleMissing")


def stop_database(fte: Fte) -> None:
    """As when its machine and its disk die: no connection is let finish, and it does not come back."""
    (fte.folder / "pg" / "postgresql.conf").unlink()
    with (fte.folder / "pg" / "postmaster.pid").open() as pid:
        os.kill(int(pid.readline()), signal.SIGQUIT)
