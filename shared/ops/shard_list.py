"""Shards as people type them: `0,2-4`."""

from __future__ import annotations

import re

import click

_PART = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
#: More than one machine reads at once.
SHARDS_MAX = 1024


def parse_shards(text: str, highest: int) -> tuple[int, ...]:
    """Return the shards of `0,2-4`, sorted; none for an empty text.

    Raises:
        BadParameter: the text is not such a list, or names too many or too high ones.
    """
    shards: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = _PART.fullmatch(part)
        if found is None:
            raise click.BadParameter(f"--shards: {part!r} is neither a number nor a range like 2-4")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first or last > highest or last - first >= SHARDS_MAX:
            raise click.BadParameter(f"--shards: {part} is not within 0 and {highest}, in order")
        shards.update(range(first, last + 1))
    if len(shards) > SHARDS_MAX:
        raise click.BadParameter(f"--shards: {len(shards)} shards are over {SHARDS_MAX}")
    return tuple(sorted(shards))
