from __future__ import annotations

import hashlib

from shared.kite.session import Session, login_checksum, postback_is_genuine
from shared.secret import Secret


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
