"""How the dashboards ask: rates, shares, quantiles of the chosen workers."""

from __future__ import annotations

from typing import Final

from deploy.grafana.panels import Line, Panel

_CHOSEN: Final = 'instance=~"$instance"'
_OVER: Final = "[$__rate_interval]"


def gauge(metric: str, name: str = "{{instance}}") -> Line:
    """Return a gauge of the chosen workers as it is."""
    return Line(f"{metric}{{{_CHOSEN}}}", name)


def rate(metric: str, by: str = "instance") -> Line:
    """Return how fast a counter of the chosen workers grows, by a label."""
    return Line(f"sum by ({by}) (rate({metric}{{{_CHOSEN}}}{_OVER}))", f"{{{{{by}}}}}")


def gained(metric: str, by: str = "instance") -> Line:
    """Return by how much a rare counter of the chosen workers grew within a minute."""
    return Line(f"sum by ({by}) (increase({metric}{{{_CHOSEN}}}[1m]))", f"{{{{{by}}}}}")


def quantiles(title: str, metric: str, note: str = "") -> Panel:
    """Return a panel of the median, the 99th percentile and the worst thousandth of a histogram."""
    asked = f"sum by (le) (rate({metric}_bucket{{{_CHOSEN}}}{_OVER}))"
    lines = [
        Line(f"histogram_quantile({share}, {asked})", f"p{share * 100:g}")
        for share in (0.5, 0.99, 0.999)
    ]
    return Panel(title, "s", tuple(lines), note)


def spread(title: str, unit: str, metric: str, note: str = "") -> Panel:
    """Return a panel of the median, the 99th percentile and the worst of how things are now.

    The metric tells how many are at most `le`; the worst is that of its bounds which holds all.
    """
    asked = f"sum by (le) ({metric}{{{_CHOSEN}}})"
    lines = [
        Line(f"histogram_quantile({share}, {asked})", name)
        for share, name in ((0.5, "p50"), (0.99, "p99"), (1, "worst"))
    ]
    return Panel(title, unit, tuple(lines), note)


def shown(title: str, unit: str, *lines: Line, note: str = "") -> Panel:
    """Return a panel of several lines."""
    return Panel(title, unit, lines, note)
