"""A worker's probe as an exit code."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from shared.ops.probes import read_reasons

BODIES = {
    "/readyz": (
        503,
        {
            "status": "fail",
            "worker": "enrich",
            "checks": {
                "redis": {"ok": True},
                "shards": {"ok": False, "reason": "none held"},
                "market": {"ok": True, "reason": "idle"},
            },
        },
    ),
    "/livez": (200, {"status": "pass", "worker": "enrich", "checks": {}}),
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = BODIES[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *arguments) -> None:
        del arguments


@pytest.fixture
def probe() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_worker_that_is_alive_exits_0(run, probe: str) -> None:
    result = run("healthcheck", "enrich", "--url", probe, "--endpoint", "livez")
    assert (result.exit_code, result.stdout) == (0, "enrich ready\n")


def test_worker_that_is_not_ready_exits_3_with_its_reasons(run, probe: str) -> None:
    result = run("healthcheck", "enrich", "--json", TICKFLOW_OPS__PROBES=f"enrich={probe}")
    assert result.exit_code == 3
    assert json.loads(result.stdout) == {
        "worker": "enrich",
        "url": probe,
        "state": "not ready",
        "reasons": {"shards": "none held", "market": "idle"},
    }


def test_nobody_there_exits_1(run) -> None:
    result = run("healthcheck", "enrich", "--url", "http://127.0.0.1:1", "--quiet")
    assert (result.exit_code, result.stdout) == (1, "")


def test_probe_that_is_not_named_exits_4(run) -> None:
    result = run("healthcheck", "enrich", TICKFLOW_OPS__PROBES="ingest=http://127.0.0.1:1")
    assert result.exit_code == 4
    assert "names ingest, not enrich" in result.stderr


def test_no_address_at_all_is_a_usage_error(run) -> None:
    assert run("healthcheck", "enrich").exit_code == 2


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"checks": 1}', b'{"checks": {"a": 1}}'])
def test_answer_that_is_no_probes_says_so(body: bytes) -> None:
    assert read_reasons(502, body) == {"probe": "HTTP 502 without named checks"}
