"""`python -m ingest`: the worker that owns an account's WebSockets."""

from __future__ import annotations

import sys

from shared.runtime.numba_cache import prepare_numba_cache
from shared.runtime.run import main

if __name__ == "__main__":
    prepare_numba_cache()  # before the worker is imported, which imports numba
    from ingest.settings import IngestSettings
    from ingest.wiring import build

    sys.exit(main("ingest", IngestSettings, build, drain_timeout_s=5))
