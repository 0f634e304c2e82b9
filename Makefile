# Everything a newcomer does from a clone. `make` alone lists it.
.DEFAULT_GOAL := help

PYTHON ?= python3
PORT ?= 8080
# Relative, so that neither a space in the folder's name nor another active virtual environment matters
BIN := .venv/bin
# Not all of it is compiled here: what is used of packages is when it is
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt
PATHS := contracts runtime services tabular trainer client ui cli tests benchmarks scripts examples
# Faults are left out of this: they want the machine to themselves
# A thread for each: torch's threads of several processes on the same cores wait for each other by spinning (4 times the CPU on 2 cores)
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH
# The tests start some hundred processes: each would compile what it imports, if none kept it
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: .venv/.local ## Install what one machine needs to run the platform, into .venv

.PHONY: demo
demo: .venv/.local ## Train a classifier on real images, text and numbers, end to end (after set-up: under 3 minutes)
	$(BIN)/triptych demo --port $(PORT)

.PHONY: up
up: .venv/.local ## Run the platform at http://localhost:8080 until Ctrl-C (PORT=… for another port)
	exec $(BIN)/triptych up --port $(PORT)

.PHONY: check
check: .venv/.dev lint audit ## Lint, format, types, imports between rooms, known vulnerabilities, unit tests
	$(PARALLEL) tests/unit tests/contracts

.PHONY: lint
lint: .venv/.dev
	$(BIN)/ruff check $(PATHS)
	$(BIN)/ruff format --check $(PATHS)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(filter-out tests,$(PATHS))

.PHONY: audit
audit: .venv/.dev ## Look every pinned package up among known vulnerabilities; says so where nothing can be asked
	$(BIN)/python scripts/audit.py

.PHONY: sbom
sbom: .venv/.dev ## Write what each image installs as CycloneDX into build/sbom
	$(BIN)/python scripts/sbom.py

.PHONY: test
test: ## All checks and all tests but those marked long
	@$(MAKE) --no-print-directory -j2 .venv/.dev system-packages
	@$(MAKE) --no-print-directory -j2 lint test-services
	$(PARALLEL) tests/faults
	$(PARALLEL) --dist worksteal tests/browser -m "not long"

.PHONY: test-services
# The files that take long come first, so that no core waits for the last one
test-services: .venv/.dev
	$(PARALLEL) --no-loadscope-reorder tests/integration tests/unit tests/contracts -m "not long"

.PHONY: test-long
test-long: .venv/.docs system-packages ## The tests that `make test` leaves out
	$(PARALLEL) tests/unit tests/integration tests/browser -m long

.PHONY: system-packages
system-packages:
	@scripts/system-packages

.PHONY: faults
faults: .venv/.dev system-packages ## Kill, freeze and cut off everything, hundreds of times, and print the fault table (docs/faults.md)
	FAULT_ROUNDS=100 FAULT_RESTARTS=20 FAULT_OUTAGE_SECONDS=60 FAULT_JOBS=100 FAULT_REPEATS=5 FAULT_FULL=1 FAULT_EXAMPLES=500 \
	  FAULT_TABLE=build/faults.json $(BIN)/pytest tests/faults

.PHONY: bench
bench: .venv/.dev ## Measure every speed claim (accuracy needs data: docs/benchmarks.md; datasets.py also a platform)
	for script in profile staging uploads preflight demo_signal csv_zoo throughput; do echo "== $$script"; $(BIN)/python "benchmarks/$$script.py"; done

.PHONY: docs
docs: .venv/.docs ## Write what pages take from the code (settings, REST, commands, metrics, reports), and the site, into build/site
	for script in metrics_openapi client_types environment_table rest_reference cli_reference report_fields metrics_table; do $(BIN)/python scripts/$$script.py --write || exit; done
	$(BIN)/mkdocs build --strict --quiet

.PHONY: screenshots
screenshots: .venv/.dev ## Take a picture of every page, light and dark, wide and narrow, into build/screenshots
	PYTHONPATH=.:tests $(BIN)/python -m browser.screenshots --whole

.PHONY: pictures
pictures: .venv/.dev ## Take the pictures of README and docs anew, from the platform at PORT, on which the demo was run
	PYTHONPATH=.:tests $(BIN)/python -m browser.doc_pictures --url http://localhost:$(PORT)

.PHONY: chart-library
chart-library: ## Build the UI's chart library anew, after a change in scripts/chart-library (needs npm)
	cd scripts/chart-library && npm ci --ignore-scripts --no-audit --no-fund && npm run build

.PHONY: clean
clean: ## Remove the virtual environment and caches; data under var/ stays
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each file stands for a finished step, so that a second run does none of it
.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Triptych needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.11" >&2; \
	  exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.local: .venv/.python pyproject.toml constraints.txt
	@echo "Installing into .venv; the first time takes some minutes."
	@$(PIP) -e '.[local]'
	@touch $@

.venv/.dev: .venv/.python pyproject.toml constraints.txt
	@echo "Installing what the platform and the tests need into .venv; the first time takes some minutes."
	@$(PIP) -e '.[local,dev]'
	@touch .venv/.local $@

.venv/.docs: .venv/.dev
	@echo "Installing what the site of the documentation is built with into .venv."
	@$(PIP) -e '.[docs]'
	@touch $@
