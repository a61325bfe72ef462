# Every target sets up what it needs first (see scripts/setup.sh); that costs nothing when nothing is to do.
.DEFAULT_GOAL := help
.PHONY: help setup setup-user lint format types layers check unit kernel e2e test ci demo run bench crash soak fuzz clean
SHELL := /bin/bash
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
SOURCES := src tests bench scripts

help: ## this list
	@echo 'Linkspan: make TARGET'
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install Debian and Python packages for everything (root), leave .venv/bin/linkspan and linkspand
	@scripts/setup.sh --dev

setup-user:
	@scripts/setup.sh

demo: setup ## play the whole story in a throwaway host: containers, ports, networks, teardown (root)
	@$(BIN)/python scripts/demo.py

run: setup-user ## start the engine on this machine, and say how to point docker at it (root)
	@scripts/run.sh $(FLAGS)

test: setup ## all tests: unit, kernel, e2e (root)
	$(PYTEST) --numprocesses=2 --dist=loadfile tests

unit: setup ## the tests of the pure logic (no root needed)
	$(PYTEST) tests/unit

kernel: setup ## the tests against the kernel, in throwaway namespaces (root)
	$(PYTEST) tests/kernel

e2e: setup ## the stories with real clients (root)
	$(PYTEST) tests/e2e

lint: setup ## ruff: rules and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: setup ## let ruff write the format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

types: setup ## mypy --strict
	$(BIN)/mypy

layers: setup ## imports run downwards only
	PYTHONPATH=src $(BIN)/lint-imports

check: lint types layers ## lint, types and layering

ci: check test ## what .ci/run runs

bench: setup ## measure against Debian's dockerd, write docs/benchmarks.md; PART="dns ports", QUICK=1 (root)
	$(BIN)/python bench/all.py $(if $(QUICK),--quick) $(PART)

crash: setup ## kill the daemon 200 times under load and look at what is left (root, ten minutes)
	$(BIN)/python scripts/crash $(CRASH_FLAGS)

soak: setup ## 50 clients at once for ten minutes: right answers, in time, and nothing left (root)
	$(BIN)/python scripts/soak $(SOAK_FLAGS)

fuzz: setup ## fuzz DNS, HTTP, netlink, tar, compose and the proxy for FUZZ_SECONDS (300) each, side by side (root)
	$(BIN)/python scripts/fuzz --seconds $(or $(FUZZ_SECONDS),300)

clean: ## remove caches and .venv
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
