"""What a finished run has to be blamed for."""

from __future__ import annotations

from msgspec import Struct


class Watched(Struct, frozen=True, kw_only=True):
    """What a run has shown when it ends."""

    ticks_total: int
    stood_still: list[str]
    order: str
    order_went_through: bool
    restarts: list[str]
    drained_badly: list[str]


def complaints(watched: Watched, *, everything: bool) -> list[str]:
    """Return a sentence for each thing that went wrong; none for a good run.

    `everything` asks for more than a clean end: nothing had to be started again, ticks and an order
    have gone all the way.
    """
    flow = [] if not everything else _of_flow(watched)
    return [*flow, *watched.drained_badly]


def _of_flow(watched: Watched) -> list[str]:
    found = [*watched.restarts, *watched.stood_still]
    if watched.ticks_total == 0:
        found.append("no tick reached the consumer: see the logs of ingest, enrich")
    if not watched.order_went_through:
        found.append(f"the order did not go through: {watched.order}")
    return found
