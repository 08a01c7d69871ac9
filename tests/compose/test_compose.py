"""docker-compose.yml, by reading it: what it sets exists, what it waits for is there, and nothing is given away."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import takewhile
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import typer
import yaml
from starlette.routing import Route

from fte.cli import app as commands
from fte.daemon.app import STOP_TIMEOUT
from fte.daemon.health import Health
from fte.daemon.roles import ROLES
from fte.pg.embedded import program
from fte.settings import Settings
from tests.compose import files
from tests.test_docs import DOCUMENTS, code

COMPOSE = files.raw()
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = files.ours(SERVICES)
RUNNING = {name: service for name, service in OURS.items() if not files.is_once(service)}
SETTINGS = {field.metadata["env"]: field for field in fields(Settings)}
OF_A_PERSON = {"FTE_URL", "FTE_TOKEN", "FTE_DEBUG"}
SECRETS = {"POSTGRES_PASSWORD": "p" * 32, "FTE_SECRET_KEY": "s" * 32}

TAKEN: dict[str, dict[str, bool]] = {
    "build": {},
    "up": {"--build": False, "--detach": False, "--wait": False, "--scale": True},
    "exec": {"-T": False, "-e": True},
    "run": {"--rm": False},
    "logs": {"--since": True, "--tail": True},
    "ps": {},
    "stop": {},
    "down": {"--volumes": False},
}
"""Docker Compose's commands, their options, and whether these want a value."""

each_of_ours = pytest.mark.parametrize("name", OURS)
each_running = pytest.mark.parametrize("name", RUNNING)


def environment(name: str, **environ: str) -> dict[str, str]:
    return cast(dict[str, str], files.interpolated(OURS[name]["environment"], SECRETS | environ))


@each_of_ours
def test_every_setting_of_a_daemon_can_be_given_and_no_other(name: str) -> None:
    assert set(OURS[name]["environment"]) == set(SETTINGS) - OF_A_PERSON


@each_of_ours
def test_what_is_not_given_has_the_default(name: str) -> None:
    given = {"host", "data_dir", "database_url", "secret_key", "kafka_bootstrap_servers"}
    settings = Settings.load(environment(name))
    assert settings.form_rate_per_ip == 3_000  # Docker lets all customers look like one
    for field in fields(Settings):
        if field.name not in given | {"form_rate_per_ip"}:
            assert getattr(settings, field.name) == getattr(Settings(), field.name), field.name


def test_what_is_given_arrives() -> None:
    settings = Settings.load(
        environment("worker", FTE_COMPANY="Larkfield Bicycles", FTE_KAFKA_PARTITIONS="3")
    )
    assert (settings.company, settings.kafka_partitions) == ("Larkfield Bicycles", 3)


def taken(words: Sequence[str]) -> None:
    """Raises what fte would end with, were it called with these words."""
    command, arguments = typer.main.get_command(commands), list(words)
    while below := getattr(command, "commands", None):
        command = below[arguments.pop(0)]
    command.make_context(words[0], arguments)


@each_of_ours
def test_every_command_is_one_with_options_it_has(name: str) -> None:
    taken(OURS[name]["command"])


def typed() -> Iterator[tuple[str, list[str]]]:
    """What the documents have people type after `docker compose`, as words, with what becomes of it left out."""
    for document in DOCUMENTS:
        for line in code(document.read_text(encoding="utf-8")):
            for command in re.findall(r"docker compose (\w[^…]*)$", line):
                words = shlex.shlex(command, posix=True, punctuation_chars="|<>&;")
                words.whitespace_split = True
                yield document.name, list(takewhile(lambda word: not set(word) <= set("|<>&;"), words))


def test_what_documents_have_people_type_names_services_and_commands_there_are() -> None:
    said = list(typed())
    assert len(said) > 40
    for where, (action, *words) in said:
        taking = TAKEN[action]
        rest = iter(words)
        named = []
        for word in rest:
            if not word.startswith("-"):
                named.append(word)
                if action in ("exec", "run"):
                    break
            elif taking[word]:
                scaled, _, number = next(rest).partition("=")
                if word == "--scale":
                    assert number.isdigit() and "ports" not in RUNNING[scaled], (where, words)
        assert set(named) <= set(SERVICES), (where, words)
        inside = list(rest)
        if action == "exec" and named[0] in OURS:
            assert named[0] in RUNNING and inside.pop(0) == "fte", (where, words)
            taken(inside)
        elif action == "run" and inside:
            assert named[0] in OURS, (where, words)
            taken(inside)
        elif action == "exec":
            assert program(inside[0]).is_file(), (where, words)


def test_every_role_runs_in_exactly_one_service() -> None:
    assert sorted(role for service in OURS.values() for role in files.roles_of(service)) == sorted(ROLES)


