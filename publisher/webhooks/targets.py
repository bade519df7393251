"""Which addresses a webhook may reach: none inside of the house, unless the operator allows it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from shared.errors import SettingsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
URL_CHARACTERS_MAX = 2000
#: IPv4 inside of IPv6: NAT64 with its well-known prefix. Source: RFC 6052, section 2.1.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of their texts, such as 10.1.0.0/16.

    Raises:
        SettingsError: one is none.
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise SettingsError(f"webhooks.allowed_networks: {error}") from error


def may_reach(text: str, allowed: Sequence[Network]) -> bool:
    """Tell whether an address, as a resolver gives it, may be connected to."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if any(address.version == network.version and address in network for network in allowed):
        return True
    return all(each.is_global and not each.is_multicast for each in _meant(address))


def refuse_url(url: str, allowed: Sequence[Network]) -> str:
    """Return why a URL cannot be a webhook's, empty where it can; its name is not resolved here."""
    if len(url) > URL_CHARACTERS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return f"a URL is at most {URL_CHARACTERS_MAX} printable ASCII characters"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        return f"this is no URL: {error}"
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        return "a URL has a host, no user or password, no fragment"
    literal = _literal(host)
    if literal is not None and not may_reach(host, allowed):
        return "this address is private, loopback or reserved; the operator has not allowed it"
    is_inside = literal is not None and not may_reach(host, ())
    if parts.scheme != "https" and not (parts.scheme == "http" and is_inside):
        return "only https is taken; http only to an allowed private address"
    return ""


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _meant(address: Address) -> list[Address]:
    """Return the address with those of IPv4 that it carries inside."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner: list[Address] = [address]
    teredo = address.teredo
    carried = [address.ipv4_mapped, address.sixtofour, *(teredo or ())]
    if address in _NAT64:
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found = [each for each in carried if each is not None]
    # A mapped address is as good as what it maps: Python calls none of them global.
    return found if address.ipv4_mapped is not None else [*inner, *found]
