"""Asking a worker's probe whether it is ready."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import msgspec
from msgspec import Struct

LOOPBACK = "127.0.0.1"
#: One question, answer included, in seconds.
ANSWER_S = 2.0
ANSWER_BYTES_MAX = 64 * 1024
_STATUS_READY = b" 200 "


class Health(Struct, frozen=True):
    """What a probe answered: ready or not, and why not."""

    ready: bool
    reason: str


NO_ANSWER = Health(ready=False, reason="its probe does not answer yet")


async def ask(port: int) -> Health:
    """Ask /readyz of the worker whose probe listens on `port` of this machine."""
    try:
        async with asyncio.timeout(ANSWER_S):
            answer = await _get(port, "/readyz")
    except (OSError, TimeoutError):
        return NO_ANSWER
    return read_answer(answer)


def read_answer(answer: bytes) -> Health:
    """Return what an HTTP answer of a probe means."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if _STATUS_READY in head.split(b"\r\n", 1)[0]:
        return Health(ready=True, reason="")
    try:
        checks: dict[str, dict[str, Any]] = msgspec.json.decode(body)["checks"]
        failed = [f"{name}: {check['reason']}" for name, check in checks.items() if not check["ok"]]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return Health(ready=False, reason="its probe answers without reasons")
    return Health(ready=False, reason="; ".join(failed))


def free_port(wished: int = 0) -> int:
    """Return `wished` if nobody listens there on this machine, else a port nobody uses."""
    return free_ports([wished])[0]


def free_ports(wished: Sequence[int]) -> list[int]:
    """Return one port for each wish, as `free_port`; no two are the same.

    All are held until the last is found: the kernel gives a port that was let go again.
    """
    with ExitStack() as held:
        return [_held_port(held, port) for port in wished]


def _held_port(held: ExitStack, wished: int) -> int:
    for port in (wished, 0):
        attempt = held.enter_context(socket.socket())
        # A port whose last connections still linger is free for a listener all the same.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((LOOPBACK, port))
            # Only a listener keeps others off a port bound like this.
            attempt.listen()
        except OSError:
            continue
        chosen: int = attempt.getsockname()[1]
        return chosen
    raise OSError("this machine has no free port")


async def _get(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        answer = b""
        while chunk := await reader.read(ANSWER_BYTES_MAX):
            answer += chunk
            if len(answer) > ANSWER_BYTES_MAX:
                break
    finally:
        writer.close()
    return answer
