"""Underlyings come first in a frame."""

from deploy.sandbox.frame_plan import plan_frames
from deploy.sandbox.market import Market, MarketTerms

LISTING = Market(MarketTerms(seed=1, strikes_each_side=1, step_s=0.25), 1_795_000_000).listing


def test_plan_puts_indices_then_futures_then_options_whatever_was_asked_first() -> None:
    option = LISTING.contracts[-1].token
    future = LISTING.contracts[LISTING.row_of_key["NFO:NIFTY26DECFUT"]].token
    runs = plan_frames(LISTING, {option: "full", future: "ltp", 256265: "quote"})
    assert [(run.mode, run.index) for run in runs] == [
        ("quote", True),
        ("ltp", False),
        ("full", False),
    ]
    assert [LISTING.token[run.rows].tolist() for run in runs] == [[256265], [future], [option]]


def test_plan_leaves_out_what_is_not_listed() -> None:
    assert plan_frames(LISTING, {12345: "full"}) == ()
