"""The instruments dump of what a tape recorded, in place of the simulated listing's."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from deploy.sandbox.dump import HEADER

# token, underlying, strike, tick, expiry ns, lot, expiry, shard, kind, padding, names.
INSTRUMENT = struct.Struct("<IIddQIIHBB8s36s24s")
_KINDS = {0: "EQ", 1: "EQ", 2: "FUT", 3: "CE", 4: "PE"}
_INDEX, _FUTURE = 1, 2
_SEGMENTS_PER_TOKEN = 256


def tape_dump(payloads: Iterable[bytes], exchange: str) -> bytes:
    """Return the dump of every instrument of those blocks, of one exchange if it is named."""
    lines = {
        token: line
        for payload in payloads
        for token, listed, line in _lines(payload)
        if not exchange or listed == exchange.upper()
    }
    return ("\n".join([HEADER, *(lines[token] for token in sorted(lines))]) + "\n").encode()


def _lines(payload: bytes) -> Iterator[tuple[int, str, str]]:
    whole = len(payload) - len(payload) % INSTRUMENT.size
    for fields in INSTRUMENT.iter_unpack(payload[:whole]):
        token, _, strike, tick, _, lot, expiry, _, kind = fields[:9]
        exchange, symbol, name = (text.rstrip(b"\0").decode() for text in fields[10:])
        is_derivative = kind >= _FUTURE
        columns = (
            str(token),
            str(token // _SEGMENTS_PER_TOKEN),
            symbol,
            name if is_derivative else symbol,
            "0.0" if is_derivative else "0",
            _date(expiry),
            str(strike) if is_derivative else "0",
            f"{tick:g}",
            str(lot),
            _KINDS.get(kind, "EQ"),
            _segment(exchange, kind),
            exchange,
        )
        yield token, exchange, ",".join(columns)


def _segment(exchange: str, kind: int) -> str:
    if kind == _INDEX:
        return "INDICES"
    if kind < _FUTURE:
        return exchange
    return f"{exchange}-{'FUT' if kind == _FUTURE else 'OPT'}"


def _date(yyyymmdd: int) -> str:
    text = f"{yyyymmdd:08d}"
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if yyyymmdd else ""
