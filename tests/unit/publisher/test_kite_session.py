"""What a client of Kite's dialect holds and is owed."""

from __future__ import annotations

import json

import numpy as np

from publisher.kite.session import KiteSession
from shared.kite.codec.scan import Scratch
from shared.kite.codec.shelf import Shelf
from shared.wire.segments import segment
from tests.support import kite_frames as kf

TOKENS = np.arange(1, 11, dtype=np.uint32) * 256 + 1
FIRST, SECOND, THIRD = TOKENS[:3].tolist()


def shelf_with(*tokens: int) -> Shelf:
    shelf = Shelf(TOKENS)
    packets = [kf.full(kf.quote(token, *range(1, 11)), (1, 2, 3, 4, 5), [], []) for token in tokens]
    for _ in shelf.take(segment(1, kf.frame(packets))):
        pass
    return shelf


def session(shelf: Shelf, **limits: int) -> KiteSession:
    return KiteSession(shelf, **{"instruments_max": 10, "text_bytes_max": 1000, **limits})


def say(of: KiteSession, what: str, value: object) -> None:
    of.answer(json.dumps({"a": what, "v": value}))


def heard(of: KiteSession) -> dict[int, int]:
    """Return the length of the packet of each token in the next frame."""
    frame, packets = of.cut(np.zeros(4096, np.uint8))
    scratch = Scratch()
    scratch.scan(bytes(frame))
    return dict(
        zip(scratch.tokens[:packets].tolist(), scratch.lengths[:packets].tolist(), strict=True)
    )


def test_a_bare_subscription_is_a_quote_and_begins_with_what_is_known() -> None:
    client = session(shelf_with(FIRST, SECOND))
    say(client, "subscribe", [FIRST, THIRD])
    assert heard(client) == {FIRST: 44}


def test_a_mode_is_kept_when_the_instrument_is_subscribed_to_again() -> None:
    client = session(shelf_with(FIRST))
    say(client, "subscribe", [FIRST])
    say(client, "mode", ["full", [FIRST]])
    say(client, "subscribe", [FIRST])
    assert heard(client) == {FIRST: 184}
    assert client.instruments == 1


def test_a_mode_alone_subscribes() -> None:
    client = session(shelf_with(FIRST))
    say(client, "mode", ["ltp", [FIRST]])
    assert heard(client) == {FIRST: 8}


def test_what_exceeds_the_limit_is_left_out_and_told() -> None:
    client = session(shelf_with(FIRST, SECOND, THIRD), instruments_max=2)
    say(client, "subscribe", [FIRST, SECOND, FIRST, THIRD])
    assert json.loads(client.take_text()) == {
        "type": "error",
        "data": "Maximum instrument subscription limit (2) exceeded",
    }
    assert heard(client).keys() == {FIRST, SECOND}
    say(client, "mode", ["full", [FIRST, THIRD]])
    assert heard(client) == {FIRST: 184}
    assert client.instruments == 2


def test_what_was_left_makes_room_again() -> None:
    client = session(shelf_with(FIRST, SECOND), instruments_max=1)
    say(client, "subscribe", [FIRST])
    say(client, "unsubscribe", [FIRST, THIRD])
    say(client, "subscribe", [SECOND])
    assert client.take_text() is None
    assert heard(client) == {SECOND: 44}


def test_unknown_instruments_produce_nothing_until_they_are_listed() -> None:
    late = int(TOKENS[-1]) + 256
    client = session(shelf_with(FIRST))
    say(client, "mode", ["ltp", [late]])
    assert heard(client) == {}
    listed = Shelf(np.append(TOKENS, np.uint32(late)))
    for _ in listed.take(segment(1, kf.frame([kf.ltp(late, 5)]))):
        pass
    client.move_to(listed)
    assert heard(client) == {late: 8}


def test_nonsense_is_answered_with_an_error() -> None:
    client = session(shelf_with(FIRST))
    client.answer("hello")
    text = client.take_text()
    assert json.loads(text)["type"] == "error"


def test_texts_that_nobody_reads_overrun_their_bound() -> None:
    client = session(shelf_with(FIRST), text_bytes_max=100)
    client.tell(b"x" * 100)
    assert not client.is_overrun
    client.tell(b"x")
    assert client.is_overrun
