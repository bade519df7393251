"""What an EventSource asks for: a subscribe in a query, its place in `Last-Event-ID`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from publisher.protocol.requests import Resume, Subscribe
from shared.errors import MessageError
from shared.wire.codec import JSON_FIELD
from shared.wire.unreadable import explain

_LISTS = ("symbols", "underlyings", "patterns")
_CHANNELS = ("chains", "orders", "updates")
#: Of bars the same names with a word before; without any of them no bars are asked for.
_BARS, _BAR_LISTS = "bar_", ("symbols", "underlyings")
_BAR_NUMBERS = ("tokens", "intervals_s")
#: What there is to hear of; a query without any of it would wait for ever.
_WHAT = {*_LISTS, *_CHANNELS, *(_BARS + name for name in (*_BAR_LISTS, "tokens")), "tokens", "gaps"}
_KNOWN = {*_WHAT, "bar_intervals_s", "mode", "min_interval_ms", "ticket"}
#: A header has at most 8,190; a place names every shard whose bars are told.
PLACE_CHARACTERS_MAX = 8000
_PLACES = {"o": "orders", "u": "updates", "b": "bars"}


def parse_query(query: Mapping[str, str], last_event_id: str) -> Subscribe:
    """Return the subscribe that a query means; lists are separated by commas.

    Raises:
        MessageError: a name is not one of ours, or a value is not what it must be.
    """
    unknown = sorted(query.keys() - _KNOWN)
    if unknown:
        raise MessageError(f"query has {unknown[0][:40]!r}, which is none of {sorted(_KNOWN)}")
    if not query.keys() & _WHAT:
        raise MessageError(f"query asks for nothing, must have one of {sorted(_WHAT)}")
    plain: dict[str, Any] = {}
    try:
        plain = _subscribe(query)
        if last_event_id:
            plain["resume"] = read_place(last_event_id)
        return msgspec.convert(plain, Subscribe)
    except msgspec.ValidationError as error:
        reason = explain(str(error), {JSON_FIELD: msgspec.json.encode(plain)}, Subscribe)
        raise MessageError(f"query: {_as_named(reason.sentence)}") from error
    except ValueError as error:
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
            kind, name, entry_id = channel.split(":")
            plain.setdefault(_PLACES[kind], {})[name] = entry_id
        return msgspec.convert(plain, Resume)
    except (msgspec.ValidationError, ValueError, KeyError) as error:
        raise MessageError("Last-Event-ID is not one of ours") from error


class Place:
    """How far an EventSource has come, in one line: it sends the last id it has seen, no other."""

    def __init__(self, epoch: str, resume: Resume | None = None) -> None:
        self._epoch = epoch
        self._sequence = resume.sequence if resume and resume.epoch == epoch else 0
        self._channels: dict[str, str] = {}
        for kind in _PLACES.values() if resume else ():
            for name, entry_id in getattr(resume, kind).items():
                self._told(f"{kind}:{name}", entry_id)

    def __str__(self) -> str:
        return ",".join([f"{self._epoch}.{self._sequence}", *map(":".join, self._channels.items())])

    def reach(self, sequence: int) -> None:
        """Know everything up to a sequence."""
        self._sequence = max(self._sequence, sequence)

    def begin(self, offsets: Mapping[str, str], bars_at: Mapping[str, str]) -> None:
        """Take the answer to the subscribe: what is behind these places is known."""
        for name, entry_id in offsets.items():
            self._told(name, entry_id)
        for place in [each for each in self._channels if each.startswith("b:")]:
            del self._channels[place]
        self._bars(bars_at)

    def note(self, message: Mapping[str, Any]) -> None:
        """Take note of a message that is being told."""
        op = message["op"]
        if op == "ticks":
            # The longest owed come first: after the last of a message, nothing older is owed.
            self.reach(message["ticks"][-1]["sequence"])
        elif op in {"order", "update"}:
            self._told(f"{op}s:{message['account']}", message["id"])
        elif op == "bars":
            self._bars(message["at"])

    def _bars(self, at: Mapping[str, str]) -> None:
        for shard, entry_id in at.items():
            self._told(f"bars:{shard}", entry_id)

    def _told(self, name: str, entry_id: str) -> None:
        kind, _, account = name.partition(":")
        self._channels[f"{kind[0]}:{account}"] = entry_id


def _subscribe(query: Mapping[str, str]) -> dict[str, Any]:
    ticks: dict[str, Any] = {name: _list(query[name]) for name in _LISTS if name in query}
    plain: dict[str, Any] = {name: _list(query[name]) for name in _CHANNELS if name in query}
    if "tokens" in query:
        ticks["tokens"] = _numbers(query, "tokens")
    if ticks:
        plain["ticks"] = ticks | ({"mode": query["mode"]} if "mode" in query else {})
    if bars := _bars(query):
        plain["bars"] = bars
    if "gaps" in query:
        plain["gaps"] = _truth("gaps", query["gaps"])
    if "min_interval_ms" in query:
        plain["policy"] = {"min_interval_ms": _number(query, "min_interval_ms")}
    return plain


def _bars(query: Mapping[str, str]) -> dict[str, Any]:
    lists = {name: _list(query[_BARS + name]) for name in _BAR_LISTS if _BARS + name in query}
    numbers = {
        name: _numbers(query, _BARS + name) for name in _BAR_NUMBERS if _BARS + name in query
    }
    return lists | numbers


def _numbers(query: Mapping[str, str], name: str) -> list[int]:
    return [_number({name: text}, name) for text in _list(query[name])]


def _number(query: Mapping[str, str], name: str) -> int:
    try:
        return int(query[name])
    except ValueError as error:
        raise ValueError(f"{name} is {query[name][:40]!r}, must be a whole number") from error


def _as_named(sentence: str) -> str:
    """Return a sentence about a field of the subscribe as one about a parameter of the query."""
    for within, before in (("ticks.", ""), ("policy.", ""), ("bars.", _BARS)):
        if sentence.startswith(within):
            return before + sentence.removeprefix(within)
    return sentence


def _truth(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(f"{name} is {text[:40]!r}, must be true or false")
    return text == "true"


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
