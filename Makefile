# make demo, make test: all set-up is done here. Needs python3 (3.11 or newer) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench soak mutation clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: $(READY) ## a balancer, a chat, and a route that nginxws adds to it
	@$(BIN)/nginxws demo $$(test -t 1 || echo --once)

test: $(READY) ## everything CI runs: linters, types, layers, tests, coverage
	@PATH="$(CURDIR)/$(BIN):$$PATH" tools/gate

lint: $(READY) ## the gate without the tests
	@PATH="$(CURDIR)/$(BIN):$$PATH" tools/gate lint

docs: $(READY) ## write the generated reference pages anew
	@$(BIN)/python tools/gen_reference.py

bench: $(READY) ## measure; writes docs/benchmarks.md
	@$(BIN)/python tests/benchmarks/run.py

soak: $(READY) ## 300 changes under 1,000 live sockets; writes docs/reliability.md
	@PYTHONPATH=tests $(BIN)/pytest -q -m soak tests/soak

mutation: $(READY) ## are the tests of the pure core sharp? takes some twenty minutes; CONTRIBUTING.md
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --root-user-action=ignore \
		--editable '.[mutation]'
	@$(BIN)/python tools/mutation.py

clean: ## remove what make and the tests leave
	rm -rf $(VENV) build dist mutants .coverage .coverage.* .*_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Keyed on what the environment is made of; a half-made one is made anew.
$(READY): pyproject.toml Makefile tools/make_venv.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nginxws needs Python 3.11 or newer")'
	@echo "setting up $(VENV) (once)" >&2
	@test -x $(BIN)/python && $(BIN)/python -c 'import pip' 2>/dev/null || $(PYTHON) tools/make_venv.py $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --root-user-action=ignore \
		--editable '.[dev]'
	@touch $@
