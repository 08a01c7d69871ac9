"""The dashboard for Grafana: it asks for what there is, overlaps nowhere, and names no host."""

import json
import re
from typing import Any

import pytest

from tests.monitoring.test_alerts import known
from tests.monitoring.tools import FOLDER, metric_names, promtool

TEXT = (FOLDER / "grafana" / "dashboard.json").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads(TEXT)
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
OTHERS = {"ALERTS", "up"}


def test_every_query_asks_for_metrics_there_are() -> None:
    for query in QUERIES:
        asked = metric_names(query)
        assert asked <= known()
        assert asked or any(re.match(rf".*\b{name}\b", query) for name in OTHERS), query


def test_every_metric_of_ours_is_shown() -> None:
    shown = {name for query in QUERIES for name in metric_names(query)}
    whole = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known()}
    assert whole - {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown} == set()


def test_no_two_panels_have_one_id() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_prometheus_understands_every_query(tmp_path: Any) -> None:
    rules = {
        "groups": [
            {
                "name": "panels",
                "rules": [{"record": f"panel:{i}", "expr": query} for i, query in enumerate(QUERIES)],
            }
        ]
    }
    (tmp_path / "panels.yml").write_text(json.dumps(rules).replace("panel:", "panel:number_"))
    checked = promtool("check", "rules", tmp_path / "panels.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_it_names_no_host_and_takes_any_prometheus() -> None:
    assert not re.search(r"https?://|\b\d{1,3}(?:\.\d{1,3}){3}\b|localhost|:\d{4}\b", TEXT)
    sources = {panel["datasource"]["uid"] for panel in PANELS}
    sources |= {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]}
    assert sources == {"${source}"}
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["source"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_in_a_place_of_its_own(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert all(target["legendFormat"] for target in panel["targets"])
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24
    for other in DASHBOARD["panels"]:
        if other["id"] != panel["id"]:
            assert not _overlap(place, other["gridPos"]), other["title"]


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
