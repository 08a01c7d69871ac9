"""The documents say what is so: settings, commands, keys, routes, modules, paths and links are those of the code."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from starlette.routing import Route

from fte.cli import app as commands
from fte.console import keys
from fte.console.present import LEGEND
from fte.domain import events
from fte.domain.metrics import METRICS
from fte.settings import Settings
from tests.api.support import routes

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SETTINGS = {field.metadata["env"]: field for field in fields(Settings)}
CONTEXTS = {
    "Keys in the queue": "queue",
    "Keys in a conversation": "conversation",
    "Keys in the drafts": "drafts",
    "Keys in the ticket inspector": "inspector",
    "Keys while writing": "compose",
    "Keys in the metrics": "metrics",
    "Keys in channels and dead letters": "channels",
    "Keys in the customers": "customers",
    "Keys in the knowledge base": "knowledge",
    "Keys in the suggestions": "suggestions",
    "Keys everywhere": "everywhere",
}


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def named(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=named)


def section(document: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    match = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", document, re.DOTALL | re.MULTILINE
    )
    assert match, f"there is no heading {heading!r}"
    return match[1]


def rows(markdown: str) -> list[list[str]]:
    """The cells of the table rows, without heads and rules."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    body = [
        line for line, after in zip(lines, [*lines[1:], ""], strict=False) if not after.startswith("|---")
    ]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in body if not line.startswith("|---")
    ]


