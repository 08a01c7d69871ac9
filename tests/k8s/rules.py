"""Where the manifests contradict the program, the image or each other: a schema cannot see that."""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any, Final, cast
from urllib.parse import urlsplit

import typer
from starlette.routing import Route
from typer.exceptions import TyperException

from fte import __version__
from fte.cli import app as commands
from fte.daemon.app import STOP_TIMEOUT
from fte.daemon.bodies import UPLOAD_MAX
from fte.daemon.health import Health
from fte.daemon.metrics import Metrics
from fte.daemon.providers import configured
from fte.daemon.roles import ROLES
from fte.domain.errors import Rejected
from fte.settings import Settings
from tests.compose import files as image
from tests.k8s.manifests import (
    FOLDER,
    NAMESPACE,
    Object,
    Workload,
    chosen,
    files,
    kustomization,
    named,
    of_kind,
    workloads,
)

SETTINGS: Final = {field.metadata["env"]: field for field in fields(Settings)}
OF_A_PERSON: Final = {"FTE_URL", "FTE_TOKEN", "FTE_DEBUG"}
NEEDED: Final = {
    "FTE_DATABASE_URL": "postgresql://db/fte",
    "FTE_SECRET_KEY": "s" * 32,
    "FTE_METRICS_TOKEN": "t" * 32,
}
ALL_SECRETS: Final = NEEDED | {
    "OPENAI_API_KEY": "sk",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "t",
    "TWILIO_WHATSAPP_NUMBER": "whatsapp:+14155238886",
    "FTE_KAFKA_USERNAME": "fte",
    "FTE_KAFKA_PASSWORD": "p",
}
DEMANDING: Final = {
    "FTE_KAFKA_SECURITY": "sasl_ssl",
    "FTE_MODEL": "a-model",
    "FTE_GMAIL_ACCOUNT": "support@example.com",
}
"""Settings that need a secret, each in those pods that get the setting."""
KNOWS_CHANNELS: Final = {"http", "sender", "mailbox", "metrics"}
"""Roles that send or fetch, or tell how each channel is."""
PROVIDERS: Final = {"api", "message-processor", "sender", "mailbox"}
"""Who calls Google, Twilio or the model's provider."""
USES_KAFKA: Final = {"http", "worker", "sender", "relay", "metrics"}
BODY_SIZE: Final = "nginx.ingress.kubernetes.io/proxy-body-size"
"""How much nginx takes; 1 MB where it is not said."""

Rule = Callable[[list[Object]], Iterator[str]]


def broken(objects: list[Object]) -> list[str]:
    """What is wrong, a line each, beginning with the name of the object."""
    return [line for rule in RULES for line in rule(objects)]


def _settings(objects: list[Object]) -> Iterator[str]:
    maps, secrets = of_kind(objects, "ConfigMap"), of_kind(objects, "Secret")
    offered: set[str] = set()
    for name, holder in (maps | secrets).items():
        keys = set(holder.get("data", {})) | set(holder.get("stringData", {}))
        if twice := keys & offered:
            yield f"{name}: {', '.join(sorted(twice))} stands elsewhere, too"
        offered |= keys
        if unknown := keys - set(SETTINGS):
            yield f"{name}: there is no setting {', '.join(sorted(unknown))}"
    if missing := set(SETTINGS) - OF_A_PERSON - offered:
        yield f"fte-config: {', '.join(sorted(missing))} cannot be given"
    for name, holder in maps.items():
        for key in holder["data"]:
            if key in SETTINGS and SETTINGS[key].metadata.get("secret"):
                yield f"{name}: {key} is a secret"


