# The commands of this project. `make demo` and `make test` need nothing but Python 3.11 with venv.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
JOBS ?= auto
PYTHONS ?= 3.11 3.12 3.13
FUZZ_SECONDS ?= 60

.PHONY: help demo test test-quick test-faults test-pythons fuzz herd compare-init bench bench-quick scenarios schema \
    manual docs check format wheel onefile zipapp clean

help:  ## Tell what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.installed  ## Run an example application with secrets of both clouds, against the emulator
	@$(BIN)/python examples/demo.py

test: $(VENV)/.installed-dev  ## Run every test; tells what was skipped, and why
	$(BIN)/python -m pytest -n $(JOBS)

test-quick: $(VENV)/.installed-dev  ## Run the tests that take no time
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-faults: $(VENV)/.installed-dev  ## Run the scenarios of the hostile servers alone (docs/scenarios.md)
	$(BIN)/python -m pytest -n $(JOBS) tests/faults

test-pythons:  ## Run every test on each Python that is supported and installed
	@for version in $(PYTHONS); do \
	    if python=$$(.ci/python $$version); then \
	        $(MAKE) --no-print-directory test PYTHON=$$python VENV=.venv-$$version || exit 1; \
	    else echo "skipped: there is no Python $$version on this machine"; fi; \
	done

fuzz: $(VENV)/.installed-dev  ## Try inputs made by chance, FUZZ_SECONDS (60) for each target (fuzz/README.md)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'atheris>=2.3' \
	    || echo "atheris cannot be installed here"
	@$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS)

herd: $(VENV)/.installed  ## Start a herd of launchers against a rate limit, simulated and real (docs/herd.md)
	@$(BIN)/python -m herd

compare-init: $(VENV)/.installed  ## Compare tini, dumb-init, catatonit and --supervise (docs/supervise-compared.md)
	@$(BIN)/python -m inits

bench: $(VENV)/.installed-dev  ## Time whole starts beside others, judge the budgets, write bench/RESULTS.md (20 minutes)
	@$(BIN)/python -m bench

bench-quick: $(VENV)/.installed-dev  ## Judge the budgets alone, in two minutes; writes no file
	@$(BIN)/python -m bench --quick

scenarios: $(VENV)/.installed-dev  ## Write docs/scenarios.md anew, from the tests
	@$(BIN)/python -m tests.faults.page

schema: $(VENV)/.installed-dev  ## Write docs/secrets-exec.schema.json anew, from the tables of the code
	@$(BIN)/secrets-exec schema > docs/secrets-exec.schema.json

manual: $(VENV)/.installed-dev  ## Renew what is made from the code in docs/commands.md, docs/commands/ and docs/reference.md
	@$(BIN)/python -m manual

docs: $(VENV)/.installed-docs  ## Build the site of all pages in build/site/; a link or anchor that leads nowhere fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

check: $(VENV)/.installed-dev  ## Lint, formatting and types: what CI runs before the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## Put the code into its form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: $(VENV)/.installed-dev  ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

onefile: $(VENV)/.installed-dev  ## Build dist/secrets-exec, one static file without Python around it (docs/onefile.md)
	@$(BIN)/python onefile/build.py

zipapp: $(VENV)/.installed-dev  ## Build dist/secrets-exec.pyz, one file for images that have Python (docs/onefile.md)
	@$(BIN)/python onefile/archive.py

clean:  ## Remove what these commands made
	rm -rf .venv .venv-* build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# One virtual environment. It is made once, and again when pyproject.toml has changed: offline after that.

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	    || { echo "Python's venv is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[emulator]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@
