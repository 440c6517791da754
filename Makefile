# Everything happens in .venv beside this file; nothing else on the machine is changed.
# Needed: make and Python 3.11 or later with its venv module
# (Debian and Ubuntu: apt install python3 python3-venv make).

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
BIN := .venv/bin
# Installed anew whenever pyproject.toml is newer than the last installation.
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check coverage interop clean

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "tlswhy needs Python 3.11 or later: apt install python3 python3-venv, or make PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "== Setting up .venv with $(PYTHON) (once; again when pyproject.toml changes)"
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing: apt install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(STAMP) ## Set up .venv, then explain one good and one failing connection to a built-in broker
	@echo "== Running: $(BIN)/tlswhy demo"
	@$(BIN)/tlswhy demo

test: $(STAMP) ## Set up .venv, then run the tests (no broker, no root, no network needed)
	@echo "== Running: $(BIN)/pytest"
	@$(BIN)/pytest

check: $(STAMP) ## Every gate: format, lint, types on three systems, import arrows, tests, coverage
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32
	$(BIN)/mypy --platform darwin
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory coverage

coverage: $(STAMP) ## Run the tests and hold both packages to their share of covered branches
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include 'analyzers/*' --fail-under=95
	$(BIN)/coverage report --include 'proxy/*' --fail-under=85

interop: $(STAMP) ## Drive real clients and brokers through the proxy (apt packages as in .ci/run; root or sudo for tcpdump)
	$(BIN)/pytest --interop tests/interop

clean: ## Remove .venv and whatever tools have left
	rm -rf .venv build dist .coverage .coverage.* htmlcov
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
