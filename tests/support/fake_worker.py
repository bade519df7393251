"""A process that behaves like a worker as far as whoever supervises it can see.

`python -m tests.support.fake_worker <name> [never-ready|dies|ignores-stop]`
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import sys
import time
from types import FrameType


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class _Probe(http.server.BaseHTTPRequestHandler):
    ready = True

    def do_GET(self) -> None:
        checks = {"numba": {"ok": self.ready, "reason": "" if self.ready else "compiling"}}
        self.send_response(200 if self.ready else 503)
        self.end_headers()
        self.wfile.write(json.dumps({"checks": checks}).encode())

    def log_message(self, *_words: object) -> None:
        return


def _leave(_signal: int, _frame: FrameType | None) -> None:
    _say("drained")
    os._exit(0)


def _refuse(_signal: int, _frame: FrameType | None) -> None:
    os._exit(2)


def main() -> None:
    """Serve until SIGTERM, or misbehave as told; end as with bad settings on SIGUSR1."""
    name, *behaviour = sys.argv[1:]
    _say(f"{name} begins")
    if "dies" in behaviour:
        sys.exit(f"{name}: cannot reach anything")
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "ignores-stop" in behaviour else _leave)
    signal.signal(signal.SIGUSR1, _refuse)
    _Probe.ready = "never-ready" not in behaviour
    port = int(os.environ["TICKFLOW_PROBE__PORT"])
    with http.server.HTTPServer(("127.0.0.1", port), _Probe) as server:
        server.serve_forever()


def sandbox() -> None:
    """Print where the sandbox would listen, then live until SIGTERM."""
    signal.signal(signal.SIGTERM, _leave)
    account = {"id": "SB0001", "api_key": "key", "api_secret": "s3", "access_token": "t0"}
    urls = {"rest_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:1", "control_url": ""}
    _say(json.dumps({**urls, "accounts": [account]}))
    while True:
        time.sleep(60)


if __name__ == "__main__":
    sandbox() if sys.argv[1] == "sandbox" else main()
