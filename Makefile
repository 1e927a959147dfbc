# Everything there is to do with Pingu. `make` alone lists it.

CARGO  ?= cargo
BINARY := target/release/pingu
STATE  := .pingu
PID    := $(STATE)/pid
LOG    := $(STATE)/pingu.log

.DEFAULT_GOAL := help
.PHONY: help run up down logs test test-tools lint fmt typecheck check build fill bench bench-storage clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the program, optimised
	$(CARGO) build --release --locked

run: build ## start Pingu here on SQLite with targets.yaml; Ctrl-C stops it
	$(BINARY)

up: build ## start Pingu in the background
	@mkdir -p $(STATE)
	@if [ -f $(PID) ] && kill -0 "$$(cat $(PID))" 2>/dev/null; then \
		echo "Pingu runs already (process $$(cat $(PID))); make logs follows it, make down stops it"; exit 0; fi; \
	: > $(LOG); nohup $(BINARY) >> $(LOG) 2>&1 & echo $$! > $(PID); \
	for _ in $$(seq 50); do \
		if grep -q 'listening' $(LOG); then break; fi; \
		if ! kill -0 "$$(cat $(PID))" 2>/dev/null; then cat $(LOG); rm -f $(PID); exit 1; fi; \
		sleep 0.1; \
	done; cat $(LOG); echo "Pingu runs in the background (process $$(cat $(PID))); make logs follows it, make down stops it"

down: ## stop what make up started
	@if [ -f $(PID) ] && kill "$$(cat $(PID))" 2>/dev/null; then \
		while kill -0 "$$(cat $(PID))" 2>/dev/null; do sleep 0.1; done; tail -n 1 $(LOG); \
	else echo "Pingu does not run"; fi; rm -f $(PID)

logs: ## follow the log of what make up started
	@tail -n 100 -f $(LOG)

test: test-tools ## run every test
	$(CARGO) test --workspace --locked

# Tests make networks of their own and drop their permissions: they need root (or a user namespace) and these tools. Debian keeps
# the server's programs out of the PATH; TEST_DATABASE_URL does not replace them, as some tests stop their server.
test-tools:
	@missing=; for tool in ip:iproute2 unshare:util-linux setpriv:util-linux pgbouncer:pgbouncer; do \
		command -v $${tool%%:*} >/dev/null 2>&1 || missing="$$missing $${tool##*:}"; done; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			apt-get update -qq && apt-get install -y -qq $$missing; \
		else echo "the tests need these packages:$$missing" >&2; exit 1; fi; \
	fi

fmt: ## format the source
	$(CARGO) fmt --all

lint: ## formatting and clippy, every warning an error
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

typecheck: ## compile without building
	$(CARGO) check --workspace --all-targets --locked

check: lint test ## what has to pass before a commit

fill: ## fill a new database with a plausible history: make fill FILL="--targets 240 --days 90" (--help lists what there is)
	$(CARGO) run --release --locked -p pingu-bench --bin fill -- $(FILL)

bench: ## measure everything that docs/performance.md says; BENCH takes options, --help lists them
	$(CARGO) run --release --locked -p pingu-bench --bin bench -- $(BENCH)

bench-storage: ## measure storing and reading, ten million rows in SQLite and in two Postgres servers of its own
	$(CARGO) run --release --locked -p pingu-bench --bin bench -- storage $(BENCH)

clean: ## remove what was built
	$(CARGO) clean
