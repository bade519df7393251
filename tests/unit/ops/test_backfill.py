"""What `tickflow backfill` starts, with what it may know."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from msgspec.structs import replace

from shared.clock import ManualClock
from shared.errors import SettingsError
from shared.ops.backfill import _follow, _report, arguments, environment
from shared.ops.printing import Printer
from shared.ops.session import Session
from shared.ops.settings import load_settings

TYPED = {
    "names": ("NSE:INFY",), "underlying": "NIFTY", "expiry": datetime(2026, 12, 1),
    "strike_from": 25_500.0, "strike_to": None, "interval": "day", "first": datetime(2026, 11, 2),
    "last": None, "continuous": True, "greeks": False,
}  # fmt: skip
ENVIRON = {
    "PATH": "/bin",
    "TICKFLOW_REDIS__ORDERS_URL": "redis://orders",
    "TICKFLOW_POSTGRES__URL": "postgresql://db",
    "TICKFLOW_ENRICH__PRICING__RATE": "0.06",
    "TICKFLOW_ACCOUNT__ACCESS_TOKEN": "secret",
}


def test_what_was_typed_is_handed_on_and_today_is_the_last_day_where_none_is_named():
    words = arguments("AB1234", TYPED, today="2026-11-27")
    text = " ".join(words)
    assert "--account AB1234 --interval day --from 2026-11-02 --to 2026-11-27" in text
    assert "--underlying NIFTY --expiry 2026-12-01 --strike-from 25500.0" in text
    assert "--strike-to" not in text
    assert words[-2:] == ["--", "NSE:INFY"]
    assert {"--continuous", "--no-greeks", "--exit-with-parent"} <= set(words)


def test_child_is_given_the_stores_and_the_prices_parameters_never_the_accounts_token(tmp_path):
    environ = ENVIRON | {"TICKFLOW_LOCAL__STATE_DIR": str(tmp_path)}
    settings = load_settings(environ)
    given = environment(environ, settings)
    named = {name: value for name, value in given.items() if name.startswith("TICKFLOW_")}
    assert named == {
        "TICKFLOW_REDIS__ORDERS_URL": "redis://orders",
        "TICKFLOW_REDIS__TICKS_URL": "redis://orders",
        "TICKFLOW_POSTGRES__URL": "postgresql://db",
        "TICKFLOW_ENRICH__PRICING__RATE": "0.06",
    }
    nowhere = replace(settings, postgres=type(settings.postgres)())
    with pytest.raises(SettingsError, match="no PostgreSQL"):
        environment(environ, nowhere)


def test_progress_is_followed_and_failures_are_named_at_the_end(capsys):
    told = {"now": "pricing", "total": 4, "done": 4, "requests": 4, "candles": 1234, "priced": 2, "solved": 1,
            "failures": {"INFY": "broker_rejected: no"}, "ended": True}  # fmt: skip
    session = Session(clock=ManualClock(0), printer=Printer())
    last = _follow(session, [json.dumps(told | {"ended": False}), json.dumps(told)])
    _report(session, last)
    shown = capsys.readouterr()
    assert "1,234 candles in 4 requests, 2 priced, 1 with a volatility" in shown.out
    assert shown.err.count("pricing (the first time") == 1
    assert "INFY: broker_rejected: no" in shown.err
