# Everything is done with these words; anything longer is a Python file in the room it concerns.
.DEFAULT_GOAL := help
SHELL := /bin/sh
# The first name that answers: a version manager's shim may exist and fail.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'from __future__ import annotations' >/dev/null 2>&1 && echo $$p && break; done)
PY := .venv/bin/python
BIN := .venv/bin
# Test files over so many processes, each with servers of its own; JOBS=0 runs them in one.
JOBS ?= 2
SPREAD := -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: help venv run test test-kafka check check-types check-tests bench bench-greeks soak soak-enrich chaos lock golden docs clean

help: ## these words
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

venv: ## the environment in .venv, from deploy/requirements.lock with hashes checked
	@$(or $(PYTHON),false) -c 'from __future__ import annotations' 2>/dev/null || \
		{ echo "tickflow: no working Python found: install Python 3.11 or 3.12, or name it: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	@$(PYTHON) deploy/bootstrap.py

run: venv ## the whole pipeline on this machine, until Ctrl-C or for DURATION=<seconds>; SEED=<number>
	@$(PY) -m deploy.local up $(if $(DURATION),--duration $(DURATION)) $(if $(SEED),--seed $(SEED))

test: venv ## every test
	@$(PY) -m pytest tests --ignore=tests/kafka $(SPREAD) $(ARGS)

test-kafka: venv ## what needs a real Kafka: brokers of Maven Central run by Java 17
	@$(PY) -m pytest tests/kafka $(ARGS)

check: venv ## format, lint, types, import contracts, the quick unit tests, architecture tests
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/lint-imports
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target check-types check-tests

check-types:
	@$(BIN)/mypy

check-tests:
	@$(PY) -m pytest tests/unit tests/architecture -m "not slow" --hypothesis-profile=quick -q $(SPREAD) $(ARGS)

bench: venv ## what docs/performance.md reports, measured here
	@$(PY) -m tests.benchmarks $(ARGS)

bench-greeks: venv ## the solver against others on the same options; makes their environments in build/
	@$(PY) -m tests.benchmarks.greeks

soak: venv ## ingest under random faults, MINUTES=10 long; SEED=<number> chooses them
	@$(PY) -m tests.soak --minutes $(or $(MINUTES),10) --seed $(or $(SEED),1)

soak-enrich: venv ## one enrichment worker at full rate, 40,000 instruments, MINUTES=10 long: memory flat
	@$(PY) -m tests.soak.enrichment --minutes $(or $(MINUTES),10)

chaos: venv ## the executor under crashes and faults: RUNS=2000 in process, KILLS=200 by kill -9; SEED=<number>
	@$(PY) -m tests.chaos --runs $(or $(RUNS),2000) --kills $(or $(KILLS),200) --seed $(or $(SEED),1)

lock: venv ## write deploy/requirements.lock again from the .in files
	@$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
		$(ARGS) \
		--output-file deploy/requirements.lock deploy/requirements-dev.in

golden: venv ## write golden bytes that are missing; read the difference before keeping it
	@$(PY) -m tests.golden.kite.build && $(PY) -m tests.golden.wire.build

docs: venv ## write the generated pages again
	@$(PY) docs/generate.py

clean: ## remove .venv, caches, and what local runs left
	@if [ -x $(PY) ]; then $(PY) -m deploy.local clean; fi
	@rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
