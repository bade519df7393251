"""One pipeline for the tests that only use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.pipeline import RunningPipeline, running_pipeline


@pytest.fixture(scope="module")
def pipeline() -> Iterator[RunningPipeline]:
    """Run the whole pipeline for this folder's tests."""
    with running_pipeline() as running:
        yield running
