# Every target that has a `##` comment is listed by `make help`.

.DEFAULT_GOAL := help
.PHONY: help setup build run test check fuzz disturbed openapi defaults simulate bench long-run eval lines man dist functions fmt clean

CARGO ?= cargo
# Where `make setup` puts tools that the machine does not have. The machine's own come first.
export PATH := $(PATH):$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/afterword/tools/bin

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Fetch what the build needs and the machine does not have: CMake, models (OFFLINE=1: only look for them)
	@scripts/setup $(if $(OFFLINE),--offline)

build: setup ## Build the program: target/release/afterword
	$(CARGO) build --release --package embedded

run: build ## Build and start the server on this machine, with nothing else installed
	@target/release/afterword serve

test: ## Run the whole suite; what only tests need is fetched too
	@scripts/setup --tests $(if $(OFFLINE),--offline)
	@scripts/test

check: setup ## Formatting, lints, documentation, spelling, shell scripts, licences, unused and duplicate dependencies
	$(CARGO) fmt --all --check
	@scripts/check-text
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' $(CARGO) doc --workspace --no-deps --locked --quiet
	@scripts/check-dependencies

fuzz: setup ## Run a million damaged files through the decoders, and all damage to containers (FUZZ_SEED, FUZZ_COUNT, CONTAINER_CASES)
	FUZZ_COUNT=$${FUZZ_COUNT:-1000000} CONTAINER_CASES=$${CONTAINER_CASES:-1000000} \
	$(CARGO) test --release --locked --package audio --test mutations -- --nocapture damaged_file_of_any_kind no_damage

disturbed: setup ## Count the words of 400 disturbed scenes (DISTURBED_FROM: from which seed on, DISTURBED_SEEDS: how many)
	DISTURBED_SEEDS=$${DISTURBED_SEEDS:-400} \
	$(CARGO) test --release --locked --package speech --test disturbed -- --nocapture speech_is_understood

simulate: setup ## Let a device and the whole backend live together (SEEDS: how many lives, SEED: from which seed on)
	SEEDS=$${SEEDS:-20000} \
	$(CARGO) test --release --locked --package tests --test simulation -- --nocapture all_finalised

openapi: setup ## Write docs/openapi.json anew from the code
	AFTERWORD_WRITE_OPENAPI=1 $(CARGO) test --package tests --test workspace openapi::checked_in_document

defaults: setup ## Write docs/default.toml and the tables of docs/CONFIGURATION.md anew from the list of keys
	AFTERWORD_WRITE_DEFAULTS=1 $(CARGO) test --package tests --test workspace configuration::checked_in_defaults

bench: setup ## Run the benchmarks and print their figures
	$(CARGO) build --release --package embedded
	$(CARGO) run --release --package bench

long-run: setup ## Send 100,000 jobs through one server beside endless backups (LONG_RUN_JOBS: how many)
	$(CARGO) build --release --package embedded
	$(CARGO) run --release --package bench -- long-run

eval: setup ## Transcribe real speech and count the words that are wrong (EVAL_ENGINE=moonshine-base: by another engine)
	$(CARGO) build --release --package embedded
	$(CARGO) run --release --package bench -- eval

lines: ## Count lines of code by crate, without comments, blank lines and tests (REV: of a revision; REV and REV2: compare two)
	@scripts/count-lines $(REV) $(REV2)

man: build ## Write the manual pages of the program into target/man (read one: man target/man/afterword-status.1)
	@mkdir -p target/man
	target/release/afterword man target/man

dist: setup ## Build the program as it is shipped: one small file with the models inside, link-time optimised
	AFTERWORD_EMBED_MODELS=required $(CARGO) build --profile dist --package embedded

functions: setup ## Build the two functions of the cloud as they are deployed, the same way
	AFTERWORD_EMBED_MODELS=required $(CARGO) build --profile dist --package cloud

fmt: ## Format the code
	$(CARGO) fmt --all

clean: ## Remove what was built
	$(CARGO) clean
