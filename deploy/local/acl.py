"""Who may do what on the two Redis servers, as data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Kind = Literal["ticks", "orders"]
Role = Literal["ingest", "enrich", "executor", "publisher", "ops", "client-read", "producer"]

KINDS: tuple[Kind, ...] = ("ticks", "orders")
ROLES: tuple[Role, ...] = (
    "ingest",
    "enrich",
    "executor",
    "publisher",
    "ops",
    "client-read",
    "producer",
)

#: What a connection needs before it does anything. `client|setinfo` came with 7.2.
_CONNECT = "+auth +hello +ping +echo +select +reset +info +time +command +memory|usage"
_CLIENT = "+client|setname +client|getname +client|id +client|list +client|no-evict"
_TRANSACTION = "+multi +exec +discard +watch +unwatch"
#: Reading without leaving a trace.
_READ = (
    "+xread +xrange +xrevrange +xlen +xinfo +get +mget +exists +type +ttl +pttl +hget +hmget "
    "+hgetall +hvals +hexists +hlen +hkeys +hscan +smembers +scard +zrange +zcard"
)
#: Reading as a group: whoever may is able to take entries from any group of the stream.
_GROUP = (
    "+xreadgroup +xack +xpending +xclaim +xautoclaim +xgroup|create +xgroup|createconsumer "
    "+xgroup|delconsumer +xgroup|setid"
)
_WRITE = (
    "+xadd +xtrim +xdel +xsetid +set +setex +psetex +del +unlink +expire +pexpire +persist "
    "+hset +hdel +incr +incrby +sadd +srem +zadd +zrem +zremrangebyscore"
)
_SCRIPT = "+eval +evalsha +script|load +script|exists"
#: The operator looks everywhere, repairs groups, trims dead letters; not the server itself. No
#: CONFIG SET: Redis cannot allow one parameter of it alone (6.2 takes `+config|set|maxmemory` and
#: lets nothing pass, 7.0 refuses it), and others stop the file of orders or, on 6.2, move it.
_OPERATE = (
    "+@read +@write +@stream +@transaction +config|get +slowlog +latency +acl|log +acl|whoami "
    "+client +scan +dbsize -flushall -flushdb -swapdb -keys"
)

#: Rights of the default user, as which nobody can come in. A server that reads its append-only file
#: does so as this user, and drops every transaction that it has no right to, scripts and what
#: groups were handed among them, without ending (redis/redis#14541, valkey-io/valkey#3983).
_UNNAMED: Mapping[Kind, str] = {"ticks": "resetkeys -@all", "orders": "~* +@all"}

_COORDINATION = ("lease.*", "limiter.*")
_PUBLISHED = ("instruments.v1*", "shards.v1", "layouts.v1")


class Grant(Struct, frozen=True):
    """The streams and keys one role may read, or read and write, on one server."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    groups: bool = True
    operator: bool = False