def _references(objects: list[Object]) -> Iterator[str]:
    maps, secrets = of_kind(objects, "ConfigMap"), of_kind(objects, "Secret")
    used: set[str] = set()
    for work in workloads(objects).values():
        for name in work.maps():
            used.add(name)
            if name not in maps:
                yield f"{work.name}: there is no config map {name}"
        for variable, secret, key, optional in work.secret_keys():
            used.add(f"{secret}/{key}")
            if key not in secrets.get(secret, {}).get("stringData", {}):
                yield f"{work.name}: there is no {key} in {secret}"
            if variable != key or variable not in SETTINGS:
                yield f"{work.name}: {variable} is filled from {key}"
            if optional == (key in NEEDED):
                yield f"{work.name}: {key} {'may' if optional else 'must not'} be missing"
        if work.pod["serviceAccountName"] not in of_kind(objects, "ServiceAccount"):
            yield f"{work.name}: there is no service account {work.pod['serviceAccountName']}"
    for name in maps:
        if name not in used:
            yield f"{name}: nobody reads it"
    for name, secret in secrets.items():
        for key in secret["stringData"]:
            if f"{name}/{key}" not in used:
                yield f"{name}: nobody reads {key}"


def _environments(objects: list[Object]) -> Iterator[str]:
    """Each process starts with what it must have, and with all that can be asked for."""
    for work in workloads(objects).values():
        for secrets, changed in ((NEEDED, {}), (ALL_SECRETS, DEMANDING)):
            try:
                given = work.environment(objects, secrets)
                settings = Settings.load(given | {k: v for k, v in changed.items() if k in given})
                channels = configured(settings)
            except (KeyError, Rejected) as error:
                yield f"{work.name}: does not start, {error}"
                continue
            if changed and KNOWS_CHANNELS & set(work.roles) and set(channels) != {"email", "whatsapp"}:
                yield f"{work.name}: knows the channels {sorted(channels)} only"
            wants_database = work.container["args"][0] != "topics"
            wants_kafka = bool(USES_KAFKA & set(work.roles)) or work.container["args"][0] == "topics"
            if bool(settings.database_url) != wants_database or bool(settings.secret_key) != bool(work.roles):
                yield f"{work.name}: the database's address or the key is wanted or not"
            if bool(settings.kafka_bootstrap_servers) != wants_kafka:
                yield f"{work.name}: Kafka's address is wanted or not"
            if settings.host != "0.0.0.0":
                yield f"{work.name}: nobody reaches {settings.host}"
    placeholders = {k: v for s in of_kind(objects, "Secret").values() for k, v in s["stringData"].items()}
    for key, value in placeholders.items():
        if value and value != "CHANGE-ME":
            yield f"fte-secrets: {key} looks like a real one"
    try:
        Settings.load(placeholders)
        yield "fte-secrets: a process starts with the placeholders"
    except Rejected as error:
        if not {"FTE_DATABASE_URL", "FTE_SECRET_KEY"} <= set(error.fields):
            yield "fte-secrets: a process starts with the placeholders"


@cache
def _program() -> Any:
    return typer.main.get_command(commands)


def _commands(objects: list[Object]) -> Iterator[str]:
    for work in workloads(objects).values():
        arguments = list(work.container["args"])
        command = _program()
        try:
            while below := getattr(command, "commands", None):
                command = below[arguments.pop(0)]
            command.make_context(work.name, arguments)
        except (KeyError, IndexError, TyperException) as error:
            yield f"{work.name}: {work.container['args']} is no command, {error!r}"
        if "command" in work.container:
            yield f"{work.name}: the image's own entry point is not used"
        if unknown := set(work.roles) - set(ROLES):
            yield f"{work.name}: there is no role {', '.join(unknown)}"
    running = [role for work in workloads(objects).values() for role in work.roles]
    if sorted(running) != sorted(ROLES):
        yield f"roles: {sorted(running)} run, and each of {sorted(ROLES)} must, in one deployment"


