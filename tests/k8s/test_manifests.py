"""k8s/, by reading it: valid for Kubernetes, and of one mind with the program, the image and itself."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

import kubernetes_validate
import pytest
import yaml

from fte.settings import Settings
from tests.k8s.manifests import FOLDER, ROOT, Object, Workload, files, named, of_kind, read, workloads
from tests.k8s.rules import broken

VERSIONS = [f"1.{minor}" for minor in range(30, 38)]
"""Those that know a `preStop` that sleeps, and whose schemas we have."""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_one_of_kubernetes(version: str) -> None:
    for one in read():
        kubernetes_validate.validate(one, version, strict=True)


def test_a_misspelt_field_is_none_of_kubernetes() -> None:
    pod = Workload(named(read(), "Deployment", "fte-api"))
    pod.pod["terminationGracePeriod"] = 45
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod.definition, VERSIONS[-1], strict=True)


def test_the_manifests_agree_with_the_program_and_each_other() -> None:
    assert broken(read()) == []


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")
@pytest.mark.parametrize(("folder", "holds"), [("k8s", "Deployment"), ("k8s/jobs", "Job")])
def test_the_kustomization_applies_the_files_with_your_image(folder: str, holds: str) -> None:
    built = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / folder)], capture_output=True, text=True, check=True
    ).stdout
    wanted = [one for one in read() if one["kind"] != "Secret" and (one["kind"] == "Job") == (holds == "Job")]
    for work in workloads(wanted).values():
        [container] = work.pod["containers"]
        container["image"] = f"registry.example.com/{container['image']}"

    def by_name(objects: Iterable[Object]) -> list[Object]:
        return sorted(objects, key=lambda one: (one["kind"], one["metadata"]["name"]))

    assert by_name(yaml.safe_load_all(built)) == by_name(wanted)


def test_the_names_and_figures_are_those_that_were_agreed() -> None:
    there = {path.relative_to(FOLDER).as_posix() for path in files()}
    agreed = "namespace configmap secrets deployment-api deployment-worker service ingress hpa"
    assert {f"{name}.yaml" for name in agreed.split()} <= there
    objects = read()
    assert list(of_kind(objects, "Namespace")) == ["customer-success-fte"]
    assert "fte-config" in of_kind(objects, "ConfigMap")
    assert "fte-secrets" in of_kind(objects, "Secret")
    assert workloads(objects)["fte-api"].roles == ["http"]
    assert workloads(objects)["fte-message-processor"].roles == ["worker"]
    [service] = of_kind(objects, "Service").values()
    [port] = service["spec"]["ports"]
    assert (port["port"], workloads(objects)["fte-api"].port(port["targetPort"])) == (80, 8000)
    scaled = {
        name: (
            scaler["spec"]["minReplicas"],
            scaler["spec"]["maxReplicas"],
            scaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"],
        )
        for name, scaler in of_kind(objects, "HorizontalPodAutoscaler").items()
    }
    assert scaled == {"fte-api": (3, 20, 70), "fte-message-processor": (3, 30, 70)}


def test_the_namespace_takes_no_pod_that_could_become_root() -> None:
    [namespace] = of_kind(read(), "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_document_counts_the_connections_to_the_database() -> None:
    """At its largest, with the pods that an update adds and the jobs."""
    objects = read()
    size = int(named(objects, "ConfigMap", "fte-config")["data"]["FTE_DATABASE_POOL"])
    scalers = of_kind(objects, "HorizontalPodAutoscaler")

    def total(size: int, *, updating: bool) -> int:
        connections = 0
        for work in workloads(objects).values():
            if work.once:
                continue
            spec = work.definition["spec"]
            most = scalers[work.name]["spec"]["maxReplicas"] if work.name in scalers else spec["replicas"]
            surge = spec["strategy"]["rollingUpdate"]["maxSurge"]
            added = -(-most * int(surge.rstrip("%")) // 100) if isinstance(surge, str) else surge
            pools = 2 if {"worker", "sender"} & set(work.roles) else 1
            connections += (most + added * updating) * (pools * size + 1)
        return connections

    text = (ROOT / "docs/howto/kubernetes.md").read_text(encoding="utf-8")
    assert f"{total(size, updating=True)} connections" in text
    text = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    assert f"{total(Settings().database_pool, updating=False)} connections" in text
    assert f"{total(size, updating=False)} connections" in text


def test_the_document_names_every_file() -> None:
    text = (ROOT / "docs/howto/kubernetes.md").read_text(encoding="utf-8")
    for path in [*files(), FOLDER / "kustomization.yaml", FOLDER / "jobs" / "kustomization.yaml"]:
        assert path.relative_to(ROOT).as_posix() in text
    assert {f"k8s/{name}" for name in re.findall(r"\bk8s/([\w/-]+\.yaml)", text)} == {
        path.relative_to(ROOT).as_posix() for path in FOLDER.rglob("*.yaml")
    }


# ---------------------------------------------------------------- damage


def at(objects: list[Object], kind: str, name: str, *path: Any) -> Any:
    found: Any = named(objects, kind, name)
    for step in path:
        found = found[step]
    return found


POD = ("spec", "template", "spec")
BOX = (*POD, "containers", 0)


def put(kind: str, name: str, *path: Any, value: Any) -> Callable[[list[Object]], None]:
    def damage(objects: list[Object]) -> None:
        at(objects, kind, name, *path[:-1])[path[-1]] = value

    return damage


def drop(kind: str, name: str, *path: Any) -> Callable[[list[Object]], None]:
    def damage(objects: list[Object]) -> None:
        if path:
            del at(objects, kind, name, *path[:-1])[path[-1]]
        else:
            objects.remove(named(objects, kind, name))

    return damage


WORKER, API, NETWORK = "fte-message-processor", "fte-api", "NetworkPolicy"
DAMAGES = {
    "a setting nobody reads": (
        put("ConfigMap", "fte-config", "data", "FTE_HOUR", value="9 to 5"),
        "FTE_HOUR",
    ),
    "a setting forgotten": (
        drop("ConfigMap", "fte-config", "data", "FTE_HOURS"),
        "FTE_HOURS cannot be given",
    ),
    "a wrong value": (
        put("ConfigMap", "fte-config", "data", "FTE_DATABASE_POOL", value="1"),
        "FTE_DATABASE_POOL",
    ),
    "a secret in the open": (
        put("ConfigMap", "fte-config", "data", "OPENAI_API_KEY", value=""),
        "is a secret",
    ),
    "a real secret": (
        put("Secret", "fte-secrets", "stringData", "OPENAI_API_KEY", value="sk-1"),
        "a real one",
    ),
    "a working placeholder": (
        put("Secret", "fte-secrets", "stringData", "FTE_SECRET_KEY", value=""),
        "starts with the placeholders",
    ),
    "a map that is not there": (drop("ConfigMap", "fte-config-model"), "no config map fte-config-model"),
    "a key that is not there": (
        drop("Secret", "fte-secrets", "stringData", "OPENAI_API_KEY"),
        "no OPENAI_API_KEY",
    ),
    "a required variable left out": (drop("Deployment", API, *BOX, "env", 1), "the key is wanted"),
    "the database's address left out": (
        drop("Job", "fte-migrate", *BOX, "env", 0),
        "fte-migrate: the database's",
    ),
    "half of an account": (drop("Deployment", "fte-sender", *BOX, "env", 4), "fte-sender: does not start"),
    "a model without its key": (drop("Deployment", WORKER, *BOX, "env", 3), f"{WORKER}: does not start"),
    "brokers for one who has no password": (
        lambda objects: at(objects, "Deployment", "fte-sweeper", *BOX, "envFrom").append(
            {"configMapRef": {"name": "fte-config-kafka"}}
        ),
        "fte-sweeper: does not start",
    ),
    "only the pod itself hears": (
        put("ConfigMap", "fte-config", "data", "FTE_HOST", value="127.0.0.1"),
        "reaches",
    ),
    "an option there is not": (put("Deployment", API, *BOX, "args", 1, value="--rolls"), "is no command"),
    "a command there is not": (
        put("Job", "fte-topics", *BOX, "args", value=["topics", "make"]),
        "is no command",
    ),
    "a role nobody runs": (put("Deployment", "fte-relay", *BOX, "args", 2, value="sweeper"), "roles: "),
    "a role there is not": (
        put("Deployment", "fte-relay", *BOX, "args", 2, value="carrier"),
        "no role carrier",
    ),
    "another port": (put("ConfigMap", "fte-config", "data", "FTE_PORT", value="8080"), "listens on 8080"),
    "a port of the container": (
        put("Deployment", API, *BOX, "ports", 0, "containerPort", value=80),
        "listens on",
    ),
    "a probe elsewhere": (
        put("Deployment", API, *BOX, "readinessProbe", "httpGet", "path", value="/ready"),
        "readiness probe asks for /ready",
    ),
    "a probe that kills for the database": (
        put("Deployment", API, *BOX, "livenessProbe", "httpGet", "path", value="/health/ready"),
        "liveness probe asks for",
    ),
    "a probe at no port": (
        put("Deployment", API, *BOX, "livenessProbe", "httpGet", "port", value="web"),
        "no port web",
    ),
    "a service of nobody": (
        put("Service", API, "spec", "selector", "app.kubernetes.io/name", value="fte-http"),
        "it leads to []",
    ),
    "a service of everybody": (
        put("Service", API, "spec", "selector", value={"app.kubernetes.io/part-of": "customer-success-fte"}),
        "it leads to [",
    ),
    "a service at no port": (
        put("Service", API, "spec", "ports", 0, "targetPort", value="web"),
        "no port web",
    ),
    "an ingress to nowhere": (
        put(
            *("Ingress", API, "spec", "rules", 0, "http", "paths", 0, "backend", "service"),
            "name",
            value="fte",
        ),
        "there is no service",
    ),
    "an ingress too narrow for files": (
        put("Ingress", API, "metadata", "annotations", value={}),
        "the form's files do not come through",
    ),
    "another host": (
        put("Ingress", API, "spec", "rules", 0, "host", value="help.example.com"),
        "certificate",
    ),
    "a selector of others": (
        put(
            "Deployment", "fte-relay", "spec", "selector", "matchLabels", "app.kubernetes.io/name", value=API
        ),
        "fte-relay: its selector",
    ),
    "a label lost": (
        drop("Deployment", WORKER, "spec", "template", "metadata", "labels", "app.kubernetes.io/name"),
        f"{WORKER}: its selector",
    ),
    "a budget of nobody": (
        put(
            *("PodDisruptionBudget", WORKER, "spec", "selector", "matchLabels", "app.kubernetes.io/name"),
            value="fte-worker",
        ),
        "budget guards []",
    ),
    "a budget missing": (drop("PodDisruptionBudget", "fte-relay"), "fte-relay: no disruption budget"),
    "a scaler of nobody": (
        put("HorizontalPodAutoscaler", WORKER, "spec", "scaleTargetRef", "name", value="fte-worker"),
        "no Deployment fte-worker to scale",
    ),
    "nothing to count by": (
        drop("Deployment", WORKER, *BOX, "resources", "requests", "cpu"),
        "asks for no CPU",
    ),
    "two say how many": (put("Deployment", API, "spec", "replicas", value=3), "two say"),
    "all doors open": (drop(NETWORK, "nothing"), "is not forbidden"),
    "a policy for nobody": (
        put(NETWORK, "to-kafka", "spec", "podSelector", "matchLabels", value={"reaches-kafka": "true"}),
        "to-kafka: it is for no pod",
    ),
    "no way to the database": (
        drop("Deployment", "fte-sweeper", "spec", "template", "metadata", "labels", "reaches-database"),
        "are let out",
    ),
    "the internet for one who needs none": (
        put(
            *("Deployment", "fte-relay", "spec", "template", "metadata", "labels", "reaches-internet"),
            value="yes",
        ),
        "are let out",
    ),
    "brokers at a closed port": (
        put("ConfigMap", "fte-config-kafka", "data", "FTE_KAFKA_BOOTSTRAP_SERVERS", value="kafka:9093"),
        "to-kafka",
    ),
    "the API at a closed port": (
        put(NETWORK, "from-ingress", "spec", "ingress", 0, "ports", 0, "port", value="web"),
        "no port web",
    ),
    "root": (put("Deployment", API, *POD, "securityContext", "runAsUser", value=0), "image's user"),
    "a root folder to write to": (
        put("Deployment", API, *BOX, "securityContext", "readOnlyRootFilesystem", value=False),
        "more than it must",
    ),
    "a right kept": (
        drop("Job", "fte-migrate", *BOX, "securityContext", "capabilities"),
        "more than it must",
    ),
    "a token of the cluster": (
        drop("Deployment", "fte-relay", *POD, "automountServiceAccountToken"),
        "token of the cluster",
    ),
    "no limit of memory": (
        drop("Deployment", "fte-relay", *BOX, "resources", "limits", "memory"),
        "asks for",
    ),
    "the data folder not mounted": (drop("Deployment", API, *BOX, "volumeMounts", 1), "do not match"),
    "a folder that fills the node": (
        drop("Deployment", API, *POD, "volumes", 0, "emptyDir", "sizeLimit"),
        "fill",
    ),
    "no token of the mailbox": (
        put("ConfigMap", "fte-config", "data", "FTE_GMAIL_TOKEN_FILE", value="/var/lib/token.json"),
        "token is wanted",
    ),
    "a token others may read": (
        put("Deployment", "fte-mailbox", *POD, "volumes", 3, "secret", "defaultMode", value=0o444),
        "its group only",
    ),
    "one taken away too soon": (
        put("Deployment", API, "spec", "strategy", "rollingUpdate", "maxUnavailable", value=1),
        "before the next",
    ),
    "killed too soon": (
        put("Deployment", API, *POD, "terminationGracePeriodSeconds", value=35),
        "killed while it finishes",
    ),
    "ended while it is sent messages": (drop("Deployment", API, *BOX, "lifecycle"), "still sent"),
    "another release": (
        put("Job", "fte-migrate", *BOX, "image", value="customer-success-fte:0.0.1"),
        "it runs",
    ),
    "fewer partitions than workers": (
        put("ConfigMap", "fte-config-kafka", "data", "FTE_KAFKA_PARTITIONS", value="12"),
        "share 12",
    ),
    "a channel nobody tells of": (
        drop("Deployment", "fte-metrics", *BOX, "env", 3),
        "knows the channels",
    ),
    "another namespace": (put("Service", API, "metadata", "namespace", value="default"), "another namespace"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_found(damage: str) -> None:
    objects = read()
    hurt, said = DAMAGES[damage]
    hurt(objects)
    assert any(said in line for line in broken(objects)), broken(objects)


def test_every_rule_finds_some_damage() -> None:
    """A rule that no damage breaks may as well not be there."""
    from tests.k8s import rules

    silent = set(rules.RULES)
    for hurt, _ in DAMAGES.values():
        objects = read()
        hurt(objects)
        for rule in list(silent):
            if list(rule(objects)):
                silent.discard(rule)
    assert not silent
