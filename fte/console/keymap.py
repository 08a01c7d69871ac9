"""The keys a user chose: a TOML file with one line for each action, like `take_over = "t"` or `quit = ["q", "f10"]`."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from fte.console import keys
from fte.console.keys import Context, Keymap
from fte.domain.errors import Rejected

FILE_MAX: Final = 65_536
"""Bytes of the file."""
KEYS_MAX: Final = 6
"""Keys of one action."""
_REMEDY: Final = "docs/console.md lists the actions and says how the file is written."
_MODIFIED: Final = re.compile(r"(?:(?:ctrl|alt|shift)\+)*(?P<base>.+)")
_NAMES: Final = {"esc": "escape", "del": "delete", "ins": "insert", "pgup": "pageup", "pgdn": "pagedown"}


def load(file: Path) -> Keymap:
    """The keys in the file. Raises Rejected, with the line, for what cannot be read, is unknown, or clashes."""
    text = _text(file)
    chosen: dict[str, tuple[str, ...]] = {}
    for name, value in _parsed(file, text).items():
        where = f"{file}, line {_line(text, name)}"
        action = _action(where, name)
        chosen[name] = _keys(where, action, value)
    for context in get_args(Context):
        _check(file, text, chosen, context)
    return chosen


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
        if len(raw) > FILE_MAX:
            raise Rejected(f"{file} is larger than {FILE_MAX // 1024} kB.", remedy=_REMEDY)
        return raw.decode("utf-8")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise Rejected(f"The keys in {file} cannot be read: {why}.", remedy="Check --keys.") from None


def _parsed(file: Path, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Rejected(f"{file} is not TOML: {error}.", remedy=_REMEDY) from None


def _line(text: str, name: str) -> int:
    """The number of the line that names it."""
    pattern = re.compile(rf"""\s*\[?["']?{re.escape(name)}["']?\s*[\]=.]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _action(where: str, name: str) -> keys.Action:
    try:
        action = keys.action(name)
    except KeyError:
        near = get_close_matches(name, [one.id for one in keys.ACTIONS], 3)
        remedy = f"Is it {' or '.join(near)}? {_REMEDY}" if near else _REMEDY
        raise Rejected(f"{where}: there is no action {name!r}.", remedy=remedy) from None
    if action.numbered:
        raise Rejected(f"{where}: {name} has the keys 1 to 9 and no others.", remedy="Remove the line.")
    return action


def _keys(where: str, action: keys.Action, value: Any) -> tuple[str, ...]:
    wanted = [value] if isinstance(value, str) else value
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= KEYS_MAX:
        raise Rejected(f"{where}: {action.id} needs a key, or 1 to {KEYS_MAX} of them.", remedy=_REMEDY)
    return tuple(dict.fromkeys(_key(where, action, one) for one in wanted))


def _key(where: str, action: keys.Action, written: Any) -> str:
    key = _named(written) if isinstance(written, str) else None
    if key is None:
        raise Rejected(f"{where}: there is no key {written!r}.", remedy="Keys are like x, X, f4, ctrl+o, ?.")
    if key in keys.RESERVED and key not in action.defaults:
        raise Rejected(
            f"{where}: {written} moves in lists, or belongs to the terminal.", remedy="Take another key."
        )
    if action.context == "compose" and _typed(key):
        raise Rejected(
            f"{where}: {written} is typed while writing.", remedy="Take a function key, or one with ctrl."
        )
    return key


def _typed(key: str) -> bool:
    return ("+" not in key and key not in _fixed()) or key in ("enter", "space")


def _fixed() -> set[str]:
    """The names of keys that type nothing."""
    from textual.keys import Keys

    return {key.value for key in Keys}


def _named(written: str) -> str | None:
    """The key as the library names it; None when there is no such key."""
    match = _MODIFIED.fullmatch(written.strip())
    if match is None:
        return None
    base = _NAMES.get(match["base"], match["base"])
    modifiers = written.strip()[: match.start("base")]
    if len(base) == 1:
        from textual.keys import _character_to_key

        return modifiers + _character_to_key(base) if base.isprintable() else None
    known = modifiers + base in _fixed() or base in _fixed() or base in _symbols()
    return modifiers + base if known else None


def _symbols() -> set[str]:
    """The names of the printable ASCII characters that are neither letters nor digits."""
    from textual.keys import _character_to_key

    return {_character_to_key(chr(code)) for code in range(32, 127) if not chr(code).isalnum()}


def _check(file: Path, text: str, chosen: Keymap, context: Context) -> None:
    used: dict[str, str] = {}
    for action in _together(context):
        for key in chosen.get(action.id, action.defaults):
            other = used.setdefault(key, action.id)
            if other != action.id and (action.id in chosen or other in chosen):
                culprit = action.id if action.id in chosen else other
                rival = other if culprit == action.id else action.id
                raise Rejected(
                    f"{file}, line {_line(text, culprit)}: {keys.shown_key(key)} is already the key of {rival}.",
                    remedy="Take another key, or give that action another one in the file.",
                )


def _together(context: Context) -> Iterator[keys.Action]:
    yield from keys.of(context)
    if context != "everywhere":
        yield from keys.of("everywhere")
