"""Asking workers how they are, over HTTP."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

#: A page of named checks; more is not a probe.
ANSWER_BYTES_MAX = 256 * 1024


class Finding(Struct, frozen=True, kw_only=True):
    """What a probe said: `silent` if it did not answer."""

    worker: str
    url: str
    state: str
    reasons: dict[str, str] = {}

    @property
    def is_ready(self) -> bool:
        """Tell whether the worker takes part."""
        return self.state == "ready"


async def ask_all(probes: Mapping[str, str], *, timeout_s: float) -> list[Finding]:
    """Ask /readyz of every worker at once, each within `timeout_s`."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                asyncio.to_thread(ask, name, url, "/readyz", timeout_s=timeout_s),
                name=f"probe {name}",
            )
            for name, url in probes.items()
        ]
    return [task.result() for task in tasks]


def ask(worker: str, url: str, path: str, *, timeout_s: float) -> Finding:
    """Ask one path of a worker's probe."""
    try:
        status, body = _get(url, path, timeout_s)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Finding(
            worker=worker, url=url, state="silent", reasons={"probe": _why_silent(error)}
        )
    state = "ready" if status == http.client.OK else "not ready"
    return Finding(worker=worker, url=url, state=state, reasons=read_reasons(status, body))


def read_reasons(status: int, body: bytes) -> dict[str, str]:
    """Return what the named checks have to say; a passed one without a reason says nothing."""
    try:
        checks: dict[str, dict[str, Any]] = msgspec.json.decode(body)["checks"]
        return {
            name: str(check.get("reason") or "failed")
            for name, check in checks.items()
            if not check["ok"] or check.get("reason")
        }
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return {"probe": f"HTTP {status} without named checks"}


def _get(url: str, path: str, timeout_s: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path.rstrip("/") + path)
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES_MAX)
    finally:
        connection.close()


def _why_silent(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
