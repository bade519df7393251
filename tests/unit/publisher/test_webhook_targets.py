"""A webhook reaches nothing inside of the house."""

import pytest

from publisher.webhooks.targets import may_reach, read_networks, refuse_url
from shared.errors import SettingsError

INSIDE = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1",
    "fe80::1%eth0", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    "ff02::1", "no address",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_of_the_house_are_not_reached(address: str) -> None:
    assert not may_reach(address, ())


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_world_are_reached(address: str) -> None:
    assert may_reach(address, ())


def test_an_allowed_network_is_reached_and_its_neighbour_is_not() -> None:
    allowed = read_networks(["10.1.0.0/16"])
    assert may_reach("10.1.2.3", allowed)
    assert not may_reach("10.2.2.3", allowed)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "http://8.8.8.8/x",
        "https://user:password@example.com/",
        "https://example.com/#part",
        "https:///x",
        "ftp://example.com/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://" + "x" * 2000,
        "//example.com",
    ],
)
def test_urls_that_are_no_receivers_are_refused(url: str) -> None:
    assert refuse_url(url, ())


def test_urls_of_receivers_are_taken() -> None:
    assert refuse_url("https://hooks.example.com:8443/x?y=1", ()) == ""
    assert refuse_url("http://10.1.0.5:80/x", read_networks(["10.1.0.0/16"])) == ""


def test_a_network_that_is_none_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="allowed_networks"):
        read_networks(["10.1.0.0/33"])
