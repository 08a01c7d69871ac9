"""The Dockerfile, by reading it: there need not be a Docker where the tests run."""

import re
import tomllib
from fnmatch import fnmatch
from typing import cast

import pytest
import typer
from starlette.routing import Route

from fte.cli import app as commands
from fte.daemon.health import Health
from fte.settings import Settings
from tests.compose import files

BUILD, FINAL = files.instructions()
PROJECT = tomllib.loads((files.ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def environment() -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", files.last(FINAL, "ENV")))


def test_both_stages_stand_on_one_pinned_python() -> None:
    bases = [files.last(stage, "FROM").split()[0] for stage in (BUILD, FINAL)]
    assert bases[0] == bases[1]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases[0])


def test_packages_are_those_of_the_lock_and_nothing_is_built_in_the_last_stage() -> None:
    install = next(rest for name, rest in BUILD if name == "RUN" and "-r requirements.lock" in rest)
    assert "--require-hashes" in install
    assert "--only-binary=:all:" in install
    assert not [rest for name, rest in FINAL if name == "RUN" and re.search(r"\b(pip|apt-get|gcc)\b", rest)]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    rules = (files.ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert rules[0] == "*"
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    copied = [rest.split()[:-1] for name, rest in BUILD if name == "COPY"]
    sources = {source for line in copied for source in line}
    assert sources == set(allowed)
    assert all((files.ROOT / source).exists() for source in sources)
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["packages"], *wheel["force-include"], PROJECT["project"]["readme"]} <= sources


@pytest.mark.parametrize("secret", [".env", ".git/config", "config/client.json", "docker-compose.yml"])
def test_what_is_private_stays_out_of_the_build(secret: str) -> None:
    rules = (files.ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert not [rule for rule in rules if rule.startswith("!") and fnmatch(secret, rule[1:] + "*")]


def test_it_runs_fte_as_a_user_with_a_fixed_number() -> None:
    user, group = files.last(FINAL, "USER").split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    made = next(rest for name, rest in FINAL if name == "RUN")
    assert f"--uid {user}" in made
    assert f"--gid {group}" in made
    [program] = files.words(FINAL, "ENTRYPOINT")
    assert program in PROJECT["project"]["scripts"]


def test_without_a_command_it_is_the_whole_product() -> None:
    name, *options = files.words(FINAL, "CMD")
    group = cast(typer.core.TyperGroup, typer.main.get_command(commands))
    context = group.commands[name].make_context(name, list(options))
    assert context.params["host"] == "0.0.0.0"


def test_all_it_writes_goes_to_the_volume() -> None:
    volume = files.last(FINAL, "VOLUME")
    assert environment()["HOME"] == environment()["FTE_DATA_DIR"] == volume
    services = files.ours(files.raw()["services"])
    assert all(f"data:{volume}" in service["volumes"] for service in services.values())


def test_its_health_check_asks_a_route_there_is_on_the_port_it_listens_on() -> None:
    check = files.last(FINAL, "HEALTHCHECK")
    assert files.health_path(check) in [
        r.path for r in Health(cast(object, None)).routes() if isinstance(r, Route)
    ]  # type: ignore[arg-type]
    assert "environ['FTE_PORT']" in check
    assert environment()["FTE_PORT"] == files.last(FINAL, "EXPOSE") == str(Settings().port)
    assert files.last(FINAL, "STOPSIGNAL") == "SIGTERM"
