"""What one socket asked for, by Kite's text commands."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

from deploy.sandbox.packets import Mode
from deploy.sandbox.settings import Profile

#: Instruments per connection. Source: kite.trade/docs/connect/v3/websocket (read 2026-11).
INSTRUMENTS_PER_SOCKET_MAX = 3_000
LIMIT_TEXT = "Maximum instrument subscription limit ({}) exceeded"
MODES: tuple[Mode, ...] = ("full", "quote", "ltp")
_MODE_PARTS = 2


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command calls for: snapshots of `tokens`, or an error text."""

    tokens: tuple[int, ...] = ()
    error: str = ""


@dataclass(slots=True)
class Subscriptions:
    """The mode of every instrument one socket watches; `version` counts the changes.

    `repeats` counts tokens subscribed to that were watched already.
    """

    profile: Profile
    modes: dict[int, Mode] = field(default_factory=dict)
    version: int = 0
    instruments_max: int = INSTRUMENTS_PER_SOCKET_MAX
    repeats: int = 0

    def apply(self, text: str) -> Reply:
        """Carry out one command; what is not a command changes nothing and says so."""
        try:
            command = json.loads(text)
        except ValueError:
            return Reply(error="Invalid JSON message")
        if not isinstance(command, dict):
            return Reply(error="Invalid message")
        action, value = command.get("a"), command.get("v")
        if action == "subscribe":
            return self._subscribe(_tokens(value), "quote")
        if action == "unsubscribe":
            return self._unsubscribe(_tokens(value))
        if action == "mode" and isinstance(value, list) and len(value) == _MODE_PARTS:
            return self._set_mode(value[0], _tokens(value[1]))
        return Reply(error="Invalid message")

    def _subscribe(self, tokens: tuple[int, ...], mode: Mode) -> Reply:
        fresh = [token for token in tokens if token not in self.modes]
        self.repeats += len(tokens) - len(fresh)
        room = self.instruments_max - len(self.modes)
        for token in fresh[:room]:
            self.modes[token] = mode
        self.version += 1
        # A token already watched keeps its mode; it is sent again all the same.
        known = tuple(token for token in tokens if token in self.modes)
        return Reply(known, LIMIT_TEXT.format(self.instruments_max) if len(fresh) > room else "")

    def _unsubscribe(self, tokens: tuple[int, ...]) -> Reply:
        for token in tokens:
            self.modes.pop(token, None)
        self.version += 1
        return Reply()

    def _set_mode(self, mode: Any, tokens: tuple[int, ...]) -> Reply:
        if mode not in MODES:
            return Reply(error="Invalid mode")
        chosen = cast("Mode", mode)
        error = ""
        if self.profile == "lenient":
            missing = tuple(token for token in tokens if token not in self.modes)
            error = self._subscribe(missing, chosen).error
        known = tuple(token for token in tokens if token in self.modes)
        for token in known:
            self.modes[token] = chosen
        self.version += 1
        return Reply(known, error)


def _tokens(value: Any) -> tuple[int, ...]:
    """Return the distinct tokens of a command in their order; JavaScript may send them as text."""
    if not isinstance(value, list):
        return ()
    found: dict[int, None] = {}
    for item in value:
        if isinstance(item, int) and not isinstance(item, bool):
            found[item] = None
        elif isinstance(item, str) and item.isdecimal():
            found[int(item)] = None
    return tuple(found)