def code(markdown: str) -> Iterator[str]:
    """Everything written as code: in backticks, indented, or between fences."""
    yield from re.findall(r"`([^`\n]+)`", markdown)
    yield from re.findall(r"^(?: {4}|\t)(.*)$", markdown, re.MULTILINE)
    for block in re.findall(r"^```\w*\n(.*?)^```", markdown, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()


# ---------------------------------------------------------------- settings


def default(name: str) -> str:
    value = SETTINGS[name].default
    return "" if not isinstance(value, str | int | float) else str(value)


def test_the_readme_lists_every_setting_with_its_default() -> None:
    listed = {row[0].strip("`"): row[1] for row in rows(section(text("README.md"), "## Settings"))}
    assert set(listed) == set(SETTINGS)
    for name, shown in listed.items():
        if name != "FTE_DATA_DIR":  # it depends on the system
            assert shown == (f"`{default(name)}`" if default(name) else "empty"), name


def test_the_example_lists_every_setting_with_its_default() -> None:
    lines = re.findall(r"^#([A-Z_]+)=(.*)$", text(".env.example"), re.MULTILINE)
    assert sorted(name for name, _ in lines) == sorted(SETTINGS)
    for name, value in lines:
        assert value.strip('"') == default(name), name


@each_document
def test_no_document_names_a_setting_that_does_not_exist(document: Path) -> None:
    found = set(
        re.findall(r"\b(?:FTE_(?!TEST_)[A-Z_]*[A-Z]|OPENAI_[A-Z_]+)\b", document.read_text(encoding="utf-8"))
    )
    assert found <= set(SETTINGS)


# ---------------------------------------------------------------- commands


def leaves(command: Any, path: str = "fte") -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, child in below.items():
        yield from leaves(child, f"{path} {name}")


COMMANDS = dict(leaves(cast(Any, typer.main.get_command(commands))))


def test_every_command_has_its_section() -> None:
    assert set(re.findall(r"^## `(.+)`$", text("docs/cli.md"), re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_explained_and_no_other(path: str) -> None:
    command = COMMANDS[path]
    options = {name for p in command.params for name in p.opts if name.startswith("-") and "help" not in name}
    listed = rows(section(text("docs/cli.md"), f"## `{path}`"))
    assert {name for row in listed for name in re.findall(r"`(-[\w-]+)`", row[0])} == options - {"-h"}


@each_document
def test_no_document_names_a_command_that_does_not_exist(document: Path) -> None:
    groups = {path.split()[1] for path in COMMANDS if len(path.split()) == 3}
    for line in code(document.read_text(encoding="utf-8")):
        for words in re.findall(r"(?<![\w/.~\"-])fte ((?:[a-z]+ ?){1,2})", line.partition(" # ")[0]):
            wanted = words.split()
            known = wanted in ([group] for group in groups) or _command(wanted, groups) in COMMANDS
            assert known, line


def _command(words: list[str], groups: set[str]) -> str:
    """The command that a line of words begins with; what follows it are its arguments."""
    return " ".join(["fte", *words[: 2 if words[0] in groups else 1]])


@each_document
def test_every_make_target_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    for line in code(document.read_text(encoding="utf-8")):
        assert set(re.findall(r"\bmake ([a-z-]+)", line)) <= targets, line


# ---------------------------------------------------------------- the console


@pytest.mark.parametrize(("heading", "context"), CONTEXTS.items())
def test_the_keys_are_those_of_the_table(heading: str, context: Any) -> None:
    listed = [
        (re.findall(r"`([^`]+)`", row[0]), row[1])
        for row in rows(section(text("docs/console.md"), f"## {heading}"))
    ]
    wanted = [(action.names, action.help) for action in keys.of(context)]
    assert listed == wanted


def test_no_action_is_left_out() -> None:
    assert {action.context for action in keys.ACTIONS} <= set(CONTEXTS.values())


def test_the_marks_are_those_of_the_legend() -> None:
    listed = rows(section(text("docs/console.md"), "## Marks in the queue"))
    assert [(row[0].strip("`"), row[1]) for row in listed] == list(LEGEND)


# ---------------------------------------------------------------- routes


def test_every_route_has_its_section_and_no_other() -> None:
    served = {
        f"{method} {route.path.replace(':path', '')}"
        for route in routes()
        if isinstance(route, Route)
        for method in (route.methods or {"GET"}) - {"HEAD"}
    }
    assert set(re.findall(r"^### `([A-Z]+ /\S*)`$", text("docs/api.md"), re.MULTILINE)) == served


# ---------------------------------------------------------------- metrics


def test_every_metric_is_listed_as_it_is() -> None:
    listed = rows(section(text("docs/metrics.md"), "## Counts, times and states"))
    assert listed == [
        [f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.teller, m.help]
        for m in METRICS
    ]


@each_document
def test_no_document_names_a_metric_that_does_not_exist(document: Path) -> None:
    known = {metric.name for metric in METRICS}
    histograms = {metric.name for metric in METRICS if metric.kind == "histogram"}
    known |= {name + part for name in histograms for part in ("_bucket", "_sum", "_count")}
    for line in code(document.read_text(encoding="utf-8")):
        assert set(re.findall(r"\b(?:fte|http)_[a-z_]+_(?:total|seconds|lag|up)\b", line)) <= known, line


# ---------------------------------------------------------------- topics and events


def first_cells(document: str, heading: str) -> list[str]:
    return [row[0].strip("`") for row in rows(section(text(document), heading))]


def event_types() -> set[str]:
    """Every word with a dot that the store, the buses and the schema write, but for topics and a setting of Kafka's."""
    folders = (ROOT / "fte/store", ROOT / "fte/bus", ROOT / "migrations/versions")
    files = [path for folder in folders for kind in ("*.py", "*.sql") for path in folder.glob(kind)]
    words = {word for path in files for word in re.findall(r"['\"]([a-z_]+\.[a-z_]+)['\"]", path.read_text())}
    return {word for word in words if not word.startswith("fte.")} - {"retention.ms"}


def test_every_topic_group_and_type_of_event_is_listed_and_no_other() -> None:
    assert sorted(first_cells("docs/topics.md", "## Topics")) == sorted(events.TOPICS)
    groups = [events.PROCESSORS, events.SENDERS, events.COLLECTORS, events.RELAY]
    assert sorted(first_cells("docs/topics.md", "## Groups")) == sorted(groups)
    assert sorted(first_cells("docs/topics.md", "## Event types")) == sorted(event_types())


# ---------------------------------------------------------------- modules, paths and links


def test_the_tree_names_every_module_and_no_other() -> None:
    tree = section(text("docs/architecture.md"), "## The tree").split("```")[1]
    folder, found = "", set()
    for line in tree.strip("\n").splitlines():
        indented, name = line.startswith("  "), line.split()[0]
        folder = folder if indented else name
        found.add(folder + name if indented else name)
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "fte").rglob("*.py")
        if not path.name.startswith("__") and "migrations" not in path.parts
    }
    assert {name for name in found if name.endswith(".py")} == modules


@each_document
def test_every_path_named_exists(document: Path) -> None:
    for word in code(document.read_text(encoding="utf-8")):
        path = re.fullmatch(r"(?:fte|tests|migrations|docs)/[\w./-]+", word)
        if path and "0002_" not in word:
            assert (ROOT / path[0]).exists(), word


@each_document
def test_every_test_named_exists(document: Path) -> None:
    for word in code(document.read_text(encoding="utf-8")):
        if named_test := re.fullmatch(r"(tests/[\w/]+\.py)::(test_\w+)", word):
            assert f"def {named_test[2]}(" in text(named_test[1]), word


def test_each_threat_names_what_is_done_where_and_a_test() -> None:
    threats = rows(text("docs/security.md").partition("## Not covered")[0])
    assert len(threats) > 30
    for threat, done, where, tested in threats:
        assert threat and done, threat
        assert list(code(where)) and all((ROOT / path).exists() for path in code(where)), threat
        assert list(code(tested)) and all("::" in word for word in code(tested)), threat


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_every_relative_link_resolves(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = {page.name for page in folder.glob("0*.md")}
    assert set(re.findall(r"\]\((0[\w-]+\.md)\)", text("docs/decisions/README.md"))) == pages
    for page in pages:
        headings = re.findall(r"^## (.+)$", (folder / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["Context", "Choice", "Consequence"], page


def test_the_readme_begins_with_the_two_commands() -> None:
    code_lines = [
        line.split("#")[0].strip() for line in text("README.md").splitlines() if line.startswith("    ")
    ]
    assert code_lines[:2] == ["make demo", "make test"]
