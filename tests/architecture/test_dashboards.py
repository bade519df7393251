"""The dashboards as Grafana reads them: known fields, whole ones, variables and units that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

DASHBOARDS: Final = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

#: What each thing has to have, then what it may have beside that.
#: Source: grafana/grafana-foundation-sdk, jsonschema/{dashboard,timeseries,stat,prometheus} of
#: Grafana 12 (read 2026-11).
FIELDS: Final = {
    "dashboard": (
        "schemaVersion templating annotations",
        (
            "id uid title description tags timezone editable graphTooltip time timepicker refresh "
            "version panels links weekStart liveNow fiscalYearStartMonth preload"
        ),
    ),
    "row": ("type collapsed id panels", "title datasource gridPos repeat"),
    "panel": (
        "type",
        (
            "id title description transparent datasource gridPos targets links repeat interval "
            "maxDataPoints transformations options fieldConfig pluginVersion"
        ),
    ),
    "gridPos": ("h w x y", "static"),
    "target": (
        "refId",
        "datasource expr instant range format legendFormat hide interval editorMode exemplar",
    ),
    "variable": (
        "type name",
        (
            "label hide skipUrlSync description query datasource current multi options refresh sort "
            "includeAll allValue regex definition"
        ),
    ),
    "annotation": (
        "name enable iconColor",
        "datasource hide filter target type builtIn expr textFormat titleFormat tagKeys step",
    ),
    "link": (
        "title type icon tooltip tags asDropdown targetBlank includeVars keepTime",
        "url placement",
    ),
    "field": (
        "",
        "unit decimals min max mappings thresholds color links noValue custom displayName",
    ),
    "step": ("value color", ""),
    "timeseries": ("legend tooltip", "timezone orientation annotations timeCompare"),
    "legend": ("displayMode placement showLegend calcs", "asTable isVisible width sortBy sortDesc"),
    "stat": (
        (
            "graphMode colorMode justifyMode textMode wideLayout reduceOptions showPercentChange "
            "percentChangeColorMode orientation"
        ),
        "text",
    ),
}
#: Units that Grafana calls so. Source: the same, jsonschema/units.
UNITS: Final = frozenset(
    {"short", "bool", "s", "bytes", "Bps", "ops", "reqps", "percentunit", "currencyINR"}
)
#: What Grafana fills in itself.
BUILT_IN: Final = frozenset({"__rate_interval", "__interval", "__range", "__all"})

Thing = dict[str, Any]


def pages() -> list[Path]:
    return sorted(DASHBOARDS.glob("*.json"))


def things(page: Thing) -> Iterator[tuple[str, Thing]]:
    """Return everything on a page with what it is."""
    yield "dashboard", page
    yield from (("variable", each) for each in page["templating"]["list"])
    yield from (("annotation", each) for each in page["annotations"]["list"])
    yield from (("link", each) for each in page["links"])
    for panel in page["panels"]:
        yield "row" if panel["type"] == "row" else "panel", panel
        yield "gridPos", panel["gridPos"]
        if panel["type"] != "row":
            yield from parts(panel)


def parts(panel: Thing) -> Iterator[tuple[str, Thing]]:
    options, field = panel["options"], panel["fieldConfig"]["defaults"]
    yield panel["type"], options
    if "legend" in options:
        yield "legend", options["legend"]
    yield "field", field
    yield from (("step", each) for each in field.get("thresholds", {}).get("steps", ()))
    yield from (("target", each) for each in panel["targets"])


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_dashboard_has_what_grafana_asks_for_and_nothing_that_it_does_not_know(path: Path) -> None:
    found = list(things(json.loads(path.read_text())))
    assert {"row", "panel", "target", "variable", "annotation"} <= {kind for kind, _ in found}
    for kind, thing in found:
        needed, allowed = (set(words.split()) for words in FIELDS[kind])
        named = thing.get("title") or thing.get("name") or kind
        assert needed <= thing.keys(), f"{kind} {named}: lacks {needed - thing.keys()}"
        assert thing.keys() <= needed | allowed, (
            f"{kind} {named}: {thing.keys() - needed - allowed}"
        )


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_dashboard_asks_the_chosen_prometheus_in_units_and_variables_that_exist(path: Path) -> None:
    page = json.loads(path.read_text())
    variables = {each["name"] for each in page["templating"]["list"]}
    assert page["templating"]["list"][0]["name"] == "datasource"
    for panel in page["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["datasource"] == SOURCE, panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters)) > 0, panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == SOURCE, panel["title"]
            used = set(re.findall(r"\$\{?(\w+)", target["expr"]))
            assert used <= variables | BUILT_IN, f"{panel['title']}: {used - variables - BUILT_IN}"


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_thresholds_begin_below_everything_and_rise(path: Path) -> None:
    for kind, thing in things(json.loads(path.read_text())):
        if kind == "field" and "thresholds" in thing:
            first, *rest = (step["value"] for step in thing["thresholds"]["steps"])
            assert first is None
            assert rest == sorted(rest)
