"""The broker's JSON answers."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from shared.errors import KiteRejected

JSON_TYPE = "application/json"


def success(payload: Any) -> web.Response:
    """Return the answer that carries `payload`."""
    return _json({"status": "success", "data": payload}, 200)


def failure(refusal: KiteRejected) -> web.Response:
    """Return the answer that says why not."""
    content = {
        "status": "error",
        "message": str(refusal),
        "data": None,
        "error_type": refusal.error_type,
    }
    return _json(content, refusal.status)


def plain(content: Any, status: int = 200) -> web.Response:
    """Return JSON without the broker's envelope, for the control interface."""
    return _json(content, status)


def _json(content: Any, status: int) -> web.Response:
    body = json.dumps(content, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, content_type=JSON_TYPE)
