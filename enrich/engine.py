"""Raw entries to enriched records, chains, bars; knows no time but the ticks', opens nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enrich.bars import BarOptions, Bars
from enrich.chain import ChainOptions, Chains
from enrich.chain_ladder import expiries
from enrich.chain_pricing import Market
from enrich.contracts import Contracts, contracts
from enrich.kernels import conflation, enrichment, layout
from enrich.kernels.state import LINEAGE
from enrich.last_records import LastRecords, chosen
from enrich.parameters import Parameters
from enrich.raw_header import is_repair, promised_packets
from enrich.terms import TermsInForce, parameters_row
from enrich.weighing import Weighing
from shared.kite.codec.decode import blank_ticks
from shared.kite.codec.packets import FRAME_PACKETS_MAX
from shared.kite.codec.tokens import TokenTable
from shared.wire.bars import BAR_DTYPE
from shared.wire.chains import Chain
from shared.wire.instruments import Kind
from shared.wire.ticks import RAW_HEADER_DTYPE

_RECORDS_AT_START = 4_096
_NO_BARS = np.zeros(0, BAR_DTYPE)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a raw entry came from, and for whom it is enriched."""

    entry_ms: int
    entry_sequence: int
    fence: int
    #: Which shard's stream it came from: its clock says when chains are due.
    shard: int = 0