def _ports(objects: list[Object]) -> Iterator[str]:
    served = {r.path for r in Health(cast(Any, None)).routes() if isinstance(r, Route)}
    metrics = {r.path for r in Metrics(cast(Any, None), {}, "").routes()}
    for work in _running(objects):
        listens = str(work.environment(objects, ALL_SECRETS)["FTE_PORT"])
        if [str(port["containerPort"]) for port in work.container["ports"]] != [listens]:
            yield f"{work.name}: it listens on {listens}"
        for kind, path in (
            ("startup", "/health/live"),
            ("liveness", "/health/live"),
            ("readiness", "/health/ready"),
        ):
            asked = work.probe(kind)
            if asked["path"] != path or path not in served:
                yield f"{work.name}: its {kind} probe asks for {asked['path']}"
            try:
                if str(work.port(asked["port"])) != listens:
                    yield f"{work.name}: its {kind} probe asks at {asked['port']}"
            except KeyError:
                yield f"{work.name}: it has no port {asked['port']}"
        told = work.template["metadata"]["annotations"]
        if told["prometheus.io/port"] != listens or told["prometheus.io/path"] not in metrics:
            yield f"{work.name}: Prometheus asks at {told['prometheus.io/port']}{told['prometheus.io/path']}"
        if image.last(image.instructions()[-1], "EXPOSE") != listens:
            yield f"{work.name}: the image listens elsewhere"


def _services(objects: list[Object]) -> Iterator[str]:
    services, works = of_kind(objects, "Service"), workloads(objects)
    for name, service in services.items():
        targets = chosen({"matchLabels": service["spec"]["selector"]}, objects)
        if len(targets) != 1:
            yield f"{name}: it leads to {sorted(targets)}"
        for target in targets:
            if works[target].roles != ["http"]:
                yield f"{name}: {target} serves nobody"
            for port in service["spec"]["ports"]:
                try:
                    works[target].port(port["targetPort"])
                except KeyError:
                    yield f"{name}: {target} has no port {port['targetPort']}"
    public = urlsplit(named(objects, "ConfigMap", "fte-config")["data"]["FTE_PUBLIC_URL"])
    for name, ingress in of_kind(objects, "Ingress").items():
        spec = ingress["spec"]
        largest = str(ingress["metadata"].get("annotations", {}).get(BODY_SIZE, "1m"))
        if int(largest.removesuffix("m")) * 1024**2 < UPLOAD_MAX:
            yield f"{name}: the form's files do not come through, it takes {largest}"
        for rule in spec["rules"]:
            if rule["host"] != public.hostname or public.scheme != "https":
                yield f"{name}: customers are sent to {public.geturl()}"
            if rule["host"] not in [host for tls in spec["tls"] for host in tls["hosts"]]:
                yield f"{name}: {rule['host']} has no certificate"
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                ports = services.get(backend["name"], {}).get("spec", {}).get("ports", [])
                if backend["port"]["name"] not in [port["name"] for port in ports]:
                    yield f"{name}: there is no service {backend}"


def _selectors(objects: list[Object]) -> Iterator[str]:
    for work in _running(objects):
        if chosen(work.definition["spec"]["selector"], objects) != {work.name}:
            yield f"{work.name}: its selector picks other pods than its own"
        spreads = work.pod["topologySpreadConstraints"]
        if {s["topologyKey"] for s in spreads} != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
            yield f"{work.name}: it is not spread"
        if any(chosen(spread["labelSelector"], objects) != {work.name} for spread in spreads):
            yield f"{work.name}: it is spread beside other pods"
    guarded = [
        (name, chosen(pdb["spec"]["selector"], objects))
        for name, pdb in of_kind(objects, "PodDisruptionBudget").items()
    ]
    for name, picked in guarded:
        if picked != {name}:
            yield f"{name}: the disruption budget guards {sorted(picked)}"
    if missing := {work.name for work in _running(objects)} - {name for name, _ in guarded}:
        yield f"{', '.join(sorted(missing))}: no disruption budget"
    scaled = set()
    for name, scaler in of_kind(objects, "HorizontalPodAutoscaler").items():
        target = scaler["spec"]["scaleTargetRef"]
        work = workloads(objects).get(target["name"])
        if work is None or (work.definition["kind"], work.definition["apiVersion"]) != (
            target["kind"],
            target["apiVersion"],
        ):
            yield f"{name}: there is no {target['kind']} {target['name']} to scale"
            continue
        scaled.add(work.name)
        if "cpu" not in work.container["resources"]["requests"]:
            yield f"{name}: {work.name} asks for no CPU to count by"
    for work in _running(objects):
        if ("replicas" in work.definition["spec"]) == (work.name in scaled):
            yield f"{work.name}: how many there are, two say or nobody"


