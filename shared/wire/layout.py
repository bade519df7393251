"""How a fixed-width record is declared: once, with unit and meaning per field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record.

    `kind` is a numpy type string, little-endian, `unit` is "" for codes and identifiers.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Layout:
    """A named, versioned record layout."""

    name: str
    version: int
    fields: tuple[Field, ...]
    meaning: str
    #: Of numpy, aligned, little-endian; made once, every batch asks for it.
    dtype: np.dtype[np.void] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        columns = [
            (each.name, each.kind) if each.count == 1 else (each.name, each.kind, (each.count,))
            for each in self.fields
        ]
        object.__setattr__(self, "dtype", np.dtype(columns, align=True))

    def describe(self) -> dict[str, Any]:
        """Return the layout as plain values that JSON can carry, offsets in bytes."""
        dtype = self.dtype
        offsets: Any = dtype.fields
        return {
            "name": self.name,
            "version": self.version,
            "size_bytes": dtype.itemsize,
            "byte_order": "little",
            "fields": [
                {
                    "name": field.name,
                    "type": _plain_name(field.kind),
                    "count": field.count,
                    "offset": offsets[field.name][1],
                    "unit": field.unit,
                    "meaning": field.meaning,
                }
                for field in self.fields
            ],
        }


def _plain_name(kind: str) -> str:
    """Return `uint64` for `<u8`; texts keep numpy's own name, `S16`."""
    letter, size = kind[1], kind[2:]
    words = {"u": "uint", "i": "int", "f": "float"}
    return f"{words[letter]}{8 * int(size)}" if letter in words else f"{letter}{size}"


def padding_free(layout: Layout) -> bool:
    """Say whether the fields fill the record without gaps: no stray byte crosses the wire."""
    dtype = layout.dtype
    return sum(dtype[field.name].itemsize for field in layout.fields) == dtype.itemsize


def field_names(layouts: Sequence[Layout]) -> set[str]:
    """Return every field name used, for the reference's index."""
    return {field.name for layout in layouts for field in layout.fields}
