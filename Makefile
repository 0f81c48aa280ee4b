# Every target documents itself: `make help` prints what follows `##`.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(firstword $(shell command -v python3.11) python3)
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -n)
APT := DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get
PEERS := openipmi ipmitool freeipmi-tools

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.installed ## Put the product into .venv (.venv/bin/cloudmanager)

$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(APT) update -q && $(APT) install -qy python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.developer: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check 'pip>=25.1'
	$(BIN)/pip install -q --disable-pip-version-check --group test --group lint
	@touch $@

.PHONY: peers
peers: ## Install the independent programs that tests run against (needs root or sudo)
	@command -v ipmi_sim ipmitool ipmipower >/dev/null || PATH=$$PATH:/usr/sbin command -v ipmi_sim ipmitool ipmipower >/dev/null \
	  || { $(APT) update -q && $(APT) install -qy --no-install-recommends $(PEERS); } \
	  || echo "peers: could not install $(PEERS); the tests that need them will be skipped"

.PHONY: demo
demo: install ## Start the whole product with a simulated data centre on http://127.0.0.1:9362
	$(BIN)/cloudmanager demo --state-dir .demo

.PHONY: test
test: $(VENV)/.developer peers ## Run all tests
	$(BIN)/pytest

.PHONY: lint
lint: $(VENV)/.developer ## Check style, types, import rules and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

.PHONY: format
format: $(VENV)/.developer ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: openapi
openapi: $(VENV)/.developer ## Renew docs/openapi.json
	$(BIN)/cloudmanager openapi > docs/openapi.json

.PHONY: bench
bench: $(VENV)/.developer peers ## Measure speed and memory; writes bench/results/*.json
	$(BIN)/python -m bench

.PHONY: clean
clean: ## Remove everything that was installed or made here
	rm -rf $(VENV) .demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache
