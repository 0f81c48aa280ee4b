# Every target documents itself: `make help` prints what follows `##`.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
PORT ?= 9362
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -q --disable-pip-version-check
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -n)
APT := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -q
PEERS := openipmi ipmitool freeipmi-tools postgresql mariadb-server-core mbpoll snmp snmpd openssh-server prometheus tftpd-hpa tftp-hpa curl grub-common user-mode-linux lvm2 sanlock libvirt-clients faketime
PEER_PROGRAMS := ipmi_sim ipmitool ipmipower initdb mariadbd mbpoll snmpget snmpd sshd prometheus promtool in.tftpd tftp curl grub-script-check virsh faketime

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.installed ## Put the product into .venv (.venv/bin/cloudmanager)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "CloudManager needs Python 3.11 or newer: apt install python3, or make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { $(APT) update && $(APT) install -y python3-venv; } \
	  || { echo "cannot make a virtual environment: install the package python3-venv as root"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) install -e .
	@touch $@

$(VENV)/.developer: $(VENV)/.installed
	$(PIP) install 'pip>=25.1'
	$(PIP) install --group test --group lint
	@touch $@

.PHONY: peers
peers: ## Install the independent programs that tests run against (needs root or sudo)
	@missing=; for program in $(PEER_PROGRAMS); do PATH=$$PATH:/usr/sbin:$$(echo /usr/lib/postgresql/*/bin) command -v $$program >/dev/null || missing=1; done; \
	[ -z "$$missing" ] || { $(APT) update && $(APT) install -y --no-install-recommends $(PEERS); } \
	  || echo "peers: could not install $(PEERS); the tests that need them will be skipped"

.PHONY: demo
demo: install ## Start the whole product with a simulated data centre on http://127.0.0.1:9362 (PORT=…)
	$(BIN)/cloudmanager demo --state-dir .demo --port $(PORT)

.PHONY: test
test: $(VENV)/.developer peers ## Run all tests
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: test-openstack
test-openstack: $(VENV)/.developer ## Try Cloud port and host flows on a real cloud (CLOUD=name in clouds.yaml; DESTRUCTIVE=1 kills hosts)
	@[ -n "$(CLOUD)" ] || { echo "say which: make test-openstack CLOUD=<name in clouds.yaml>"; exit 2; }
	CLOUDMANAGER_TEST_CLOUD='$(CLOUD)' DESTRUCTIVE='$(DESTRUCTIVE)' $(BIN)/pytest -m openstack

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

.PHONY: docs
docs: $(VENV)/.developer ## Renew what is generated in docs/: openapi.json, configuration.md, policy.yaml.sample
	$(BIN)/cloudmanager openapi > docs/openapi.json
	$(BIN)/cloudmanager config docs > docs/configuration.md
	$(BIN)/cloudmanager policy sample > docs/policy.yaml.sample

.PHONY: fuzz-api
fuzz-api: $(VENV)/.developer ## Compare a running daemon with its description for long (FUZZ_SECONDS=900, FUZZ_SEED=…)
	FUZZ_SECONDS=$${FUZZ_SECONDS:-900} $(BIN)/pytest -s tests/e2e/test_conformance.py

.PHONY: bench
bench: $(VENV)/.developer peers ## Measure speed and memory; writes bench/results/*.json
	$(BIN)/python -m bench

.PHONY: clean
clean: ## Remove everything that was installed or made here
	rm -rf $(VENV) .demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
