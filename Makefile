# The commands of this repository; CI calls the same ones.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test check test-wheel docs golden bench clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "stackgen needs Python 3.11 or newer; install it, or: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed ## install, render and prove two examples, bring one up where this machine can
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo

test: $(VENV)/.installed-dev ## every test; what this machine cannot run is skipped and named
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-dev ## format, lint, types, floors of the house, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/docs.py --check

test-wheel: $(VENV)/.installed-dev ## the built wheel in an empty folder, on every Python that is here
	scripts/test-wheel

docs: $(VENV)/.installed-dev ## write the generated parts of the docs anew
	$(BIN)/python scripts/docs.py

golden: $(VENV)/.installed-dev ## write the golden files of the examples anew
	$(BIN)/pytest -q tests/test_golden.py --update-golden

bench: $(VENV)/.installed-dev ## time whole commands against peers, and how soon `up` sees that a server is ready; placement against a solver
	$(BIN)/python benchmarks/commands.py
	$(BIN)/python benchmarks/readiness.py
	$(BIN)/python benchmarks/placement.py --instances 100 --seconds 2

clean: ## remove what make made
	rm -rf $(VENV) .venv-litellm .venv-tutor dist build artifacts
