"""One example of every message of the protocol: in the documents, and run by the tests."""

from __future__ import annotations

from typing import Any, Final

_ID: Final = "1764000000000-0"
_POLICY: Final = {"mode": "strict", "min_interval_ms": 0, "budget_bytes": None}
_EVENT: Final = {
    "sequence": 7, "account": "SB0001", "command_id": "0196f1c2-7a4e", "kind": "place",
    "event": "accepted", "state": "OPEN", "at_us": 1764000000000000,
}  # fmt: skip
#: What a client says, in the order of Request.
SAID: Final[tuple[dict[str, Any], ...]] = (
    {"op": "auth", "key": "a-key-of-24-characters-or-more", "takeover": True},
    {
        "op": "subscribe",
        "ticks": {"symbols": ["NSE:INFY"], "patterns": ["NFO:NIFTY26NOV*CE"], "mode": "greeks"},
        "bars": {"symbols": ["NSE:INFY"], "intervals_s": [60, 300]},
        "chains": ["NIFTY:2026-11-24"],
        "orders": ["SB0001"],
        "gaps": True,
        "policy": {"mode": "skip", "budget_bytes": 1048576},
        "resume": {
            "at": {"0": _ID, "1": f"{_ID}/12"},
            "orders": {"SB0001": _ID},
            "bars": {"0": _ID},
        },
    },
    {"op": "unsubscribe", "ticks": {"underlyings": ["NIFTY"]}, "orders": ["SB0001"]},
    {"op": "ping"},
)
#: What it hears, in the order of Reply.
HEARD: Final[tuple[dict[str, Any], ...]] = (
    {
        "op": "welcome", "name": "page", "epoch": "9f3c", "server_time_us": 1764000000000000,
        "heartbeat_s": 15.0, "instruments_max": 9000, "message_bytes_max": 65536,
    },
    {
        "op": "subscribed",
        "accepted": {
            "tokens": [408065], "underlyings": {}, "patterns": {"NFO:NIFTY26NOV*CE": 80},
            "chains": ["NIFTY:2026-11-24"], "mode": "greeks", "orders": {"SB0001": 6},
            "updates": [], "gaps": True, "policy": _POLICY, "instruments": 81,
            "bars": {"60": 1, "300": 1},
        },
        "refused": [{"what": "NSE:NOSUCH", "reason": "unknown_instrument"}],
        "snapshot_id": 41, "at": {"0": _ID}, "offsets": {"orders:SB0001": _ID},
        "recovered": True, "missed": [], "bars_at": {"0": _ID},
    },
    {
        "op": "unsubscribed", "instruments": 0, "chains": [], "orders": [], "updates": [],
        "gaps": False, "refused": [], "bars": {},
    },
    {"op": "underlying_changed", "underlying": "NIFTY", "instruments": 1900, "refused": 0},
    {
        "op": "heartbeat", "server_time_us": 1764000000000000, "sequence": 99, "upstream": True,
        "orders": {"SB0001": 7}, "at": {"0": _ID},
    },
    {"op": "order", "id": _ID, "account": "SB0001", "event": _EVENT},
    {
        "op": "update", "id": _ID, "account": "SB0001",
        "update": {
            "source": "socket", "received_at_us": 1764000000000000, "row": {"order_id": "1"},
        },
    },
    {
        "op": "chain", "id": _ID, "name": "NIFTY:2026-11-24",
        "chain": {"kind": "snapshot", "underlying": "NIFTY", "expiry": "2026-11-24"},
    },
    {
        "op": "bars", "interval_s": 60, "snapshot": False,
        "bars": [
            {
                "instrument_token": 408065, "tradingsymbol": "INFY", "start_us": 1764000000000000,
                "closed_at_us": 1764000060120000, "open": 1500.0, "high": 1501.5, "low": 1499.0,
                "close": 1501.0, "volume": 1200, "oi_open": 0, "oi": 0, "ticks": 55,
                "late_ticks": 0, "flags": 0,
            },
        ],
        "at": {"0": _ID},
    },
    {
        "op": "gap",
        "gap": {
            "from_us": 1, "to_us": 2, "account": "SB0001", "socket": 0,
            "instrument_tokens": [408065], "cause": "silent", "packets_dropped": 0,
        },
    },
    {"op": "skipped", "ticks": 1200, "instruments": 81},
    {"op": "error", "code": "busy", "message": "too many snapshots are still on their way"},
)  # fmt: skip
