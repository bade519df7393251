"""Which parts of a log line nobody may read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.runtime.redact import is_secret_key, redact, redact_text
from shared.secret import Secret


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "access_token",
        "request_token",
        "enctoken",
        "api_key",
        "apikey",
        "api_secret",
        "API-Key",
        "secret",
        "password",
        "redis_password",
        "Authorization",
        "checksum",
        "cookie",
    ],
)
def test_key_of_a_credential_is_secret(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "instrument_token",
        "underlying_token",
        "fencing_token",
        "tokens",
        "token_expires_in_s",
        "tag",
    ],
)
def test_key_of_a_public_fact_is_not_secret(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "wss://ws.kite.trade?api_key=abc&access_token=xyz&v=3",
            "wss://ws.kite.trade?api_key=***&access_token=***&v=3",
        ),
        ("redis://me:hunter2@host:6379/0", "redis://me:***@host:6379/0"),
        ("postgres://:hunter2@host", "postgres://:***@host"),
        ("Authorization: token key:xyz, next", "Authorization: token ***, next"),
        ("{'Authorization': 'token key:xyz'}", "{'Authorization': 'token ***'}"),
        ('{"access_token": "xyz", "user": 1}', '{"access_token": "***", "user": 1}'),
        ("password = hunter2;", "password = ***;"),
        ("instrument_token=256265", "instrument_token=256265"),
        ("https://host:8080/path@2", "https://host:8080/path@2"),
    ],
)
def test_text_shows_everything_but_its_credentials(text: str, shown: str) -> None:
    assert redact_text(text) == shown


def test_redact_goes_into_containers_without_changing_them() -> None:
    event = {"request": {"headers": {"Authorization": "token a:b"}, "urls": ["x?enctoken=q"]}}
    shown = redact(event)
    assert shown == {"request": {"headers": {"Authorization": "***"}, "urls": ["x?enctoken=***"]}}
    assert event["request"]["headers"] == {"Authorization": "token a:b"}


def test_redact_hides_a_secret_under_any_name() -> None:
    assert redact({"note": Secret("x"), "many": (Secret("y"),)}) == {"note": "***", "many": ["***"]}


def test_redact_keeps_numbers_under_the_name_of_a_token() -> None:
    assert redact({"token": 256265, "password": None}) == {"token": 256265, "password": None}


def test_redact_of_an_object_hides_what_its_repr_would_show() -> None:
    class Session:
        def __repr__(self) -> str:
            return "Session(access_token='xyz')"

    assert redact({"session": Session()}) == {"session": "Session(access_token='***')"}


def test_redact_of_what_contains_itself_ends() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert "***" in repr(redact(loop))


@settings(deadline=None)
@given(st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    assert redact_text(redact_text(text)) == redact_text(text)


@settings(deadline=None)
@given(st.text("abcdefghij0123456789", min_size=12, max_size=40), st.sampled_from(["&", " ", ""]))
def test_no_access_token_in_a_url_is_ever_shown(token: str, end: str) -> None:
    assert token not in redact_text(f"https://h/x?access_token={token}{end}")
