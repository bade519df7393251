"""What may be traded at all, said by the account's owner."""

from __future__ import annotations

import pytest

from executor.rules.risk import Risk
from executor.rules.scope import refuse_scope

RISK = Risk(products=("NRML", "CNC"), instruments=("NFO:NIFTY*", "NSE:INFY"))


@pytest.mark.parametrize(
    ("exchange", "symbol", "product", "code"),
    [
        ("NSE", "INFY", "CNC", None),
        ("NFO", "NIFTY26DECFUT", "NRML", None),
        ("NFO", "NIFTY26DECFUT", "MIS", "product_not_allowed"),
        ("NFO", "BANKNIFTY26DECFUT", "NRML", "instrument_not_allowed"),
        ("BSE", "INFY", "CNC", "instrument_not_allowed"),
        ("NSE", "INFYX", "CNC", "instrument_not_allowed"),
        ("NSE", "infy", "CNC", "instrument_not_allowed"),
    ],
)
def test_only_what_is_named_may_be_traded(exchange, symbol, product, code):
    reason = refuse_scope(exchange, symbol, product, RISK)
    assert (reason and reason.code) == code
    assert reason is None or (reason.measured in reason.sentence and reason.limit)


def test_nothing_named_allows_everything():
    assert refuse_scope("MCX", "GOLD26DECFUT", "MIS", Risk()) is None
