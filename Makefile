# Everything that a fresh clone needs: `make check` verifies the shipped kernels, `make test` runs the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: check test deep lint build release mutants bench bench-quick bench-history bench-publish docs clean

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

release: $(READY)  ## what would be uploaded, in dist/, built from scratch and checked
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python tools/check_release.py dist

mutants: $(READY)  ## verify the verifier, and write the kill matrix into the docs
	$(BIN)/convverify mutants --jobs 2 --markdown docs/kill-matrix.md --json docs/kill-matrix.json

bench-quick: $(READY)  ## run every benchmark once on this commit, and keep nothing
	$(BIN)/asv machine --yes
	$(BIN)/asv run 'HEAD^!' --quick --dry-run --show-stderr
	@echo "bench-quick: every benchmark has run once (asv's percentages count further rounds, which --quick leaves out); nothing was kept"

bench: $(READY)  ## is this commit slower than where its branch left main?  (ARGS="--measure-factor", ...)
	$(BIN)/python tools/bench.py $(ARGS)

bench-history: $(READY)  ## measure the last commits that touched kernels; goes on where it stopped  (ARGS="--commits 20", ...)
	$(BIN)/python tools/bench_history.py $(ARGS)

bench-publish: $(READY)  ## results to pages: .asv/html/index.html, and performance.html beside it
	$(BIN)/python tools/bench_publish.py
	$(BIN)/convverify report --output .asv/html/performance.html

docs: $(READY)  ## the documentation site, in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip hatchling
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .convverify .hypothesis .mypy_cache .pytest_cache .ruff_cache
