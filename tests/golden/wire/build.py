"""Write golden wire bytes: `python -m tests.golden.wire.build`; only ever adds files.

Once written, a file is what some consumer's disk may hold: it is never written again. A change that
makes an old one unreadable breaks the wire, and wants a new topic version instead.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np

from shared.kite.codec.decode import decode_frame
from shared.wire import codec
from shared.wire.control import Control, Gap
from shared.wire.orders import BrokerUpdate, Cancel, Modify, OrderEvent, Place, Reason, State
from shared.wire.segments import segment
from shared.wire.shards import ShardMap
from shared.wire.ticks import BATCH_HEADER_DTYPE, RAW_HEADER_DTYPE, TICK_DTYPE
from tests.support.tapes import block_of, tape_of

HERE = Path(__file__).parent
FRAMES = HERE.parent / "kite"
RECEIVED_AT_NS = 1_625_461_887_123_456_789
AT_US = 1_625_461_887_123_456

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
    "gap.v1": Gap(
        from_us=AT_US,
        to_us=AT_US + 1,
        account="AB1234",
        socket=0,
        instrument_tokens=[256265],
        cause="disconnected",
    ),
    "control.v1": Control(kind="instruments_changed", version=2026112200, by="ingest", at_us=AT_US),
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
