# What people and CI run. Plain `make` lists it; nothing is needed but Python 3.11 or newer and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PIP := $(BIN)/python -m pip install --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-once doctor invite run test together prove lint type chaos bench soak messages lock sbom advisories audit image clean

help: ## list these targets
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Try it: nothing else is needed

demo: $(READY) ## Easel in a local Discord with a chat page (ARGS=--verbose shows its log)
	@$(BIN)/python -m bot demo $(ARGS)

demo-once: $(READY) ## the same without a person: create and edit images, and write them to out/
	@$(BIN)/python -m bot demo --once $(ARGS)

##@ Run it on your server: copy .env.example to .env and fill it in first

doctor: $(READY) ## check the settings, Discord and the image APIs, and say what to do
	@$(BIN)/python -m bot doctor $(ARGS)

invite: $(READY) ## print the links that add the bot to your server
	@$(BIN)/python -m bot invite $(ARGS)

run: $(READY) ## run the bot until Ctrl-C
	@$(BIN)/python -m bot run $(ARGS)

setup: $(READY) ## install everything into .venv (the other targets do this by themselves)

# Made again only when the pins change; an installation that was cut short leaves no $(READY) and is begun again.
# pip alone says nothing for half a minute, or a line for each of a hundred packages: every tenth is enough.
$(READY): requirements-dev.txt requirements-build.txt
	@command -v "$(PYTHON)" >/dev/null || { echo "Easel needs Python 3.11 or newer, and there is no $(PYTHON) here; name yours: make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Easel needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "Installing Easel's dependencies into $(VENV), about a minute the first time..."
	@"$(PYTHON)" -m venv $(VENV)
	@trap 'echo "Stopped; run make again to continue."; exit 130' INT; { { $(PIP) --quiet -r requirements-build.txt && $(PIP) --no-build-isolation -r $<; } || echo failed; } | { \
	  count=0; while read -r word _; do case "$$word" in \
	    Collecting) count=$$((count + 1)); [ $$((count % 10)) -ne 0 ] || echo "  $$count packages of about $$(grep -c == $<)";; \
	    Installing) echo "  unpacking them, which takes as long again";; \
	    failed) echo "The installation failed; see above. Run make again to retry." >&2; exit 1;; \
	  esac; done; }
	@touch $@

##@ Work on it

# One process more than cores: tests also wait for processes, browsers and timers.
WORKERS ?= 3

test: $(READY) ## the whole test suite (ARGS are passed on to pytest)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not together" $(ARGS)

prove: $(READY) ## the long tests
	$(BIN)/python -m pytest -m slow --timeout 600 $(ARGS)

together: $(READY) ## four processes on one PostgreSQL: 2,000 jobs, kills, a restart of the database
	$(BIN)/python -m pytest -m together -s $(ARGS)

chaos: $(READY) ## kill, cut off and misuse the bot, and count what was lost (ARGS: names, --engine E, --seed N, --short)
	@$(BIN)/python -m tests.chaos $(ARGS)

lint: $(READY) ## check the style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY) ## check the types
	$(BIN)/mypy

bench: $(READY) ## measure the speed, and write benchmarks/README.md (ARGS: groups, --rounds N)
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(READY) ## run jobs for ten minutes, and measure memory and database (ARGS="--minutes N")
	@$(BIN)/python -m benchmarks.soak $(ARGS)

messages: $(READY) ## update the translation catalogues after a sentence changed
	$(BIN)/python -m bot messages

lock: $(READY) ## choose newer versions of the dependencies; write the pin files, the bill of materials and the advisories
	$(LOCK) pyproject.toml --extra postgres -o requirements.txt
	$(LOCK) pyproject.toml --extra postgres --group dev -c requirements.txt -o requirements-dev.txt
	$(LOCK) --group build -c requirements.txt -o requirements-build.txt
	$(MAKE) sbom advisories
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --python-version 3.11

sbom: $(READY) ## write the bill of materials of the pinned packages, deploy/sbom.json (after a new version of Easel, too)
	@$(BIN)/python -m tests.pins.sbom

advisories: $(READY) ## ask the package registry what is known against the pinned packages, and keep it in .ci/advisories.json
	@$(BIN)/python -m tests.pins.advisories

audit: $(READY) ## compare the pinned packages with .ci/advisories.json, without a network, and say how old it is
	@$(BIN)/python -m tests.pins.audit

image: $(READY) ## follow the Dockerfile and run compose.yaml's services without a container engine
	$(BIN)/python .ci/image

clean: ## remove everything that was created here, except data/ and .env
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
