from __future__ import annotations

import hashlib

import msgspec
import pytest

from executor.lookup.postbacks import Proof, prove
from shared.secret import Secret

SECRET = Secret("a-secret")
ROW = {
    "order_id": "151220000000000",
    "order_timestamp": "2015-12-20 15:01:43",
    "user_id": "AB1234",
    "status": "COMPLETE",
    "quantity": 1,
    "filled_quantity": 1,
}


def body(**facts):
    row = {**ROW, **facts}
    text = f"{row['order_id']}{row['order_timestamp']}{SECRET.reveal()}"
    row.setdefault("checksum", hashlib.sha256(text.encode()).hexdigest())
    return msgspec.json.encode(row).decode()


def proof(text, secret=SECRET):
    return prove(text, account="AB1234", api_secret=secret)


def test_postback_with_the_secrets_checksum_is_genuine():
    assert proof(body()) is Proof.GENUINE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (body(checksum="0" * 64), Proof.FORGED),
        (body(checksum=""), Proof.FORGED),
        (body(user_id="ZZ9999"), Proof.FOREIGN),
        ("{", Proof.UNREADABLE),
        ('{"status": "COMPLETE"}', Proof.UNREADABLE),
        (body(quantity="many"), Proof.UNREADABLE),
        (body(price="1e999999999"), Proof.UNREADABLE),
        ("\ud800", Proof.UNREADABLE),
    ],
)
def test_postback_that_is_not_proven_is_told_apart(text, expected):
    assert proof(text) is expected


def test_without_the_secret_nothing_is_proven():
    assert proof(body(), Secret("")) is Proof.UNPROVEN


def test_checksum_of_another_orders_postback_proves_nothing():
    other = msgspec.json.decode(body(order_id="2"))["checksum"]
    assert proof(body(checksum=other)) is Proof.FORGED
