# `make help` lists what there is. Settings are environment variables, and may stand behind: make run KG_PORT=9000
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv/bin

.PHONY: help run stop test lint fmt bench setup clean-demo

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## set up what is missing and start the portal (DEMO=0: empty; KG_PORT=8080; KG_STATE_DIR=var)
	@exec .ci/start.sh

stop: ## stop the portal that `make run` started
	@.ci/stop.sh

test: ## set up what is missing and run every check and test
	@exec .ci/test.sh

lint: ## ruff, mypy and import contracts
	@.ci/venv.sh test && .ci/lint.sh

fmt: ## format and sort imports
	@.ci/venv.sh test && $(VENV)/ruff format . && $(VENV)/ruff check --fix --select I .

bench: ## measure rollback, upgrade and idle cost (the engine is needed)
	@.ci/setup.sh run && code=0 && for what in rollback upgrade idle; do $(VENV)/python manage.py bench $$what || code=$$?; done; exit $$code

setup: ## only set up, for `make run` and `make test`
	@.ci/setup.sh test

clean-demo: ## remove the demo and every record in the state folder (SURE=1; refused while the portal runs)
	@.ci/clean-demo.sh