def _network(objects: list[Object]) -> Iterator[str]:
    policies = {name: policy["spec"] for name, policy in of_kind(objects, "NetworkPolicy").items()}
    everybody = set(workloads(objects))
    if {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} not in policies.values():
        yield "network: what is not allowed is not forbidden"
    for name, spec in policies.items():
        if not chosen(spec["podSelector"], objects):
            yield f"{name}: it is for no pod"
        for direction in ("ingress", "egress"):
            if (direction in spec) != (direction.capitalize() in spec["policyTypes"]) and name != "nothing":
                yield f"{name}: {direction} is not what it says"
    reaching = {label: chosen({"matchLabels": {label: "yes"}}, objects) for label in _reached(objects)}
    with_database = {n for n, w in workloads(objects).items() if w.container["args"][0] != "topics"}
    kafkas = {
        n
        for n, w in workloads(objects).items()
        if USES_KAFKA & set(w.roles) or w.container["args"][0] == "topics"
    }
    wanted = {
        "reaches-database": with_database,
        "reaches-kafka": kafkas,
        "reaches-internet": {f"fte-{name}" for name in PROVIDERS} & everybody,
    }
    if reaching != wanted:
        yield f"network: {reaching} are let out, {wanted} must be"
    servers = named(objects, "ConfigMap", "fte-config-kafka")["data"]["FTE_KAFKA_BOOTSTRAP_SERVERS"]
    for name, port in (
        ("to-database", {5432}),
        ("to-kafka", {int(server.rpartition(":")[2]) for server in servers.split(",")}),
        ("to-internet", {443}),
    ):
        if {p["port"] for rule in policies[name]["egress"] for p in rule["ports"]} != port:
            yield f"{name}: {port} is not let out"
    for name in ("from-ingress", "from-monitoring"):
        for target in chosen(policies[name]["podSelector"], objects):
            work = workloads(objects)[target]
            if work.once:
                continue
            for rule in policies[name]["ingress"]:
                for port in rule["ports"]:
                    try:
                        work.port(port["port"])
                    except KeyError:
                        yield f"{name}: {target} has no port {port['port']}"
    if chosen(policies["from-ingress"]["podSelector"], objects) != {"fte-api"}:
        yield "from-ingress: others than the API are let in to"


def _reached(objects: list[Object]) -> set[str]:
    return {
        label for work in workloads(objects).values() for label in work.labels if label.startswith("reaches-")
    }