GRANTS: Mapping[tuple[Role, Kind], Grant] = {
    ("ingest", "ticks"): Grant(
        reads=("ticks.last.v1.*", "shards.weights.v1"),
        writes=(
            "ticks.raw.v1.*",
            "ticks.gaps.v1*",
            "control.v1*",
            "subscriptions.v1",
            *_PUBLISHED,
            *_COORDINATION,
        ),
    ),
    ("enrich", "ticks"): Grant(
        reads=("ticks.raw.v1.*", "ticks.gaps.v1*", *_PUBLISHED),
        writes=(
            "ticks.*.dead",
            "ticks.enriched.v1.*",
            "ticks.last.v1.*",
            "chains.v1*",
            "chains.opening.v1.*",
            "shards.weights.v1",
            "bars.v1.*",
            "control.v1*",
            *_COORDINATION,
        ),
    ),
    ("executor", "ticks"): Grant(
        reads=("ticks.last.v1.*", "ticks.enriched.v1.*", *_PUBLISHED),
        writes=("control.v1*", "instruments.v1*", *_COORDINATION),
    ),
    ("publisher", "ticks"): Grant(
        reads=("ticks.*", "chains.v1*", "bars.v1.*", *_PUBLISHED),
        writes=("ticks.*.dead", "control.v1*", *_COORDINATION),
    ),
    ("client-read", "ticks"): Grant(
        reads=(
            "ticks.enriched.v1.*",
            "ticks.last.v1.*",
            "ticks.gaps.v1",
            "chains.v1",
            "bars.v1.*",
            *_PUBLISHED,
        ),
        groups=False,
    ),
    ("producer", "ticks"): Grant(reads=("ticks.last.v1.*", *_PUBLISHED), groups=False),
    ("ops", "ticks"): Grant(operator=True),
    # Below, money: only the producer, the executor and the operator reach orders.commands.
    ("ingest", "orders"): Grant(
        writes=("orders.updates.v1.*", *_COORDINATION),
    ),
    ("enrich", "orders"): Grant(reads=("replies.v1.*",), writes=("queries.v1.*", *_COORDINATION)),
    ("executor", "orders"): Grant(
        reads=("orders.postbacks.v1.*",),
        writes=(
            "orders.commands.v1.*",  # trimmed below what the journal has taken
            "orders.*.dead",
            "queries.v1.*",  # trimmed below what was answered
            "orders.events.v1.*",
            "orders.updates.v1.*",
            "replies.v1.*",
            *_COORDINATION,
        ),
    ),
    ("publisher", "orders"): Grant(
        reads=("orders.events.v1.*", "orders.updates.v1.*", "replies.v1.*"),
        writes=("orders.postbacks.v1.*", "queries.v1.*", "orders.*.dead", *_COORDINATION),
    ),
    ("client-read", "orders"): Grant(reads=("orders.events.v1.*",), groups=False),
    ("producer", "orders"): Grant(
        reads=("orders.events.v1.*", "replies.v1.*"),
        writes=("orders.commands.v1.*", "queries.v1.*"),
        groups=False,
    ),
    ("ops", "orders"): Grant(operator=True),
}


def acl_file(kind: Kind, passwords: Mapping[Role, str], *, version: tuple[int, int]) -> str:
    """Return the text of a Redis ACL file: one user per role, the default user off.

    Passwords enter as their SHA-256 only.
    """
    lines = [f"user default off resetpass resetchannels {_UNNAMED[kind]}"]
    for role in ROLES:
        digest = hashlib.sha256(passwords[role].encode()).hexdigest()
        rule = _rule(GRANTS[role, kind], version)
        lines.append(f"user {role} on #{digest} resetchannels -@all {rule}")
    return "\n".join(lines) + "\n"


def _rule(grant: Grant, version: tuple[int, int]) -> str:
    client = _CLIENT + (" +client|setinfo" if version >= (7, 2) else "")
    connect = f"{_CONNECT} {client} {_TRANSACTION}"
    if grant.operator:
        return f"{connect} {_SCRIPT} {_OPERATE} ~*"
    if version < (7, 0):
        return f"{connect} {_flat(grant)}"
    return f"{connect} {_selectors(grant)}"


def _flat(grant: Grant) -> str:
    # 6.2 has one set of commands over all keys of a user: who may write one may write each.
    commands = f"{_reading(grant)} {_WRITE} {_SCRIPT}" if grant.writes else _reading(grant)
    return f"{commands} {_keys(grant.reads + grant.writes)}"


def _selectors(grant: Grant) -> str:
    # 7.0 and later hold the two apart: the streams a role only reads cannot be added to. One
    # command has to fit one selector whole, so what is written can be read beside the rest.
    rule = f"{_reading(grant)} {_keys(grant.reads + grant.writes)}"
    if grant.writes:
        rule += f" ({_reading(grant)} {_WRITE} {_SCRIPT} {_keys(grant.writes)})"
    return rule


def _reading(grant: Grant) -> str:
    return f"{_READ} {_GROUP}" if grant.groups else _READ


def _keys(patterns: tuple[str, ...]) -> str:
    return " ".join(f"~{pattern}" for pattern in patterns)
