# Everything that a fresh clone needs: `make check` verifies the shipped kernels, `make test` runs the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: check test deep lint build mutants docs clean

check: $(READY)  ## verify loops, loops_compiled and matmul against TensorFlow
	$(BIN)/convverify check loops --max-examples 300 --seed 0
	$(BIN)/convverify check loops_compiled matmul --max-examples 1200 --seed 0

test: $(READY)  ## run the tests, the same ones every time
	$(BIN)/python -m pytest -n auto --dist worksteal --hypothesis-profile ci

deep: $(READY)  ## run the tests on ten times as many random examples
	$(BIN)/python -m pytest -n auto --dist worksteal --hypothesis-profile deep

lint: $(READY)  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy convverify

build: $(READY)  ## the source distribution and the wheel
	$(BIN)/python -m build --no-isolation

mutants: $(READY)  ## verify the verifier, and write the kill matrix into the docs
	$(BIN)/convverify mutants --jobs 2 --markdown docs/kill-matrix.md --json docs/kill-matrix.json

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip hatchling
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .convverify .hypothesis .mypy_cache .pytest_cache .ruff_cache
