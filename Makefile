# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
# `make help` lists all of them.

# Some containers set it; without compiled files, every process that a test starts compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN  := $(VENV)/bin
RUN  := $(VENV)/.run-ready
DEV  := $(VENV)/.dev-ready
LEAN := .venv-bench
SPARK := .venv-spark
PORT ?= 8642
PIP  := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help install demo serve sbom audit release image try-image pin-base test coverage check-pythons check-long monkey rolling golden replay-export facts mutate bench bench-backtest check-spark steady attack lint format lock wheel-test clean

help: ## Say what each command does
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(RUN) ## Make .venv with what the service and its commands need; they are .venv/bin/cds-service

demo: $(RUN) ## Start the service with synthetic patients on 127.0.0.1:$(PORT)
	@exec $(BIN)/cds-service demo --port $(PORT)

test: $(DEV) ## Run the test suite (a few minutes)
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not long"

check-pythons: $(DEV) ## Run a part of the suite on every other Python at hand, 3.11 to 3.14 (some minutes)
	@sh tests/other_pythons.sh $(BIN)/python

# Above the tests of these folders, the commands that alone reach a part of them.
coverage: $(DEV) ## Measure which branches of engine, sodium and trust the tests reach: at least 95 %
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not long" \
	  tests/engine tests/sodium tests/trust tests/cli/test_client.py tests/cli/test_egress.py
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --fail-under=95

check-long: $(DEV) ## Run the long checks too (fuzzing, large tables); their figures stand at the end
	@HYPOTHESIS_PROFILE=searching $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

monkey: $(DEV) ## Let a monkey loose on the chart page and the workbench (MINUTES=10 SEED=1; needs Chromium)
	@PYTHONPATH=. $(BIN)/python -m tests.browser.monkey $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

rolling: $(DEV) ## Restart two nodes in turn behind nginx under load, count lost calls (SECONDS=45 RATE=15 FROM=older-checkout)
	@PYTHONPATH=. $(BIN)/python -m tests.cluster.rolling $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE)) $(if $(FROM),--from "$(FROM)")

golden: $(DEV) ## Compare 31,000 answers with the golden record (QUICK=1, AGAINST=checkout, WRITE=1)
	@$(BIN)/python -m tests.golden $(if $(QUICK),--quick) $(if $(WRITE),--write) $(if $(AGAINST),--against "$(AGAINST)")

replay-export: $(RUN) ## Count the cards that the hook calls in DIR=folder would have brought
	@$(BIN)/cds-service replay-export "$(DIR)"

facts: $(DEV) ## Record which $$names the rules fill in each text of hooks/, and docs/openapi.yaml as JSON
	@$(BIN)/python -m tests.facts
	@$(BIN)/python -m tests.openapi

mutate: $(DEV) ## Shift every number of thresholds.toml, or with LISTS=1 leave a member out of each list: a test must notice
	@$(BIN)/python -m tests.mutate $(if $(LISTS),--lists)

# bench/servers.py and bench/json_parsers.py compare candidates that the project does not install; each says which.
bench: $(DEV) $(LEAN)/.ready bench/node/node_modules/.ready ## Measure, and write bench/RESULTS.md: ratios to the floor and to Node (ten minutes, on a quiet machine)
	@PYTHONPATH=. $(LEAN)/bin/python bench/service.py --write
	@PYTHONPATH=. $(LEAN)/bin/python bench/worst.py --write
	@$(LEAN)/bin/python bench/reader.py
	@$(LEAN)/bin/python bench/live_reads.py
	@PYTHONPATH=. $(BIN)/python bench/report.py

# On 50,000 thin and 5,000 thick patients it takes some ten minutes; PATIENTS=1000000 is the size of the goals.
bench-backtest: $(DEV) ## Measure `cds-service backtest` beside its goals (PATIENTS=50000 THICK=5000 CUMULUS=1 WRITE=1)
	@PYTHONPATH=. $(BIN)/python bench/backtest.py $(if $(PATIENTS),--patients $(PATIENTS)) $(if $(THICK),--thick $(THICK)) $(if $(CUMULUS),--cumulus) $(if $(WRITE),--write)

# PySpark is large and needs Java 17, so that it has an environment of its own.
check-spark: $(SPARK)/.ready ## Compare the rows of a backtest on Spark with those of one machine (needs Java 17)
	@PYSPARK_PYTHON=$(CURDIR)/$(SPARK)/bin/python $(SPARK)/bin/python -m pytest tests/backtest/test_spark.py

steady: $(DEV) ## Call a node 200 times a second for ten minutes while it is disturbed (RATE=200 SECONDS=600; quiet machine)
	@PYTHONPATH=.:bench $(BIN)/python bench/steady.py $(if $(RATE),--rate $(RATE)) $(if $(SECONDS),--seconds $(SECONDS))

