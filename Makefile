# Everything to do with this checkout starts here; each target sets up what it needs. docs/setup.md says how.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PREFIX ?= /usr/local
LAUNCHERS := fleet/bin/hearth fleet/bin/hearth-fleet agent/bin/hearth-agent

# The tools of set-up come first, then npm's; a plain user's PATH has no sbin.
export PATH := $(CURDIR)/build/toolchain/bin:$(CURDIR)/node_modules/.bin:$(PATH):/usr/local/sbin:/usr/sbin:/sbin

.PHONY: help
help:
	@echo 'make demo     one real build on a detached and reattached cache, in a small table'
	@echo 'make test     every test                          (ARGS="path -t name": some)'
	@echo 'make simulate many lives of a simulated fleet     (SEEDS=10000; SEED=123 replays one and shows its log)'
	@echo 'make soak     rounds of kill -9 and the next build  (ROUNDS=200; DRIVER=ceph-rbd; SEED=123 kills at the same moments)'
	@echo 'make check    format, lint, types, dead code      (make format: mends what it can)'
	@echo 'make bench    the measurements                    (ONLY=regex: some)'
	@echo 'make setup    what all of these need; they run it themselves'
	@echo 'make install  links hearth, hearth-fleet and hearth-agent into PREFIX/bin (PREFIX=/usr/local)'
	@echo 'make clean    removes build/; docs/setup.md says what else set-up made, and where'

.PHONY: setup setup-check setup-test
setup:
	@sh scripts/setup/main.sh run
setup-check:
	@sh scripts/setup/main.sh check
setup-test:
	@sh scripts/setup/main.sh test

.PHONY: bundle
bundle: build/hearth/program/hearth.mjs
	@:
build/hearth/program/hearth.mjs: scripts/bundle.ts pnpm-lock.yaml $(shell find agent/src fleet/src proto/src -type f)
	@node scripts/bundle.ts

.PHONY: demo
demo: setup
	@$(MAKE) bundle
	@node test/demo/demo.ts

# vitest's own exit code is kept: it also fails for what no test is to blame for.
.PHONY: test
test: setup-test
	@$(MAKE) bundle
	@rm -rf build/test
	@status=0; vitest run $(ARGS) || status=$$?; node scripts/summary.ts build/test/report.json $$status

# A world of real cores on simulated hosts; docs/simulation.md. SEED=N replays one seed and shows its log.
.PHONY: simulate
simulate: setup-check
	@node test/simulation/main.ts $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),200) $(if $(FROM),--from $(FROM))) \
	  $(if $(MUTATION),--mutation '$(MUTATION)')

# Builds, and kill -9 of whatever runs them; docs/caches.md. The last lines are a table of what became of it.
.PHONY: soak
soak: setup-test
	@$(MAKE) bundle
	@ROUNDS=$(or $(ROUNDS),200) SEED=$(SEED) DRIVER=$(DRIVER) node test/chaos/main.ts

# Each check runs even if one before it failed (-k).
.PHONY: check check-format check-types check-lint check-unused
check: setup-check
	@$(MAKE) -k check-format check-types check-lint check-unused
check-format:
	@echo 'biome' && biome check --error-on-warnings
check-types:
	@echo 'tsc' && tsc -p tsconfig.json
check-lint:
	@echo 'oxlint' && oxlint --type-aware --deny-warnings
check-unused:
	@echo 'knip' && knip --include-entry-exports

.PHONY: format
format: setup-check
	@biome check --write

# ONLY=regex reaches the program as an environment variable.
.PHONY: bench
bench: setup-test
	@$(MAKE) bundle
	@node test/bench/main.ts

.PHONY: install
install: setup
	@$(MAKE) bundle
	@mkdir -p '$(DESTDIR)$(PREFIX)/bin'
	@for launcher in $(LAUNCHERS); do \
	  ln -sfn "$(CURDIR)/$$launcher" "$(DESTDIR)$(PREFIX)/bin/$${launcher##*/}" && \
	  echo "$(DESTDIR)$(PREFIX)/bin/$${launcher##*/} -> $(CURDIR)/$$launcher" || exit 1; \
	done

.PHONY: clean
clean:
	rm -rf build
