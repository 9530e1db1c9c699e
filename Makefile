# Thin verbs over CMake and the scripts in deploy/local; `make help` lists them.
SHELL := /bin/bash
PRESET ?= dev
TIDY ?= common/all
BUF = $(firstword $(wildcard node_modules/@bufbuild/buf-linux-*/bin/buf))
OUR_SOURCES = git ls-files --cached --others --exclude-standard '*.h' '*.cc'

.DEFAULT_GOAL := help
.PHONY: help up down clean deps build test test-unit test-faults test-postgres test-mutations lint tidy format bench

help: ## lists the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

up: ## everything from a fresh Debian 12 to a running suite with demo data; again: starts what is not running
	@deploy/local/up.sh "$(PRESET)"

down: ## stops what `up` started
	@deploy/local/down.sh

clean: down ## stops, and removes what `up` made (.local/) and the build folders
	@deploy/local/clean.sh

deps: ## installs the Debian packages and npm tools that are missing
	@deploy/local/install_packages.sh

build/%/build.ninja: | deps
	@cmake --preset $* >build-$*.log || { cat build-$*.log; rm -f build-$*.log; exit 1; }
	@rm -f build-$*.log

build: deps build/$(PRESET)/build.ninja ## builds everything with the preset in PRESET (dev)
	@cmake --build --preset $(PRESET)

test: build ## installs, builds and runs every test; CTEST_ARGS adds options
	@deploy/local/install_packages.sh test
	@cd build/$(PRESET) && ctest --output-on-failure -j 2 $(CTEST_ARGS)

test-unit: build ## only the tests that need nothing but memory
	@cd build/$(PRESET) && ctest --output-on-failure -j 2 -L unit

test-faults: build ## runs killed, stopped and cut off at every hit of every kill point; takes minutes
	@cd build/$(PRESET) && ctest -C Faults --output-on-failure -L faults

test-postgres: build ## engine, lint, rehearsal and drift tests on PostgreSQL 14 to 18 (MAJORS); fetches the servers
	@tests/postgres/run.sh "build/$(PRESET)" $(MAJORS) || [ $$? = 77 ]

test-mutations: deps ## breaks one rule of the engine at a time and requires that tests notice; takes minutes
	@tests/mutation/run.py $(MUTATIONS)

lint: deps ## contracts (lint, breaking changes), format
	@deploy/local/lint.sh "$(BUF)"

tidy: ## installs clang-tidy and runs it on common/; TIDY names other build targets
	@deploy/local/install_packages.sh tidy
	@cmake --preset tidy >/dev/null
	@cmake --build --preset tidy --target $(TIDY)

format: deps ## formats our C++ and proto files in place
	@$(OUR_SOURCES) | xargs -r clang-format -i
	@$(BUF) format -w proto

bench: ## measures; builds the release preset first
	@deploy/local/install_packages.sh test
	@tests/bench/run.sh
