"""Many subscribers' payloads joined to frames, in a buffer that is used again and again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.encoded import Encoded, Places
from publisher.fanout.kernels.joining import Envelope, join, room

#: A larger buffer is given back: it was wanted once.
_KEPT_BYTES_MAX = 4 * 2**20


class Framer:
    """Makes WebSocket frames; each is bytes of its own, so that a slow reader keeps no other's."""

    def __init__(self) -> None:
        self._buffer: NDArray[np.uint8] = np.empty(0, np.uint8)

    def frames(
        self,
        encoded: Encoded,
        places: Places,
        cuts: Places,
        is_left_out: NDArray[np.bool_],
        envelope: Envelope,
    ) -> list[bytes]:
        """Return a frame of `places[cuts[m]:cuts[m+1]]` for each m that is not left out."""
        size = room(len(cuts) - 1, len(places), int(encoded.sizes[places].sum()), envelope)
        out = self._buffer if size <= len(self._buffer) else np.empty(2 * size, np.uint8)
        if len(out) <= _KEPT_BYTES_MAX:
            self._buffer = out
        ends = join(*encoded, places, cuts, is_left_out, envelope, out)
        bounds = [0, *ends[~is_left_out].tolist()]
        written = out[: bounds[-1]].tobytes()
        return [written[begin:end] for begin, end in pairwise(bounds)]