attack: $(DEV) ## Attack a service of our own on 127.0.0.1, a table of figures (ONLY="name ...", JSON=1)
	@$(BIN)/python -m tests.attack $(ONLY) $(if $(JSON),--json)

lint: $(DEV) ## Style, types, knowledge
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/cds-service check

format: $(DEV) ## Let ruff lay out the code
	@$(BIN)/ruff format .

wheel-test: $(DEV) ## Build the wheel and run the suite against it, with the source folder away
	@sh tests/against_wheel.sh $(BIN)/python

sbom: $(DEV) ## Write dist/sbom.json (CycloneDX) and docs/licenses.md: what the service is made of
	@$(BIN)/python tests/licenses.py > docs/licenses.md
	@$(BIN)/python deploy/release/sbom.py dist/sbom.json

# Exit code 75: no source of advisories could be reached, so nothing was audited.
audit: $(DEV) ## Ask whether a locked package has a known vulnerability (needs the network)
	@$(BIN)/python deploy/release/audit.py

release: $(DEV) ## Build wheel, sdist, SBOM, provenance and checksums into dist/ (RELEASE_KEY=file signs)
	@$(BIN)/python deploy/release/build.py make $(if $(RELEASE_KEY),--key "$(RELEASE_KEY)")

image: ## Build the image with docker, podman or buildah (TAG=name:tag CA=file PIP_CONF=file BASE=image)
	@sh deploy/image/build.sh "$(or $(TAG),hyponatremia-cds:local)" "$(CA)" "$(PIP_CONF)" "$(BASE)"

try-image: $(DEV) ## Run the image read-only without capabilities, and look into it (TAG=name:tag; podman or docker)
	@CDS_TEST_IMAGE="$(or $(TAG),hyponatremia-cds:local)" $(BIN)/python -m pytest -q tests/test_image.py

pin-base: ## Write the digest of the base image into the Dockerfile (needs skopeo or docker, and its registry)
	@sh deploy/release/pin-base.sh

# The image installs requirements.lock and nothing else, so it holds the driver for PostgreSQL too.
lock: $(DEV) ## Refresh the lock files from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	  pyproject.toml --group build --extra otel --extra postgresql -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	  pyproject.toml --group dev -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	  pyproject.toml --group dev --extra spark -o requirements-spark.lock

$(SPARK)/.ready: $(BIN)/python requirements-spark.lock pyproject.toml
	@$(BIN)/python -m venv --clear $(SPARK)
	@$(SPARK)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements-spark.lock
	@$(SPARK)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

clean: ## Remove what these commands made
	rm -rf $(VENV) $(LEAN) $(SPARK) .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

# The first Python from 3.14 down to 3.11 that can make a virtual environment.
$(BIN)/python:
	@for version in 3.14 3.13 3.12 3.11; do \
	  if command -v python$$version >/dev/null 2>&1 && python$$version -m venv --clear $(VENV) >/dev/null 2>&1; then \
	    echo "Using $$($(BIN)/python --version) in $(VENV)"; exit 0; \
	  fi; \
	done; \
	if command -v python3 >/dev/null 2>&1 && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  && python3 -m venv --clear $(VENV) >/dev/null 2>&1; then echo "Using $$($(BIN)/python --version) in $(VENV)"; exit 0; fi; \
	rm -rf $(VENV); \
	if [ "$$(uname)" = Darwin ]; then hint="brew install python@3.13"; else hint="sudo apt-get install python3 python3-venv"; fi; \
	echo "hyponatremia-cds needs Python 3.11 or newer with the venv module. Install it with:  $$hint" >&2; exit 1

# Installed with hashes from the lock, then the project itself without looking anywhere else.
$(RUN): $(BIN)/python requirements.lock pyproject.toml
	@echo "Installing what the service needs (once) ..."
	@$(PIP) install --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUN) requirements-dev.lock
	@echo "Installing what the tests need (once) ..."
	@$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

# The peer of the measurements, as package-lock.json pins it; without Node there is no peer, and the table says so.
bench/node/node_modules/.ready: bench/node/package-lock.json
	@if command -v npm >/dev/null 2>&1; then npm ci --prefix bench/node --no-audit --no-fund --silent && touch $@; fi

# What a deployment installs and nothing more, to measure: libraries look for others, and load them where they are.
$(LEAN)/.ready: $(BIN)/python requirements.lock pyproject.toml
	@$(BIN)/python -m venv --clear $(LEAN)
	@$(LEAN)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements.lock
	@$(LEAN)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@
