# make alone lists the targets. Each installs what it needs first; options go behind it, as in: make db-upgrade REV=0003
SHELL := /bin/sh
.DEFAULT_GOAL := help
INSTALLED := node_modules/.package-lock.json
NPM_RUN := npm run --silent
# The app's container where one is running, so that a command meets the database that the service uses.
APP_CONTAINER = $(shell command -v docker >/dev/null 2>&1 && docker compose ps --status running --quiet app 2>/dev/null)
IN_APP = $(if $(APP_CONTAINER),docker compose exec -T app node,$(NPM_RUN))
# There, nothing has to be installed on this machine. Found out only for the targets that ask.
.SECONDEXPANSION:
INSTALLED_OR_APP = $(if $(APP_CONTAINER),,$(INSTALLED))
script = $(if $(APP_CONTAINER),scripts/$(1).ts,$(1) --)
# The option $(2) where the variable $(1) says 1, yes or true. Any other word may mean no, and so ends make.
option = $(if $(strip $($(1))),$(if $(filter-out 1 yes true,$($(1)))$(word 2,$($(1))),$(error $(1)=$($(1)) is not understood: write $(1)=1 (or yes, or true), or leave it out. Nothing was done),$(2)))
# The same as a prerequisite of a target that was asked for: nothing, but it is judged before anything runs.
judge = $(if $(filter $@,$(MAKECMDGOALS)),$(if $(call option,$(1)),))

.PHONY: help run demo test status health db-upgrade db-status db-revision fix-prediction-outcomes import export audit plan bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): package.json package-lock.json
	@npm ci --loglevel=error >&2
	@touch $(INSTALLED)

run: $(INSTALLED) ## run the service; PostgreSQL comes with it where DATABASE_URL is unset
	@$(NPM_RUN) run

demo: $(INSTALLED) ## the same with an invented exchange: no network, no account
	@$(NPM_RUN) demo

test: $(INSTALLED) ## type check, lint, architecture rules and all tests
	@npm test

status: $(INSTALLED) ## what the running service keeps and how it is
	@$(NPM_RUN) status

health: $(INSTALLED) ## ask the running service for its health
	@$(NPM_RUN) health

db-upgrade: $$(INSTALLED_OR_APP) ## bring the schema to head, or to REV=
	@$(IN_APP) $(call script,db-upgrade) --to "$(or $(REV),head)"

db-status: $$(INSTALLED_OR_APP) ## where the schema stands (npm run db-status has exit codes for scripts)
	@$(IN_APP) $(call script,db-status) || test $$? -eq 3

db-revision: $$(INSTALLED_OR_APP) ## write the next revision from a template: NAME="add new table"
	@$(if $(APP_CONTAINER),sh docker/write-revision.sh,$(NPM_RUN) db-revision -- --) "$(NAME)"

fix-prediction-outcomes: $$(call judge,YES) $$(INSTALLED_OR_APP) ## show surplus prediction outcomes; YES=1 deletes them
	@$(IN_APP) $(call script,fix-prediction-outcomes) $(call option,YES,--yes) || test $$? -eq 3

import: $(INSTALLED) ## store candles from FILE= (EXCHANGE= SYMBOL= TIMEFRAME= where the file does not say)
	@$(NPM_RUN) import -- --file "$(FILE)" --exchange "$(EXCHANGE)" --symbol "$(SYMBOL)" --timeframe "$(TIMEFRAME)"

export: $(INSTALLED) ## write candles as CSV to standard output, or to FILE= (EXCHANGE= SYMBOL= TIMEFRAME=)
	@$(NPM_RUN) export -- --exchange "$(EXCHANGE)" --symbol "$(SYMBOL)" --timeframe "$(TIMEFRAME)"$(if $(FILE), --output "$(FILE)")

audit: $$(call judge,REPAIR) $$(INSTALLED_OR_APP) ## hold the completeness ledger against the rows; REPAIR=1 makes it true
	@$(IN_APP) $(call script,audit) $(call option,REPAIR,--repair) || test $$? -eq 3

plan: $$(INSTALLED_OR_APP) ## what collecting MARKETS, TIMEFRAMES and BACKFILL_DAYS will cost, before it starts
	@$(IN_APP) $(call script,plan) || test $$? -eq 3

bench: $(INSTALLED) ## measure this machine against its own limits: WHAT=import, live, refresh, http, migrations or ingest
	@$(NPM_RUN) bench -- $(WHAT)
