"""Chains as a stream of messages: which are due, in which order."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from enrich.chain_ladder import Expiry
from enrich.chain_message import Sent, Tolerance, When
from enrich.chain_moments import Moments
from enrich.chain_opening import Opening
from enrich.chain_pricing import Market, Priced, Pricing
from enrich.kernels.chain_points import BACKWARDS_MAX_NS
from shared.wire.chains import Chain

_DAY_NS = 86_400_000_000_000
_IST_NS = 19_800_000_000_000
#: After its expiry moment an expiry is told of once more, then left alone.
_AFTER_EXPIRY_NS = 5_000_000_000


class ChainOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How often chains are made and how much of them is sent."""

    period_s: Annotated[
        float, Meta(ge=0, le=3600, description="tick time between two of one expiry; 0: no chains")
    ] = 1.0
    snapshot_every: Annotated[
        int, Meta(ge=1, le=10_000, description="every so many messages all strikes, else changes")
    ] = 30
    per_look_max: Annotated[
        int, Meta(ge=1, le=1024, description="chains priced at once, between two ticks")
    ] = 1
    smile_age_max_s: Annotated[
        float, Meta(gt=0, le=86_400, description="older quotes are not in the smile")
    ] = 60.0
    vol_tolerance: Annotated[
        float, Meta(ge=0, le=1, description="a volatility that moved by no more is no change")
    ] = 0.0005
    delta_tolerance: Annotated[
        float, Meta(ge=0, le=1, description="a delta that moved by no more is no change")
    ] = 0.002


class Chains:
    """The chains of one set of instruments; knows no time but the receive times of segments."""

    def __init__(
        self,
        expiries: list[Expiry],
        market: Market,
        options: ChainOptions,
        *,
        version: int,
    ) -> None:
        self._options = options
        self._version = version
        self._opening = Opening(expiries, market.tokens)
        self._pricing = Pricing(
            market, self._opening.first_oi, smile_age_max_ns=round(options.smile_age_max_s * 1e9)
        )
        self._moments = Moments([each.shard for each in expiries], round(options.period_s * 1e9))
        self._expiries = expiries
        self._groups = market.tables[1]
        self._expires_ns = np.array([self._groups["expiry_ns"][e.group] for e in expiries])
        self._sent = [Sent() for _ in expiries]
        self._made: list[Chain] = []
        self._tolerance = Tolerance(
            options.vol_tolerance, options.delta_tolerance, options.snapshot_every
        )

    def cut(self, shard: int, segments: np.ndarray, position: int) -> tuple[int, int]:
        """Return where the segments of the shard's present look end, with the time of the next.

        `segments`: uint8, end to end. Where all belong to it: their size, 0.
        """
        return self._moments.cut(shard, segments, position)

    def advance(self, shard: int, received_ns: int, fence: int) -> None:
        """Make what is due in a shard before a segment of this time is taken."""
        at_ns, due = self._moments.advance(shard, received_ns)
        left = self._options.per_look_max
        for place in due:
            if left == 0:
                return
            self._moments.done(place, at_ns)
            if self._make(place, at_ns, fence):
                left -= 1

    def made(self) -> list[Chain]:
        """Return the messages made since the last call, oldest first."""
        made, self._made = self._made, []
        return made

    def begin(self, shard: int) -> None:
        """Begin a shard anew, as a new owner: clock, sequences, snapshots."""
        self._moments.begin(shard)
        for place in self._moments.places(shard):
            self._sent[place] = Sent()

    def adopt(self, before: Chains, kept: np.ndarray) -> None:
        """Go on from another set of instruments, shape (n,): the row there of each row here, or -1.

        Sequences and the day's first open interest stay; each chain's next message is a snapshot.
        """
        known = {each.key: place for place, each in enumerate(before._expiries)}
        places = [known.get(each.key, -1) for each in self._expiries]
        self._opening.adopt(before._opening, kept, places)  # of the same class
        self._moments.adopt(before._moments, places)
        for place, earlier in enumerate(places):
            if earlier >= 0:
                self._sent[place] = before._sent[earlier]
                self._sent[place].priced = None

    def unkept_opening(self, shard: int) -> np.ndarray | None:
        """Return the day's first open interest of a shard's options, None if nothing is new."""
        return self._opening.unkept(shard)

    def restore_opening(self, shard: int, records: np.ndarray) -> None:
        """Count changes of open interest from where an owner before did, shape (n,)."""
        self._opening.restore(shard, records)

    def warm_up(self) -> None:
        """Compile, or load, everything that a chain needs; for an engine that is thrown away."""
        self._pricing.warm_up()
        for place in range(len(self._expiries)):
            self._pricing.newest_ns(self._expiries[place])
            for at_ns in (1, 2):
                self._tell(
                    place, self._pricing.price(self._expiries[place], at_ns, at_ns), at_ns, 0
                )
        self.made()

    def _make(self, place: int, at_ns: int, fence: int) -> bool:
        """Price one expiry if there is something new; return whether there was."""
        expiry, sent = self._expiries[place], self._sent[place]
        newest = self._pricing.newest_ns(expiry)
        if newest[0] == 0 or (newest == sent.newest and sent.priced is not None):
            return False
        exchange_ns = min(newest[2] or at_ns, at_ns + BACKWARDS_MAX_NS)
        if exchange_ns > self._expires_ns[place] + _AFTER_EXPIRY_NS:
            return False
        sent.newest = newest
        self._opening.turn_to(place, (at_ns + _IST_NS) // _DAY_NS)
        self._tell(place, self._pricing.price(expiry, at_ns, exchange_ns), at_ns, fence)
        self._opening.note(place)
        return True

    def _tell(self, place: int, priced: Priced, at_ns: int, fence: int) -> None:
        """Append the message that brings consumers from what they hold to this."""
        expiry = self._expiries[place]
        parameters_id = int(self._groups["parameters_id"][expiry.group])
        when = When(at_ns, fence, self._version, parameters_id)
        self._made.append(self._sent[place].message(expiry, priced, when, self._tolerance))
