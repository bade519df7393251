from __future__ import annotations

import json

import pytest

from shared.errors import KiteOutcomeUnknown, KiteRejected
from shared.kite.sliced import Placed, SliceError, read_placed

FUNDS = {
    "code": 400,
    "error_type": "MarginException",
    "message": "Insufficient funds. Required margin is 95417.84 but available margin is 74251.80.",
    "data": None,
}
LATE = FUNDS | {"error_type": "OrderException", "message": "Order request timed out."}


def read(data):
    return read_placed("POST /orders/regular", json.dumps(data).encode())


def test_answer_of_one_order_is_that_order():
    assert read({"order_id": "1"}) == Placed("1")


@pytest.mark.parametrize(
    "data",
    [
        {"order_id": "1", "children": [{"order_id": "2"}, {"error": FUNDS}, {"order_id": 3}]},
        [{"order_id": "1"}, {"order_id": "2"}, {"error": FUNDS}, {"order_id": 3}],
    ],
)
def test_both_shapes_of_a_sliced_answer_say_the_same(data):
    error = SliceError(FUNDS["message"], "MarginException", 400)
    assert read(data) == Placed("1", ("2", "3"), (error,))
    assert error.is_proof


def test_slice_error_off_the_list_proves_nothing():
    (error,) = read([{"order_id": "1"}, {"error": LATE}]).errors
    assert not error.is_proof


def test_answer_whose_slices_were_all_refused_is_a_refusal():
    with pytest.raises(KiteRejected) as raised:
        read([{"error": FUNDS}, {"error": FUNDS}])
    assert (raised.value.error_type, raised.value.status) == ("MarginException", 400)


@pytest.mark.parametrize(
    "data", [{}, [], None, True, "1", [{"error": FUNDS}, {"error": LATE}], {"order_id": ""}]
)
def test_answer_that_names_no_order_is_an_unknown_outcome(data):
    with pytest.raises(KiteOutcomeUnknown):
        read(data)
