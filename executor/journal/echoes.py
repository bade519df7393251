"""What this process has written to a stream that it reads itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from shared.streams.ids import EntryId

#: Entries remembered at a time; one that is forgotten is read as anybody's would be.
ECHOES_MAX: Final = 10_000


class Echoes:
    """Entries whose content the journal had before they were written: they need not be applied."""

    def __init__(self) -> None:
        self._ids: dict[EntryId, None] = {}

    def expect(self, entry_ids: Iterable[EntryId]) -> None:
        """Remember entries that will be read."""
        self._ids.update(dict.fromkeys(entry_ids))
        while len(self._ids) > ECHOES_MAX:
            del self._ids[next(iter(self._ids))]

    def hear(self, entry_id: EntryId) -> bool:
        """Tell, once, whether an entry is one of them."""
        return self._ids.pop(entry_id, False) is None
