"""A queue never holds more than its bound."""

from hypothesis import given
from hypothesis import strategies as st

from publisher.fanout.subscriber import Queue


@given(st.lists(st.one_of(st.binary(max_size=30), st.integers(0, 50)), max_size=60))
def test_a_queue_keeps_order_within_its_bound(script: list) -> None:
    queue, expected = Queue(100), []
    for step in script:
        if isinstance(step, bytes):
            fits = sum(map(len, expected)) + len(step) <= 100
            assert queue.push(step) == fits
            expected += [step] * fits
        else:
            taken = queue.pop(step)
            assert taken == expected[: len(taken)]
            assert len(taken) <= 1 or sum(map(len, taken)) <= step
            assert bool(taken) == bool(expected)
            expected = expected[len(taken) :]
        assert queue.bytes == sum(map(len, expected)) <= 100
        assert len(queue) == len(expected)


def test_a_cleared_queue_is_empty() -> None:
    queue = Queue(10)
    queue.push(b"abc")
    queue.clear()
    assert (len(queue), queue.bytes, queue.pop(100)) == (0, 0, [])
