"""How Zerodha is reached: addresses, patience, sizes."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

_VERSIONS: Final = {"ipv4": 4, "ipv6": 6}

PRODUCTION_REST_URL: Final = "https://api.kite.trade"

_Seconds = Annotated[float, Meta(gt=0, le=120)]


class KiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `kite`: addresses are those of production unless a sandbox is named."""

    rest_url: Annotated[
        str, Meta(pattern=r"\Ahttps?://[^/?#@\s]+/?\Z", description="REST origin, without a path")
    ] = PRODUCTION_REST_URL
    login_url: Annotated[
        str,
        Meta(
            pattern=r"\A(https?://[^?#@\s]+)?\Z",
            description="page where a person logs in; empty: Zerodha's, or /connect/login at a "
            "rest_url that is not Zerodha's",
        ),
    ] = ""
    ws_url: Annotated[
        str, Meta(pattern=r"\Awss?://[^?#@\s]+\Z", description="WebSocket, without a query")
    ] = "wss://ws.kite.trade"

    connect_timeout_s: Annotated[
        _Seconds, Meta(description="TCP and TLS of one REST connection, waiting for a free one too")
    ] = 5.0
    answer_timeout_s: Annotated[
        _Seconds, Meta(description="longest silence after a REST request has been sent")
    ] = 10.0
    call_timeout_s: Annotated[_Seconds, Meta(description="one REST call from first to last")] = 20.0
    download_timeout_s: Annotated[
        float, Meta(gt=0, le=600, description="the instruments dump from first to last")
    ] = 90.0
    reuse_idle_s_max: Annotated[
        float,
        Meta(ge=0, le=60, description="a REST connection idle for longer is not used again"),
    ] = 8.0
    connections_max: Annotated[int, Meta(ge=1, le=100, description="REST connections at once")] = 20
    body_bytes_max: Annotated[
        int, Meta(ge=65_536, le=1 << 30, description="longest REST answer read, unpacked")
    ] = 64 * 1024 * 1024
    local_address: Annotated[
        str, Meta(description="address REST calls leave from, the one registered; empty: any")
    ] = ""
    address_family: Annotated[
        Literal["any", "ipv4", "ipv6"],
        Meta(description="REST address family; pin the one of the registered address"),
    ] = "any"

    socket_open_timeout_s: Annotated[
        _Seconds, Meta(description="from connecting a WebSocket to the end of its handshake")
    ] = 10.0
    ping_interval_s: Annotated[_Seconds, Meta(description="between our pings on a WebSocket")] = 2.5
    silence_s_max: Annotated[
        _Seconds, Meta(description="a WebSocket without a pong or any frame for longer is dead")
    ] = 5.0
    socket_close_timeout_s: Annotated[
        _Seconds, Meta(description="waiting for the other side when closing a WebSocket")
    ] = 2.0

    def __post_init__(self) -> None:
        """Refuse addresses that contradict the pinned family: no call could ever leave."""
        if self.local_address and _version(self.local_address) is None:
            raise ValueError(f"local_address {self.local_address} must be an IP address")
        if self.address_family == "any":
            return
        for name, host in (
            ("local_address", self.local_address),
            ("rest_url", urlsplit(self.rest_url).hostname or ""),
        ):
            version = _version(host)
            if version is not None and version != _VERSIONS[self.address_family]:
                raise ValueError(f"{name} {host} must be an {self.address_family} address")


def _version(host: str) -> int | None:
    """Return 4 or 6; None for what is a name, not an address."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None
