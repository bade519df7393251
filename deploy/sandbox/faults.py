"""Which misbehaviour is wanted of the sandbox, how often, for whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.errors import SettingsError

HTTP_ERRORS = frozenset({"http_429", "http_5xx", "http_error", "http_html"})
AFTER_ACCEPTANCE = frozenset({"accept_then_drop", "accept_then_500", "refuse_timed_out_400"})
STICKY = frozenset({"ws_silence", "ws_heartbeats_only", "ws_stop_reading"})
ONE_SHOT = frozenset(
    {
        "ws_abort",
        "ws_close",
        "ws_overflow",
        "ws_truncated_frame",
        "ws_unknown_packet",
        "ws_text",
        "ws_stale_timestamps",
        "ws_burst",
    }
)
OTHERS = frozenset(
    {
        "slow",
        "drop_request",
        "hidden_for",
        "stuck_in_validation",
        "reject_upgrade",
        "token_death",
        "duplicate_updates",
        "drop_updates",
        "reverse_updates",
        "delay_updates",
        "autoslice_child_error",
        "ws_mute_token",
    }
)
KINDS = HTTP_ERRORS | AFTER_ACCEPTANCE | STICKY | ONE_SHOT | OTHERS
#: Faults that act on every request unless told otherwise would also break the reading of the book.
ORDER_WRITES_BY_DEFAULT = AFTER_ACCEPTANCE | {"drop_request"}
FAULTS_MAX = 1_000


@dataclass(slots=True, kw_only=True)
class Fault:
    """One wish; `remaining` None means until it is deleted. Empty filters match everything.

    It strikes from `due_s` on, `after_s` seconds after it was wished for.
    """

    kind: str
    number: int = 0
    remaining: int | None = 1
    method: str = ""
    path: str = ""
    account: str = ""
    connection: int = 0
    after_s: float = 0.0
    due_s: float = 0.0
    seconds: float | None = None
    status: int = 0
    error_type: str = ""
    message: str = ""
    text: str = ""
    token: int = 0
    applied: int = 0
    connections: set[int] = field(default_factory=set)

    def public(self) -> dict[str, Any]:
        """Return what the control interface shows."""
        return {
            "id": self.number,
            "kind": self.kind,
            "count": self.remaining,
            "applied": self.applied,
            "method": self.method,
            "path": self.path,
            "account": self.account,
            "connection": self.connection,
            "after_s": self.after_s,
            "seconds": self.seconds,
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Occasion:
    """A request or connection that a fault may strike."""

    account: str = ""
    method: str = ""
    path: str = ""
    connection: int = 0


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "method": str,
    "path": str,
    "account": str,
    "connection": int,
    "after_s": float,
    "seconds": float,
    "status": int,
    "error_type": str,
    "message": str,
    "text": str,
    "token": int,
}


class FaultBoard:
    """The wishes still open, oldest first."""

    def __init__(self, monotonic_s: Callable[[], float] = lambda: 0.0) -> None:
        """Tell by `monotonic_s` which wishes are due."""
        self._monotonic_s = monotonic_s
        self._faults: list[Fault] = []
        self._next = 1

    def add(self, wish: Mapping[str, Any]) -> Fault:
        """Put a wish on the board and return it numbered.

        Raises:
            SettingsError: the kind or a field is unknown, or a value has the wrong form.
        """
        fault = _read(wish)
        if len(self._faults) >= FAULTS_MAX:
            raise SettingsError(f"there are {FAULTS_MAX} faults already; delete some first")
        fault.number = self._next
        self._next += 1
        fault.due_s = self._monotonic_s() + fault.after_s
        if fault.kind in ORDER_WRITES_BY_DEFAULT and not fault.path:
            fault.path = "/orders"
            fault.method = fault.method or "POST"
        self._faults.append(fault)
        return fault

    def public(self) -> list[dict[str, Any]]:
        """Return every open wish."""
        return [fault.public() for fault in self._faults]

    def remove(self, number: int | None = None) -> int:
        """Take down one wish, or all with None; return how many went."""
        before = len(self._faults)
        self._faults = [
            fault for fault in self._faults if number is not None and fault.number != number
        ]
        return before - len(self._faults)

    def take(self, kind: str, occasion: Occasion) -> Fault | None:
        """Use up one application of the oldest wish of `kind` that fits, if there is one."""
        for fault in self._faults:
            if fault.kind == kind and self._strikes(fault, occasion):
                self._count(fault)
                return fault
        return None

    def take_any(self, kinds: frozenset[str], occasion: Occasion) -> Fault | None:
        """Use up one application of the oldest fitting wish of any of `kinds`."""
        for fault in self._faults:
            if fault.kind in kinds and self._strikes(fault, occasion):
                self._count(fault)
                return fault
        return None

    def catch(self, connection: int, account: str) -> Fault | None:
        """Return the sticky wish that holds a connection, catching it if one still has room.

        `count` is then how many connections it may catch; a caught one stays caught until the
        wish is deleted.
        """
        for fault in self._faults:
            occasion = Occasion(account=account, connection=connection)
            if fault.kind not in STICKY or not self._strikes(fault, occasion):
                continue
            if connection in fault.connections:
                return fault
            if fault.remaining is None or fault.remaining > len(fault.connections):
                fault.connections.add(connection)
                fault.applied += 1
                return fault
        return None

    def muted_tokens(self, account: str) -> set[int]:
        """Return the instruments whose ticks are to be kept back from an account."""
        return {
            fault.token
            for fault in self._faults
            if fault.kind == "ws_mute_token" and self._strikes(fault, Occasion(account=account))
        }

    def _strikes(self, fault: Fault, occasion: Occasion) -> bool:
        return _fits(fault, occasion) and fault.due_s <= self._monotonic_s()

    def _count(self, fault: Fault) -> None:
        fault.applied += 1
        if fault.remaining is not None:
            fault.remaining -= 1
            if fault.remaining <= 0:
                self._faults.remove(fault)


def _fits(fault: Fault, occasion: Occasion) -> bool:
    return (
        (not fault.account or fault.account == occasion.account)
        and (not fault.connection or fault.connection == occasion.connection)
        and (not fault.method or fault.method == occasion.method)
        and (not fault.path or occasion.path.startswith(fault.path))
    )


def _read(wish: Mapping[str, Any]) -> Fault:
    kind = wish.get("kind")
    if kind not in KINDS:
        raise SettingsError(f"kind is {kind!r}; it must be one of {', '.join(sorted(KINDS))}")
    count = wish.get("count", 1)
    if count is not None and (not isinstance(count, int) or count < 1):
        raise SettingsError(f"count is {count!r}; it must be a whole number above 0, or null")
    unknown = set(wish) - set(_FIELDS) - {"kind", "count"}
    if unknown:
        raise SettingsError(f"field {min(unknown)!r} is unknown; a fault knows {sorted(_FIELDS)}")
    found: dict[str, Any] = {}
    for name, read in _FIELDS.items():
        if name not in wish:
            continue
        try:
            found[name] = read(wish[name])
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{name} is {wish[name]!r}; it does not read") from error
    return Fault(kind=kind, remaining=count, **found)
