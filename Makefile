# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INTENT ?= Build a Library Droplet that stores books with title, author and year
OF ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install walls demo stop run test test-all testbed browser check bench proof lock wheel clean

help: ## show the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: config/requirements-dev.txt pyproject.toml
	@$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(BIN)/pip install --quiet --quiet --require-hashes -r config/requirements-dev.txt
	@$(BIN)/pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/.installed walls ## make the virtual environment and install the sandbox

walls:
	@command -v bwrap >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  { apt-get install -qq -y bubblewrap >/dev/null 2>&1 || { apt-get update -qq && apt-get install -qq -y bubblewrap >/dev/null; }; }; } || \
	  { echo "bubblewrap is missing; install it (apt-get install bubblewrap) and run this again." >&2; exit 1; }

demo: install ## from an intent to a live service (INTENT="..." for your own)
	@$(BIN)/python -m executor.cli.demo "$(INTENT)"

stop: ## stop the daemon that `make demo` started; what it deployed goes on
	@pid=$$(sed -n 's/^pid \([0-9]*\) .*/\1/p' .executor/executor.lock 2>/dev/null || true); \
	if [ -n "$$pid" ] && kill -TERM "$$pid" 2>/dev/null; then echo "stopped $$pid"; else echo "no daemon runs here"; fi

run: install ## run the daemon in the foreground
	$(BIN)/fpai serve

test: install ## the tests, with the long sweeps sampled
	$(BIN)/python -m pytest

test-all: install ## every test, the long sweeps in full
	FPAI_SWEEP=all $(BIN)/python -m pytest

testbed: ## bring up the real machines that some tests run on (root on Debian; else they are skipped)
	@tests/testbed/up

browser: ## install the browser that some tests drive (root on Debian; else they are skipped)
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -qq -y chromium >/dev/null; }

check: install ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml

bench: install ## print the measurements against their targets, and write .bench/results.json
	$(BIN)/python -m tests.bench

proof: install ## try every promise in full, measure every target, print the table (OF="R5 bench": only these)
	$(BIN)/python -m tests.proof $(OF)

lock: $(VENV)/.installed ## lock the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header pyproject.toml -o config/requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --group dev pyproject.toml -o config/requirements-dev.txt

wheel: install ## build the wheel into dist/
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean: ## remove what the commands above have made, but not .executor
	rm -rf $(VENV) .bench .proof build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
