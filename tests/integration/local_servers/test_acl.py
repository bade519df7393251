"""Each role can do its own work on the real servers, not another's."""

from __future__ import annotations

import pytest
import redis

from deploy.local.acl import Kind, Role
from deploy.local.redis import RedisServer

pytestmark = pytest.mark.integration

COMMANDS = "orders.commands.v1.AB1234"
EVENTS = "orders.events.v1.AB1234"

ALLOWED: list[tuple[Role, Kind, str]] = [
    ("ingest", "ticks", "XADD ticks.raw.v1.0 * h a s b"),
    ("ingest", "ticks", "XADD ticks.gaps.v1 * json {}"),
    ("ingest", "ticks", "SET shards.v1 {}"),
    ("ingest", "ticks", "HSET instruments.v1 version 1"),
    ("ingest", "ticks", "HSET lease.ingest.AB1234 owner me"),
    ("ingest", "orders", "XADD orders.updates.v1.AB1234 * json {}"),
    ("enrich", "ticks", "XGROUP CREATE ticks.raw.v1.0 enrich 0 MKSTREAM"),
    ("enrich", "ticks", "XREADGROUP GROUP enrich one COUNT 1 STREAMS ticks.raw.v1.0 >"),
    ("enrich", "ticks", "XACK ticks.raw.v1.0 enrich 1-1"),
    ("enrich", "ticks", "XADD ticks.enriched.v1.0 * h a r b"),
    ("enrich", "ticks", "HSET ticks.last.v1.0 256265 a"),
    ("enrich", "ticks", "XADD chains.v1 * json {}"),
    ("enrich", "ticks", "XADD ticks.raw.v1.0.dead * reason x"),
    ("enrich", "ticks", "GET shards.v1"),
    ("executor", "orders", f"XGROUP CREATE {COMMANDS} executor 0 MKSTREAM"),
    ("executor", "orders", f"XREADGROUP GROUP executor one COUNT 1 STREAMS {COMMANDS} >"),
    ("executor", "orders", f"XACK {COMMANDS} executor 1-1"),
    ("executor", "orders", f"XADD {EVENTS} * json {{}}"),
    ("executor", "orders", f"XADD {COMMANDS}.dead * reason x"),
    ("executor", "orders", "HSET limiter.AB1234.orders a 1"),
    ("executor", "ticks", "HMGET ticks.last.v1.0 256265"),
    ("executor", "ticks", "XADD control.v1 * json {}"),
    ("publisher", "ticks", "XREAD COUNT 1 STREAMS ticks.enriched.v1.0 0"),
    ("publisher", "ticks", "XREAD COUNT 1 STREAMS ticks.gaps.v1 control.v1 0 0"),
    ("publisher", "orders", f"XREAD COUNT 1 STREAMS {EVENTS} 0"),
    ("publisher", "orders", "XADD orders.postbacks.v1.AB1234 * json {}"),
    ("publisher", "orders", "XADD queries.v1.AB1234 * json {}"),
    ("client-read", "ticks", "XREAD COUNT 1 STREAMS ticks.enriched.v1.0 0"),
    ("client-read", "ticks", "HGETALL instruments.v1"),
    ("client-read", "orders", f"XREVRANGE {EVENTS} + - COUNT 1"),
    ("producer", "orders", f"XADD {COMMANDS} * json {{}}"),
    ("producer", "orders", f"XREAD COUNT 1 STREAMS {EVENTS} 0"),
    ("ops", "orders", f"XINFO STREAM {COMMANDS}"),
    ("ops", "ticks", "XTRIM ticks.raw.v1.0.dead MAXLEN 0"),
    ("ops", "orders", "CONFIG GET maxmemory"),
    ("ops", "orders", "INFO persistence"),
]

