"""Prometheus' own programs, from Debian's package `prometheus`."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "monitoring"
RULES: Final = FOLDER / "alert_rules.yml"
CASES: Final = FOLDER / "alert_tests.yml"


def program(name: str) -> str:
    """Where it is. Skips the test where the machine does not have it; where CI decides, that is a failure."""
    found = shutil.which(name)
    if found is not None:
        return found
    missing = f"no {name} (Debian's package prometheus has it)"
    if os.environ.get("CI"):
        pytest.fail(f"CI installs what the alerts need, and there is {missing}")
    pytest.skip(f"{missing}: the alerts were not tried")


PATIENCE: Final = 500
"""Seconds a program may take: the cases of the alerts are ten seconds of work, and a busy machine gives few of a minute."""


def promtool(*arguments: str | Path, folder: Path = FOLDER) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [program("promtool"), *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def alerts() -> dict[str, dict[str, Any]]:
    """Every alert by its name."""
    return {rule["alert"]: rule for group in loaded(RULES)["groups"] for rule in group["rules"]}


def metric_names(expression: str) -> set[str]:
    """The metrics of ours that a PromQL expression names."""
    import re

    bare = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\b(?:fte|http)_[a-z_]+", bare))
