"""Everything the sandbox was sent, for tests that count."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

#: Requests plus socket messages kept; older ones are dropped with a counter.
RECEIVED_MAX = 20_000
#: Order placements are never dropped before this many.
PLACEMENTS_MAX = 100_000
_SECRET_FIELDS = frozenset({"access_token", "checksum", "api_secret", "request_token"})


class ReceivedLog:
    """A bounded memory of what came in, placements kept apart so that none is lost."""

    def __init__(self, *, received_max: int = RECEIVED_MAX) -> None:
        self._others: deque[dict[str, Any]] = deque(maxlen=received_max)
        self._placements: deque[dict[str, Any]] = deque(maxlen=PLACEMENTS_MAX)
        self._sequence = 0
        self.dropped = 0

    def add(
        self, *, at_ns: int, kind: str, placement: bool = False, **facts: Any
    ) -> dict[str, Any]:
        """Keep one entry of `kind` (http or ws) and return it, so that its status can follow."""
        self._sequence += 1
        entry = {"sequence": self._sequence, "time_ns": str(at_ns), "kind": kind, **facts}
        if "params" in entry:
            entry["params"] = _without_secrets(entry["params"])
        kept = self._placements if placement else self._others
        if len(kept) == kept.maxlen:
            self.dropped += 1
        kept.append(entry)
        return entry

    def since(self, sequence: int) -> list[dict[str, Any]]:
        """Return the entries after `sequence`, oldest first."""
        found = [
            entry
            for kept in (self._others, self._placements)
            for entry in kept
            if entry["sequence"] > sequence
        ]
        return sorted(found, key=lambda entry: int(entry["sequence"]))

    @property
    def sequence(self) -> int:
        """Return the number of the newest entry."""
        return self._sequence


def _without_secrets(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "***" if name in _SECRET_FIELDS else text for name, text in params.items()}
