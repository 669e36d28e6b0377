# Two front doors: `make demo` and `make test`. All they need is Python 3.11 or newer, with venv and pip, and a network.
# Both make .venv from the lock files once; the stamp files in it say for which lock it was made.

.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help install demo test check format static lint types layers tests seeds soak test-spark lock clean

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev
INSTALLED_SPARK := .venv/.installed-spark
WORKERS ?= 2
FILES ?= .
PYTEST_FLAGS ?=
PYTEST := $(BIN)/python -m pytest $(PYTEST_FLAGS)

help:               ## this list
	@sed -n 's/^\([a-z-]*\):.*##  */  make \1\t/p' Makefile | expand -t 18

install: $(INSTALLED)      ## .venv with the program .venv/bin/interlock
	@:

$(INSTALLED): requirements.lock pyproject.toml tools/venv.py
	@test -n "$(PYTHON)" || { echo "interlock: needs Python 3.11 or newer (Debian, Ubuntu: apt install python3 python3-venv)" >&2; exit 1; }
	@echo "installing into .venv"
	@$(PYTHON) tools/venv.py requirements.lock
	@touch $@

$(INSTALLED_DEV): $(INSTALLED) requirements-dev.lock
	@echo "installing what tests and checks need into .venv"
	@$(PYTHON) tools/venv.py requirements-dev.lock
	@touch $@

$(INSTALLED_SPARK): $(INSTALLED_DEV) requirements-spark.lock
	@echo "installing PySpark into .venv (some 600 MB)"
	@$(PYTHON) tools/venv.py requirements-spark.lock
	@touch $@

demo: install              ## the demonstration: traffic, agents and the incident
	@$(BIN)/interlock demo

test: $(INSTALLED_DEV)     ## all tests but the long ones; what cannot run here is skipped by name at the end
	@$(PYTEST) -n $(WORKERS)

check: static tests seeds  ## what must hold before a commit

static: lint types layers  ## the checks that run nothing

format: $(INSTALLED_DEV)   ## lay out the code and repair what can be repaired (FILES=src/interlock/api: only there)
	@$(BIN)/ruff check --quiet --fix-only $(FILES)
	@$(BIN)/ruff format --quiet $(FILES)

lint: $(INSTALLED_DEV)     ## layout and lint
	@$(BIN)/ruff format --check --quiet . || { echo "interlock: not laid out: run make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .

types: $(INSTALLED_DEV)    ## pyright: strict on domain, service and ports
	@$(BIN)/pyright --warnings

layers: $(INSTALLED_DEV)   ## which package may import which
	@$(BIN)/lint-imports --no-cache

tests: $(INSTALLED_DEV)    ## the quick tests
	@$(PYTEST) -n $(WORKERS) -m "not soak and not spark and not slow and not seeds and not browser"

seeds: $(INSTALLED_DEV)    ## explore the interleavings of the sync, 30 seconds, and a fixed set of random seeds
	@$(BIN)/interlock prove --budget 30s --random 40 --seed 1

soak: $(INSTALLED_DEV)     ## long runs: kills, faults, exploration
	@$(PYTEST) -m soak

test-spark: $(INSTALLED_SPARK) ## the investigator on a cluster of two local workers (installs PySpark, some 600 MB)
	@$(PYTEST) -m spark

LOCK := uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --generate-hashes --universal --python-version 3.11

lock:                      ## make the lock files anew (needs uv)
	@$(LOCK) pyproject.toml requirements-build.in -o requirements.lock
	@$(LOCK) --extra nats --extra postgres pyproject.toml requirements-build.in requirements-dev.in -c requirements.lock -o requirements-dev.lock
	@$(LOCK) --extra spark pyproject.toml requirements-build.in requirements-spark.in -c requirements.lock -o requirements-spark.lock

clean:                     ## remove the environment and what was made by tests
	@rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
