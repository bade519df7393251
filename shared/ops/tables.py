"""How facts look as text: tables, ages, sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

_KIB = 1024.0
_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86_400


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> Table:
    """Return a plain table; a heading that ends with `>` is of numbers, set to the right."""
    made = Table(
        box=SIMPLE_HEAD, title=title or None, title_justify="left", show_edge=False, pad_edge=False
    )
    for number, heading in enumerate(headings, 1):
        justify = "right" if heading.endswith(">") else "left"
        # What is said last may be a sentence: it gives way, never a name or a state.
        is_kept = number < len(headings)
        made.add_column(Text(heading.rstrip(">")), justify=justify, no_wrap=is_kept)  # type: ignore[arg-type]  # one of rich's words
    for row in rows:
        # Text, never markup: a reason may hold brackets.
        made.add_row(*(Text(cell) for cell in row))
    return made


def age(seconds: float | None) -> str:
    """Return an age as people say it; a dash where there is none."""
    if seconds is None:
        return "-"
    if seconds < 10:  # noqa: PLR2004  # tenths matter below ten
        return f"{seconds:.1f} s"
    for limit_s, unit_s, unit in ((_MINUTE_S * 2, 1, "s"), (_HOUR_S * 2, _MINUTE_S, "min")):
        if seconds < limit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    if seconds < _DAY_S * 2:
        return f"{seconds / _HOUR_S:.0f} h"
    return f"{seconds / _DAY_S:.0f} d"


def size(size_bytes: float) -> str:
    """Return a size in binary units."""
    for unit in ("B", "KiB", "MiB"):
        if size_bytes < _KIB:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= _KIB
    return f"{size_bytes:.1f} GiB"
