"""Named queries: SQL lives in `.sql` files, in blocks headed `-- name: what_it_does`."""

import re
from pathlib import Path
from types import SimpleNamespace

_HEADING = re.compile(r"^-- name: (\w+)[^\S\n]*\n", re.MULTILINE)


def load(module_file: str) -> SimpleNamespace:
    """The queries of the `.sql` file beside a module, as attributes. Raises ValueError for a name used twice."""
    text = Path(module_file).with_suffix(".sql").read_text(encoding="utf-8")
    _, *blocks = _HEADING.split(text)
    names, bodies = blocks[::2], blocks[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{module_file}: a query name is used twice")
    return SimpleNamespace(**{name: body.strip() for name, body in zip(names, bodies, strict=True)})
