"""Raw entries to enriched records; knows no time but the one in the ticks, opens nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enrich.contracts import Contracts, contracts
from enrich.kernels import conflation, enrichment, layout
from enrich.kernels.state import LINEAGE, PARAMETERS
from enrich.parameters import Parameters
from shared.errors import MessageError
from shared.kite.codec.decode import blank_ticks
from shared.kite.codec.packets import FRAME_PACKETS_MAX
from shared.kite.codec.tokens import TokenTable
from shared.wire.ticks import RAW_HEADER_DTYPE, SOCKET_REPAIR, TickFlag

#: Packets one raw entry may hold: a header that promises more is damaged.
PACKETS_PER_ENTRY_MAX = 250_000
_RECORDS_AT_START = 4_096


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a raw entry came from, and for whom it is enriched."""

    entry_ms: int
    entry_sequence: int
    fence: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What one entry held besides good ticks."""

    unknown_packets: int
    unknown_instruments: int
    damaged_frames: int
    repeated_ticks: int
    #: Packets beyond the number that the header promised.
    undecoded_packets: int


@dataclass(frozen=True, slots=True)
class Newest:
    """Segments cut down to the newest packet per instrument, and what was left out of them."""

    segments: bytes
    left_out: int
    damaged_frames: int


class Engine:
    """The tables of one set of instruments, with everything the ticks have said so far."""

    def __init__(self, published: np.ndarray, version: int, parameters: Parameters) -> None:
        self.version = version
        self.parameters = parameters
        self._contracts: Contracts = contracts(
            published, rate=parameters.rate, dividend_yield=parameters.dividend_yield
        )
        rows = np.arange(len(published), dtype=np.int32)
        table = TokenTable.build(self._contracts.tokens, rows)
        self._table = (table.keys, table.values)
        self._tables = (self._contracts.states, self._contracts.groups, self._contracts.strikes)
        self._parameters = _parameters_row(parameters)
        self._last = blank_ticks(len(published))
        self._shards = np.ascontiguousarray(published["shard"])
        self._refreshed_ns = np.zeros(len(published), dtype=np.uint64)
        self._counts = np.zeros(enrichment.COUNTS, dtype=np.int64)
        self._grow(_RECORDS_AT_START)

    def _grow(self, capacity: int) -> None:
        """Make room for `capacity` records; a packet of any kind needs ten bytes of its frame."""
        self._records = blank_ticks(capacity)
        self._work = (
            np.zeros(FRAME_PACKETS_MAX, np.int64),
            np.zeros(FRAME_PACKETS_MAX, np.uint16),
            np.zeros(FRAME_PACKETS_MAX, np.uint32),
            layout.new_scratch(),
            np.zeros(layout.BLOCK_ROWS, np.int64),
            np.zeros(layout.BLOCK_ROWS, np.uint8),
            np.zeros(capacity, np.int64),
            np.zeros((2, 5)),
        )

    def enrich(self, header: bytes, segments: bytes, lineage: Lineage) -> tuple[np.ndarray, Counts]:
        """Return the records of one raw entry, shape (n,), valid until the next call.

        Raises:
            MessageError: the header is not a raw header, or promises too many packets.
        """
        packets = promised_packets(header)
        if packets > len(self._records):
            self._grow(packets)
        row = np.zeros(1, dtype=LINEAGE)
        row["raw_entry_ms"], row["raw_entry_sequence"] = lineage.entry_ms, lineage.entry_sequence
        row["fence"], row["instruments_version"] = lineage.fence, self.version
        row["parameters_id"] = self.parameters.id
        self._counts[: enrichment.TICKS_SEEN] = 0
        enrichment.enrich_entry(
            np.frombuffer(segments, dtype=np.uint8),
            self._table,
            self._tables,
            self._parameters[0],
            row[0],
            (self._records, self._last, self._counts),
            self._work,
        )
        counts = self._counts.tolist()
        records = self._records[: counts[enrichment.ROWS]]
        if is_repair(header):
            self._mark_repaired(records)
        return records, Counts(
            unknown_packets=counts[enrichment.UNKNOWN_PACKETS],
            unknown_instruments=counts[enrichment.UNKNOWN_INSTRUMENTS],
            damaged_frames=counts[enrichment.DAMAGED_FRAMES],
            repeated_ticks=counts[enrichment.REPEATED_TICKS],
            undecoded_packets=counts[enrichment.UNDECODED_PACKETS],
        )

    def _mark_repaired(self, records: np.ndarray) -> None:
        """Say of records, as of the last state they became, that no socket brought them."""
        records["tick_flags"] |= np.uint8(TickFlag.REPAIR)
        rows = np.searchsorted(self._contracts.tokens, records["instrument_token"])
        rows[rows == len(self._last)] = 0
        last_tokens = self._last["instrument_token"][rows]
        known = rows[last_tokens == records["instrument_token"]]
        self._last["tick_flags"][known] |= np.uint8(TickFlag.REPAIR)

    def newest_only(self, segments: bytes) -> Newest:
        """Return segments with only the last packet of each instrument, in the order they came.

        Packets of unknown instruments are left out, too.
        """
        rows = len(self._shards)
        newest, headers = np.full(rows, -1, np.int64), np.full(rows, -1, np.int64)
        view = np.frombuffer(segments, dtype=np.uint8)
        seen, damaged = conflation.mark_newest(view, self._table, self._work[:3], newest, headers)
        marked = np.flatnonzero(newest >= 0)
        order = marked[np.argsort(newest[marked], kind="stable")]
        out = np.empty(len(view) + 16 * len(order), dtype=np.uint8)
        size = conflation.copy_newest(view, newest, headers, order, out)
        return Newest(out[:size].tobytes(), seen - len(order), damaged)

    def warm_up(self) -> None:
        """Compile, or load, everything that a tick needs."""
        self.enrich(np.zeros(1, RAW_HEADER_DTYPE).tobytes(), b"", Lineage(0, 0, 0))
        self.newest_only(b"")
        self.restore(blank_ticks(1))

    def refreshed(self, shard: int) -> np.ndarray:
        """Return the newest records of a shard that this method has not returned before."""
        stamps = self._last["received_at_ns"]
        due = np.flatnonzero((stamps != self._refreshed_ns) & (self._shards == shard))
        self._refreshed_ns[due] = stamps[due]
        newest: np.ndarray = self._last[due]
        return newest

    def forget_refreshed(self) -> None:
        """Let `refreshed` return everything again, as what it returned may not have been kept."""
        self._refreshed_ns[:] = 0

    def newest(self) -> np.ndarray:
        """Return the newest record of every instrument that has ticked, for `restore`."""
        ticked: np.ndarray = self._last[self._last["received_at_ns"] > 0]
        return ticked

    def restore(self, records: np.ndarray) -> None:
        """Take over what another owner of a shard published last, shape (n,).

        Of an instrument that has ticked here since, the newer of the two is kept.
        """
        if len(records):
            enrichment.restore(
                records.copy(),
                self._table,
                self._contracts.states,
                self._last,
                self._parameters[0],
            )


def promised_packets(header: bytes) -> int:
    """Return how many packets a raw header promises.

    Raises:
        MessageError: it is no raw header, or promises too many.
    """
    if len(header) != RAW_HEADER_DTYPE.itemsize:
        raise MessageError(f"raw header is {len(header)} bytes, not {RAW_HEADER_DTYPE.itemsize}")
    packets = int(np.frombuffer(header, dtype=RAW_HEADER_DTYPE)["packets"][0])
    if packets > PACKETS_PER_ENTRY_MAX:
        raise MessageError(f"raw header: packets {packets} is over {PACKETS_PER_ENTRY_MAX}")
    return packets


def is_repair(header: bytes) -> bool:
    """Say whether a raw header is that of packets made of quotes."""
    whole = len(header) == RAW_HEADER_DTYPE.itemsize
    return (
        whole and int(np.frombuffer(header, dtype=RAW_HEADER_DTYPE)["socket"][0]) == SOCKET_REPAIR
    )


def _parameters_row(parameters: Parameters) -> np.ndarray:
    row = np.zeros(1, dtype=PARAMETERS)
    row["prefer_mid"] = parameters.price_input == "mid"
    row["parity_age_max_ns"] = round(parameters.parity_age_max_s * 1e9)
    row["parity_refresh_ns"] = round(parameters.parity_refresh_s * 1e9)
    row["underlying_age_max_ns"] = round(parameters.underlying_age_max_s * 1e9)
    row["last_trade_age_max_s"] = round(parameters.last_trade_age_max_s)
    row["expiry_window_ns"] = round(parameters.expiry_window_s * 1e9)
    row["spread_floor"] = parameters.spread_floor_rupees
    row["spread_ratio_max"] = parameters.spread_ratio_max
    row["parity_spread_ratio_max"] = parameters.parity_spread_ratio_max
    return row
