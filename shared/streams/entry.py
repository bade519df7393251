"""One item of a stream, as it was read."""

from __future__ import annotations

import msgspec

from shared.streams.ids import EntryId


class Entry(msgspec.Struct, frozen=True):
    """An entry's fields with where they stood; `deliveries` counts hand-outs within the group."""

    stream: str
    id: EntryId
    fields: dict[bytes, bytes]
    deliveries: int = 1
