"""What an EventSource asks for: a subscribe in a query, its place in `Last-Event-ID`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from publisher.requests import Resume, Subscribe
from shared.errors import MessageError

_LISTS = ("symbols", "underlyings", "patterns")
_CHANNELS = ("chains", "orders", "updates")
_KNOWN = {*_LISTS, *_CHANNELS, "tokens", "mode", "gaps", "min_interval_ms", "ticket"}
PLACE_CHARACTERS_MAX = 2048


def parse_query(query: Mapping[str, str], last_event_id: str) -> Subscribe:
    """Return the subscribe that a query means; lists are separated by commas.

    Raises:
        MessageError: a name is not one of ours, or a value is not what it must be.
    """
    unknown = sorted(query.keys() - _KNOWN)
    if unknown:
        raise MessageError(f"query has {unknown[0][:40]!r}, which is none of {sorted(_KNOWN)}")
    ticks: dict[str, Any] = {name: _list(query[name]) for name in _LISTS if name in query}
    plain: dict[str, Any] = {name: _list(query[name]) for name in _CHANNELS if name in query}
    try:
        if "tokens" in query:
            ticks["tokens"] = [int(text) for text in _list(query["tokens"])]
        if ticks:
            plain["ticks"] = ticks | ({"mode": query["mode"]} if "mode" in query else {})
        if "gaps" in query:
            plain["gaps"] = query["gaps"] == "true"
        if "min_interval_ms" in query:
            plain["policy"] = {"min_interval_ms": int(query["min_interval_ms"])}
        if last_event_id:
            plain["resume"] = read_place(last_event_id)
        return msgspec.convert(plain, Subscribe)
    except (msgspec.ValidationError, ValueError) as error:
        raise MessageError(f"query: {error}") from error


def read_place(text: str) -> Resume:
    """Read the place a client had come to, as `Place` writes it.

    Raises:
        MessageError: it is none.
    """
    if len(text) > PLACE_CHARACTERS_MAX:
        raise MessageError(f"Last-Event-ID is over {PLACE_CHARACTERS_MAX} characters")
    epoch, _, rest = text.partition(".")
    sequence, *channels = rest.split(",")
    try:
        plain: dict[str, Any] = {"epoch": epoch, "sequence": int(sequence)}
        for channel in channels:
            kind, account, entry_id = channel.split(":")
            plain.setdefault({"o": "orders", "u": "updates"}[kind], {})[account] = entry_id
        return msgspec.convert(plain, Resume)
    except (msgspec.ValidationError, ValueError, KeyError) as error:
        raise MessageError("Last-Event-ID is not one of ours") from error


class Place:
    """How far an EventSource has come, in one line: it sends the last id it has seen, no other."""

    def __init__(self, epoch: str, resume: Resume | None = None) -> None:
        self._epoch = epoch
        self._sequence = resume.sequence if resume and resume.epoch == epoch else 0
        self._channels: dict[str, str] = {}

    def __str__(self) -> str:
        return ",".join([f"{self._epoch}.{self._sequence}", *map(":".join, self._channels.items())])

    def reach(self, sequence: int) -> None:
        """Know everything up to a sequence."""
        self._sequence = max(self._sequence, sequence)

    def begin(self, offsets: Mapping[str, str]) -> None:
        """Take the answer to the subscribe: what is behind these places is known."""
        for name, entry_id in offsets.items():
            self._told(name, entry_id)

    def note(self, message: Mapping[str, Any]) -> None:
        """Take note of a message that is being told."""
        op = message["op"]
        if op == "ticks":
            # The longest owed come first: after the last of a message, nothing older is owed.
            self.reach(message["ticks"][-1]["sequence"])
        elif op in {"order", "update"}:
            self._told(f"{op}s:{message['account']}", message["id"])

    def _told(self, name: str, entry_id: str) -> None:
        kind, _, account = name.partition(":")
        self._channels[f"{kind[0]}:{account}"] = entry_id


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
