"""Since when a socket covers nothing, told as a gap when it does again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ingest import metrics
from shared.wire.control import Gap, GapCause


@dataclass(slots=True)
class _Loss:
    from_ns: int
    tokens: frozenset[int]
    cause: GapCause


class Coverage:
    """The loss of one socket, from its last frame before to its first with packets after."""

    def __init__(self, account: str, socket: int, tell_gap: Callable[[Gap], None]) -> None:
        self._account = account
        self._socket = socket
        self._tell_gap = tell_gap
        self._loss: _Loss | None = None

    @property
    def lost(self) -> bool:
        """Say whether a loss goes on."""
        return self._loss is not None

    def lose(self, from_ns: int, tokens: frozenset[int], cause: GapCause) -> None:
        """Begin a loss, or go on with the one there is."""
        if self._loss is None:
            self._loss = _Loss(from_ns, tokens, cause)
        elif cause == "token_expired":  # whatever it began with, this is why it lasts
            self._loss.cause = cause

    def regain(self, to_ns: int) -> None:
        """End the loss, if there is one, and tell it."""
        loss, self._loss = self._loss, None
        if loss is not None:
            self._tell(loss, to_ns)

    def release(self, tokens: frozenset[int], to_ns: int) -> None:
        """End the loss of these alone: another socket has them now, or nobody wants them."""
        if self._loss is None:
            return
        released = replace(self._loss, tokens=self._loss.tokens & tokens)
        self._loss.tokens -= tokens
        self._tell(released, to_ns)

    def _tell(self, loss: _Loss, to_ns: int) -> None:
        if not loss.tokens:
            return
        metrics.GAPS.labels(loss.cause).inc()
        gap = Gap(
            from_us=loss.from_ns // 1000,
            to_us=to_ns // 1000,
            account=self._account,
            socket=self._socket,
            instrument_tokens=sorted(loss.tokens),
            cause=loss.cause,
        )
        self._tell_gap(gap)
