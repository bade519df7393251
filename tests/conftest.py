"""What every test may ask for."""

from pathlib import Path

import pytest
from hypothesis import settings

from shared.runtime.numba_cache import prepare_numba_cache

# Before a test module imports numba. Its own cache, beside the sources, does not notice edits in
# functions that a cached one calls; and the workers that tests start find what is compiled here.
prepare_numba_cache()

pytest_plugins = ["tests.support.servers", "tests.support.skips"]

# How long an example takes says nothing about whether it holds: the first one may compile.
settings.register_profile("tickflow", deadline=None)
#: What `make check` asks for: a quarter of the examples; `make test` tries them all.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.load_profile("tickflow")

#: Folders of tests from the fastest to the slowest; what breaks a rule is told first.
_ORDER = ("unit", "architecture", "contract", "integration", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first, each folder in its own order."""
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return _ORDER.index(folder) if folder in _ORDER else len(_ORDER)

    items.sort(key=rank)
