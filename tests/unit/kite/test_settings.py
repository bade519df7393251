from __future__ import annotations

import msgspec
import pytest

from shared.kite.settings import KiteSettings


def test_settings_without_any_value_are_those_of_production() -> None:
    settings = KiteSettings()
    assert settings.rest_url == "https://api.kite.trade"
    assert settings.ws_url == "wss://ws.kite.trade"
    assert settings.ping_interval_s < settings.silence_s_max


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rest_url", "https://api.kite.trade/path"),
        ("rest_url", "ftp://x"),
        ("rest_url", "https://user@host"),
        ("login_url", "kite.zerodha.com/connect/login"),
        ("ws_url", "https://ws.kite.trade"),
        ("ws_url", "wss://ws.kite.trade?api_key=1"),
        ("address_family", "ipv5"),
    ],
)
def test_settings_with_a_malformed_value_are_refused(name: str, text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({name: text}, KiteSettings)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"local_address": "example.com"}, "local_address example.com must be an IP address"),
        ({"local_address": "10.0.0.1", "address_family": "ipv6"}, "local_address 10.0.0.1 must"),
        ({"rest_url": "http://[::1]:80", "address_family": "ipv4"}, "rest_url ::1 must be an ipv4"),
    ],
)
def test_settings_whose_addresses_contradict_the_family_are_refused(
    values: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        KiteSettings(**values)  # type: ignore[arg-type]  # wrong on purpose


def test_settings_with_addresses_of_the_family_are_taken() -> None:
    settings = KiteSettings(local_address="10.0.0.1", address_family="ipv4")
    assert settings.local_address == "10.0.0.1"
