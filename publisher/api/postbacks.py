"""Kite's HTTP postbacks, handed on raw: whether one is genuine is the executor's to find out.

Kite shows no key, so anyone may call: only known accounts, small bodies, so many a second.
Source: kite.trade/docs/connect/v3/postbacks (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable

from publisher import metrics
from publisher.access.quota import Quota
from publisher.api.errors import HttpRefusal, not_found
from publisher.api.route import Answer, Call
from publisher.api.shapes import One
from shared.clock import Clock
from shared.streams.client import Connection
from shared.streams.writer import Append, StreamWriter
from shared.wire import codec
from shared.wire.orders import Postback
from shared.wire.topics import POSTBACKS

_NS_PER_US = 1_000
_CONTENT_TYPE_CHARACTERS_MAX = 128


class Postbacks:
    """Takes postbacks of known accounts onto their streams."""

    def __init__(
        self,
        redis: Connection | None,
        accounts: Iterable[str],
        *,
        quota: Quota,
        bytes_max: int,
        clock: Clock,
    ) -> None:
        self._writer = None if redis is None else StreamWriter(redis, clock)
        self._accounts = frozenset(accounts)
        self._quota = quota
        self._bytes_max = bytes_max
        self._clock = clock

    async def take(self, call: Call) -> Answer:
        """Take one; the answer says that it is kept, not that it is believed."""
        account = call.path["account"]
        if account not in self._accounts or self._writer is None:
            metrics.POSTBACKS.labels(outcome="unknown_account").inc()
            raise not_found("this account")
        self._check(account, call.body)
        try:
            body = call.body.decode()
        except UnicodeDecodeError as error:
            metrics.POSTBACKS.labels(outcome="malformed").inc()
            raise HttpRefusal(400, "malformed", "the postback is no text") from error
        postback = Postback(
            received_at_us=self._clock.now_ns() // _NS_PER_US,
            body=body,
            content_type=call.headers.get("Content-Type", "")[:_CONTENT_TYPE_CHARACTERS_MAX],
        )
        await self._writer.append([Append(POSTBACKS, account, codec.encode(postback))])
        metrics.POSTBACKS.labels(outcome="taken").inc()
        return Answer(body=One(data=True))

    def _check(self, account: str, body: bytes) -> None:
        if len(body) > self._bytes_max:
            metrics.POSTBACKS.labels(outcome="too_large").inc()
            raise HttpRefusal(413, "too_large", f"a postback is at most {self._bytes_max} bytes")
        if not body:
            metrics.POSTBACKS.labels(outcome="malformed").inc()
            raise HttpRefusal(400, "malformed", "the postback is empty")
        wait_s = self._quota.take(account, self._clock.monotonic_s())
        if wait_s:
            metrics.POSTBACKS.labels(outcome="rate_limited").inc()
            raise HttpRefusal(
                429, "rate_limited", "too many postbacks", headers={"Retry-After": "1"}
            )
