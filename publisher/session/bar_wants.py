"""Bars that one connection wants."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from publisher.fanout.bar_board import Records, messages
from publisher.fanout.bar_history import PastBars
from publisher.fanout.latest import Tokens
from publisher.protocol.messages import Bars, Refusal
from publisher.protocol.requests import BarNames
from publisher.session.seat import Seat

#: Pairs of an instrument and an interval: what closes together has to fit the queue.
BARS_PER_CONNECTION_MAX = 1000
#: Bars told again to one who comes back: they have to fit the queue as well.
BARS_REPLAYED_MAX = 2000


class BarWants:
    """Wants instruments' bars by interval; the newest of each comes first."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._board = seat.desk.bars
        self._wanted: dict[int, Tokens] = {}

    @property
    def wanted(self) -> dict[str, int]:
        """Return how many instruments' bars are wanted, by interval in seconds."""
        return {str(interval): len(self._wanted[interval]) for interval in sorted(self._wanted)}

    def subscribe(self, names: BarNames, refused: list[Refusal]) -> None:
        """Want what is named, each interval whole or not at all."""
        if not self._seat.may_read_ticks("bars", refused):
            return
        tokens = self._named(names, refused)
        for interval in names.intervals_s:
            before = self._wanted.get(interval, np.empty(0, np.uint32))
            new = np.setdiff1d(tokens, before)
            if len(new) + sum(map(len, self._wanted.values())) > BARS_PER_CONNECTION_MAX:
                refused.append(Refusal(f"bars:{interval}", "over_quota"))
            elif len(new):
                self._wanted[interval] = np.concatenate([before, new])
                self._board.want(self._seat.subscriber, interval, new)

    @property
    def at(self) -> dict[str, str]:
        """Return how far every shard's bars have come; empty while none are wanted."""
        return self._board.history.at if self._wanted else {}

    def missed(self, names: BarNames, at: Mapping[str, str]) -> list[Bars] | None:
        """Return what is named and was told since these places; None where that is not known.

        Nor where it is more than may be told again.
        """
        pasts = self._board.history.since(at, sorted(set(names.intervals_s)))
        if pasts is None:
            return None
        tokens = self._named(names, [])
        ours: list[PastBars] = []
        for past in pasts:
            held = np.intersect1d(tokens, self._wanted.get(past.interval_s, ()))
            bars = past.bars[np.isin(past.bars["instrument_token"], held)]
            if len(bars):
                ours.append(past._replace(bars=bars))
        if sum(len(past.bars) for past in ours) > BARS_REPLAYED_MAX:
            return None
        told: list[Bars] = []
        for past, following in itertools.zip_longest(ours, ours[1:]):
            told += self._messages(past.interval_s, past.bars, is_snapshot=False)
            if following is None or following.source != past.source:
                told[-1] = _placed(told[-1], {past.source.shard: past.source.entry_id})
        return told

    def newest(self, names: BarNames) -> list[Bars]:
        """Return the newest closed bar of all named and wanted; the last says up to where."""
        tokens, told = self._named(names, []), list[Bars]()
        for interval in names.intervals_s:
            held = np.intersect1d(tokens, self._wanted.get(interval, ()))
            newest = self._board.newest(interval, held.astype(np.uint32))
            told += self._messages(interval, newest, is_snapshot=True)
        if told:
            told[-1] = _placed(told[-1], self.at)
        return told

    def unsubscribe(self, names: BarNames, refused: list[Refusal]) -> None:
        """Want what is named no longer."""
        tokens = self._named(names, refused)
        for interval in names.intervals_s:
            held = self._wanted.pop(interval, np.empty(0, np.uint32))
            gone = np.intersect1d(held, tokens)
            if not len(gone):
                refused.append(Refusal(f"bars:{interval}", "not_subscribed"))
            left = np.setdiff1d(held, gone)
            if len(left):
                self._wanted[interval] = left
            if len(gone):
                self._board.unwant(self._seat.subscriber, interval, gone)

    def leave(self) -> None:
        """Want nothing any more."""
        for interval, tokens in self._wanted.items():
            self._board.unwant(self._seat.subscriber, interval, tokens)
        self._wanted.clear()

    def _named(self, names: BarNames, refused: list[Refusal]) -> Tokens:
        """Return the distinct tokens named; the unknown is refused."""
        universe, found = self._seat.desk.universe, list[Tokens]()
        singles: Tokens = np.array(names.tokens, np.uint32)
        known = universe.knows(singles)
        refused += [Refusal(str(t), "unknown_instrument") for t in singles[~known].tolist()]
        found.append(singles[known])
        for symbol in names.symbols:
            token = universe.token_of(symbol)
            if token is None:
                refused.append(Refusal(symbol, "unknown_instrument"))
            else:
                found.append(np.array([token], np.uint32))
        for underlying in names.underlyings:
            members = universe.members_of(underlying)
            if members is None:
                refused.append(Refusal(underlying, "unknown_underlying"))
            else:
                found.append(members)
        return np.unique(np.concatenate(found))

    def _messages(self, interval_s: int, bars: Records, *, is_snapshot: bool) -> Iterator[Bars]:
        symbols = self._seat.desk.universe.symbols_of(bars["instrument_token"])
        return messages(interval_s, bars, symbols, is_snapshot=is_snapshot)


def _placed(message: Bars, at: dict[str, str]) -> Bars:
    return msgspec.structs.replace(message, at=at)
