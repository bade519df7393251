"""An engine of the tests' market, and what it makes of raw segments."""

from __future__ import annotations

import numpy as np

from enrich.engine import Counts, Derived, Engine, Lineage
from enrich.parameters import Parameters
from tests.support.kite_market import RATE, header, instruments


def engine(
    listed: np.ndarray | None = None, derived: Derived | None = None, **pricing: object
) -> Engine:
    """Return an engine that has seen nothing, version 7, parameters 3."""
    parameters = Parameters(id=3, rate=RATE, **pricing)
    return Engine(instruments() if listed is None else listed, 7, parameters, derived)


def counted(made: Engine, raw: bytes, packets: int = 100) -> tuple[np.ndarray, Counts]:
    """Return the records of raw entry 1-2 under fence 9, and the counts beside them."""
    records, counts = made.enrich(header(packets), raw, Lineage(1, 2, 9))
    return records.copy(), counts


def enriched(made: Engine, raw: bytes, *, packets: int = 100, fence: int = 9) -> np.ndarray:
    """Return the records of raw entry 1-2."""
    return made.enrich(header(packets), raw, Lineage(1, 2, fence))[0].copy()


def last_of(records: np.ndarray, token: int) -> np.void:
    """Return an instrument's last record."""
    return records[records["instrument_token"] == token][-1]
