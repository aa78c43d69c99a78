# Everything runs in .venv, built on first use. PYTHON chooses the interpreter it is built with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test quick lint bench guard docs clean

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

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks run --suite quick
	$(BIN)/python -m benchmarks report

guard: $(VENV)/.bench
	$(BIN)/python -m benchmarks run --suite guard --samplers guard --seeds 0-9 --trials 50 \
		--results benchmarks/results/guard.csv
	$(BIN)/python -m benchmarks report --results benchmarks/results/guard.csv --baseline CQR

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict
	@echo "Open build/site/index.html"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
