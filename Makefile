# Millrace: builds the tools and runs pipelines with them. `make help` lists what there is.
#
# Make knows the order of the stages; each tool knows whether it needs to run. So Make calls every stage every time. A
# stage that is up to date returns within milliseconds and leaves its `latest` untouched. This also covers changes that
# Make cannot see: source files named in YAML, variables, missing artifacts.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DEFAULT_GOAL := help

# The stages of a pipeline, in order, and the programs that decide about what they made.
TOOLS := ingest clean features train predict export
# What looks after a pipeline and is not a stage of it: `make churn.monitor`.
WATCHERS := monitor
# What decides about models, by hand or from cron.
PROGRAMS := release catalog
# What answers for all of them.
SERVERS := serve
# All of them in one program, which also runs whole pipelines and reads their schedules.
COMMAND := millrace
# Pipelines that are served.
SERVED := $(sort $(patsubst resources/%/serve.yaml,%,$(wildcard resources/*/serve.yaml)))
PIPELINES := $(sort $(patsubst resources/%/,%,$(wildcard resources/*/)))
COMMANDS := help serve loop setup build test bench docs lint coverage ci package clean-data

TARGET := $(or $(CARGO_TARGET_DIR),target)
# Cargo and the makes that it calls have their own flags.
CARGO := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL cargo
SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock

.PHONY: FORCE sales.next-week $(COMMANDS) $(PIPELINES)

##@ Run

help: ## list what `make` can do
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-zA-Z_.<>-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 } \
	  /^#> / { split(substr($$0, 4), part, " -- "); printf "  make %-20s %s\n", part[1], part[2] }' Makefile
	@printf '\nPipelines here: %s\n' '$(or $(PIPELINES),none)'

#> <pipeline> -- run a whole pipeline: the name of a folder in resources/, such as `make churn`
#> <pipeline>.<stage> -- run it up to a stage, such as `make churn.train`

serve: $(addsuffix .predict,$(SERVED)) | build ## run what is missing for the pipelines that have a serve.yaml, then serve them
	@bin/serve $(SERVED)

loop: | build ## the whole story of a model in minutes, on generated data: serve, compare, roll out, watch, retrain, put back
	@$(CARGO) build --quiet --release --workspace
	@"$(TARGET)/release/loop"

sales.next-week: | build ## one more week of the generated chain, with every stage that it affects, in ten lines
	@scripts/next-week sales

clean-data: ## delete the output of a pipeline: make clean-data PIPELINE=churn
	@test -n "$(PIPELINE)" || { echo "name the pipeline: make clean-data PIPELINE=churn" >&2; exit 2; }
	@case "$(PIPELINE)" in *[!a-zA-Z0-9_-]*) echo "'$(PIPELINE)' is not the name of a pipeline" >&2; exit 2;; esac
	rm -rf data/raw/$(PIPELINE) data/processed/$(PIPELINE) data/models/$(PIPELINE) data/output/$(PIPELINE)

##@ Build and check

setup: ## install missing build requirements; does nothing if there are none
	@scripts/setup

build: bin/.built ## build the tools and put them into bin/

# Pipelines with an experiment that XGBoost's library grows. It is fetched when the first of them is trained, unless
# MILLRACE_XGBOOST names one.
XGBOOST := .cache/xgboost/xgboost/VERSION
WITH_XGBOOST := $(patsubst resources/%/train.yaml,%,$(shell grep -lw xgboost resources/*/train.yaml 2>/dev/null))

$(XGBOOST): scripts/lib/xgboost.txt
	@scripts/setup --xgboost
	@touch $@

bin/.built: $(SOURCES)
	@scripts/setup
	@test -d "$(TARGET)/release/deps" || scripts/lib/announce-cold-build
	@$(CARGO) build --release --workspace
	@mkdir -p bin
	@for tool in $(TOOLS) $(WATCHERS) $(PROGRAMS) $(SERVERS) $(COMMAND); do scripts/lib/install-tool "$(TARGET)/release/$$tool" "bin/$$tool"; done
	@touch $@

# Tests run the tools in $(TARGET)/release, so cargo makes sure that these are up to date.
test: build ## run all tests (sets up and builds first)
	@$(CARGO) build --quiet --release --workspace
	@$(CARGO) test --release --workspace

lint: ## check formatting, lints, scripts and dependencies
	@scripts/lint

docs: build ## regenerate docs/tools/*.md and docs/schemas/*.json from the tools
	@scripts/docs

coverage: build ## measure line coverage of the library crates
	@scripts/coverage

bench: build ## measure speed and memory beside the alternatives (hours; scripts/bench/run --list has its parts)
	@scripts/bench/run

package: ## build the wheel, the .deb and the archive into dist/
	@scripts/package

ci: ## run everything that CI runs
	@.ci/run

# What each stage writes, and which stage it reads: ARCHITECTURE section 2.
ingest_latest = data/raw/$(1)/latest
clean_latest = data/processed/$(1)/clean/latest
features_latest = data/processed/$(1)/features/latest
train_latest = data/models/$(1)/latest
predict_latest = data/output/$(1)/predict/latest
export_latest = data/output/$(1)/export/latest

upstream_of_clean := ingest
upstream_of_features := clean
upstream_of_train := features
upstream_of_predict := features
upstream_of_export := predict

# The stages that a pipeline has a YAML file for, in order.
stages_of = $(foreach tool,$(TOOLS),$(if $(wildcard resources/$(1)/$(tool).yaml),$(tool)))

# $(call input_of,PIPELINE,STAGE): what that stage wrote, or if the pipeline has no such stage, the one before it.
input_of = $(if $(2),$(if $(wildcard resources/$(1)/$(2).yaml),$(call $(2)_latest,$(1)),$(call \
  input_of,$(1),$(upstream_of_$(2)))))

# $(call stage_rule,PIPELINE,STAGE): `make churn.train`. What the stage wrote is kept even if Make is interrupted: tools
# replace it whole or not at all. A prediction needs the model too.
define stage_rule
.PHONY: $(1).$(2)
$(1).$(2): $(call $(2)_latest,$(1))
.PRECIOUS: $(call $(2)_latest,$(1))
$(call $(2)_latest,$(1)): $(call input_of,$(1),$(upstream_of_$(2))) $(if $(filter predict,$(2)),$(call \
  input_of,$(1),train)) FORCE | build $(if $(filter train,$(2)),$(if $(MILLRACE_XGBOOST),,$(if $(filter $(1),$(WITH_XGBOOST)),$(XGBOOST))))
	bin/$(2) $(1)
endef

# $(call pipeline_rule,PIPELINE): `make churn`
define pipeline_rule
$(1): $(call $(lastword $(call stages_of,$(1)))_latest,$(1))
	@scripts/lib/report $(1)
$(foreach stage,$(call stages_of,$(1)),$(eval $(call stage_rule,$(1),$(stage))))
$(foreach tool,$(WATCHERS),$(if $(wildcard resources/$(1)/$(tool).yaml),$(eval $(call watcher_rule,$(1),$(tool)))))
endef

# $(call watcher_rule,PIPELINE,TOOL): looks at the current output, and runs nothing first.
define watcher_rule
.PHONY: $(1).$(2)
$(1).$(2): | build
	bin/$(2) $(1)
endef

$(foreach pipeline,$(PIPELINES),$(if $(filter $(pipeline),$(COMMANDS)),\
  $(error resources/$(pipeline): 'make $(pipeline)' is a command already; give the pipeline another name)))
$(foreach pipeline,$(PIPELINES),$(if $(call stages_of,$(pipeline)),$(eval $(call pipeline_rule,$(pipeline)))))
