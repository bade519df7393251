"""What a dashboard is made of, and its JSON. `make docs` writes that beside this file."""

from __future__ import annotations

import json
from typing import Any, Final

from msgspec import Struct

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
#: The model of Grafana 10; later ones bring it up to date when they load it.
_SCHEMA: Final = 38
#: Grafana's grid is so wide; a series takes a third of it, a number a sixth.
_GRID: Final = 24
_SIZES: Final = {"timeseries": (8, 8), "stat": (4, 4)}


class Line(Struct, frozen=True):
    """One query with what its lines are called, such as `{{socket}}`."""

    query: str
    name: str = ""


class Panel(Struct, frozen=True):
    """A figure over time, its unit in Grafana's words."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    note: str = ""


class Number(Struct, frozen=True):
    """A figure as it is now: red from `bad` on, before it green; the other way if low is bad."""

    title: str
    unit: str
    query: str
    name: str = ""
    note: str = ""
    bad: float | None = None
    is_low_bad: bool = False


class Row(Struct, frozen=True):
    """Panels under one heading."""

    title: str
    panels: tuple[Panel | Number, ...]


class Dashboard(Struct, frozen=True):
    """One page; of one worker where `job` is named, which may then be chosen by instance."""

    name: str
    title: str
    note: str
    rows: tuple[Row, ...]
    job: str = ""


def rendered(dashboard: Dashboard) -> str:
    """Return the JSON of a dashboard, as Grafana provisions it."""
    return json.dumps(_page(dashboard), indent=1, ensure_ascii=False) + "\n"


def _page(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": f"tickflow-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.note,
        "tags": ["tickflow"],
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "Asia/Kolkata",
        "templating": {"list": _variables(dashboard.job)},
        "annotations": {"list": [_alerts()]},
        "links": [_link()],
        "panels": _panels(dashboard.rows),
    }


def _variables(job: str) -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus"}
    if not job:
        return [source]
    words = f'label_values(up{{job="{job}"}}, instance)'
    instance = {
        "name": "instance",
        "label": "Worker",
        "type": "query",
        "datasource": _SOURCE,
        "definition": words,
        "query": words,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
    return [source, instance]


def _alerts() -> dict[str, Any]:
    return {
        "name": "pages",
        "datasource": _SOURCE,
        "enable": True,
        "expr": 'ALERTS{alertstate="firing", severity="page"}',
        "iconColor": "red",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{instance}}",
    }


def _link() -> dict[str, Any]:
    return {
        "title": "tickflow",
        "type": "dashboards",
        "icon": "external link",
        "tooltip": "",
        "tags": ["tickflow"],
        "asDropdown": True,
        "targetBlank": False,
        "includeVars": False,
        "keepTime": True,
    }


def _panels(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    """Return headings and panels from left to right, then downwards."""
    found: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        place = {"x": 0, "y": top, "w": _GRID, "h": 1}
        head = {"type": "row", "title": row.title, "collapsed": False, "panels": []}
        found.append(head | {"id": len(found) + 1, "gridPos": place})
        left, top, tallest = 0, top + 1, 0
        for panel in row.panels:
            shown = _number(panel) if isinstance(panel, Number) else _series(panel)
            width, height = _SIZES[shown["type"]]
            if left + width > _GRID:
                left, top, tallest = 0, top + tallest, 0
            place = {"x": left, "y": top, "w": width, "h": height}
            found.append(shown | {"id": len(found) + 1, "gridPos": place, "datasource": _SOURCE})
            left, tallest = left + width, max(tallest, height)
        top += tallest
    return found


def _series(panel: Panel) -> dict[str, Any]:
    looks = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": False}
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.note,
        "targets": [
            _target(line.query, line.name, chr(ord("A") + number), is_instant=False)
            for number, line in enumerate(panel.lines)
        ],
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": looks}, "overrides": []},
        "options": {
            "legend": {
                "displayMode": "list",
                "placement": "bottom",
                "showLegend": True,
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _number(panel: Number) -> dict[str, Any]:
    below, above = ("red", "green") if panel.is_low_bad else ("green", "red")
    steps: list[dict[str, Any]] = [
        {"color": below if panel.bad is not None else "blue", "value": None}
    ]
    if panel.bad is not None:
        steps.append({"color": above, "value": panel.bad})
    defaults = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    return {
        "type": "stat",
        "title": panel.title,
        "description": panel.note,
        "targets": [_target(panel.query, panel.name, "A", is_instant=True)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
        },
    }


def _target(query: str, name: str, ref: str, *, is_instant: bool) -> dict[str, Any]:
    return {
        "refId": ref,
        "datasource": _SOURCE,
        "expr": query,
        "legendFormat": name or "__auto",
        "instant": is_instant,
        "range": not is_instant,
    }
