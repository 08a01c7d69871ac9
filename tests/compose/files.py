"""docker-compose.yml and the Dockerfile, read as Docker reads them."""

import json
import re
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "customer-success-fte:local"
_VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(?:(?P<rule>:-|:\?)(?P<text>[^}]*))?\}")


class Required(Exception):
    """A variable that must be set is not; the message is the file's own remedy."""


def raw() -> dict[str, Any]:
    """The file with its variables still in it."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def interpolated(value: Any, environ: Mapping[str, str]) -> Any:
    """The same with `${NAME}`, `${NAME:-default}` and `${NAME:?remedy}` filled in. Raises Required."""
    if isinstance(value, dict):
        return {key: interpolated(below, environ) for key, below in value.items()}
    if isinstance(value, list):
        return [interpolated(below, environ) for below in value]
    if not isinstance(value, str):
        return value

    def filled(match: re.Match[str]) -> str:
        if found := environ.get(match["name"]):
            return found
        if match["rule"] == ":?":
            raise Required(f"{match['name']}: {match['text']}")
        return match["text"] or ""

    return _VARIABLE.sub(filled, value)


def without_variables(text: str) -> str:
    return _VARIABLE.sub("", text)


def ours(services: Mapping[str, Any]) -> dict[str, Any]:
    """The services that run `fte`."""
    return {name: service for name, service in services.items() if service["image"] == IMAGE}


def in_order(services: Mapping[str, Any]) -> list[str]:
    """Each service after those it depends on. Raises graphlib.CycleError."""
    return list(TopologicalSorter({n: s.get("depends_on", {}) for n, s in services.items()}).static_order())


def is_once(service: Mapping[str, Any]) -> bool:
    return service["restart"] == "no"


def roles_of(service: Mapping[str, Any]) -> list[str]:
    command = service["command"]
    return command[2].split(",") if command[:2] == ["daemon", "--roles"] else []


def seconds(duration: str) -> float:
    match = re.fullmatch(r"(\d+)s", duration)
    assert match, f"{duration} is not in seconds"
    return float(match[1])


def health_path(code: str) -> str:
    match = re.search(r"""request\(["']GET["'], ["'](/[\w/]+)["']\)""", code)
    assert match, f"the check asks for no path: {code}"
    return match[1]


def instructions() -> list[list[tuple[str, str]]]:
    """The Dockerfile's stages, each a list of instruction and rest."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]
    stages: list[list[tuple[str, str]]] = []
    for line in lines:
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest.strip()))
    return stages


def last(stage: list[tuple[str, str]], name: str) -> str:
    return [rest for instruction, rest in stage if instruction == name][-1]


def words(stage: list[tuple[str, str]], name: str) -> list[str]:
    """The last such instruction in its JSON form, which starts no shell."""
    found: list[str] = json.loads(last(stage, name))
    return found
