# Every target that has a `##` comment is listed by `make help`.

.DEFAULT_GOAL := help
.PHONY: help setup build run test check openapi bench eval dist fmt clean

CARGO ?= cargo

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Check that the machine has what the build needs
	@scripts/setup

build: setup ## Build the program: target/release/afterword
	$(CARGO) build --release --package afterword-cli

run: build ## Build and start the server on this machine, with nothing else installed
	@target/release/afterword serve

test: setup ## Run the whole suite
	@scripts/test

check: setup ## Formatting, lints, licences and duplicate dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	@scripts/check-dependencies

openapi: setup ## Write docs/openapi.json anew from the code
	AFTERWORD_WRITE_OPENAPI=1 $(CARGO) test --package afterword-tests --test workspace openapi::the_document

bench: setup ## Run the benchmarks and print their figures
	$(CARGO) build --release --package afterword-cli
	$(CARGO) run --release --package afterword-bench

eval: setup ## Transcribe real speech and count the words that are wrong
	$(CARGO) build --release --package afterword-cli
	$(CARGO) run --release --package afterword-bench -- eval

dist: setup ## Build the program as it is shipped: small, with link-time optimisation
	$(CARGO) build --profile dist --package afterword-cli

fmt: ## Format the code
	$(CARGO) fmt --all

clean: ## Remove what was built
	$(CARGO) clean
