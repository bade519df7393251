"""Serves the page: its own files only, under a policy that loads nothing from anywhere else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

from aiohttp import hdrs, web

from shared.errors import LocalError

#: Every file with its type; what is not named here is not served.
FILES: Final = {
    "index.html": "text/html",
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
    "app.js": "text/javascript",
    "chain.js": "text/javascript",
    "charts.js": "text/javascript",
    "door.js": "text/javascript",
    "fit.js": "text/javascript",
    "health.js": "text/javascript",
    "numbers.js": "text/javascript",
    "orders.js": "text/javascript",
    "vendor/uPlot.iife.min.js": "text/javascript",
    "vendor/uPlot.min.css": "text/css",
}
#: `'self'` covers the WebSocket of this origin. Source: CSP level 3, section 6.7.2.8.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    hdrs.CACHE_CONTROL: "no-cache",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent."""

    body: bytes
    content_type: str
    etag: str


class Site:
    """Adds `/` and the page's files to a server; they are read once, at the start."""

    def __init__(self) -> None:
        self._files = {name: _read(name, kind) for name, kind in FILES.items()}

    def attach(self, application: web.Application) -> None:
        """Add them."""
        application.router.add_get("/", self._index)
        application.router.add_get("/page/{name:.+}", self._file)

    async def _index(self, request: web.Request) -> web.Response:
        return _answer(request, self._files["index.html"])

    async def _file(self, request: web.Request) -> web.Response:
        found = self._files.get(request.match_info["name"])
        return web.Response(status=404) if found is None else _answer(request, found)


def _answer(request: web.Request, file: File) -> web.Response:
    headers = {**_HEADERS, hdrs.ETAG: file.etag}
    if request.headers.get(hdrs.IF_NONE_MATCH) == file.etag:
        return web.Response(status=304, headers=headers)
    return web.Response(
        body=file.body, content_type=file.content_type, charset="utf-8", headers=headers
    )


def _read(name: str, content_type: str) -> File:
    try:
        body = resources.files("publisher.page").joinpath(name).read_bytes()
    except OSError as error:
        raise LocalError(f"the page's file {name} is missing: {error}") from error
    return File(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:16]}"')
