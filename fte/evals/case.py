"""A case: what a customer writes, and what must hold of the answer. A suite: a versioned file of cases."""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from fte.domain.channels import CHANNELS, Channel
from fte.domain.errors import NotFound, Rejected
from fte.domain.escalation import REASONS

SUITES: Final = Path(__file__).parent / "suites"
FILE_MAX: Final = 2_000_000
"""Bytes of a suite's file."""
CASES_MAX: Final = 5_000
"""Cases of a suite."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
ANY: Final = "any"
"""In `escalate`: whatever the reason."""

Knowledge = Literal["sample", "own"]
"""The pages a suite's answers are in: the sample company's, or those of the configured database."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page put among the others for one case."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A customer's words, and what must hold of what becomes of them.

    An e-mail is made into a real mail and read back as ours would be: `signature`, `quoted`, `html` and `cc` are its
    parts. `history` are earlier messages, oldest first, each `role: text` or `role@channel: text`, where role is
    customer, agent or operator. `messages` are those the answer is owed for. `age` is how many hours ago they came.
    `pages` are put into the knowledge base for this case alone.

    `source`: one of these pages answers. `facts`: all are in the answer, `|` between alternatives. `escalate`: a
    person takes over, for one of these reasons. `stay`: no person takes over. `asks`: the answer asks something back.
    `says` and `never`: words that the customer reads, or does not, whoever answers. `language`: the code of what they
    read. `wish`: what a model would send that does all that the attacker asks for.
    """

    name: str
    messages: tuple[str, ...]
    channel: Channel = "email"
    customer: str = "Alex Morgan"
    verified: bool = True
    subject: str = ""
    signature: str = ""
    quoted: str = ""
    html: str = ""
    cc: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    handover: tuple[str, ...] = ()
    age: float = 0.0
    pages: tuple[Page, ...] = ()

    source: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    escalate: tuple[str, ...] = ()
    stay: bool = False
    never: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    asks: bool = False
    language: str = ""
    wish: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Changes with everything that is in the case: results of two versions of it are not compared."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Cases of one kind. `attack` says that somebody tries to make the agent do what it must not."""

    name: str
    version: int
    about: str
    cases: tuple[Case, ...] = field(repr=False)
    attack: bool = False
    knowledge: Knowledge = "sample"


def shipped() -> list[str]:
    """The names of the suites that come with the product."""
    return sorted(path.stem for path in SUITES.glob("*.toml"))


def load(name: str) -> Suite:
    """A suite by its name, or by the path of its file.

    Raises NotFound when there is none, Rejected with file, case and field when it is not one.
    """
    path = Path(name) if name.endswith(".toml") else SUITES / f"{name}.toml"
    if not path.is_file():
        raise NotFound(
            f"There is no suite {name!r}.",
            remedy=f"Name a .toml file, or one of {', '.join(shipped())}.",
        )
    if path.stat().st_size > FILE_MAX:
        raise Rejected(f"{path} is larger than {FILE_MAX:,} bytes.", remedy="Split it into several suites.")
    try:
        return suite(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"{path} is not TOML: {error}.", remedy="See docs/eval.md for the format.") from None
    except ValueError as error:
        raise Rejected(f"{path}: {error}", remedy="See docs/eval.md for the fields of a case.") from None


def suite(name: str, table: Mapping[str, Any]) -> Suite:
    """The suite in a file's table. Raises ValueError, which names the case and the field."""
    if not _NAME.fullmatch(name):
        raise ValueError("the file's name must be of small letters, digits and dashes.")
    head = dict(table)
    cases, defaults = head.pop("case", []), head.pop("defaults", {})
    if not isinstance(cases, list) or not isinstance(defaults, dict):
        raise ValueError("`[[case]]` and `[defaults]` must be tables.")
    if not 0 < len(cases) <= CASES_MAX:
        raise ValueError(f"it has {len(cases)} cases; there must be 1 to {CASES_MAX:,}.")
    made = tuple(_case(defaults | entry, f"case {number}") for number, entry in enumerate(cases, 1))
    names = [case.name for case in made]
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise ValueError(f"the name {twice[0]!r} is used twice.")
    values = _values(Suite, head, "the suite", without=frozenset({"name", "cases"}))
    found = Suite(name=name, cases=made, **values)
    if found.knowledge == "own" and (with_pages := [case.name for case in made if case.pages]):
        raise ValueError(f"case {with_pages[0]!r}: `pages` are put among the sample company's only.")
    return found


def _case(entry: Mapping[str, Any], where: str) -> Case:
    table = dict(entry)
    where = f"case {table['name']!r}" if isinstance(table.get("name"), str) else where
    if "message" in table:
        table["messages"] = [table.pop("message")]
    pages = tuple(
        Page(**_values(Page, page, f"{where}, pages")) for page in _tables(table.pop("pages", []), where)
    )
    case = Case(**_values(Case, table, where), pages=pages)
    _sound(case, where)
    return case


def _tables(value: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError(f"{where}: `pages` must be a list of tables with title and text.")
    return value


def _values(
    kind: type, table: Mapping[str, Any], where: str, without: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The table as arguments of `kind`: lists as tuples, every type checked, nothing unknown, nothing missing."""
    hints = get_type_hints(kind)
    known = {each.name: each for each in fields(kind) if each.name not in without}
    for name, value in table.items():
        if name not in known:
            raise ValueError(f"{where}: there is no field {name!r}.")
        if not _fits(value, hints[name]):
            raise ValueError(f"{where}: {name!r} has a wrong value: {str(value)[:60]!r}.")
    required = {name for name, each in known.items() if each.default is each.default_factory}
    if missing := sorted(required - table.keys()):
        raise ValueError(f"{where}: {missing[0]!r} is missing.")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return type(value) is hint


def _sound(case: Case, where: str) -> None:
    """What types do not say."""
    if not _NAME.fullmatch(case.name):
        raise ValueError(f"{where}: `name` must be of small letters, digits and dashes.")
    if not case.messages:
        raise ValueError(f"{where}: there is no message.")
    if unknown := sorted({*case.escalate} - {*REASONS, ANY}):
        raise ValueError(f"{where}: {unknown[0]!r} is no reason to hand over.")
    if case.escalate and (case.stay or case.source or case.asks):
        raise ValueError(f"{where}: it cannot be answered and handed over.")
    if not (case.escalate or case.stay or case.source or case.asks or case.never or case.wish):
        raise ValueError(f"{where}: nothing must hold of it.")
    for line in case.history:
        role, _, channel = line.partition(":")[0].partition("@")
        if role not in ("customer", "agent", "operator") or channel not in ("", *CHANNELS):
            raise ValueError(f"{where}: `history` has a line that begins with {line[:20]!r}.")
    mail_only = [name for name in ("signature", "quoted", "html", "cc") if getattr(case, name)]
    if case.channel != "email" and mail_only:
        raise ValueError(f"{where}: {mail_only[0]!r} is for e-mail.")