def _safety(objects: list[Object]) -> Iterator[str]:
    user, group = (int(number) for number in image.last(image.instructions()[-1], "USER").split(":"))
    for work in workloads(objects).values():
        pod, container = work.pod, work.container
        wanted = {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": group,
            "fsGroup": group,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        if not wanted.items() <= pod["securityContext"].items():
            yield f"{work.name}: it does not run as the image's user"
        if container["securityContext"] != {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }:
            yield f"{work.name}: its container may do more than it must"
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{work.name}: it gets a token of the cluster"
        if pod.get("enableServiceLinks") is not False:
            yield f"{work.name}: variables of services may be taken for settings"
        if {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod):
            yield f"{work.name}: it has more than a container of its own"
        resources = container["resources"]
        if set(resources["requests"]) != {"cpu", "memory"} or set(resources["limits"]) != {"memory"}:
            yield f"{work.name}: it asks for {resources}"
    for account in of_kind(objects, "ServiceAccount").values():
        if account.get("automountServiceAccountToken") is not False:
            yield f"{account['metadata']['name']}: it hands out tokens"


def _files(objects: list[Object]) -> Iterator[str]:
    for work in workloads(objects).values():
        volumes = {volume["name"]: volume for volume in work.pod["volumes"]}
        mounts = {mount["mountPath"]: mount for mount in work.container["volumeMounts"]}
        if {mount["name"] for mount in mounts.values()} != set(volumes):
            yield f"{work.name}: volumes and mounts do not match"
            continue
        writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
        data = work.environment(objects, ALL_SECRETS)["FTE_DATA_DIR"]
        if writable != {"/tmp", data} or data != image.last(image.instructions()[-1], "VOLUME"):
            yield f"{work.name}: it can write to {sorted(writable)}"
        for path, mount in mounts.items():
            volume = volumes[mount["name"]]
            if (path in writable) != ("emptyDir" in volume):
                yield f"{work.name}: {path} is no empty folder to write to"
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{work.name}: {path} can fill the node"
            if "secret" in volume and volume["secret"]["defaultMode"] != 0o440:
                yield f"{work.name}: {path} is not for its group only"
        for path, wanted in (("database", "reaches-database"), ("kafka", "reaches-kafka")):
            if (f"/etc/fte/{path}" in mounts) != (wanted in work.labels):
                yield f"{work.name}: the {path}'s certificate is wanted or not"
        token = work.environment(objects, ALL_SECRETS)["FTE_GMAIL_TOKEN_FILE"]
        has_token = any(token.startswith(f"{path}/") for path in mounts)
        if has_token != bool({"sender", "mailbox"} & set(work.roles)):
            yield f"{work.name}: the mailbox's token is wanted or not"


def _updates(objects: list[Object]) -> Iterator[str]:
    for work in _running(objects):
        if work.definition["spec"]["strategy"].get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{work.name}: an update takes one away before the next is there"
        if work.grace <= work.before_stop + STOP_TIMEOUT:
            yield f"{work.name}: it is killed while it finishes"
        if (work.before_stop >= 5) != (work.roles == ["http"]):
            yield f"{work.name}: it ends while it is still sent messages, or waits for nothing"
    for work in workloads(objects).values():
        if work.container["image"] != f"customer-success-fte:{__version__}":
            yield f"{work.name}: it runs {work.container['image']}"
        if work.once and work.pod["restartPolicy"] != "OnFailure":
            yield f"{work.name}: it is not tried again"
    workers = named(objects, "HorizontalPodAutoscaler", "fte-message-processor")["spec"]["maxReplicas"]
    partitions = named(objects, "ConfigMap", "fte-config-kafka")["data"]["FTE_KAFKA_PARTITIONS"]
    if int(partitions) < workers:
        yield f"fte-config-kafka: {workers} workers share {partitions} partitions"


def _folder(objects: list[Object]) -> Iterator[str]:
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    for name in {name for name in names if names.count(name) > 1}:
        yield f"{name}: it is there twice"
    for one in objects:
        if one["kind"] != "Namespace" and one["metadata"].get("namespace") != NAMESPACE:
            yield f"{one['metadata']['name']}: it is in another namespace"
    applied = []
    for folder in (FOLDER, FOLDER / "jobs"):
        custom = kustomization(folder)
        applied += [folder / name for name in custom["resources"]]
        [renamed] = custom["images"]
        if (renamed["name"], renamed["newTag"]) != ("customer-success-fte", __version__):
            yield f"{folder.name}: it renames another image"
        if custom["namespace"] != NAMESPACE:
            yield f"{folder.name}: it is for another namespace"
    if sorted(applied) != [path for path in files() if path.name != "secrets.yaml"]:
        yield "kustomization: everything but the secrets is applied"
    if not re.fullmatch(r"\d+\.\d+\.\d+\S*", __version__):
        yield "image: the version is no tag"


def _running(objects: list[Object]) -> list[Workload]:
    return [work for work in workloads(objects).values() if not work.once]


RULES: Final[tuple[Rule, ...]] = (
    _settings,
    _references,
    _environments,
    _commands,
    _ports,
    _services,
    _selectors,
    _network,
    _safety,
    _files,
    _updates,
    _folder,
)
