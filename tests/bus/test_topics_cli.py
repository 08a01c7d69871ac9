"""`fte topics` and the options of `fte daemon`: what they do, and how they say what is wrong."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from fte.cli import app
from fte.domain.errors import Rejected
from fte.domain.events import TOPICS
from fte.settings import Settings
from tests.bus.support_kafka import own_cluster


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def brokers(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTE_KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("FTE_KAFKA_PREFIX", own_cluster(kafka).prefix)
    monkeypatch.setenv("FTE_KAFKA_PARTITIONS", "2")


def test_topics_are_made_listed_and_described(brokers: None) -> None:
    code, out, _ = run("topics", "list")
    assert (code, out.splitlines()) == (0, [f"{name}  (missing)" for name in TOPICS])
    assert "fte topics create" in run("topics", "describe")[1]
    code, out, _ = run("topics", "create")
    assert (code, out.splitlines()) == (0, [f"made  {name}" for name in TOPICS])
    code, out, _ = run("topics", "create")
    assert (code, out.splitlines()) == (0, [f"there  {name}" for name in TOPICS])
    assert run("topics", "list")[1].splitlines() == list(TOPICS)
    assert {row["exists"] for row in json.loads(run("topics", "list", "--json")[1])} == {True}
    described = json.loads(run("topics", "describe", "--json")[1])
    assert [row["topic"] for row in described] == list(TOPICS)
    assert {(row["partitions"], row["retention_ms"]) for row in described} == {(2, 7 * 86_400_000)}
    code, out, _ = run("topics", "describe")
    assert code == 0
    assert "7 days" in out


def test_topics_that_differ_are_told_and_not_touched(brokers: None) -> None:
    assert run("topics", "create")[0] == 0
    code, _, err = run("topics", "create", "--partitions", "5", "--retention-days", "1")
    assert code == 1
    assert "fte.conversations differs: partitions: 2, wanted 5; retention: 7 days, wanted 1 days." in err
    assert {row["partitions"] for row in json.loads(run("topics", "describe", "--json")[1])} == {2}


def test_without_a_cluster_there_are_no_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run("topics", "list")
    assert code == 1
    assert "FTE_KAFKA_BOOTSTRAP_SERVERS is not set" in err
    monkeypatch.setenv("FTE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    code, _, err = run("topics", "list")
    assert code == 1
    assert "Kafka cannot be reached" in err
    assert "Traceback" not in err


@pytest.mark.process
def test_of_a_cluster_that_is_away_only_our_sentence_is_said() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fte", "topics", "list"],
        env=os.environ | {"FTE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "Error: Kafka cannot be reached: no broker answers as one does.",
        "Check FTE_KAFKA_BOOTSTRAP_SERVERS, the FTE_KAFKA_ security settings, and that the brokers run.",
    ]


@pytest.mark.parametrize("roles", ["", " , ", "worker,cook"])
def test_roles_there_are_none_of_are_refused(roles: str) -> None:
    code, _, err = run("daemon", "--roles", roles)
    assert code == 1
    assert "The roles are http, worker, sender, relay, mailbox, metrics, sweeper." in err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FTE_KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("FTE_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092,:1"),
        ("FTE_KAFKA_BOOTSTRAP_SERVERS", "kafka:70000"),
        ("FTE_KAFKA_SECURITY", "none"),
        ("FTE_KAFKA_SASL_MECHANISM", "GSSAPI"),
        ("FTE_KAFKA_PREFIX", "a/b"),
        ("FTE_KAFKA_PARTITIONS", "0"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(Rejected) as caught:
        Settings.load({"FTE_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", name: value})
    assert name in caught.value.fields


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"FTE_KAFKA_SECURITY": "sasl_ssl", "FTE_KAFKA_USERNAME": "fte"}, "FTE_KAFKA_USERNAME"),
        ({"FTE_KAFKA_SECURITY": "ssl", "FTE_KAFKA_CERT_FILE": "/x.pem"}, "FTE_KAFKA_KEY_FILE"),
    ],
)
def test_settings_that_need_each_other_are_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(Rejected) as caught:
        Settings.load({"FTE_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"} | environment)
    assert named in caught.value.fields


def test_the_password_is_in_no_representation() -> None:
    settings = Settings.load({"FTE_KAFKA_PASSWORD": "hush hush"})
    assert "hush" not in repr(settings)
