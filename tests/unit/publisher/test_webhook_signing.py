"""Receivers can tell genuine deliveries, by the verifier of the documentation."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.webhooks.signing import secret_of, signature
from shared.secret import Secret

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "webhook_receiver.py"
KEY, OLD_KEY = Secret("k" * 32), Secret("o" * 32)
SENT_S = 1_795_800_000


def example():
    spec = importlib.util.spec_from_file_location("webhook_receiver", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VERIFY = example().verify


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_delivery_is_believed_and_an_altered_one_is_not(body: bytes, other: bytes) -> None:
    secret = secret_of(KEY, "wh_1")
    header = signature([secret], body, SENT_S)
    assert VERIFY(secret.reveal(), header, body, SENT_S + 299)
    assert VERIFY(secret.reveal(), header, other, SENT_S) == (body == other)


@pytest.mark.parametrize("age_s", [301, -301, 86_400])
def test_an_old_delivery_sent_again_is_not_believed(age_s: int) -> None:
    secret = secret_of(KEY, "wh_1")
    assert not VERIFY(secret.reveal(), signature([secret], b"{}", SENT_S), b"{}", SENT_S + age_s)


@given(st.text(max_size=100))
def test_any_header_is_refused_without_an_error(header: str) -> None:
    assert not VERIFY("whsec_x", header, b"{}", SENT_S)


def test_a_receiver_with_the_old_secret_believes_while_keys_are_changed() -> None:
    secrets = [secret_of(KEY, "wh_1"), secret_of(OLD_KEY, "wh_1")]
    header = signature(secrets, b"{}", SENT_S)
    for secret in secrets:
        assert VERIFY(secret.reveal(), header, b"{}", SENT_S)


def test_every_webhook_has_a_secret_of_its_own() -> None:
    assert secret_of(KEY, "wh_1") != secret_of(KEY, "wh_2")
    assert secret_of(KEY, "wh_1") == secret_of(KEY, "wh_1")
