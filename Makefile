# `make` lists the targets. Every target sets up what it needs and says so first; NO_INSTALL=1 refuses (exit code 3).
.DEFAULT_GOAL := help
.PHONY: help demo lint check test test-all test-tools docs venv docker-engine clean

BIN := .venv/bin
# Pythons for the tests that this machine does not have, see scripts/python-from-debian.sh.
export PATH := $(CURDIR)/.pythons/bin:$(PATH)
DEMO := demo-output

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## trace doctests of the standard library in containers, through Ray; print the report and one trace
	@scripts/ensure-venv.sh ray
	@scripts/ensure-docker.sh
	@$(BIN)/tracegen functions --recipe demo -o $(DEMO) || { \
		code=$$?; [ $$code != 2 ] || echo "The $(DEMO) of an earlier version is removed by: make clean" >&2; exit $$code; }
	@echo
	@$(BIN)/tracegen dataset show $(DEMO) statistics:median

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks examples scripts
	$(BIN)/lint-imports

check: lint ## format, lint, types, import contracts and the quick tests: no container, no Ray, no killed runs
	$(BIN)/pytest -q -n auto -m "not docker and not ray and not slow and not patient" --hypothesis-profile=quick \
		--ignore-glob="*/test_faults_*.py" --ignore-glob="*/test_every_python_*.py"

test: lint docker-engine test-tools ## check, and the tests with real containers and Ray; all but the slow ones
	TRACEGEN_REQUIRE_DOCKER=1 $(BIN)/pytest -q -m "not slow"

test-all: lint docker-engine test-tools ## test, and the tests that take minutes
	TRACEGEN_REQUIRE_DOCKER=1 $(BIN)/pytest -q

docs: venv ## write docs/data-format.md anew from the schemas
	$(BIN)/python scripts/data_format.py docs/data-format.md

venv: ## make .venv with everything for development
	@scripts/ensure-venv.sh dev

test-tools: venv
	@scripts/ensure-test-tools.sh

docker-engine: venv ## make sure that a container engine answers
	@scripts/ensure-docker.sh

clean: ## remove caches and what the demo wrote; keeps .venv
	rm -rf $(DEMO) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
