from __future__ import annotations

import hashlib

import pytest

from shared.kite.session import Session, login_checksum, login_url, postback_is_genuine
from shared.kite.settings import KiteSettings
from shared.secret import Secret


@pytest.mark.parametrize(
    ("rest_url", "named", "page"),
    [
        ("https://api.kite.trade", "", "https://kite.zerodha.com/connect/login"),
        ("https://api.kite.trade/", "", "https://kite.zerodha.com/connect/login"),
        ("http://127.0.0.1:8700", "", "http://127.0.0.1:8700/connect/login"),
        ("http://127.0.0.1:8700/", "", "http://127.0.0.1:8700/connect/login"),
        ("http://127.0.0.1:8700", "https://broker.example/in", "https://broker.example/in"),
    ],
)
def test_login_page_is_the_one_that_is_named_else_that_of_the_rest_origin(
    rest_url: str, named: str, page: str
) -> None:
    settings = KiteSettings(rest_url=rest_url, login_url=named)
    assert login_url(settings, "k") == f"{page}?api_key=k&v=3"


def test_login_checksum_is_of_key_token_and_secret_in_this_order() -> None:
    wanted = hashlib.sha256(b"key" + b"request" + b"secret").hexdigest()
    assert login_checksum("key", "request", Secret("secret")) == wanted


def test_postback_with_its_own_checksum_is_genuine() -> None:
    stamp = "2026-11-20 09:15:00"
    checksum = hashlib.sha256(f"15{stamp}secret".encode()).hexdigest()
    known = {"order_id": "15", "order_timestamp": stamp, "api_secret": Secret("secret")}
    assert postback_is_genuine(checksum=checksum, **known)  # type: ignore[arg-type]
    assert not postback_is_genuine(checksum=checksum.upper(), **known)  # type: ignore[arg-type]
    assert not postback_is_genuine(checksum="", **known)  # type: ignore[arg-type]
    assert not postback_is_genuine(checksum="é", **known)  # type: ignore[arg-type]


def test_session_does_not_print_its_token() -> None:
    assert "s3cr3t" not in repr(Session("AB1234", Secret("s3cr3t")))