@dataclass(frozen=True, slots=True)
class Derived:
    """What is made of ticks besides their records; None: not made."""

    chains: ChainOptions | None = None
    bars: BarOptions | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What one entry held besides good ticks."""

    unknown_packets: int
    unknown_instruments: int
    damaged_frames: int
    repeated_ticks: int
    #: Ticks that went out flagged and left no trace: what cannot be, what was older than known.
    impossible_ticks: int
    backwards_ticks: int
    #: Packets beyond the number that the header promised.
    undecoded_packets: int


@dataclass(frozen=True, slots=True)
class Newest:
    """Segments cut down to the newest packet per instrument, and what was left out of them."""

    segments: bytes
    left_out: int
    damaged_frames: int


@dataclass(slots=True)
class _Done:
    """Rows and packets of the entry at hand that are behind us."""

    rows: int = 0
    packets: int = 0


class Engine:
    """The tables of one set of instruments, with everything the ticks have said so far."""

    def __init__(
        self,
        published: np.ndarray,
        version: int,
        parameters: Parameters,
        derived: Derived | None = None,
    ) -> None:
        """`published`: instruments sorted by token, shape (n,), of INSTRUMENT_DTYPE."""
        self.version = version
        self.parameters = parameters
        self._contracts: Contracts = contracts(published)
        self._terms = TermsInForce(parameters, self._contracts)
        rows = np.arange(len(published), dtype=np.int32)
        table = TokenTable.build(self._contracts.tokens, rows)
        self._table = (table.keys, table.values)
        self._tables = (self._contracts.states, self._contracts.groups, self._contracts.strikes)
        self._parameters = parameters_row(parameters)
        #: The newest record of every instrument.
        self.last = LastRecords(self._contracts.tokens, published["shard"])
        self._counts = np.zeros(enrichment.COUNTS, dtype=np.int64)
        self._grow(_RECORDS_AT_START)
        self._weighing = Weighing(published, self._contracts.states["packets"])
        derived = derived or Derived()
        self._chains = self._new_chains(published, derived.chains)
        self._bars: Bars | None = None
        if derived.bars is not None and derived.bars.intervals_s:
            self._bars = Bars(published, version, derived.bars)

    def _new_chains(self, published: np.ndarray, options: ChainOptions | None) -> Chains | None:
        if options is None or not options.period_s:
            return None
        market = Market(self._contracts.tokens, self._tables, self.last.records, self._parameters)
        return Chains(
            expiries(published, self._contracts),
            market,
            options,
            version=self.version,
        )

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
        rows = self._enrich_terms(np.frombuffer(segments, dtype=np.uint8), row[0], lineage)
        records = self._records[:rows]
        if self._bars is not None:
            self._bars.fold(records, self._work[6][:rows], lineage.fence)
        counts = self._counts.tolist()
        if is_repair(header):
            self.last.mark_repaired(records)
        return records, Counts(
            unknown_packets=counts[enrichment.UNKNOWN_PACKETS],
            unknown_instruments=counts[enrichment.UNKNOWN_INSTRUMENTS],
            damaged_frames=counts[enrichment.DAMAGED_FRAMES],
            repeated_ticks=counts[enrichment.REPEATED_TICKS],
            impossible_ticks=counts[enrichment.IMPOSSIBLE_TICKS],
            backwards_ticks=counts[enrichment.BACKWARDS_TICKS],
            undecoded_packets=counts[enrichment.UNDECODED_PACKETS],
        )

    def _enrich_terms(self, entry: np.ndarray, row: np.void, lineage: Lineage) -> int:
        """Enrich an entry, each segment with the rates of its day; return its rows."""
        done, position = _Done(), 0
        while self._terms.are_dated:
            end, received_ns = self._terms.cut(entry, position)
            self._enrich_looks(entry[position:end], done, row, lineage)
            if end == len(entry):
                return done.rows
            self._terms.turn_to(received_ns)
            position = end
        self._enrich_looks(entry, done, row, lineage)
        return done.rows

    def _enrich_looks(self, entry: np.ndarray, done: _Done, row: np.void, lineage: Lineage) -> None:
        """Enrich whole segments, making chains where their time passes a look.

        Chains are made between the two segments where the time lies, wherever the entry was cut.
        """
        if self._chains is None:
            self._enrich_part(entry, done, row)
            return
        position = 0
        while True:
            end, received_ns = self._chains.cut(lineage.shard, entry, position)
            self._enrich_part(entry[position:end], done, row)
            if end == len(entry):
                return
            self._chains.advance(lineage.shard, received_ns, lineage.fence)
            position = end

    def _enrich_part(self, entry: np.ndarray, done: _Done, row: np.void) -> None:
        """Enrich whole segments into the records after those that are done."""
        records = self._records[done.rows :]
        unknown = int(self._counts[enrichment.UNKNOWN_PACKETS])
        enrichment.enrich_entry(
            entry,
            self._table,
            self._tables,
            self._parameters[0],
            row,
            (records, self.last.records, self._counts),
            (*self._work[:6], self._work[6][done.rows :], self._work[7]),
        )
        made = int(self._counts[enrichment.ROWS])
        if done.packets:
            records["raw_packet_index"][:made] += np.uint32(done.packets)
        done.rows += made
        done.packets += made + int(self._counts[enrichment.UNKNOWN_PACKETS]) - unknown

    def chains(self) -> list[Chain]:
        """Return the chains made since the last call, oldest first."""
        return [] if self._chains is None else self._chains.made()

    def bars(self) -> np.ndarray:
        """Return the bars closed since the last call, shape (n,), in the order of closing."""
        return _NO_BARS if self._bars is None else self._bars.closed()

    def begin(self, shard: int) -> None:
        """Begin a shard's chains, bars anew, as its new owner."""
        if self._chains is not None:
            self._chains.begin(shard)
        if self._bars is not None:
            self._bars.begin(shard)

    def unkept_opening(self, shard: int) -> np.ndarray | None:
        """Return the day's first open interest of a shard's options, None if nothing is new.

        Records of OPENING_OI_DTYPE, shape (n,): all of the shard, in place of what was kept.
        """
        return None if self._chains is None else self._chains.unkept_opening(shard)

    def weighed(self, shard: int) -> dict[str, int]:
        """Return packets by underlying of a shard since this was called for it last."""
        return self._weighing.take(shard)

    def restore_opening(self, shard: int, records: np.ndarray) -> None:
        """Count changes of open interest from where an owner before did, shape (n,)."""
        if self._chains is not None:
            self._chains.restore_opening(shard, records)

    def newest_only(self, segments: bytes) -> Newest:
        """Return segments with only the last packet of each instrument, in the order they came.

        Packets of unknown instruments are left out, too.
        """
        rows = len(self.last)
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
        if self._chains is not None:
            self._chains.warm_up()
        if self._bars is not None:
            self._bars.warm_up()

    def adopt(self, before: Engine) -> None:
        """Go on where an engine with other instruments stands: last values, chains, bars."""
        if self._bars is not None and before._bars is not None:
            self._bars.adopt(before._bars)
        self.restore(before.last.ticked())
        if self._chains is not None and before._chains is not None:
            here, there = self._contracts.tokens, before._contracts.tokens
            place = np.minimum(np.searchsorted(there, here), max(0, len(there) - 1))
            kept = np.where(there[place] == here, place, -1) if len(there) else place - 1
            self._chains.adopt(before._chains, kept)

    def restore(self, records: np.ndarray, *, references_since_ns: int = 0) -> None:
        """Take over what another owner of a shard published last, shape (n,).

        Of an instrument that has ticked here since, the newer of the two is kept. What prices
        options (an index, a future, a share) is taken over only if it was received at
        `references_since_ns` or later: until it ticks, its options carry a status, no old Greeks.
        """
        if not len(records):
            return
        if self._bars is not None:
            self._bars.restore(records)
        enrichment.restore(
            chosen(
                records,
                self._are_options(records) | (records["received_at_ns"] >= references_since_ns),
            ),
            self._table,
            self._contracts.states,
            self.last.records,
            self._parameters[0],
        )

    def _are_options(self, records: np.ndarray) -> np.ndarray:
        tokens = self._contracts.tokens
        rows = np.minimum(np.searchsorted(tokens, records["instrument_token"]), len(tokens) - 1)
        options: np.ndarray = self._contracts.states["kind"][rows] >= Kind.CALL
        return options
