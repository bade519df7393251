"""The alert rules as Prometheus' own tool reads and tries them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

PROMETHEUS = Path(__file__).resolve().parents[3] / "deploy" / "prometheus"
DASHBOARDS = PROMETHEUS.parent / "grafana" / "dashboards"
#: Far beyond the seconds it takes.
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool on PATH")
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml"),
        *(("test", "rules", each.name) for each in sorted(PROMETHEUS.glob("*_test.yml"))),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_wrong(promtool: str, words: tuple[str, ...]) -> None:
    said = run(promtool, *words)
    assert said.returncode == 0, said.stdout
    assert "SUCCESS" in said.stdout


def test_every_query_of_the_dashboards_is_one(promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(queries())
    ]
    assert len(rules) > 100
    # What is JSON is YAML.
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
    said = run(promtool, "check", "rules", str(file))
    assert said.returncode == 0, said.stdout


def queries() -> list[str]:
    pages = [json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))]
    return [
        target["expr"]
        for page in pages
        for panel in page["panels"]
        for target in panel.get("targets", [])
    ]


def run(promtool: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [promtool, *words],
        cwd=PROMETHEUS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
