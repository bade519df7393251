"""Alerts and dashboards speak of what the workers export and of what the runbook explains."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from executor.gate import Bar
from publisher.protocol.farewells import FAREWELLS
from shared.wire.ticks import Status

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("ingest", "enrich", "executor", "publisher", "shared")
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = (PROMETHEUS / "rules.yml").read_text()
TESTS = "".join(path.read_text() for path in sorted(PROMETHEUS.glob("*_test.yml")))
#: What Prometheus puts on a series itself, and what prometheus.yml does.
OF_THE_SCRAPE = {"instance", "job", "account", "le"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}

ALERT = re.compile(r"- alert: (\w+)\n(.*?)(?=\n      - |\n  - |\Z)", re.DOTALL)
METRIC = re.compile(r"\b(tickflow_\w+)(?:\{([^}]*)\})?")


def exported() -> dict[str, set[str]]:
    """Return the labels of every series that some worker exports, by its name."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*metrics.py")):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found = {}
    for collector in list(REGISTRY._collector_to_names):
        for family in collector.collect():
            labels = set(getattr(collector, "_labelnames", ()))
            for suffix in SUFFIXES.get(family.type, ("",)):
                found[family.name + suffix] = labels
    return found


def texts() -> dict[str, str]:
    dashboards = sorted((ROOT / "deploy" / "grafana").rglob("*.json"))
    scalers = sorted((ROOT / "deploy" / "keda").glob("*.yaml"))
    files = [PROMETHEUS / "rules.yml", *dashboards, *scalers]
    return {path.name: path.read_text() for path in files}


def anchors() -> set[str]:
    """Return the anchors of the runbook's sections, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def alerts() -> list[tuple[str, str, str]]:
    """Return name, severity and text of every alert."""
    found = []
    for name, body in ALERT.findall(RULES):
        severity = re.search(r"severity: (\w+)", body)
        assert severity, f"{name} has no severity"
        found.append((name, severity[1], body))
    return found


@pytest.mark.parametrize("name", sorted(texts()))
def test_every_metric_named_is_exported_with_the_labels_named(name: str) -> None:
    known = exported()
    named = METRIC.findall(texts()[name].replace('\\"', '"'))
    assert named, "nothing is asked for"
    for metric, matchers in named:
        assert metric in known, f"{name}: no worker exports {metric}"
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
        assert labels <= known[metric] | OF_THE_SCRAPE, f"{name}: {metric} has no {labels}"


def questions() -> list[tuple[str, str, set[str]]]:
    """Return where it is asked, what is asked, the labels by which the answer is called."""
    found = [
        (name, body, set(re.findall(r"\{\{ *\$labels\.(\w+) *\}\}", body)))
        for name, _, body in alerts()
    ]
    for path in sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                called = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                found.append((f"{path.name}, {panel['title']}", target["expr"], called))
    return found


def test_every_grouping_and_every_legend_goes_by_labels_that_the_metrics_have() -> None:
    known = exported()
    for where, query, called in questions():
        had = OF_THE_SCRAPE.union(*(known[metric] for metric, _ in METRIC.findall(query)))
        groupings = re.findall(r"\b(?:by|on) ?\(([^)]*)\)", query)
        grouped = {each for words in groupings for each in re.findall(r"\w+", words)}
        assert grouped <= had, f"{where}: grouped by {grouped - had}, which nothing has"
        # What is summed up keeps only what it is summed up by.
        kept = grouped if re.search(r"\bby ?\(", query) else had
        assert called <= kept, f"{where}: called by {called - kept}, which the answer has not"


def test_every_metric_is_on_a_dashboard_or_in_a_rule() -> None:
    shown = {metric for text in texts().values() for metric, _ in METRIC.findall(text)}
    unseen = {
        name.removesuffix("_bucket")
        for name in exported()
        if name.startswith("tickflow_") and not name.endswith(("_count", "_sum"))
        if name not in shown
    }
    assert not unseen, "exported, and nobody looks"


def test_values_of_closed_labels_in_the_rules_exist() -> None:
    closed = {
        "status": {each.name for each in Status},
        "bar": {each.value for each in Bar},
        "reason": {each.name for each in FAREWELLS},
        "server": {"ticks", "orders"},
    }
    for label, values in closed.items():
        for named in re.findall(rf'\b{label}=~?"([^"]+)"', RULES):
            assert set(named.split("|")) <= values, f"{label}: {named}"


def test_every_alert_has_a_severity_a_sentence_and_a_section_of_the_runbook() -> None:
    assert len(alerts()) == RULES.count("- alert:")
    for name, severity, body in alerts():
        assert severity in {"page", "warn"}, name
        sentence = re.search(r'summary: "?(.+?)"?\n', body)
        assert sentence, f"{name} has no summary"
        assert sentence[1].endswith("."), f"{name}: a sentence ends"
        section = re.search(r"runbook: docs/runbook\.md#(\S+)", body)
        assert section, f"{name} names no section of the runbook"
        assert section[1] in anchors(), f"{name}: the runbook has no section {section[1]}"


def test_no_page_comes_while_the_market_is_closed() -> None:
    # NoTicks goes by what each socket holds: ingest counts no silence outside sessions.
    for name, severity, body in alerts():
        if severity == "page" and name != "NoTicks":
            assert "and on() tickflow:market_open == 1" in body, name


def test_every_alert_is_tried_where_it_fires_and_where_it_must_not() -> None:
    for name, severity, _ in alerts():
        assert re.search(rf"alertname: {name}, exp_alerts: \[\]", TESTS), f"{name}: no quiet case"
        fired = re.findall(
            rf"alertname: {name}\n +exp_alerts:\n(.*?)(?=\n      - |\n\n|\Z)", TESTS, re.DOTALL
        )
        assert any(f'severity: "{severity}"' in each for each in fired), f"{name}: no {severity}"


def test_panels_of_a_dashboard_do_not_lie_on_one_another() -> None:
    for path in sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")):
        panels = json.loads(path.read_text())["panels"]
        taken = [
            (x, y)
            for place in (panel["gridPos"] for panel in panels)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(taken) == len(set(taken)), path.name
        assert max(x for x, _ in taken) < 24, path.name
        ids = [panel["id"] for panel in panels]
        assert len(ids) == len(set(ids)), path.name


def test_label_of_a_target_gives_way_to_a_metrics_own() -> None:
    # Without it Prometheus renames the metric's, and an alert names the wrong account.
    jobs = re.split(r"(?=- job_name:)", (PROMETHEUS / "prometheus.yml").read_text())[1:]
    of_metrics = set().union(*exported().values())
    for job in jobs:
        of_target = set(re.findall(r"^ {10}(\w+):", job, re.MULTILINE))
        assert not of_target & of_metrics or "honor_labels: true" in job


def test_jobs_named_are_those_that_are_scraped() -> None:
    scraped = set(re.findall(r"job_name: (\w+)", (PROMETHEUS / "prometheus.yml").read_text()))
    assert scraped == {"ingest", "enrich", "executor", "publisher"}
    for name, text in texts().items():
        for named in re.findall(r'\bjob=~?"([^"]+)"', text.replace('\\"', '"')):
            assert set(named.split("|")) <= scraped, f"{name}: {named}"
