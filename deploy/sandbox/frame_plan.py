"""In which order one socket's instruments go into its frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deploy.sandbox.contracts import Kind, Listing
from deploy.sandbox.packets import Mode

Rows = npt.NDArray[np.int64]
MODES: tuple[Mode, ...] = ("full", "quote", "ltp")
_ZONES = ((Kind.INDEX, Kind.INDEX), (Kind.EQUITY, Kind.FUTURE), (Kind.CALL, Kind.PUT))


@dataclass(frozen=True, slots=True)
class Run:
    """Rows whose packets share one layout and lie together in a frame."""

    mode: Mode
    index: bool
    rows: Rows


def plan_frames(listing: Listing, modes: Mapping[int, Mode]) -> tuple[Run, ...]:
    """Return the runs of a socket: indices, then equities plus futures, then options.

    Underlyings go first so that a reader of a frame prices options from the same moment.
    """
    runs = []
    for lowest, highest in _ZONES:
        for mode in MODES:
            rows = [
                row
                for token, wanted in modes.items()
                if wanted == mode
                and (row := listing.row_of_token.get(token)) is not None
                and lowest <= listing.contracts[row].kind <= highest
            ]
            if rows:
                ordered = np.array(sorted(rows), dtype=np.int64)
                runs.append(Run(mode, highest is Kind.INDEX, ordered))
    return tuple(runs)
