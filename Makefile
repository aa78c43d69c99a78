# Everything runs in .venv, built on first use. PYTHON chooses the interpreter it is built with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test quick lint guard clean

demo: $(VENV)/.demo
	$(BIN)/optuna-llm demo

test: $(VENV)/.dev lint
	$(BIN)/pytest

quick: $(VENV)/.dev lint
	$(BIN)/pytest -m "not slow"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

guard: $(VENV)/.dev
	$(BIN)/python -m benchmarks run --trials 100
	$(BIN)/python -m benchmarks report --baseline CQR

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
