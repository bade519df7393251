"""The steps of a command, as the account's event stream names them."""

from __future__ import annotations

from enum import StrEnum


class Told(StrEnum):
    """What `event` of an order event may be, a closed set."""

    RECEIVED = "received"
    WAITING = "waiting"
    REFUSED = "refused"
    EXPIRED = "expired"
    ENDED_UNSENT = "ended_unsent"
    SENDING = "sending"
    NOT_SENT = "not_sent"
    REISSUED = "reissued"
    ACCEPTED = "accepted"
    PARTIALLY_ACCEPTED = "partially_accepted"
    ALERT = "alert"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    MANUAL = "manual"
    UPDATED = "updated"
    CONFLICT = "conflict"
    REPLAYED = "replayed"
    REDUCED = "strategy_reduced"
    UNFILLED = "market_unfilled_after"
    DISAGREEING = "positions_disagree"