def test_the_names_and_ports_are_those_that_were_agreed() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert {
        name: [re.sub(r".*:(\d+):\d+$", r"\1", port) for port in ports] for name, ports in published.items()
    } == {
        "postgres": ["5432"],
        "kafka": ["9092"],
        "api": ["8000"],
        "prometheus": ["9090"],
    }
    filled = files.interpolated(published, {})
    assert all(port.startswith("127.0.0.1:") for ports in filled.values() for port in ports)
    [open_port] = files.interpolated(published["api"], {"PUBLISH_ADDRESS": "0.0.0.0"})
    assert open_port == f"0.0.0.0:8000:{environment('api')['FTE_PORT']}"


def test_nothing_waits_in_a_circle() -> None:
    assert set(files.in_order(SERVICES)) == set(SERVICES)


@each_running
def test_every_role_waits_for_the_schema_the_topics_and_the_servers(name: str) -> None:
    assert {on: rule["condition"] for on, rule in RUNNING[name]["depends_on"].items()} == {
        "migrate": "service_completed_successfully",
        "topics": "service_completed_successfully",
        "postgres": "service_healthy",
        "kafka": "service_healthy",
    }
    for on, rule in RUNNING[name]["depends_on"].items():
        assert files.is_once(SERVICES[on]) == (rule["condition"] == "service_completed_successfully")


@each_running
def test_every_role_is_checked_restarted_and_given_the_time_to_stop(name: str) -> None:
    service = RUNNING[name]
    assert service["restart"] == "unless-stopped"
    assert files.seconds(service["stop_grace_period"]) > STOP_TIMEOUT
    runner, program, option, code = service["healthcheck"]["test"]
    assert (runner, program, option) == ("CMD", "python", "-c")
    compile(code, "healthcheck", "exec")
    health = Health(cast(Any, None))
    assert files.health_path(code) in [r.path for r in health.routes() if isinstance(r, Route)]


@each_of_ours
def test_ours_may_do_little(name: str) -> None:
    service = OURS[name]
    assert service["build"] == "."
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "container_name" not in service, "it could not be scaled"
    assert name == "api" or "ports" not in service, "it could not be scaled"


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_images_of_others_are_pinned_and_checked(name: str) -> None:
    assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+(-\w+)?", SERVICES[name]["image"])
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_no_secret_stands_in_the_file() -> None:
    kept = {name for name, field in SETTINGS.items() if field.metadata.get("secret")}
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            bare = files.without_variables(str(value))
            if variable == "FTE_DATABASE_URL":
                assert urlsplit(bare).password == "", name
            elif variable in kept or re.search("PASSWORD|SECRET|TOKEN|KEY", variable):
                assert bare == "", (name, variable)


@pytest.mark.parametrize("missing", SECRETS)
def test_a_missing_secret_is_named_with_a_remedy(missing: str) -> None:
    with pytest.raises(files.Required, match=rf"^{missing}: .*openssl rand -hex 32"):
        files.interpolated(SERVICES, {name: text for name, text in SECRETS.items() if name != missing})


def test_addresses_are_those_of_the_services() -> None:
    given = environment("api")
    database = urlsplit(given["FTE_DATABASE_URL"])
    postgres = files.interpolated(SERVICES["postgres"]["environment"], SECRETS)
    assert (database.hostname, database.port) == ("postgres", 5432)
    assert (database.username, database.password, database.path) == (
        postgres["POSTGRES_USER"],
        postgres["POSTGRES_PASSWORD"],
        f"/{postgres['POSTGRES_DB']}",
    )
    listeners = advertised("KAFKA_ADVERTISED_LISTENERS")
    bound = advertised("KAFKA_LISTENERS")
    assert listeners["INSIDE"] == given["FTE_KAFKA_BOOTSTRAP_SERVERS"]
    [port] = SERVICES["kafka"]["ports"]
    assert port == f"{listeners['HOST']}{bound['HOST']}"


def advertised(name: str) -> dict[str, str]:
    listeners = SERVICES["kafka"]["environment"][name].split(",")
    return dict(listener.split("://") for listener in listeners)


def test_volumes_and_files_are_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source == "./config":
                continue  # the operator's own; Docker makes it
            assert (files.ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]


def test_prometheus_reads_processes_there_are_with_the_token_they_want() -> None:
    monitoring = yaml.safe_load((files.ROOT / "monitoring/prometheus.yml").read_text(encoding="utf-8"))
    [job] = monitoring["scrape_configs"]
    [found] = job["dns_sd_configs"]
    assert set(found["names"]) == set(RUNNING)
    assert str(found["port"]) == environment("api")["FTE_PORT"]
    inside = {volume.split(":")[1] for volume in SERVICES["prometheus"]["volumes"]}
    assert set(monitoring["rule_files"]) <= inside
    [mounted] = SERVICES["prometheus"]["configs"]
    assert job["authorization"]["credentials_file"] == mounted["target"]
    content = COMPOSE["configs"][mounted["source"]]["content"]
    assert files.interpolated(content, {"FTE_METRICS_TOKEN": "t0ken"}) == "t0ken"
    assert files.interpolated(content, {}), "an empty file would not be mounted"
