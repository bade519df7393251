"""What the HTTP side of the publisher reads from its environment."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.secret import Secret
from shared.store.settings import PostgresSettings

Origin = Annotated[str, Meta(pattern=r"\A(\*|https?://[A-Za-z0-9.\-\[\]:]{1,200})\Z")]


class PublisherPostgres(PostgresSettings, frozen=True, kw_only=True):
    """The database of journal, wants and webhooks; without it those parts of /v1 are off."""

    url: Annotated[
        Secret, Meta(description="postgresql:// URL; empty: no journal or wants over HTTP")
    ] = Secret("")
    connections_min: Annotated[
        int, Meta(ge=0, le=50, description="connections opened at start, kept open")
    ] = 0
    connections_max: Annotated[int, Meta(ge=2, le=50, description="most connections at a time")] = 6


class WebhookSection(msgspec.Struct, frozen=True, kw_only=True):
    """Order events told to other people's servers."""

    signing_keys: Annotated[
        tuple[Secret, ...],
        Meta(
            max_length=4,
            description="secrets of webhooks are derived from these, 32 characters at least: the "
            "first makes new ones, all sign; empty: no webhooks",
        ),
    ] = ()
    allowed_networks: Annotated[
        tuple[str, ...],
        Meta(
            max_length=100,
            description="private networks webhooks may reach, such as 10.1.0.0/16; empty: none",
        ),
    ] = ()
    per_key_max: Annotated[int, Meta(ge=1, le=1000, description="webhooks one key may have")] = 10
    timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds a receiver has for its answer")
    ] = 10.0
    attempts_max: Annotated[
        int, Meta(ge=1, le=100, description="attempts until an event becomes a dead letter")
    ] = 10
    retry_s_min: Annotated[
        float, Meta(gt=0, le=3600, description="seconds before the second attempt; then threefold")
    ] = 2.0
    retry_s_max: Annotated[
        float, Meta(gt=0, le=3600, description="longest wait between two attempts, in seconds")
    ] = 3600.0
    queued_max: Annotated[
        int,
        Meta(ge=1, le=100_000, description="events queued per webhook; more wait in the journal"),
    ] = 1000
    dead_max: Annotated[
        int,
        Meta(ge=1, le=100_000, description="dead letters at which a webhook is suspended"),
    ] = 1000
    workers: Annotated[int, Meta(ge=1, le=64, description="webhooks delivered for at one time")] = 4
    poll_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds between two looks for new events")
    ] = 0.5
    lease_s: Annotated[
        float,
        Meta(ge=5, le=600, description="seconds until another publisher takes over a webhook"),
    ] = 60.0


class HttpSection(msgspec.Struct, frozen=True, kw_only=True):
    """Requests over HTTP: what they may do, how many, how large."""

    environment: Annotated[
        Literal["production", "development"],
        Meta(description="production refuses to start with cors_origins *"),
    ] = "production"
    trading_url: Annotated[
        Secret,
        Meta(
            description="Redis of orders under a user that may write commands; "
            "empty: no orders over HTTP, whatever a key's scopes say"
        ),
    ] = Secret("")
    cors_origins: Annotated[
        tuple[Origin, ...],
        Meta(
            max_length=100, description="origins of other sites' pages that may call; empty: none"
        ),
    ] = ()
    body_bytes_max: Annotated[
        int, Meta(ge=1024, le=2**20, description="size of a request's body")
    ] = 64 * 1024
    body_timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds a request's body may take to arrive")
    ] = 5.0
    wait_s_max: Annotated[
        float, Meta(gt=0, le=120, description="longest ?wait= for what became of a command")
    ] = 30.0
    waiting_max: Annotated[
        int, Meta(ge=1, le=100_000, description="requests waiting for an outcome at one time")
    ] = 500
    reads_per_s: Annotated[
        float, Meta(gt=0, le=10_000, description="reading requests a second of one key")
    ] = 20.0
    reads_burst: Annotated[
        int, Meta(ge=1, le=10_000, description="reading requests of one key at once")
    ] = 60
    writes_per_s: Annotated[
        float, Meta(gt=0, le=10_000, description="writing requests a second of one key")
    ] = 10.0
    writes_burst: Annotated[
        int, Meta(ge=1, le=10_000, description="writing requests of one key at once")
    ] = 30
    cancels_per_s: Annotated[
        float, Meta(gt=0, le=10_000, description="cancels a second of one key, beside its writes")
    ] = 20.0
    cancels_burst: Annotated[
        int, Meta(ge=1, le=10_000, description="cancels of one key at once")
    ] = 100
    strangers_per_s: Annotated[
        float, Meta(gt=0, le=10_000, description="requests a second of one address without a key")
    ] = 5.0
    strangers_burst: Annotated[
        int, Meta(ge=1, le=10_000, description="requests of one address without a key, at once")
    ] = 50
    postbacks_per_s: Annotated[
        float, Meta(gt=0, le=10_000, description="postbacks a second of one account")
    ] = 50.0
    postbacks_burst: Annotated[
        int, Meta(ge=1, le=10_000, description="postbacks of one account at once")
    ] = 500
    postback_bytes_max: Annotated[
        int, Meta(ge=1024, le=32 * 1024, description="size of a postback")
    ] = 16 * 1024
    wants_per_key_max: Annotated[
        int, Meta(ge=1, le=100_000, description="instruments one key may want at one time")
    ] = 3000
