# Two commands set everything up on a fresh machine: `make quickstart` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints.txt
# One test process a core, one thread each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet --numprocesses auto
RUN_DIR ?= runs/quickstart

export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: help env quickstart test test-slow test-search check format bench wheel clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

# The environment is complete when its stamp is newer than everything that decides what goes into it.
env: $(VENV)/.complete ## create the environment in .venv

$(VENV)/.complete: setup.cfg setup.py pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]'
	touch $@

quickstart: env ## train a Spanish tagger on the built-in corpus and encoder, without any download
	$(BIN)/xner train tsl --source sample:en --target sample:es --variants mt tsl --output_dir $(RUN_DIR)

test: env ## the tests that CI runs
	$(PYTEST)

test-slow: env ## the tests that take minutes
	$(PYTEST) -m slow

test-search: env ## new random examples for the tests of properties: what they find becomes an @example
	$(PYTEST) --hypothesis-profile=search $$(grep -rl --include='test_*.py' hypothesis tests)

check: env ## lint, format, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST)

format: env ## let ruff rewrite
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: env ## the training speed of the README; benchmarks/README.md has the others
	$(BIN)/python benchmarks/training_throughput.py --blocks 3 --json runs/bench/training_throughput.json

wheel: env ## a wheel in dist/
	$(BIN)/python -m build --wheel

clean: ## remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info
