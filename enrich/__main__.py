"""`python -m enrich`: an enrichment worker."""

from __future__ import annotations

import sys

from shared.runtime.numba_cache import prepare_numba_cache
from shared.runtime.run import main

if __name__ == "__main__":
    prepare_numba_cache()  # before the worker is imported, which imports numba
    from enrich.settings import EnrichSettings
    from enrich.wiring import build

    sys.exit(main("enrich", EnrichSettings, build, drain_timeout_s=10))
