"""Write golden wire bytes: `python -m tests.golden.wire.build`; only ever adds files.

Once written, a file is what some consumer's disk may hold: it is never written again. A change that
makes an old one unreadable breaks the wire, and wants a new topic version instead.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shared.kite.codec.decode import decode_frame
from shared.wire import codec
from shared.wire.bars import BAR_DTYPE, BarFlag
from shared.wire.chains import OPENING_OI_DTYPE, Chain, ChainFigures, ChainSide, ChainSmile
from shared.wire.control import Control, Gap
from shared.wire.families import Basket, Exit
from shared.wire.order_fields import Leg
from shared.wire.orders import (
    BrokerUpdate,
    Cancel,
    Command,
    Modify,
    OrderEvent,
    Place,
    Postback,
    Reason,
    State,
)
from shared.wire.queries import CandlesOf, ChargedOrder, Charges, Reply
from shared.wire.segments import segment
from shared.wire.shards import ShardMap
from shared.wire.ticks import BATCH_HEADER_DTYPE, RAW_HEADER_DTYPE, TICK_DTYPE
from tests.support.tapes import block_of, tape_of

HERE = Path(__file__).parent
FRAMES = HERE.parent / "kite"
RECEIVED_AT_NS = 1_625_461_887_123_456_789
AT_US = 1_625_461_887_123_456

_SIDE = ChainSide(
    instrument_token=[10962690, None],
    bid=[101.5, None],
    ask=[101.6, None],
    last=[101.55, None],
    price=[101.55, None],
    implied_vol=[0.131204, None],
    delta=[0.51237, None],
    gamma=[0.000912345, None],
    theta_per_day=[-18.2501, None],
    vega_per_vol_point=[8.3412, None],
    rho_per_percent=[-0.00835, None],
    vanna=[0.0001234, None],
    vomma=[0.00123, None],
    charm=[-0.000321, None],
    status=[0, 31],
    flags=[0, 0],
    price_source=[1, 0],
    oi=[65_000, None],
    oi_change=[-130, None],
    volume=[1_300, None],
    at_ms=[AT_US // 1000, None],
)
_CHAIN = Chain(
    kind="snapshot",
    underlying="NIFTY",
    exchange="NFO",
    expiry="2026-11-24",
    sequence=41,
    fence=1_795_342_661,
    shard=3,
    at_us=AT_US,
    ticked_us=AT_US - 1,
    instruments_version=2026112200,
    parameters_id=1,
    lot_size=65,
    strikes=[24_000.0, 24_050.0],
    strikes_left_out=0,
    smile_vol=[0.131, 0.1305],
    calls=_SIDE,
    puts=_SIDE,
    figures=ChainFigures(
        underlying_price=24_005.5,
        forward=24_012.25,
        forward_source=1,
        forward_age_ms=12,
        time_to_expiry=0.005,
        rate=0.054,
        basis=6.75,
        carry=0.05623,
        atm_vol=0.1309,
        atm_strike=24_000.0,
        straddle=203.1,
        call_25_delta_vol=None,
        put_25_delta_vol=0.14,
        skew_25_delta=None,
        butterfly_25_delta=None,
        pcr_oi=1.0,
        pcr_volume=1.0,
        max_pain=24_000.0,
        call_oi=65_000.0,
        put_oi=65_000.0,
        call_volume=1_300.0,
        put_volume=1_300.0,
        call_gamma_exposure=342_000_000.25,
        put_gamma_exposure=342_000_000.25,
        net_gamma_exposure=0.0,
    ),
    smile=ChainSmile(
        kind="svi",
        parameters=[0.0001, 0.012, -0.4, 0.005, 0.03],
        points=21,
        rmse=0.0003,
        worst=0.0011,
        butterfly_min=0.31,
        low=-0.05,
        high=0.04,
    ),
)

_GTT = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "trigger_type": "single",
    "trigger_values": ["1400.5"],
    "last_price": "1500",
    "orders": [
        {"transaction_type": "SELL", "quantity": 2, "product": "CNC", "price": "1399.95"},
    ],
}
OTHER_COMMANDS: dict[str, dict[str, Any]] = {
    "gtt_place": _GTT,
    "gtt_modify": {"trigger_id": 123457, **_GTT},
    "gtt_delete": {"trigger_id": 123457},
    "convert": {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "position_type": "day",
        "quantity": 2,
        "old_product": "MIS",
        "new_product": "CNC",
    },
    "mf_place": {"tradingsymbol": "INF174K01LS2", "transaction_type": "BUY", "amount": "1000"},
    "mf_cancel": {"order_id": "b8f2b1c0-2b8e-4b0e-9c9e-0a8f8f0f6a11"},
    "sip_place": {
        "tradingsymbol": "INF174K01LS2",
        "amount": "1000",
        "instalments": -1,
        "frequency": "monthly",
        "instalment_day": 1,
    },
    "sip_modify": {"sip_id": "181635213661372", "status": "paused"},
    "sip_cancel": {"sip_id": "181635213661372"},
    "halt": {"by": "risk desk", "sentence": "too many fills"},
    "reduce": {"by": "risk desk", "scope": "strategy", "subject": "mean-reversion"},
    "resume": {"by": "risk desk"},
}
MESSAGES: dict[str, msgspec.Struct] = {
    "place.v1": Place(
        command_id="01JD3Z7Q-0001",
        strategy_id="example",
        valid_until_us=AT_US,
        exchange="NFO",
        tradingsymbol="NIFTY26NOV24000CE",
        transaction_type="BUY",
        quantity=65,
        product="NRML",
        order_type="LIMIT",
        price=Decimal("101.55"),
    ),
    "modify.v1": Modify(
        command_id="01JD3Z7Q-0002", target_command_id="01JD3Z7Q-0001", price=Decimal("101.60")
    ),
    "cancel.v1": Cancel(command_id="01JD3Z7Q-0003", order_id="2124449299340222464"),
    "place_in_pieces.v1": Place(
        command_id="01JD3Z7Q-0004",
        exchange="NFO",
        tradingsymbol="NIFTY26NOVFUT",
        transaction_type="BUY",
        quantity=5265,
        product="NRML",
        order_type="LIMIT",
        price=Decimal(24000),
        autoslice=True,
        on_partial="cancel_rest",
    ),
    "exit.v1": Exit(
        command_id="01JD3Z7Q-0005",
        exchange="NFO",
        tradingsymbol="NIFTY26NOVFUT",
        product="NRML",
        quantity=65,
    ),
    "basket.v1": Basket(
        command_id="01JD3Z7Q-0006",
        policy="sequential",
        legs=[
            Leg(
                exchange="NSE",
                tradingsymbol="INFY",
                transaction_type="BUY",
                quantity=1,
                product="CNC",
                order_type="MARKET",
                market_protection=2.5,
            )
        ],
    ),
    **{
        f"{kind}.v1": msgspec.convert(
            {"kind": kind, "command_id": f"01JD3Z7Q-{number:04d}", **fields}, Command, strict=False
        )
        for number, (kind, fields) in enumerate(OTHER_COMMANDS.items(), start=7)
    },
    "event.v1": OrderEvent(
        sequence=7,
        account="AB1234",
        command_id="01JD3Z7Q-0001",
        kind="place",
        event="refused",
        state=State.REFUSED,
        at_us=AT_US,
        reason=Reason(code="quantity_lot", sentence="quantity 64 is no multiple of 65", limit="65"),
    ),
    "update.v1": BrokerUpdate(
        source="socket", received_at_us=AT_US, row=msgspec.Raw(b'{"order_id":"1"}')
    ),
    "postback.v1": Postback(
        received_at_us=AT_US,
        body='{"order_id":"1","status":"COMPLETE"}',
        content_type="application/json",
    ),
    "gap.v1": Gap(
        from_us=AT_US,
        to_us=AT_US + 1,
        account="AB1234",
        socket=0,
        instrument_tokens=[256265],
        cause="disconnected",
    ),
    "control.v1": Control(kind="instruments_changed", version=2026112200, by="ingest", at_us=AT_US),
    "chain.v1": _CHAIN,
    "query.v1": CandlesOf(
        query_id="q-1",
        client="web-1",
        deadline_us=AT_US,
        instrument_token=256265,
        interval="5minute",
        begin="2021-07-05 09:15:00",
        end="2021-07-05 15:30:00",
        oi=True,
    ),
    "query_charges.v1": Charges(
        query_id="q-2",
        client="web-1",
        orders=(
            ChargedOrder(
                order_id="151220000000000",
                exchange="NSE",
                tradingsymbol="INFY",
                transaction_type="BUY",
                variety="regular",
                product="CNC",
                order_type="LIMIT",
                quantity=1,
                average_price=1573.7,
            ),
        ),
    ),
    "reply.v1": Reply(
        query_id="q-1",
        kind="candles",
        account="AB1234",
        ok=True,
        at_us=AT_US + 1,
        data=msgspec.Raw(b'{"candles":[]}'),
        as_of_us=AT_US,
        cached=True,
    ),
    "reply_refused.v1": Reply(
        query_id="q-2",
        kind="charges",
        account="AB1234",
        ok=False,
        at_us=AT_US,
        error=Reason(code="auth_required", sentence="the session is dead, log in"),
    ),
    "shard_map.v1": ShardMap(version=20261122, shards=2, underlyings={"NIFTY": 0, "BANKNIFTY": 1}),
}


def bodies() -> dict[str, bytes]:
    """Return every golden file's name with the bytes it has when first written."""
    frame = (FRAMES / "infy_full.bin").read_bytes()
    made = {f"{name}.json": codec.encode(message)[b"json"] for name, message in MESSAGES.items()}
    raw, batch = np.zeros(1, RAW_HEADER_DTYPE), np.zeros(1, BATCH_HEADER_DTYPE)
    raw["account"], raw["sequence"], raw["packets"], raw["socket"] = b"AB1234", 41, 2, 1
    raw["instruments_version"], raw["shard"], raw["epoch"] = 2026112200, 3, 1_625_461_887
    batch["sequence"], batch["records"], batch["fence"], batch["shard"] = 41, 2, 1_795_342_661, 3
    batch["layout_version"], batch["record_bytes"] = 1, TICK_DTYPE.itemsize
    bar = np.zeros(1, BAR_DTYPE)
    bar["start_ns"], bar["closed_at_ns"] = 1_625_461_887_000_000_000, RECEIVED_AT_NS
    bar["open"], bar["high"], bar["low"], bar["close"] = 1573.7, 1574.05, 1573.4, 1573.5
    bar["volume"], bar["oi_open"], bar["oi"] = 1_175_986, 10, 12
    bar["instrument_token"], bar["interval_s"], bar["ticks"] = 408065, 60, 17
    bar["late_ticks"], bar["flags"], bar["fence"] = 1, BarFlag.LATE, 1_795_342_661
    bar["instruments_version"], bar["underlying_token"], bar["shard"] = 2026112200, 408065, 3
    made["bar.v1.bin"] = bar.tobytes()
    opening = np.zeros(1, OPENING_OI_DTYPE)
    opening["instrument_token"], opening["oi"], opening["day"] = 10962690, 65_130, 18_814
    made["opening_oi.v1.bin"] = opening.tobytes()
    made["segments.v1.bin"] = segment(RECEIVED_AT_NS, frame) * 2
    made["tick.v1.bin"] = decode_frame(frame, RECEIVED_AT_NS).tobytes()
    made["raw_header.v1.bin"] = raw.tobytes()
    made["batch_header.v1.bin"] = batch.tobytes()
    made["tape.v1.bin"] = tape_of([block_of(segment(RECEIVED_AT_NS, frame) * 2)])
    return made


if __name__ == "__main__":
    for name, body in bodies().items():
        if not (HERE / name).exists():
            (HERE / name).write_bytes(body)
            print(json.dumps({"written": name, "bytes": len(body)}))  # noqa: T201
