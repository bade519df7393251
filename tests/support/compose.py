"""Compose files as values: the little of YAML that ours are written in, anything else refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

#: How the broker's image makes a property of a variable.
KAFKA_PREFIX = "KAFKA_"
#: Variables that its scripts keep for themselves.
NO_PROPERTIES = {"KAFKA_HEAP_OPTS"}
_KEY = re.compile(r"^([A-Za-z_][\w.-]*):(?: (.+))?$")


def read(path: Path) -> dict[str, Any]:
    """Return the mappings, lists and texts of a file.

    Raises:
        ValueError: a line is neither a key, nor an item, or stands where none can.
    """
    lines = [
        (len(line) - len(line.lstrip()), line.strip())
        for line in path.read_text().splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    found, rest = _block(lines, 0)
    if rest or not isinstance(found, dict):
        raise ValueError(f"{path.name}: {rest[:1]} stands where nothing can")
    return found


def _block(lines: list[tuple[int, str]], indent: int) -> tuple[Any, list[tuple[int, str]]]:
    found: Any = None
    while lines and lines[0][0] == indent:
        text = lines[0][1]
        lines = lines[1:]
        if text.startswith("- "):
            found = found or []
            found.append(_scalar(text[2:]))
            continue
        match = _KEY.match(text)
        if match is None:
            raise ValueError(f"{text!r} is neither a key nor an item")
        found = found or {}
        if match[1] in found:
            raise ValueError(f"{match[1]} is there twice")
        if match[2] is None and lines and lines[0][0] > indent:
            found[match[1]], lines = _block(lines, lines[0][0])
        else:
            found[match[1]] = _scalar(match[2] or "")
    return found, lines


def _scalar(text: str) -> str:
    if text[:1] and text[0] in "[{&*|>!%@`":
        raise ValueError(f"{text!r}: only plain and quoted texts are understood here")
    return text[1:-1] if text[:1] in "\"'" and text[:1] == text[-1:] else text


def broker_properties(environment: dict[str, str]) -> dict[str, str]:
    """Return the properties that the broker's image makes of its environment."""
    return {
        name.removeprefix(KAFKA_PREFIX).lower().replace("_", "."): value
        for name, value in environment.items()
        if name not in NO_PROPERTIES
    }
