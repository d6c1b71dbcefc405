# Everything a developer types. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run test test-compiled test-endurance test-faults soak test-deploy test-matrix wheel check check-static format lint types bench bench-quick screenshots docs lock clean

PYTHON ?= python3
BIN := .venv/bin
LOCK_BIN := .lock/bin
STAMP := .venv/installed
COMPILED := build/compiled
WHEEL_SOURCES := $(shell find src web -type f -not -path '*/__pycache__/*') hatch_build.py pyproject.toml README.md LICENSE
PEERS := bench/peers/node_modules/.package-lock.json

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Create .venv with the command .venv/bin/onlycare-socket (quick when nothing changed)

# The stamp is newer than what it was made from, so a second run does nothing. A .venv that was moved or whose Python is
# gone is made anew.
$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 or newer is needed: make setup PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "Python's venv is missing: sudo apt install make python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv; $(PYTHON) -m venv .venv; }
	@echo "Installing the locked packages into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## Start a development server on port 3001 and say what to try
	@exec $(BIN)/onlycare-socket serve --dev

test: setup ## Run every test this machine can run, and name what is left out
	@tests/run

wheel: setup ## Build dist/*.whl for production, its hot path compiled (PURE=1: nothing compiled, no gcc needed)
	@rm -f dist/onlycare_socket-*.whl
	@$(if $(PURE),,HATCH_BUILD_HOOK_ENABLE_CUSTOM=true) $(BIN)/python -m hatchling build --target wheel --directory dist

test-compiled: $(COMPILED)/installed ## Run the server's tests on the compiled wheel
	@EXPECT_COMPILED=1 $(COMPILED)/bin/python -m pytest -rfEs \
	  $(addprefix --ignore tests/,bench browser deploy doctor compare endurance faults) $(ARGS)

test-endurance: $(COMPILED)/installed ## Memory of the compiled wheel after 200,000 users came, called and went (5 to 10 minutes)
	@$(COMPILED)/bin/python -m pytest -rfEs tests/endurance $(ARGS)

test-faults: setup ## Every fault at every moment of a call, three seeds each (8 to 10 minutes; root, libfaketime)
	@$(BIN)/python -m tests.faults --all $(ARGS)

SOAK ?= 3600
soak: setup ## Random faults for an hour (or SOAK=600 seconds) while phones call each other
	@$(BIN)/python -m tests.faults --soak $(SOAK) $(ARGS)

test-deploy: setup ## Run deploy/ and laravel/ with real nginx, PM2, systemd and Laravel (root; some 10 minutes)
	@tests/deploy/run $(ARGS)

test-matrix: setup ## Laravel, systemd and the installer on newer Debians too, testing among them, which moves
	@TEST_MATRIX=1 tests/deploy/run -k 'laravel or systemd or install' $(ARGS)

# As .venv, with the wheel in the place of the checkout.
$(COMPILED)/installed: $(STAMP) $(COMPILED)/packages $(WHEEL_SOURCES)
	@$(MAKE) --no-print-directory wheel PURE=
	@$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall dist/onlycare_socket-*.whl
	@touch $@

$(COMPILED)/packages: requirements-dev.txt
	@$(COMPILED)/bin/python -m pip --version >/dev/null 2>&1 || { rm -rf $(COMPILED); $(PYTHON) -m venv $(COMPILED); }
	@echo "Installing the locked packages into $(COMPILED)"
	@$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

check: check-static test ## Format, lint, types and tests

check-static: setup ## The part of check that runs no test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: setup ## Format the code and sort its imports
	@$(BIN)/ruff check --quiet --select I --fix .
	@$(BIN)/ruff format .

lint: setup ## Look for mistakes with ruff
	@$(BIN)/ruff check .

types: setup ## Check the types with mypy
	@$(BIN)/mypy

# What is measured is what production installs: the compiled wheel. PURE=1: the checkout, where there is no gcc.
MEASURED := $(if $(PURE),$(STAMP),$(COMPILED)/installed)
BENCH := $(BIN)/python -m bench run $(if $(PURE),,--python $(CURDIR)/$(COMPILED)/bin/python)

bench: setup $(MEASURED) $(PEERS) ## Measure everything beside Node and python-socketio, some 50 minutes; tables, JSON, pictures
	@$(BENCH) $(ARGS)

bench-quick: setup $(MEASURED) $(PEERS) ## The same in a minute and a half, each scenario smaller and once
	@$(BENCH) --quick $(ARGS)

$(PEERS): bench/peers/package-lock.json
	@if command -v npm >/dev/null; then npm --prefix bench/peers ci --silent --no-audit --no-fund; \
	  else echo "npm is missing, so the Node servers are left out: sudo apt install nodejs npm"; fi

screenshots: setup ## Make pictures of the browser phone (needs chromium)
	@$(BIN)/python tests/browser/screenshots.py

docs: setup ## Write docs/settings.md, .env.example and docs/calls.md anew from the code
	@$(BIN)/onlycare-socket settings --format markdown > docs/settings.md.new && mv docs/settings.md.new docs/settings.md
	@$(BIN)/onlycare-socket settings --format env > .env.example.new && mv .env.example.new .env.example
	@$(BIN)/python docs/make_calls.py > docs/calls.md.new && mv docs/calls.md.new docs/calls.md

LOCK := $(LOCK_BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet

lock: $(LOCK_BIN)/uv ## Resolve the dependencies anew and write the locked requirements (UPGRADE=1 takes newer ones)
	@$(LOCK) pyproject.toml $(if $(UPGRADE),--upgrade) --output-file requirements.txt
	@$(LOCK) pyproject.toml $(if $(UPGRADE),--upgrade) --group dev --constraint requirements.txt --output-file requirements-dev.txt
	@$(LOCK) $(if $(UPGRADE),--upgrade) --group build --constraint requirements-dev.txt --output-file requirements-build.txt
	@echo "Wrote requirements.txt, requirements-dev.txt and requirements-build.txt"

$(LOCK_BIN)/uv:
	@$(PYTHON) -m venv .lock
	@$(LOCK_BIN)/python -m pip install --quiet --disable-pip-version-check uv

clean: ## Remove everything that make and the tests create
	rm -rf .venv .lock .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name node_modules -prune -exec rm -rf {} + -o -name __pycache__ -prune -exec rm -rf {} +
	rm -rf tests/interop/java/target
