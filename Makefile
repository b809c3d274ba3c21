# Two commands do everything: `make run` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CONFIG ?= proxy.yaml
DIALECT ?= openai_chat openai_responses anthropic_messages google_gemini
LONG   := $(BIN)/python -m pytest -q -s
SHARED := $(abspath $(or $(TURNOUT_SHARED),../shared))

.DEFAULT_GOAL := help
.PHONY: help run test services check fmt bench bench-translate bench-reasoning bench-policies bench-ledger torture soak fuzz sbom route-bench test-real compliance mutate lock clean

help: ## What each command does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 17

run: $(VENV)/run ## Serve proxy.yaml on http://127.0.0.1:4000 (a demo backend when no key and no local server is found)
	$(BIN)/turnout serve --config $(CONFIG)

test: $(VENV)/dev node services ## All that CI runs: unit, golden, SDKs of two languages, faults, Redis and PostgreSQL
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

services: ## Install the servers that tests start for themselves, where they are missing: Redis and PostgreSQL
	@tests/install-services

check: $(VENV)/dev ## Format, lint, types, import laws
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

fmt: $(VENV)/dev ## Format and mend what can be mended
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

bench: $(VENV)/run ## Measure Turnout beside nginx (Linux, root, two cores)
	PYTHON=$(PYTHON) SHARED=$(SHARED) tests/bench/run

bench-translate: $(VENV)/dev ## What translation costs in process: microseconds per stream chunk and per agent request
	$(BIN)/python tests/bench/translate.py

bench-reasoning: $(VENV)/dev ## Counted reasoning against the truth, beside the character method, and what counting costs
	PYTHONPATH=.:tests:tests/proxy $(BIN)/python tests/bench/reasoning.py

bench-policies: $(VENV)/dev ## Decisions, cache, stickiness, condensing and spill (ten minutes; the last is a ramp to 3x a simulated vLLM)
	$(BIN)/python tests/bench/decide.py
	$(BIN)/python tests/bench/cache.py
	$(BIN)/python tests/bench/replay.py
	PYTHONPATH=.:tests:tests/proxy $(BIN)/python tests/bench/condense.py
	$(BIN)/python tests/bench/ramp.py --seconds 60

bench-ledger: $(VENV)/dev services ## The book: what a row costs, ten million rows read in SQLite and one million in PostgreSQL (half an hour, 6 GB)
	$(BIN)/python tests/bench/ledger.py
	$(BIN)/python tests/bench/ledger.py --postgres

torture: $(VENV)/dev services ## The long versions: kill -9, reloads, cuts, departures, churn, quotas, locked files (half an hour)
	TURNOUT_KILLS=50 $(LONG) tests/faults/test_kill.py
	TURNOUT_RELOAD_SECONDS=300 $(LONG) tests/faults/test_reload_storm.py -k done_4
	TURNOUT_RELOADS=1000 $(LONG) tests/faults/test_reload_storm.py -k p9
	TURNOUT_CUTS=300 $(LONG) tests/golden/test_properties_broken_off.py
	TURNOUT_CUTS=40 $(LONG) tests/golden/test_golden_broken_off.py
	TURNOUT_DEPARTURES=20 $(LONG) tests/faults/test_departures.py
	TURNOUT_CHURN=30 TURNOUT_HANG_UPS=2000 $(LONG) tests/faults/test_cancel_churn.py tests/faults/test_departures_inside.py
	TURNOUT_QUOTA_CALLS=150 $(LONG) tests/faults/test_quota.py -k come_again
	TURNOUT_LOCKED=30 $(LONG) tests/faults/test_state_away.py -k locked

soak: $(VENV)/dev ## 200,000 requests of every kind: what the workers hold on to, and its slope
	PYTHONPATH=.:tests:tests/faults $(BIN)/python tests/faults/soak.py

fuzz: $(VENV)/dev ## Every reader and our own API, ten minutes each
	TURNOUT_FUZZ_SECONDS=600 $(LONG) tests/fuzz/test_fuzz_api.py
	TURNOUT_FUZZ_SECONDS=600 $(LONG) tests/fuzz/test_fuzz_readers.py
	PYTHON=$(PYTHON) TURNOUT_SHARED=$(SHARED) tests/fuzz/run 600

sbom: $(VENV)/run ## The bill of materials (CycloneDX), from the lock
	$(BIN)/python deploy/sbom.py > sbom.json

route-bench: $(VENV)/dev ## How well the classifier routes: cross-validated on the routing data beside length and keywords, and its latency
	$(BIN)/python -m policies.classify.train --data $(SHARED)/data/routing --evaluate
	$(BIN)/python tests/bench/classify.py

test-real: $(VENV)/dev ## In front of transformers serve, an engine that none of us wrote (downloads PyTorch)
	PYTHON=$(PYTHON) tests/real/run

compliance: $(VENV)/dev ## The public Open Responses suite in front of every upstream dialect (OPENRESPONSES_DIR: its checkout)
	tests/compliance/run

mutate: $(VENV)/dev ## Delete each field mapping of the dialects, list what no test misses (DIALECT=openai_chat: one of them)
	@for dialect in $(DIALECT); do $(BIN)/python tests/mutate.py $$dialect || missed=1; done; test -z "$$missed"

lock: $(VENV)/dev ## Pin every dependency again, with hashes
	$(BIN)/python -m pip install -q pip-tools
	$(BIN)/pip-compile -q --allow-unsafe --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --build-deps-for=editable -o requirements.txt pyproject.toml
	$(BIN)/pip-compile -q --allow-unsafe --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --build-deps-for=editable --extra dev -o requirements-dev.txt pyproject.toml

clean: ## Remove what was installed and made here
	rm -rf $(VENV) build *.egg-info tests/node/node_modules

node: tests/node/node_modules/.done

tests/node/node_modules/.done: tests/node/package.json tests/node/package-lock.json
	cd tests/node && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(VENV)/run: requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: requirements-dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/run
