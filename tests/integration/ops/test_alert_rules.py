"""The alert rules as Prometheus' own tool reads and tries them."""

from __future__ import annotations

import json
import re
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


STREAM, PARTITION = "tickflow_enrich_stream_lag_seconds", "tickflow_enrich_kafka_lag_seconds"


@pytest.mark.parametrize(
    ("series", "lag_s"),
    [
        ({f'{STREAM}{{instance="a"}}': 3, f'{STREAM}{{instance="b"}}': 7}, 7),
        ({f'{STREAM}{{instance="a"}}': 0, f'{PARTITION}{{instance="a",shard="1"}}': 9}, 9),
        ({f'{STREAM}{{instance="a"}}': 5, f'{PARTITION}{{instance="a",shard="1"}}': 0}, 5),
    ],
    ids=["Redis", "Kafka", "Kafka with its lag in the batch"],
)
def test_workers_are_scaled_by_the_worst_lag_wherever_ticks_travel(
    promtool: str, tmp_path: Path, series: dict[str, int], lag_s: int
) -> None:
    expected = {"expr": scaling(), "eval_time": "1m"}
    told = [{"series": name, "values": f"{value}x20"} for name, value in series.items()]
    case = {
        "interval": "5s",
        "input_series": told,
        "promql_expr_test": [{**expected, "exp_samples": [{"labels": "{}", "value": lag_s}]}],
    }
    (tmp_path / "scaling.yml").write_text(json.dumps({"rule_files": [], "tests": [case]}))
    said = run(promtool, "test", "rules", str(tmp_path / "scaling.yml"))
    assert said.returncode == 0, said.stdout


def scaling() -> str:
    """Return what KEDA asks Prometheus for."""
    text = (PROMETHEUS.parent / "keda" / "enrich.yaml").read_text()
    (folded,) = re.findall(r"^( +)query: >-\n((?:\1  .*\n)+)", text, re.MULTILINE)
    return " ".join(folded[1].split())


def queries() -> list[str]:
    """Return what panels, marks and choices of the dashboards ask."""
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        page = json.loads(path.read_text())
        asked = [*page["panels"], {"targets": page["annotations"]["list"]}]
        found += [target["expr"] for each in asked for target in each.get("targets", [])]
        chosen = [str(each["query"]) for each in page["templating"]["list"]]
        found += re.findall(r"^label_values\((.+), \w+\)$", "\n".join(chosen), re.MULTILINE)
    return found


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
