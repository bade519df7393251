"""The listing, with the dump made from it."""

import csv
import io
from datetime import datetime

import pytest

from deploy.sandbox.contracts import Kind, Listing, TokenRegistry, list_contracts
from deploy.sandbox.dump import HEADER, instruments_csv
from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.underlyings import ASSETS

NOW_S = int(datetime(2026, 11, 25, 10, tzinfo=IST).timestamp())
CENTRES = [asset.spot for asset in ASSETS]


def listing(now_s: int = NOW_S, registry: TokenRegistry | None = None) -> Listing:
    return list_contracts(ASSETS, CENTRES, 2, now_s, registry or TokenRegistry())


def test_listing_lays_indices_before_equities_before_futures_before_options() -> None:
    kinds = [min(contract.kind, Kind.CALL) for contract in listing().contracts]
    assert kinds == sorted(kinds)
    assert set(kinds) == {Kind.INDEX, Kind.EQUITY, Kind.FUTURE, Kind.CALL}


@pytest.mark.slow
def test_listing_knows_the_well_known_tokens() -> None:
    rows = listing().row_of_key
    tokens = {key: listing().contracts[row].token for key, row in rows.items()}
    assert tokens["NSE:NIFTY 50"] == 256265
    assert tokens["NSE:NIFTY BANK"] == 260105
    assert tokens["BSE:SENSEX"] == 265
    assert tokens["NSE:INDIA VIX"] == 264969
    assert tokens["NSE:INFY"] == 408065


def test_listing_gives_every_contract_its_own_token_with_the_segment_in_it() -> None:
    contracts = listing().contracts
    assert len({contract.token for contract in contracts}) == len(contracts)
    segments = {"NFO": 2, "BFO": 5}
    for contract in contracts:
        assert contract.token // 256 == contract.exchange_token
        if contract.exchange in segments:
            assert contract.token % 256 == segments[contract.exchange]


def test_listing_names_weeklies_and_monthlies_as_the_exchange_does() -> None:
    symbols = set(listing().row_of_key)
    assert {"NFO:NIFTY26D0124650CE", "NFO:NIFTY26DEC24650PE", "NFO:NIFTY26DECFUT"} <= symbols
    assert {
        "NFO:BANKNIFTY26DEC55300CE",
        "BFO:SENSEX26NOV80900PE",
        "BFO:SENSEX26D0380900CE",
    } <= symbols
    assert not any(key.startswith("NFO:NIFTY26D29") for key in symbols)


def test_listing_after_an_expiry_keeps_tokens_and_lists_the_next() -> None:
    registry = TokenRegistry()
    before = listing(registry=registry)
    after = listing(NOW_S + 7 * 86_400, registry)
    kept = set(before.row_of_key) & set(after.row_of_key)
    assert kept
    assert set(after.row_of_key) - kept
    for key in kept:
        assert (
            before.contracts[before.row_of_key[key]].token
            == after.contracts[after.row_of_key[key]].token
        )


def test_dump_has_exactly_the_columns_of_the_broker() -> None:
    found = listing()
    rows = list(
        csv.DictReader(io.StringIO(instruments_csv(found.contracts, found.groups).decode()))
    )
    assert ",".join(rows[0]) == HEADER
    assert len(rows) == len(found.contracts)
    index, option = rows[0], rows[-1]
    assert (index["segment"], index["instrument_type"], index["lot_size"], index["expiry"]) == (
        "INDICES",
        "EQ",
        "0",
        "",
    )
    assert option["name"] == "SENSEX"
    assert option["segment"] == "BFO-OPT"
    assert option["tick_size"] == "0.05"
    assert option["strike"].endswith(".0")
