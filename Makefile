# Everything is built below target/ and build/; nothing is cached elsewhere.
PREFIX ?= /usr/local
DESTDIR ?=
TIME ?= 60
BUILD ?= build
JOBS ?= $(shell nproc)
# make bench: the rows to run (all quick ones if empty), and more words for benches/run.
ROWS ?=
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help build demo test check install bench bench-soak bench-programs fuzz clean abi-baseline

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

build: ## the library (with link-time optimisation), the header and the C examples
	@tools/need build
	@cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release -DVOIP_TESTS=OFF --log-level=WARNING >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) -- --no-print-directory

demo: build ## two C programs call each other and the result is measured; SERVER= USER= PASSWORD= for a real account
	@tools/need demo
	@python3 tools/demo --build $(BUILD) $(if $(SERVER),--server '$(SERVER)' --user '$(USER)' --password '$(PASSWORD)') $(if $(TARGET),--target '$(TARGET)')

test: ## everything: Rust, C under valgrind, ABI, installed packages, real servers and phones
	@tools/need test
	@tools/test

check: ## the quick part of the tests: formatting, lints, Rust
	@cargo fmt --all --check
	@cargo clippy --locked --all-targets -- -D warnings
	@cargo test --locked -q

install: build ## library, headers, voip.pc and the CMake package into PREFIX (DESTDIR is honoured)
	@cmake -S . -B $(BUILD) -DCMAKE_INSTALL_PREFIX='$(PREFIX)' --log-level=WARNING >/dev/null
	@DESTDIR='$(DESTDIR)' cmake --install $(BUILD)

bench: bench-programs ## benchmarks beside their peers: a table, build/bench/results.json, a plot; ROWS=calls,setup chooses
	@python3 benches/run --build $(BUILD) --rows '$(ROWS)' $(BENCH)

bench-soak: bench-programs ## ten minutes of calls at 80 % of what one core holds
	@python3 benches/run --build $(BUILD) --rows soak $(BENCH)

bench-programs:
	@tools/need bench
	@tools/need peers || echo "make bench: the table names the peers that are missing"
	@cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release -DVOIP_TESTS=OFF -DVOIP_BENCH=ON --log-level=WARNING >/dev/null
	@cmake --build $(BUILD) -j $(JOBS) -- --no-print-directory

fuzz: ## every fuzz target for TIME seconds (default 60)
	@tools/need fuzz
	@tools/fuzz $(TIME)

abi-baseline: build ## writes the ABI baseline and the symbol list that the tests compare with
	@tools/need test
	@python3 tests/abi/check --write

clean: ## remove everything that was built
	@cargo clean
	@rm -rf $(BUILD)
