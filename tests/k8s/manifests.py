"""k8s/, read as Kubernetes reads it."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "k8s"
NAMESPACE: Final = "customer-success-fte"

Object = dict[str, Any]


def read() -> list[Object]:
    """Every object of every file, kustomizations left out. A copy: it may be damaged."""
    return copy.deepcopy(_READ)


def kustomization(folder: Path) -> Object:
    return yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))


def files() -> list[Path]:
    return sorted(path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml")


_READ: Final = [
    document
    for path in files()
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    if document is not None
]


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def named(objects: list[Object], kind: str, name: str) -> Object:
    return of_kind(objects, kind)[name]


@dataclass(frozen=True, slots=True)
class Workload:
    """What starts pods: a deployment or a job, with one container."""

    definition: Object

    @property
    def name(self) -> str:
        name: str = self.definition["metadata"]["name"]
        return name

    @property
    def once(self) -> bool:
        return bool(self.definition["kind"] == "Job")

    @property
    def template(self) -> Object:
        template: Object = self.definition["spec"]["template"]
        return template

    @property
    def labels(self) -> dict[str, str]:
        labels: dict[str, str] = self.template["metadata"]["labels"]
        return labels

    @property
    def pod(self) -> Object:
        pod: Object = self.template["spec"]
        return pod

    @property
    def container(self) -> Object:
        [container] = self.pod["containers"]
        return dict(container)

    @property
    def roles(self) -> list[str]:
        command: list[str] = self.container["args"]
        return command[2].split(",") if command[:2] == ["daemon", "--roles"] else []

    @property
    def grace(self) -> float:
        return float(self.pod["terminationGracePeriodSeconds"])

    @property
    def before_stop(self) -> float:
        """Seconds before the program is asked to end."""
        return float(
            self.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        )

    def port(self, name_or_number: str | int) -> int:
        """The number of a port. Raises KeyError when the container has none of that name."""
        if isinstance(name_or_number, int):
            return name_or_number
        return int({port["name"]: port["containerPort"] for port in self.container["ports"]}[name_or_number])

    def probe(self, kind: str) -> Object:
        asked: Object = self.container[f"{kind}Probe"]["httpGet"]
        return asked

    def secret_keys(self) -> Iterator[tuple[str, str, str, bool]]:
        """Variable, secret, key in it, and whether it may be missing."""
        for variable in self.container["env"]:
            reference = variable["valueFrom"]["secretKeyRef"]
            yield (
                variable["name"],
                reference["name"],
                reference["key"],
                bool(reference.get("optional", False)),
            )

    def maps(self) -> list[str]:
        return [source["configMapRef"]["name"] for source in self.container["envFrom"]]

    def environment(self, objects: list[Object], secrets: Mapping[str, str]) -> dict[str, str]:
        """What the container gets, with these secrets. Raises KeyError for one that must be there and is not."""
        found: dict[str, str] = {}
        for name in self.maps():
            found |= of_kind(objects, "ConfigMap").get(name, {}).get("data", {})
        for variable, _, key, optional in self.secret_keys():
            if key in secrets or not optional:
                found[variable] = secrets[key]
        return found


def workloads(objects: list[Object]) -> dict[str, Workload]:
    return {one["metadata"]["name"]: Workload(one) for one in objects if one["kind"] in ("Deployment", "Job")}


def chosen(selector: Mapping[str, Any], objects: list[Object]) -> set[str]:
    """The workloads whose pods a selector of labels picks."""
    wanted = selector.get("matchLabels", {}).items()
    return {name for name, work in workloads(objects).items() if wanted <= work.labels.items()}