REFUSED: list[tuple[Role, Kind, str]] = [
    *[
        (role, "orders", f"XADD {COMMANDS} * json {{}}")
        for role in ("ingest", "enrich", "publisher", "client-read")
    ],
    ("ingest", "orders", f"XRANGE {COMMANDS} - +"),
    ("ingest", "orders", f"XADD {EVENTS} * json {{}}"),
    ("ingest", "ticks", "XADD ticks.enriched.v1.0 * h a"),
    ("enrich", "orders", f"XADD {EVENTS} * json {{}}"),
    ("client-read", "ticks", "XADD ticks.enriched.v1.0 * h a"),
    ("client-read", "ticks", "XREAD STREAMS ticks.raw.v1.0 0"),
    ("client-read", "orders", f"XGROUP CREATE {EVENTS} mine 0 MKSTREAM"),
    ("client-read", "orders", f"XRANGE {COMMANDS} - +"),
    ("producer", "orders", f"XREADGROUP GROUP executor me STREAMS {COMMANDS} >"),
    ("producer", "orders", "XADD orders.updates.v1.AB1234 * json {}"),
    ("producer", "orders", "HSET lease.executor.AB1234 owner me"),
    *[(role, "orders", "FLUSHALL") for role in ("executor", "ops", "producer")],
    *[(role, "orders", "CONFIG SET appendfsync no") for role in ("executor", "ops", "producer")],
    # Of the parameters none can be allowed alone: this one would come with those that move files.
    ("ops", "orders", "CONFIG SET maxmemory 2gb"),
    *[(role, "ticks", "SHUTDOWN NOSAVE") for role in ("enrich", "ops", "client-read")],
    *[(role, "ticks", "ACL SETUSER me on nopass ~* +@all") for role in ("ingest", "ops")],
    ("executor", "orders", "CLIENT KILL TYPE normal"),
]

#: What 7.0 and later refuse as well, since they hold reading and writing apart.
REFUSED_FROM_7: list[tuple[Role, Kind, str]] = [
    ("executor", "orders", f"XADD {COMMANDS} * json {{}}"),
    ("producer", "orders", f"XADD {EVENTS} * json {{}}"),
    ("publisher", "orders", f"XADD {EVENTS} * json {{}}"),
    ("enrich", "ticks", "XADD ticks.raw.v1.0 * h a"),
    ("publisher", "ticks", "HSET instruments.v1 version 1"),
]


def _do(server: RedisServer, role: Role, words: str) -> object:
    with redis.Redis.from_url(server.url_for(role).reveal()) as client:
        return client.execute_command(*words.split())


@pytest.mark.parametrize(("role", "kind", "words"), ALLOWED)
def test_a_role_may_do_its_work(
    role: Role, kind: Kind, words: str, ticks_redis: RedisServer, orders_redis: RedisServer
) -> None:
    server = ticks_redis if kind == "ticks" else orders_redis
    for stream, group in ((COMMANDS, "executor"), ("ticks.raw.v1.0", "enrich")):
        if "XREADGROUP" in words or "XINFO" in words:
            _do(server, "ops", f"XGROUP CREATE {stream} {group} 0 MKSTREAM")
    _do(server, role, words)


@pytest.mark.parametrize(("role", "kind", "words"), REFUSED)
def test_a_role_may_not_do_what_is_another_s(
    role: Role, kind: Kind, words: str, ticks_redis: RedisServer, orders_redis: RedisServer
) -> None:
    server = ticks_redis if kind == "ticks" else orders_redis
    with pytest.raises(redis.exceptions.NoPermissionError):
        _do(server, role, words)


@pytest.mark.parametrize(("role", "kind", "words"), REFUSED_FROM_7)
def test_a_role_may_not_write_what_it_only_reads_where_redis_can_tell(
    role: Role, kind: Kind, words: str, ticks_redis: RedisServer, orders_redis: RedisServer
) -> None:
    server = ticks_redis if kind == "ticks" else orders_redis
    if server.version < (7, 0):
        assert _do(server, role, words)
        return
    with pytest.raises(redis.exceptions.NoPermissionError):
        _do(server, role, words)
