"""The loopback page a login leads back to."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

from shared.accounts.login import read_request_token
from shared.errors import LocalError, SettingsError
from shared.secret import Secret

HOST: Final = "127.0.0.1"
HEAD_BYTES_MAX: Final = 16 * 1024
#: A browser opens several connections and asks for an icon; nobody needs more.
CONNECTIONS_MAX: Final = 16
HEAD_TIMEOUT_S: Final = 5.0
_HEADERS: Final = (
    "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
    "Content-Security-Policy: default-src 'none'\r\nX-Content-Type-Options: nosniff\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
)
_DONE: Final = "Logged in. This window may be closed.\n"
_STATUSES: Final = {200: "OK", 302: "Found", 400: "Bad Request", 404: "Not Found", 410: "Gone"}


@dataclass(slots=True)
class LoginCallback:
    """Waits for the broker's redirect; `state` proves that it answers this login.

    `start_path` leads to the login page, so that no address with a key in it is handed to another
    program's arguments.
    """

    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    start_path: str = field(default_factory=lambda: f"/{secrets.token_urlsafe(12)}")
    login_url: Secret = field(default_factory=lambda: Secret(""))
    port: int = 0
    _open: int = 0
    _found: asyncio.Future[Secret] | None = None

    @property
    def start_url(self) -> str:
        """Return where a browser of this machine begins."""
        return f"http://{HOST}:{self.port}{self.start_path}"

    async def request_token(self, timeout_s: float) -> Secret:
        """Return the request token once somebody has logged in.

        Raises:
            LocalError: nobody did in time, or the broker says that the login failed.
        """
        assert self._found is not None, "entered with `listening`"
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self._found)
        except TimeoutError:
            raise LocalError(f"nobody logged in within {timeout_s:g} s") from None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection with one page."""
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAX:
                async with asyncio.timeout(HEAD_TIMEOUT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    status, text, more = self.answer(head)
                    writer.write(_page(status, text, more))
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # whoever it was did not speak HTTP to us
        finally:
            self._open -= 1
            writer.close()

    def answer(self, head: bytes) -> tuple[int, str, str]:
        """Return status, text and further headers for a request's head; notes a token in it."""
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or words[0] != "GET":  # noqa: PLR2004  # method, target, version
            return 400, "Only GET is answered here.\n", ""
        if not self._is_for_us(head):
            return 400, "This address is not ours.\n", ""
        try:
            target = urlsplit(words[1])
            query = parse_qs(target.query, max_num_fields=50)
        except ValueError:
            return 400, "This address makes no sense.\n", ""
        if target.path == self.start_path and self.login_url:
            return 302, "", f"Location: {self.login_url.reveal()}\r\n"
        if "request_token" not in query and "status" not in query:
            return 404, "Nothing is here.\n", ""
        return self._arrived(query)

    def _arrived(self, query: dict[str, list[str]]) -> tuple[int, str, str]:
        assert self._found is not None, "entered with `listening`"
        if not secrets.compare_digest(_only(query, "state").encode(), self.state.encode()):
            return 400, "This is not the login that was begun here.\n", ""
        if self._found.done():
            return 410, "This login is over.\n", ""
        if _only(query, "status") != "success":
            self._found.set_exception(LocalError("the broker says that the login failed"))
            return 400, "The login failed.\n", ""
        try:
            self._found.set_result(read_request_token(_only(query, "request_token")))
        except SettingsError:
            return 400, "There is no request token in this address.\n", ""
        return 200, _DONE, ""

    def _is_for_us(self, head: bytes) -> bool:
        # Another name for this address would let a page of that name read what we answer.
        ours = {f"{HOST}:{self.port}", f"localhost:{self.port}"}
        lines = head.decode("latin-1").split("\r\n")[1:]
        hosts = [
            line.partition(":")[2].strip() for line in lines if line.lower().startswith("host:")
        ]
        return len(hosts) == 1 and hosts[0].lower() in ours


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[LoginCallback]:
    """Enter a callback on a loopback port, 0 for a free one.

    Raises:
        LocalError: the port is taken.
    """
    callback = LoginCallback()
    callback._found = asyncio.get_running_loop().create_future()  # noqa: SLF001  # made here only
    try:
        server = await asyncio.start_server(callback.handle, HOST, port, limit=HEAD_BYTES_MAX)
    except OSError as error:
        raise LocalError(
            f"accounts.callback_port {port} cannot be listened on: {error.strerror}; "
            "log in with --paste instead"
        ) from error
    callback.port = server.sockets[0].getsockname()[1]
    try:
        async with server:
            yield callback
    finally:
        callback._found.cancel()  # noqa: SLF001


def _only(query: dict[str, list[str]], name: str) -> str:
    values = query.get(name, [])
    return values[0] if len(values) == 1 else ""


def _page(status: int, text: str, more: str) -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status} {_STATUSES[status]}\r\n{_HEADERS}{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1", "replace") + body
