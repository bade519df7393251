"""The id of a stream entry: milliseconds of the server's clock, then a sequence number."""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import MessageError

#: Both parts are unsigned 64-bit numbers in Redis.
_PART_MAX = 2**64 - 1


class EntryId(NamedTuple):
    """Where an entry stands in its stream; ids compare as entries are ordered."""

    ms: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.sequence}"

    def next(self) -> EntryId:
        """Return the smallest id after this one."""
        if self.sequence < _PART_MAX:
            return EntryId(self.ms, self.sequence + 1)
        return EntryId(self.ms + 1, 0)


#: Before every entry of every stream.
BEFORE_ALL = EntryId(0, 0)


def parse(text: bytes | str) -> EntryId:
    """Read an id as Redis writes it: `1700000000000-0`, or without the sequence, which is then 0.

    Raises:
        MessageError: it is not an id.
    """
    plain = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    ms, dash, sequence = plain.partition("-")
    if not dash:
        sequence = "0"
    if not (_is_number(ms) and _is_number(sequence)):
        raise MessageError(f"entry id {plain[:60]!r} is not <milliseconds>-<sequence>")
    return EntryId(int(ms), int(sequence))


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= len(str(_PART_MAX))
