# Two commands do all: `make demo` (the main job, ends with a report) and `make test` (lint, types, tests).
# `make test-lowest` runs the tests with the lowest versions that pyproject.toml allows.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-lowest fuzz lint types unit format clean
help:
	@echo "make demo   install, then run the tiny study on synthetic speech and print where the report is"
	@echo "make test   install, then lint, check types and run the tests"
	@echo "make test-lowest   the tests with the lowest versions of all libraries but torch"
	@echo "make fuzz   damage each kind of file two thousand times and count what is told, what is the same"
	@echo "make format put the code into the house style"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/lamina study run configs/study/tiny.toml

test: lint types unit

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/installed
	$(BIN)/mypy

# One torch thread a worker: two threads on two busy cores are slower than one (docs/architecture.md).
unit: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal --cov --cov-report=
	@total=$$($(BIN)/coverage report --include='src/*' --format=total --fail-under=93) || \
	  { echo "less than 93 % of src is covered: $$total"; exit 1; }
	@$(BIN)/python tests/unrun.py

fuzz: $(VENV)/installed
	OMP_NUM_THREADS=1 LAMINA_FUZZ=2000 $(BIN)/pytest -s tests/test_fuzz.py tests/encoders/test_damaged_models.py

LOWEST := .venv-lowest
$(LOWEST)/installed: pyproject.toml constraints.txt tests/lowest.py
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) tests/lowest.py > $(LOWEST)/constraints.txt
	PIP_CONSTRAINT=$(CURDIR)/$(LOWEST)/constraints.txt $(LOWEST)/bin/pip install --quiet --editable '.[test]'
	@touch $@

test-lowest: $(LOWEST)/installed
	OMP_NUM_THREADS=1 $(LOWEST)/bin/pytest -n 2 --dist worksteal

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(LOWEST) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
