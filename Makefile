# Everything there is to do with Pingu. `make` alone lists it.

CARGO  ?= cargo
BUILT  := $(or $(CARGO_TARGET_DIR),target)/release
BINARY := $(BUILT)/pingu
STATE  := .pingu
PID    := $(STATE)/pid
LOG    := $(STATE)/pingu.log
FUZZ_SECONDS ?= 60

# The dashboard (crates/pingu-web/web). Pingu embeds it if it was built, else a small page that needs no Node.
WEB    := crates/pingu-web/web
# What it is made of. Folders are named for what was deleted from them.
WEB_SOURCES = $(shell find $(WEB)/src $(WEB)/public ! -name schema.d.ts) $(addprefix $(WEB)/,index.html package.json svelte.config.js tsconfig.json \
	vite.config.ts) docs/openapi.json crates/pingu-web/fallback/assets/words.js
NPM_CI := $(WEB)/node_modules/.installed
# `npm run build` empties the folder first: one that was cut short has no stamp
DIST   := $(WEB)/dist/.built
NODE_FITS := command -v npm >/dev/null && node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)' 2>/dev/null
NODE_LACKS = echo "this needs Node 20.19 or newer with npm (https://nodejs.org/), and here is $$(node --version 2>/dev/null || echo none)"
# whom `make dev` asks for data
PINGU  ?= http://127.0.0.1:8000

.DEFAULT_GOAL := help
.PHONY: help web dev pages web-tools test-web e2e web-hold screenshots run up down logs up-docker down-docker logs-docker up-native down-native logs-native test test-tools api-fuzz siege bench-icmp fuzz-icmp lint fmt typecheck check build fill bench bench-http bench-api bench-service bench-storage clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: pages ## build the program, optimised, with the dashboard where Node is there
	$(CARGO) build --release --locked

run: build ## start Pingu here on SQLite with targets.yaml; Ctrl-C stops it
	$(BINARY)

web: $(DIST) ## build the dashboard, where something changed (Node 20.19 or newer)

$(NPM_CI): $(WEB)/package-lock.json
	@$(NODE_FITS) || { $(NODE_LACKS) >&2; exit 1; }
	cd $(WEB) && npm ci
	@touch $@

$(DIST): $(NPM_CI) $(WEB_SOURCES)
	@$(NODE_FITS) || { $(NODE_LACKS) >&2; exit 1; }
	cd $(WEB) && npm run build
	@touch $@

# The dashboard for whoever builds the program: where it cannot be made, the program is built all the same.
GO_ON = echo "going on without it: Pingu gets $$([ -e $(DIST) ] && echo 'the dashboard that was built before' || echo 'its small page')"
pages:
	@if ! { $(NODE_FITS); }; then echo "the dashboard is not built:"; $(NODE_LACKS); $(GO_ON); \
	elif ! $(MAKE) --no-print-directory $(NPM_CI); then \
		echo "npm could not fetch what builds the dashboard (is there a network?)"; $(GO_ON); \
	else $(MAKE) --no-print-directory web; fi

dev: $(NPM_CI) ## work on the dashboard: changes show at once; data from PINGU=http://127.0.0.1:8000
	@node -e 'fetch(process.argv[1] + "/livez", { signal: AbortSignal.timeout(2000) }).then((it) => it.ok ? 0 : 1, () => 1).then(process.exit)' $(PINGU) || \
		echo "no Pingu answers at $(PINGU): start one in another terminal (make run, or cargo run), or say where one is (make dev PINGU=http://...)"
	cd $(WEB) && PINGU=$(PINGU) npm run dev

# As containers on Postgres (docker-compose.yml) where a Docker engine answers, else as a process here; USE=docker or USE=native decides.
USE  ?= $(shell docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 && echo docker || echo native)
# what runs natively is stopped and followed as such
RUNS  = $(if $(wildcard $(PID)),native,$(USE))

up: ## start Pingu in the background: in containers if Docker is there, else as a process
	@$(MAKE) --no-print-directory up-$(USE)

down: ## stop what make up started; results stay
	@$(MAKE) --no-print-directory down-$(RUNS)

logs: ## follow the log of what make up started
	@$(MAKE) --no-print-directory logs-$(RUNS)

up-docker:
	@echo "starting containers on Postgres, as docker-compose.yml has them (make up USE=native: a process on SQLite instead)"
	@revision=$$(git rev-parse HEAD 2>/dev/null) && export PINGU_REVISION="$$revision"; docker compose up --detach --build --wait
	@echo "Pingu runs: http://127.0.0.1:8000/ (make logs follows it, make down stops it)"

down-docker:
	docker compose down

logs-docker:
	docker compose logs --follow --tail 100

up-native: build
	@echo "starting a process here (make up USE=docker: containers on Postgres instead)"
	@mkdir -p $(STATE)
	@if [ -f $(PID) ] && kill -0 "$$(cat $(PID))" 2>/dev/null; then \
		echo "Pingu runs already (process $$(cat $(PID))); make logs follows it, make down stops it"; exit 0; fi; \
	: > $(LOG); nohup $(BINARY) >> $(LOG) 2>&1 & echo $$! > $(PID); \
	for _ in $$(seq 50); do \
		if grep -q 'listening' $(LOG); then break; fi; \
		if ! kill -0 "$$(cat $(PID))" 2>/dev/null; then cat $(LOG); rm -f $(PID); exit 1; fi; \
		sleep 0.1; \
	done; cat $(LOG); echo "Pingu runs in the background (process $$(cat $(PID))); make logs follows it, make down stops it"

