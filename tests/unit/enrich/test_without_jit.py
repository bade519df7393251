from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from enrich.engine import Engine, Lineage
from enrich.parameters import Parameters
from shared.wire.segments import segment
from shared.wire.ticks import TICK_DTYPE
from tests.support import kite_frames
from tests.support.kite_market import (
    NOW_NS,
    RATE,
    SHARE,
    UNKNOWN,
    chain,
    header,
    index_packet,
    instruments,
    packet,
    segments,
)

#: The same tape through the same engine, with the kernels as the Python they are written in.
SCRIPT = """
import sys
from tests.unit.enrich.test_without_jit import enriched, tape
sys.stdout.buffer.write(enriched(tape()).tobytes())
"""


def tape() -> bytes:
    """A market that moves, a repeat, an unknown instrument, a book on one side, a broken frame."""
    share = packet(SHARE, 1500.0)
    return (
        segments([index_packet(24_000.0)], chain(24_010.0), [share, share, packet(UNKNOWN, 1.0)])
        + segments(chain(24_012.0, 1), [packet(SHARE, 5.0, bid=0.0)], at_ns=NOW_NS + 300_000_000)
        + segment(NOW_NS, kite_frames.frame([share])[:-1])
        + segments(chain(24_010.0), at_ns=NOW_NS + 600_000_000)
    )


def enriched(raw: bytes) -> np.ndarray:
    engine = Engine(instruments(), 7, Parameters(id=3, rate=RATE))
    cut = engine.newest_only(raw)
    first, _ = engine.enrich(header(100), raw, Lineage(1, 2, 3))
    first = first.copy()
    second, _ = engine.enrich(header(100), cut.segments, Lineage(1, 2, 3))
    return np.concatenate((first, second))


@pytest.mark.slow
def test_engine_as_plain_python_gives_the_same_records() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    plain = np.frombuffer(ran.stdout, TICK_DTYPE)
    compiled = enriched(tape())
    assert len(plain) == len(compiled) > 50
    for name in TICK_DTYPE.names or ():
        if TICK_DTYPE[name].base.kind == "f":
            np.testing.assert_allclose(plain[name], compiled[name], rtol=1e-6, atol=0.0)
        else:
            assert np.array_equal(plain[name], compiled[name]), name
