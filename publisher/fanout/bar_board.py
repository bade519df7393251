"""Bars as they are closed: who wants which, the newest of each, in columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.bar_history import INTERVALS_MAX, BarHistory
from publisher.fanout.flow import Source
from publisher.fanout.latest import Tokens, cells_of, pick
from publisher.protocol.messages import Bar, Bars
from shared.wire.bars import BAR_DTYPE

#: Bars of one message.
BARS_PER_MESSAGE_MAX = 128
_NS_PER_US = 1000

Records = NDArray[np.void]


class BarBoard:
    """Holds the newest bar per instrument and interval, those of the last while, who wants what."""

    def __init__(self) -> None:
        self.history = BarHistory()
        self._newest: dict[int, _Newest] = {}
        #: By interval and instrument, who wants its bars.
        self._wanted: defaultdict[int, defaultdict[int, set[int]]] = defaultdict(
            lambda: defaultdict(set)
        )

    def want(self, subscriber: int, interval_s: int, tokens: Tokens) -> None:
        """Give a subscriber these bars from now on."""
        by_token = self._wanted[interval_s]
        for token in tokens.tolist():
            by_token[token].add(subscriber)

    def unwant(self, subscriber: int, interval_s: int, tokens: Tokens) -> None:
        """Give a subscriber these bars no longer."""
        by_token = self._wanted[interval_s]
        for token in tokens.tolist():
            by_token[token].discard(subscriber)
            if not by_token[token]:
                del by_token[token]
        if not by_token:
            del self._wanted[interval_s]

    def newest(self, interval_s: int, tokens: Tokens) -> Records:
        """Return the newest bar of each of these instruments that has one, by token."""
        held = self._newest.get(interval_s)
        return np.empty(0, BAR_DTYPE) if held is None else held.of(tokens)

    def take(
        self, source: Source, bars: Records
    ) -> Iterator[tuple[int, dict[tuple[int, ...], Records]]]:
        """Take closed bars of BAR_DTYPE; give by interval what whoever wants some is told.

        Those who are told the same stand together.
        """
        for _, interval_s, ours in self.history.append(source, bars):
            self._hold(interval_s, ours)
            told = self._told(interval_s, ours["instrument_token"])
            if told:
                yield interval_s, {who: pick(ours, np.array(rows)) for rows, who in told.items()}

    def _told(self, interval_s: int, tokens: Tokens) -> dict[tuple[int, ...], tuple[int, ...]]:
        """Return who is told, by rows: subscribers that are told the same share them."""
        by_token = self._wanted.get(interval_s)
        if not by_token:
            return {}
        rows: defaultdict[int, list[int]] = defaultdict(list)
        for row, token in enumerate(tokens.tolist()):
            for subscriber in by_token.get(token, ()):
                rows[subscriber].append(row)
        together: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for subscriber, its_rows in rows.items():
            together[tuple(its_rows)].append(subscriber)
        return {its_rows: tuple(sorted(who)) for its_rows, who in together.items()}

    def _hold(self, interval_s: int, bars: Records) -> None:
        held = self._newest.get(interval_s)
        if held is None:
            if len(self._newest) >= INTERVALS_MAX:
                return
            held = self._newest[interval_s] = _Newest()
        held.take(bars)


class _Newest:
    """The newest bar of every instrument of one interval, by token."""

    def __init__(self) -> None:
        self._tokens: Tokens = np.empty(0, np.uint32)
        self._bars: Records = np.empty(0, BAR_DTYPE)

    def of(self, tokens: Tokens) -> Records:
        return pick(self._bars, np.isin(self._tokens, tokens))

    def take(self, bars: Records) -> None:
        tokens = np.ascontiguousarray(bars["instrument_token"])
        places = np.searchsorted(self._tokens, tokens)
        places[places == len(self._tokens)] = 0
        if not len(self._tokens) or not (self._tokens[places] == tokens).all():
            self._make_room(np.unique(tokens))
            places = np.searchsorted(self._tokens, tokens)
        # Of repeated places numpy keeps the last one assigned.
        cells_of(self._bars)[places] = cells_of(bars)

    def _make_room(self, tokens: Tokens) -> None:
        everyone = np.union1d(self._tokens, tokens)
        bars = np.zeros(len(everyone), BAR_DTYPE)
        cells_of(bars)[np.searchsorted(everyone, self._tokens)] = cells_of(self._bars)
        self._tokens, self._bars = everyone, bars


def messages(
    interval_s: int, bars: Records, symbols: list[str], *, is_snapshot: bool
) -> Iterator[Bars]:
    """Return what is told of these bars, so many in a message."""
    for begin in range(0, len(bars), BARS_PER_MESSAGE_MAX):
        part = slice(begin, begin + BARS_PER_MESSAGE_MAX)
        rows = [_bar(row, symbol) for row, symbol in zip(bars[part], symbols[part], strict=True)]
        yield Bars(interval_s=interval_s, snapshot=is_snapshot, bars=rows)


def _bar(row: np.void, symbol: str) -> Bar:
    return Bar(
        instrument_token=int(row["instrument_token"]),
        tradingsymbol=symbol,
        start_us=int(row["start_ns"]) // _NS_PER_US,
        closed_at_us=int(row["closed_at_ns"]) // _NS_PER_US,
        open=float(row["open"]),
        high=float(row["high"]),
        low=float(row["low"]),
        close=float(row["close"]),
        volume=int(row["volume"]),
        oi_open=int(row["oi_open"]),
        oi=int(row["oi"]),
        ticks=int(row["ticks"]),
        late_ticks=int(row["late_ticks"]),
        flags=int(row["flags"]),
    )
