"""Start a publisher: `python -m publisher`."""

from __future__ import annotations

import sys

from shared.runtime.numba_cache import prepare_numba_cache
from shared.runtime.run import main

if __name__ == "__main__":
    prepare_numba_cache()  # before the worker is imported: the door of Kite's dialect compiles
    from publisher.settings import PublisherSettings
    from publisher.worker import build

    sys.exit(main("publisher", PublisherSettings, build, drain_timeout_s=30))
