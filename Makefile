# corewatch: build, run and test. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# PKGS narrows check, test, lint, fuzz and bench: make check PKGS='./bgp/...'
PKGS ?= ./...
# ARGS is handed to `corewatch run`: make run ARGS='--listen 127.0.0.1:9000'
ARGS ?=
# The commit, with "+" when the tree has changes that are not in it; empty outside git. The version comes from a tag, if there
# is one: a shallow clone has none, and the program then names the version it was written as.
COMMIT ?= $(shell git describe --always --exclude '*' --abbrev=11 --dirty=+ 2>/dev/null)
VERSION ?= $(patsubst v%,%,$(shell git describe --tags --match 'v[0-9]*' 2>/dev/null))

# Both are stamped here and nowhere else (-buildvcs=false), so that two checkouts of one commit give the same bytes.
APP := github.com/corewatch/corewatch/internal/app
STAMP := $(if $(VERSION),-X $(APP).version=$(VERSION)) $(if $(COMMIT),-X $(APP).commit=$(COMMIT))
GOBUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w $(STAMP)'
STAGES := go run ./internal/stages

# Tests read real measurement data from COREWATCH_DATA; `make run` uses only what the user exported.
ifndef COREWATCH_DATA
ifneq ($(wildcard ../shared/data),)
check test soak fuzz bench: export COREWATCH_DATA := $(abspath ../shared/data)
endif
endif

.PHONY: help build run check test soak lint fuzz method bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build every command into bin/
	@echo "building corewatch $(VERSION) $(COMMIT) into bin/ (a first build downloads modules and compiles for a minute or two)"
	@mkdir -p bin
	@$(GOBUILD) -v -o bin/ ./cmd/...
	@echo "built: $$(cd bin && find . -maxdepth 1 -type f -printf '%f ')"

run: build ## build, then run the monitor on SQLite and local files (ARGS=... is passed on)
	@echo "running: bin/corewatch run $(ARGS)"
	@exec bin/corewatch run $(ARGS)

check: ## at most 2 minutes, offline, no root: format, vet, lint, import rules, unit tests and scenarios
	@$(STAGES) -pkgs '$(PKGS)' check

test: ## at most 15 minutes: installs what it can, then check, real parts, race, fuzzing, a build from a clean clone
	@$(STAGES) -pkgs '$(PKGS)' test

soak: ## hours: thousands of seeds under the race detector, 10 minutes of fuzzing per target
	@$(STAGES) -pkgs '$(PKGS)' soak

lint: ## build the pinned lint tools into bin/tools, then format, vet, staticcheck
	@$(STAGES) -pkgs '$(PKGS)' lint

fuzz: ## every fuzz target: its corpus, then FUZZTIME (default 5s) of new inputs
	@$(STAGES) -pkgs '$(PKGS)' -fuzztime '$(or $(FUZZTIME),5s)' fuzz

method: ## bring the numbers in docs/method.md, and the keys in docs/configuration.md, to those of the code
	@go run ./internal/methodpage
	@go run ./internal/configpage

bench: ## benchmarks with allocations (BENCH=regexp picks some)
	@go test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem $(PKGS)

clean: ## remove bin/; stored data stays
	rm -rf bin
