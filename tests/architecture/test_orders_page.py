"""docs/orders.md names every kind, state, event and reason there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from shared.kite.refusals import REFUSALS
from shared.wire.orders import Command, State
from shared.wire.steps import Told

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "orders.md").read_text()
KINDS = [str(kind.__struct_config__.tag) for kind in get_args(Command)]
#: Files whose reasons answer queries, not commands.
OF_QUERIES = ("queries", "query_", "reads")
CODE = re.compile(r'(?:code=|reason(?:_of)?\(\s*)"([a-z_]+)"')


def codes() -> set[str]:
    files = (ROOT / "executor").glob("*.py")
    ours = [path for path in files if not path.name.startswith(OF_QUERIES)]
    return {code for path in ours for code in CODE.findall(path.read_text())}


@pytest.mark.parametrize("word", [*KINDS, *Told, *State])
def test_page_names_every_kind_event_and_state(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_page_names_every_reason() -> None:
    missing = {code for code in codes() if f"`{code}`" not in PAGE and f"`{code}_" not in PAGE}
    assert not missing, missing


def test_page_names_every_refusal_of_the_brokers() -> None:
    assert not {each.code for each in REFUSALS if f"`{each.code}`" not in PAGE}
