# `make run` and `make test` need nothing but Rust on a Debian machine: each installs what it lacks, into $VERDICT_CACHE.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build test lint bench setup-build setup-test setup-lint

# Read in every recipe, after the set-up it depends on has written it.
ENV := . .ci/env.sh

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

run: build ## Build, play a small incident, print what a responder would ask, keep serving
	@bin/verdict demo

build: setup-build ## Leave the program in bin/verdict
	@$(ENV); cargo build --workspace --bins --locked
	@$(ENV); mkdir -p bin; install -m 755 "$$CARGO_TARGET_DIR/debug/verdict" bin/verdict

test: setup-test build ## Run everything: unit, property, contract, whole-system tests, lint
	@$(ENV); .ci/test

lint: setup-lint ## Formatting, clippy, licences, documentation; warnings are errors
	@$(ENV); cargo fmt --all --check
	@$(ENV); cargo clippy --workspace --all-targets -- -D warnings
	@$(ENV); cargo deny --log-level error check licenses bans sources
	@$(ENV); RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps

# ONLY="decode store" takes some sections, FULL=1 ten million events for memory; docs/benchmarks.md has the rest.
bench: setup-test build ## Measure: tables of speed, size and latency; ONLY="store kafka" for some, FULL=1 for all of it
	@$(ENV); ONLY="$(ONLY)" FULL="$(FULL)" EVENTS="$(EVENTS)" cargo bench --quiet --profile dev --workspace --bench measure

setup-build:
	@.ci/setup build

setup-test:
	@.ci/setup test

setup-lint:
	@.ci/setup lint
