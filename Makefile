# Contrastyle: set up, run, test. `make run` and `make test` set everything up first.
VENV ?= .venv
PYTHON ?= python3
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: setup run test check bench parity clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -e '.[dev]'
	touch $(STAMP)

run: setup
	$(PY) packaging/run.py

test: setup
	QT_QPA_PLATFORM=offscreen $(PY) -m pytest

check: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	QT_QPA_PLATFORM=offscreen $(PY) -m pytest

bench: setup
	$(PY) -m tests.benchmarks

parity: setup
	$(PY) -m pytest tests/engine/test_parity.py -m parity

clean:
	rm -rf $(VENV) build dist report .pytest_cache .mypy_cache .ruff_cache
