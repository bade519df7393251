"""Kernels compiled, or loaded from the cache, before a worker says that it is ready."""

from __future__ import annotations

import numpy as np

from enrich.engine import Derived, Engine
from enrich.parameters import Parameters
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind


def warm_up(parameters: Parameters, derived: Derived) -> None:
    """Run everything that a tick, a chain, a bar needs once, on one strike of nothing."""
    instruments = np.zeros(3, INSTRUMENT_DTYPE)
    instruments["instrument_token"] = (1, 2, 3)
    instruments["underlying_token"] = 1
    instruments["kind"] = (Kind.INDEX, Kind.CALL, Kind.PUT)
    instruments["strike"] = (0.0, 1.0, 1.0)
    instruments["expiry"] = (0, 20991231, 20991231)
    instruments["tick_size"] = 0.05
    Engine(instruments, 0, parameters, derived).warm_up()
