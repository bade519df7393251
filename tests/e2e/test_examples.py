"""The examples of the documentation, run as a newcomer runs them."""

from __future__ import annotations

import http.server
import json
import math
import queue
import runpy
import sys
import threading
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.pipeline import ROOT, RunningPipeline

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "docs" / "examples"
LINES_MAX = 30


def just_below_the_market(pipeline: RunningPipeline, share: str) -> str:
    with urllib.request.urlopen(f"{pipeline.control_url}/state", timeout=10) as answer:
        spot = json.load(answer)["spots"][share]
    return f"{math.floor(spot * 0.99):.2f}"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_example_is_short_enough_to_copy(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_MAX


def test_first_consumer_prints_options_with_their_greeks(pipeline: RunningPipeline) -> None:
    done = pipeline.run(sys.executable, "docs/examples/consumer.py", "20")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) >= 20
    assert all(" iv " in line and " delta " in line and "nan" not in line for line in lines)


def test_backfill_beside_a_live_market_fetches_prices_and_does_nothing_twice(
    pipeline: RunningPipeline,
) -> None:
    today = (datetime.now(UTC) + timedelta(hours=5, minutes=30)).date()
    first_day, last_day = str(today - timedelta(4)), str(today - timedelta(1))
    rows = json.loads(pipeline.run(".venv/bin/tickflow", "chain", "NIFTY", "--json").stdout)["rows"]
    middle = str(rows[len(rows) // 2]["strike"])
    words = ["backfill", "--underlying", "NIFTY", "--interval", "60minute", "--json"]
    words += ["--strike-from", middle, "--strike-to", middle, "--from", first_day, "--to", last_day]
    told = []
    for _ in range(2):
        done = pipeline.run(".venv/bin/tickflow", *words, timeout_s=180)
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    first, again = told
    # Of each day seven candles of a call, a put, their future where there is one, the index.
    assert first["candles"] >= 21
    assert first["failures"] == {}
    assert first["priced"] >= first["solved"] >= 7
    assert (again["requests"], again["priced"]) == (0, 0)


def test_first_producer_sees_its_order_taken_and_open(pipeline: RunningPipeline) -> None:
    price = just_below_the_market(pipeline, "INFY")
    done = pipeline.run(
        sys.executable, "docs/examples/producer.py", "NSE:INFY", "1", price, timeout_s=30
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = [line.split()[0] for line in done.stdout.splitlines()]
    assert events[0] == "received"
    assert done.stdout.splitlines()[-1].split()[1] in {"OPEN", "COMPLETE"}


def test_producer_of_a_bad_order_is_told_the_reason(pipeline: RunningPipeline) -> None:
    done = pipeline.run(
        sys.executable, "docs/examples/producer.py", "NSE:INFY", "1", "1000.003", timeout_s=30
    )
    assert done.returncode == 1
    assert "REFUSED" in done.stdout
    assert "price" in done.stdout


def test_order_over_http_is_accepted_and_told_step_by_step(pipeline: RunningPipeline) -> None:
    key = (pipeline.state / "secrets" / "subscriber.key").read_text()
    price = just_below_the_market(pipeline, "INFY")
    program = [sys.executable, "docs/examples/http_order.py", "NSE:INFY", "1"]
    done = pipeline.run("env", f"PUBLISHER_KEY={key}", *program, price)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("accepted ")
    assert lines[1] == "received RECEIVED"
    assert any(line.startswith("accepted ") for line in lines[2:])
    refused = pipeline.run("env", f"PUBLISHER_KEY={key}", *program, "1400.003")
    assert refused.returncode == 1
    assert '"field": "price"' in refused.stdout


def test_webhook_of_a_local_run_tells_a_receiver_on_this_machine(
    pipeline: RunningPipeline,
) -> None:
    key = (pipeline.state / "secrets" / "subscriber.key").read_text()
    taken: queue.Queue[tuple[str, bytes]] = queue.Queue()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.put((self.headers["Tickflow-Signature"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Receiver) as server:
        listening = threading.Thread(target=server.serve_forever, daemon=True)
        listening.start()
        registered = urllib.request.Request(
            f"{pipeline.publisher_url}/v1/webhooks",
            data=json.dumps(
                {
                    "url": f"http://127.0.0.1:{server.server_port}/told",
                    "accounts": [pipeline.environment["TICKFLOW_ACCOUNT__ID"]],
                    "events": [],
                }
            ).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(registered, timeout=30) as answer:
            secret = json.load(answer)["data"]["secret"]
        price = just_below_the_market(pipeline, "INFY")
        done = pipeline.run(
            sys.executable, "docs/examples/producer.py", "NSE:INFY", "1", price, timeout_s=30
        )
        assert done.returncode == 0, done.stdout + done.stderr
        signature, body = taken.get(timeout=30)
        server.shutdown()
        listening.join(10)
    assert runpy.run_path(str(EXAMPLES / "webhook_receiver.py"))["verify"](secret, signature, body)
    assert json.loads(body)["event"]["event"] == "received"
