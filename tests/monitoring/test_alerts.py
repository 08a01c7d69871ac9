"""The alert rules: sound, explained, each seen to fire and not to fire, and the cases themselves able to fail."""

import re
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from fte.domain.metrics import METRICS
from tests.monitoring.tools import CASES, FOLDER, ROOT, RULES, alerts, loaded, metric_names, promtool

pytestmark = pytest.mark.timeout(600)

ALERTS = alerts()
RUNBOOKS = ROOT / "docs" / "runbooks"
AGREED = {
    "HighResponseLatency": ("warning", "2m"),
    "SlowAgentProcessing": ("critical", "1m"),
    "HighEscalationRate": ("warning", "10m"),
    "ChannelUnavailable": ("critical", "2m"),
    "HighErrorRate": ("critical", "2m"),
    "KafkaConsumerLag": ("warning", "5m"),
    "DatabaseConnectionFailure": ("critical", "1m"),
}

each_alert = pytest.mark.parametrize("name", ALERTS)


def known() -> set[str]:
    """Every name a query may use."""
    parts = {
        metric.name + part
        for metric in METRICS
        if metric.kind == "histogram"
        for part in ("_bucket", "_sum", "_count")
    }
    return {metric.name for metric in METRICS if metric.kind != "histogram"} | parts


def test_prometheus_understands_the_rules() -> None:
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_understands_its_settings(tmp_path: Path) -> None:
    settings = loaded(FOLDER / "prometheus.yml")
    assert settings["rule_files"] == ["/etc/prometheus/alert_rules.yml"]
    settings["rule_files"] = [str(RULES)]
    (tmp_path / "token").write_text("none")
    settings["scrape_configs"][0]["authorization"]["credentials_file"] = str(tmp_path / "token")
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
    checked = promtool("check", "config", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_was_agreed_is_there() -> None:
    assert {name: (ALERTS[name]["labels"]["severity"], ALERTS[name]["for"]) for name in AGREED} == AGREED


@each_alert
def test_it_says_what_it_means_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("warning", "critical")
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook"}
    assert len(notes["summary"]) < 120
    assert notes["runbook"] == f"docs/runbooks/{name}.md"


@each_alert
def test_its_runbook_says_what_it_means_how_to_look_and_what_to_do(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["What it means", "How to look", "What to do"]
    assert re.findall(r"^    \S", text, re.MULTILINE), "it names no command"


def test_there_is_no_runbook_without_its_alert() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == set(ALERTS)
    listed = re.findall(r"\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text(encoding="utf-8"))
    assert listed == list(ALERTS)


@each_alert
def test_it_asks_for_metrics_there_are(name: str) -> None:
    asked = metric_names(ALERTS[name]["expr"])
    assert asked <= known()
    assert asked or ALERTS[name]["expr"].startswith("up{")


def cases() -> dict[str, list[bool]]:
    """For each alert, of each of its cases whether it is to fire."""
    found = defaultdict(list)
    for case in loaded(CASES)["tests"]:
        [tried] = case["promql_expr_test"]
        [name] = re.findall(r'^ALERTS\{alertname="(\w+)", alertstate="firing"\}$', tried["expr"])
        assert case["name"].startswith(f"{name} {'fires' if tried['exp_samples'] else 'does not fire'}")
        found[name].append(bool(tried["exp_samples"]))
    return found


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    lacking = {name for name in ALERTS if set(cases().get(name, ())) != {True, False}}
    assert not lacking
    assert set(cases()) == set(ALERTS)


@pytest.mark.alerts
def test_the_alerts_fire_when_they_should_and_not_otherwise() -> None:
    tried = promtool("test", "rules", CASES)
    assert tried.returncode == 0, tried.stdout + tried.stderr


def noticed(folder: Path, **changes: Any) -> set[str]:
    """The alerts whose cases fail when every rule is changed like that. None: that part is left out."""
    rules = loaded(RULES)
    for group in rules["groups"]:
        for rule in group["rules"]:
            for part, value in changes.items():
                if value is None:
                    rule.pop(part, None)
                else:
                    rule[part] = value
    (folder / RULES.name).write_text(yaml.safe_dump(rules))
    shutil.copy(CASES, folder)
    tried = promtool("test", "rules", CASES.name, folder=folder)
    return set(re.findall(r'ALERTS\{alertname=\\?"(\w+)', tried.stdout + tried.stderr))


@pytest.mark.alerts
@pytest.mark.parametrize("sick", ["vector(1)", "vector(1) > 2"], ids=["always", "never"])
def test_a_rule_that_always_or_never_fires_is_noticed(tmp_path: Path, sick: str) -> None:
    assert noticed(tmp_path, expr=sick) == set(ALERTS)


@pytest.mark.alerts
def test_a_rule_that_does_not_wait_is_noticed(tmp_path: Path) -> None:
    assert noticed(tmp_path, **{"for": None}) == {name for name, rule in ALERTS.items() if "for" in rule}
