"""Builds the door of Kite's dialect; imported only where it is wanted, since it loads numba."""

from __future__ import annotations

import hmac
from collections.abc import Callable

import numpy as np

from publisher.access.tokens import Claimed
from publisher.feeds.catalogue import Catalogue, Malformed
from publisher.feeds.tick_feed import Feed
from publisher.kite.feeds import ENTRIES_MAX, KiteOrderFeed, KiteTickFeed
from publisher.kite.server import Authorise, KiteServer
from publisher.settings import PublisherSection
from shared.clock import Clock
from shared.kite.codec.shelf import Shelf, Wanted
from shared.runtime.logs import Log
from shared.streams.client import Connection
from shared.streams.tails import Tails
from shared.wire.ticks import Mode

#: Who holds a key or a token, at a time in Unix seconds; see Desk.claim.
Claim = Callable[[str, float], Claimed | None]


def authorise_with(claim: Claim, clock: Clock) -> Authorise:
    """Return who a pair is: `access_token` a key or a token, `api_key` the name of its holder."""

    def authorise(api_key: str, access_token: str) -> Claimed | None:
        claimed = claim(access_token, clock.now_ns() / 1e9)
        if claimed is None:
            return None
        name = claimed.principal.name.encode()
        is_named = hmac.compare_digest(name, api_key.encode("utf-8", "replace"))
        return claimed if is_named else None

    return authorise


def kite_door(claim: Claim, section: PublisherSection, clock: Clock, log: Log) -> KiteServer:
    """Return the door, its compiled code loaded, so that the first tick does not wait for it."""
    shelf = Shelf(np.array([1], dtype=np.uint32))
    list(shelf.take(b""))
    wanted = Wanted(shelf)
    wanted.want(np.zeros(1, dtype=np.int32), Mode.QUOTE)
    wanted.cut(np.zeros(256, dtype=np.uint8))
    return KiteServer(authorise_with(claim, clock), section, clock, log)


def kite_feeds(
    door: KiteServer,
    catalogue: Catalogue,
    malformed: Malformed,
    section: PublisherSection,
    *,
    ticks: tuple[Connection, Tails],
    orders: Connection | None,
) -> list[Feed]:
    """Return what fills the door; order updates only where accounts are named."""
    redis, made = ticks
    feeds: list[Feed] = [
        KiteTickFeed(
            redis,
            catalogue,
            door,
            malformed,
            reader=made(ENTRIES_MAX),
            overlap_s=section.overlap_s,
        )
    ]
    if orders is not None:
        feeds.append(
            KiteOrderFeed(orders, section.accounts, door, malformed, block_ms=section.block_ms)
        )
    return feeds