down-native:
	@if [ -f $(PID) ] && kill "$$(cat $(PID))" 2>/dev/null; then \
		while kill -0 "$$(cat $(PID))" 2>/dev/null; do sleep 0.1; done; tail -n 1 $(LOG); \
	else echo "Pingu does not run"; fi; rm -f $(PID)

logs-native:
	@tail -n 100 -f $(LOG)

test: test-tools web ## run every test
	$(CARGO) test --workspace --locked
	@$(MAKE) --no-print-directory test-web e2e

test-web: $(NPM_CI) ## test the dashboard's modules
	cd $(WEB) && npm test

e2e: test-tools web ## test the dashboard in a browser, on the real program
	$(CARGO) build --workspace --locked
	cd $(WEB) && npm run e2e -- $(E2E)

# Both stand on the optimised program and on the tool that fills databases.
PICTURES = $(CARGO) build --release --locked -p pingu -p pingu-bench --bin pingu --bin fill && cd $(WEB) && PINGU_BUILD=release npx playwright test --workers 1

web-hold: test-tools web ## measure what docs/performance.md says of the dashboard (3 minutes, after an optimised build)
	$(PICTURES) --project=hold

screenshots: test-tools web ## draw docs/screens anew, from a filled database
	$(PICTURES) --project=screens

# Tests make networks of their own and drop their permissions: they need root (or a user namespace) and these tools. Debian keeps
# the server's programs out of the PATH; TEST_DATABASE_URL does not replace them, as some tests stop their server.
test-tools: web-tools
	@missing=; for tool in ip:iproute2 unshare:util-linux setpriv:util-linux pgbouncer:pgbouncer python3:python3 chromium:chromium; do \
		command -v $${tool%%:*} >/dev/null 2>&1 || missing="$$missing $${tool##*:}"; done; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	$(INSTALL)

# What the dashboard's lints and tests need.
web-tools:
	@missing=; for tool in node:nodejs npm:npm; do command -v $${tool%%:*} >/dev/null 2>&1 || missing="$$missing $${tool##*:}"; done; \
	$(INSTALL); \
	$(NODE_FITS) || { $(NODE_LACKS) >&2; exit 1; }

# `missing` names packages
INSTALL = if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			apt-get update -qq && apt-get install -y -qq $$missing || exit 1; \
		else echo "the tests need these packages:$$missing" >&2; exit 1; fi; \
	fi

api-fuzz: ## ask the API everything that its description allows and forbids, with Schemathesis (a minute; python3-venv)
	@python3 -c 'import ensurepip' 2>/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		apt-get update -qq && apt-get install -y -qq python3-venv; \
	else echo "this needs the package python3-venv" >&2; exit 1; fi
	$(CARGO) build --locked
	tests/api-fuzz/run $(API_FUZZ)

siege: test-tools ## kill and pause the database, and Pingu, twenty times each under 2,000 results a second (4 minutes)
	SIEGE_ROUNDS=20 $(CARGO) test --release --locked --test it -- --nocapture --test-threads 1 siege::

bench-icmp: ## what an echo costs, beside fping, and how exact it is (root, 4 minutes)
	$(CARGO) build --release --locked --package pingu-icmp --examples
	$(BUILT)/examples/flood
	$(BUILT)/examples/accuracy

fuzz-icmp: ## let a fuzzer at the packet parsers for FUZZ_SECONDS (nightly Rust and cargo-fuzz)
	cd crates/pingu-icmp && mkdir -p fuzz/found && \
		$(CARGO) +nightly fuzz run receive fuzz/found fuzz/corpus/receive -- -max_len=1200 -max_total_time=$(FUZZ_SECONDS)

fmt: ## format the source
	$(CARGO) fmt --all
	@if [ -e $(NPM_CI) ]; then cd $(WEB) && npm run format; else echo "the dashboard is left as it is: make web installs its formatter"; fi

lint: web-tools $(NPM_CI) ## formatting, clippy and the dashboard's checks, every warning an error
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	cd $(WEB) && npm run check

typecheck: ## compile without building
	$(CARGO) check --workspace --all-targets --locked

check: lint test ## what has to pass before a commit

fill: ## fill a new database with a plausible history: make fill FILL="--targets 240 --days 90" (--help lists what there is)
	$(CARGO) run --release --locked -p pingu-bench --bin fill -- $(FILL)

bench: build ## measure everything that docs/performance.md says; BENCH takes options, --help lists them
	$(CARGO) run --release --locked -p pingu-bench --bin bench -- $(BENCH)

bench-http: build ## what an HTTP probe costs, beside blackbox_exporter (nginx-light, prometheus-blackbox-exporter; 6 minutes)
	$(CARGO) run --release --locked -p pingu-bench --bin bench -- http $(BENCH)

bench-api: build ## how many questions are answered while 10,000 probes a second are stored (wrk; 2 minutes)
	benches/api.sh

bench-service: build ## measure the whole program with 10,000 and 50,000 targets a second (3 minutes)
	$(CARGO) run --release --locked -p pingu-bench --bin bench -- service $(BENCH)

bench-storage: ## measure storing and reading, ten million rows in SQLite and in two Postgres servers of its own
	$(CARGO) run --release --locked -p pingu-bench --bin bench -- storage $(BENCH)

clean: ## remove what was built
	$(CARGO) clean
	find $(WEB)/dist -mindepth 1 ! -name .gitignore -delete
	rm -rf $(addprefix $(WEB)/,node_modules test-results playwright-report src/api/schema.d.ts)
