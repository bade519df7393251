from __future__ import annotations

from ingest.lookout import Lookout
from shared.kite.codec.watch import PriceWatch
from tests.support.kite_frames import frame, ltp

INFY, TCS = 408_065, 2_953_217


class Taken:
    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.texts: list[bytes] = []

    def frame(self, _socket: int, frame: bytes, _at_ns: int) -> bool:
        self.frames.append(frame)
        return True

    def text(self, _socket: int, text: bytes, _at_ns: int) -> None:
        self.texts.append(text)


def test_everything_goes_on_as_it_came() -> None:
    taken = Taken()
    over = Lookout().over(taken)
    assert over.frame(0, b"\0", 1)
    over.text(0, b"{}", 1)
    assert (taken.frames, taken.texts) == ([b"\0"], [b"{}"])


def test_prices_are_those_since_the_last_read() -> None:
    lookout = Lookout()
    over = lookout.over(Taken())
    lookout.watch([INFY, TCS])
    over.frame(0, frame([ltp(INFY, 145_000)]), 1)
    assert lookout.read() == {INFY: 1_450.0}
    assert lookout.read() == {}
    over.frame(1, frame([ltp(TCS, 300_000)]), 2)
    assert lookout.read() == {TCS: 3_000.0}


def test_watching_the_same_again_forgets_nothing() -> None:
    lookout = Lookout()
    lookout.watch([INFY])
    lookout.over(Taken()).frame(0, frame([ltp(INFY, 145_000)]), 1)
    lookout.watch([INFY])
    assert lookout.read() == {INFY: 1_450.0}


def test_who_is_awaited_is_seen_beside_the_prices() -> None:
    lookout = Lookout()
    lookout.awaited = PriceWatch([INFY])
    lookout.over(Taken()).frame(0, frame([ltp(INFY, 1), ltp(TCS, 1)]), 1)
    assert lookout.awaited.seen() == {INFY: 0.01}
