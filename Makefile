# Two commands on a fresh machine with python3 (3.11 or newer), git and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
OUTPUT ?= runs/demo

.PHONY: help setup demo test test-long test-online check format bench lock clean

help:  ## Show what there is.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## Make .venv with mlsignal and all that tests and checks need.

$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python 3.11 or newer is needed; try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "error: python3 lacks venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@echo "installing the environment into $(VENV) (once; a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## Run everything against a simulated exchange (SYNTHETIC); ends with the report's path.
	@$(BIN)/mlsignal demo --output $(OUTPUT)

test: setup  ## Run the tests, the long ones in a reduced size.
	@$(BIN)/python -m pytest -q -n $(WORKERS) tests
	@$(BIN)/python -m pytest -q -n $(WORKERS) -m long --timeout 1800 tests

test-long: setup  ## Run the long tests in full.
	@MLSIGNAL_LONG=full $(BIN)/python -m pytest -q -n $(WORKERS) -m long --timeout 7200 tests

test-online: setup  ## Run the cards of the exchange against the real one (asks the network).
	@$(BIN)/python -m pytest -q -m online tests/online

check: setup  ## Check format, lint, types, layers and the examples in the documentation strings.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q -p no:cacheprovider src

format: setup  ## Format the code, and mend what lint can mend.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup  ## Measure what the README quotes; needs the real candles (MLSIGNAL_SHARED).
	@$(BIN)/python benchmarks/run_all.py

lock: setup  ## Write requirements.txt and requirements-dev.txt anew.
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --custom-compile-command "make lock" pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --custom-compile-command "make lock" --extra dev pyproject.toml -o requirements-dev.txt

clean:  ## Remove the environment and what tools left behind.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
