"""What the publisher is told at its start."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from publisher.http_settings import HttpSection, PublisherPostgres, WebhookSection
from shared.runtime.settings import LogSettings, ProbeSettings
from shared.secret import Secret
from shared.streams.kafka_settings import KafkaSettings, TicksSettings
from shared.streams.settings import RedisSettings


class PublisherSection(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, who may come, how much each may cost."""

    host: Annotated[
        str,
        Meta(min_length=1, description="address to listen on; TLS is the business of a proxy"),
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="0 picks a free port, named in publisher.listening")
    ] = 8765
    kite_enabled: Annotated[
        bool, Meta(description="serve Kite's own dialect too, for programs written for Zerodha")
    ] = False
    kite_port: Annotated[
        int,
        Meta(ge=0, le=65535, description="port of Kite's dialect; 0 picks a free one, logged"),
    ] = 8766
    kite_instruments_per_connection_max: Annotated[
        int,
        Meta(ge=1, le=1_000_000, description="instruments one client of Kite's dialect may have"),
    ] = 3000
    keys: Annotated[
        tuple[Secret, ...],
        Meta(
            max_length=1000,
            description="subscribers' keys as name:scopes:hash, scopes and quotas joined by + "
            "(ticks, wants, orders:<account>, trade:<account>, * for every account); "
            "`python -m publisher.new_key` makes them",
        ),
    ] = ()
    jwt_secret: Annotated[
        Secret,
        Meta(description="shared secret of HS256 tokens; 32 bytes or more; empty: none are taken"),
    ] = Secret("")
    jwt_jwks_file: Annotated[
        str,
        Meta(description="file with public keys (JWKS) of tokens, read at the start; empty: none"),
    ] = ""
    jwt_jwks_url: Annotated[
        str,
        Meta(description="https address of such keys, read every five minutes; empty: none"),
    ] = ""
    jwt_audience: Annotated[str, Meta(description="`aud` that tokens must say, if any")] = ""
    jwt_issuer: Annotated[str, Meta(description="`iss` that tokens must say, if any")] = ""
    accounts: Annotated[
        tuple[Annotated[str, Meta(pattern=r"\A[A-Z0-9]{2,16}\Z")], ...],
        Meta(max_length=100, description="accounts whose order events can be subscribed to"),
    ] = ()
    connections_max: Annotated[
        int, Meta(ge=1, le=100_000, description="subscribers at one time")
    ] = 1000
    unauthenticated_max: Annotated[
        int, Meta(ge=1, le=10_000, description="connections that have not shown a key yet")
    ] = 64
    connections_per_key_max: Annotated[
        int, Meta(ge=1, le=100_000, description="connections one key may have at one time")
    ] = 10
    instruments_per_connection_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="instruments one connection may subscribe to")
    ] = 9000
    instruments_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="instruments whose newest record is held, 400 bytes each",
        ),
    ] = 200_000
    requests_per_minute_max: Annotated[
        int, Meta(ge=1, le=100_000, description="messages a minute from one connection")
    ] = 120
    inbound_share: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="share of the process's time that one connection's messages may cost, "
            "after the first 20 ms; past it the next one is read later",
        ),
    ] = 0.05
    request_bytes_max: Annotated[
        int, Meta(ge=1024, le=16 * 2**20, description="size of one message from a client")
    ] = 256 * 1024
    message_bytes_max: Annotated[
        int,
        Meta(ge=4096, le=16 * 2**20, description="size at which a message to a client ends"),
    ] = 64 * 1024
    queue_bytes_max: Annotated[
        int,
        Meta(
            ge=64 * 1024,
            le=2**30,
            description="unread order events, gaps and answers of one connection; "
            "past it the connection is let go",
        ),
    ] = 1024 * 1024
    flow_bytes_max: Annotated[
        int,
        Meta(
            ge=64 * 1024,
            le=2**30,
            description="unread ticks of one connection that wants every tick (policies skip, "
            "strict); past it they are skipped, or the connection is let go",
        ),
    ] = 4 * 1024 * 1024
    history_bytes_max: Annotated[
        int,
        Meta(
            ge=2**20,
            le=2**36,
            description="newest records kept for connections that come back, 400 bytes each; "
            "they are served from here alone, never from Redis",
        ),
    ] = 64 * 1024 * 1024
    send_buffer_bytes: Annotated[
        int,
        Meta(
            ge=4096,
            le=16 * 2**20,
            description="socket buffer of one connection; what lies in it grows old unconflated",
        ),
    ] = 256 * 1024
    auth_timeout_s: Annotated[
        float, Meta(gt=0, le=300, description="longest wait for a key, in seconds")
    ] = 10.0
    heartbeat_s: Annotated[
        float, Meta(gt=0, le=600, description="seconds between heartbeats, pings with them")
    ] = 15.0
    silence_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="seconds without a pong until one is let go")
    ] = 60.0
    stall_timeout_s: Annotated[
        float, Meta(gt=0, le=600, description="seconds one message may wait for its reader")
    ] = 30.0
    close_timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds a connection gets to end in order")
    ] = 3.0
    return_within_s: Annotated[
        float,
        Meta(ge=0, le=600, description="clients told to come back are spread over so long"),
    ] = 5.0
    overlap_s: Annotated[
        float,
        Meta(
            gt=0,
            le=120,
            description="how far back the streams are read at the start, over the last values "
            "that are up to a second old; in seconds",
        ),
    ] = 5.0
    resume_s: Annotated[
        float,
        Meta(
            ge=0,
            le=120,
            description="how far back ticks are read at the start for those who come back from "
            "a publisher that stopped; at least overlap_s; in seconds",
        ),
    ] = 30.0
    refresh_s: Annotated[
        float,
        Meta(
            gt=0,
            le=3600,
            description="seconds between looks at instruments and shards beside the hints",
        ),
    ] = 30.0
    block_ms: Annotated[
        int, Meta(ge=1, le=5000, description="longest wait of one read of the streams")
    ] = 500


class PublisherSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the publisher reads from its environment."""

    redis: RedisSettings
    ticks: TicksSettings = TicksSettings()
    kafka: KafkaSettings = KafkaSettings()
    publisher: PublisherSection = PublisherSection()
    http: HttpSection = HttpSection()
    webhooks: WebhookSection = WebhookSection()
    postgres: PublisherPostgres = PublisherPostgres()
    log: LogSettings = LogSettings()
    probe: ProbeSettings = ProbeSettings()
