# What people and CI run. Plain `make` lists it; nothing is needed but Python 3.11 or newer and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-once test prove lint type bench soak messages lock image clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## make the virtual environment .venv from the hashed pins (the other targets do it by themselves)

# Made again only when the pins change; a set-up that was cut short leaves no $(READY) and is begun again.
$(READY): requirements-dev.txt
	@command -v "$(PYTHON)" >/dev/null || { echo "Easel needs Python 3.11 or newer, and there is no $(PYTHON) here; name yours: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Easel needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % sys.version_info[:2])'
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(READY) ## the bot in a local Discord with a chat page, nothing else needed (ARGS=--verbose shows the bot's log)
	@$(BIN)/python -m bot demo $(ARGS)

demo-once: $(READY) ## the same without a person: generate, edit, write the pictures to out/
	@$(BIN)/python -m bot demo --once $(ARGS)

# One process more than cores: tests also wait for processes, browsers and timers.
WORKERS ?= 3

test: $(READY) ## the whole suite (ARGS are passed on to pytest)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow" $(ARGS)

prove: $(READY) ## the long proofs
	$(BIN)/python -m pytest -m slow --timeout 600 $(ARGS)

lint: $(READY) ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY) ## types
	$(BIN)/mypy

bench: $(READY) ## measure beside anchors, and write benchmarks/README.md (ARGS: groups, --rounds N)
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(READY) ## ten minutes of jobs: is memory flat, how much does the database grow (ARGS="--minutes N")
	@$(BIN)/python -m benchmarks.soak $(ARGS)

messages: $(READY) ## renew the catalogues of translations, after any sentence changed
	$(BIN)/python -m bot messages

lock: $(READY) ## choose newer versions and write both pin files
	$(BIN)/uv pip compile --quiet --upgrade $(LOCK) --extra postgres -o requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade $(LOCK) --extra postgres --group dev -c requirements.txt -o requirements-dev.txt
LOCK := --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml

image: ## walk through the Dockerfile without a container engine, and try the result
	$(PYTHON) .ci/image

clean: ## remove everything that was made here, except data/ and .env
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
