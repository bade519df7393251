"""No test is skipped in silence: what may be is listed with a date and a reason.

`--strict-skips`, or TICKFLOW_STRICT_SKIPS=1, fails a session that skipped anything else;
`build/skips.json` then says what was skipped.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTED = ROOT / "tests" / "skips.toml"
REPORT = ROOT / "build" / "skips.json"
#: Taken out of the environment, since workers refuse names under this prefix that they do not know.
VARIABLE = "TICKFLOW_STRICT_SKIPS"


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A skip somebody has accepted: which tests (a pattern), why, from when until when."""

    test: str
    reason: str
    since: dt.date
    until: dt.date


class Skipped(msgspec.Struct, frozen=True):
    """One test that was skipped, with what it said."""

    test: str
    said: str


def read_list(text: str) -> list[Allowed]:
    """Return the accepted skips of a TOML text."""
    return msgspec.convert(tomllib.loads(text).get("skip", []), list[Allowed])


def unlisted(skipped: list[Skipped], allowed: list[Allowed], today: dt.date) -> list[Skipped]:
    """Return what was skipped although no entry of the list allows it today."""
    valid = [each.test for each in allowed if each.since <= today <= each.until]
    return [
        each
        for each in skipped
        if not any(fnmatch.fnmatchcase(each.test, pattern) for pattern in valid)
    ]


class SkipWatch:
    """Collects the skips of a session and judges them at its end."""

    def __init__(self) -> None:
        self._skipped: list[Skipped] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._take(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._take(report.nodeid, report.longrepr)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        wrong = unlisted(self._skipped, read_list(LISTED.read_text()), dt.date.today())
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(
            json.dumps(
                {
                    "skipped": msgspec.to_builtins(self._skipped),
                    "unlisted": msgspec.to_builtins(wrong),
                },
                indent=2,
            )
        )
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        for each in wrong:
            if reporter is not None:
                reporter.write_line(f"skipped without leave: {each.test}: {each.said}", red=True)
        if wrong and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _take(self, test: str, longrepr: Any) -> None:
        said = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
        self._skipped.append(Skipped(test, said))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-skips",
        action="store_true",
        default=os.environ.pop(VARIABLE, "") == "1",
        help="fail when a test is skipped that tests/skips.toml does not list",
    )


def pytest_configure(config: pytest.Config) -> None:
    # The process that hands tests out hears of every skip; those that run them do not judge.
    is_handed_out = hasattr(config, "workerinput")
    if config.getoption("--strict-skips") and not is_handed_out:
        config.pluginmanager.register(SkipWatch(), "skip-watch")
