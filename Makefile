# Two commands are enough: `make run` starts a cluster, `make test` checks everything.
# One build profile and one build directory outside of the checkout serve them all, because
# RocksDB takes ten minutes to compile.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/eggsfs/target
BIN := $(CARGO_TARGET_DIR)/release
# Programs that were compiled with a profile; MEASURED=build measures the quick ones instead.
DIST := $(CARGO_TARGET_DIR)/dist/bin
MEASURED ?= dist
BENCH := $(if $(filter dist,$(MEASURED)),$(DIST),$(BIN))/eggsbench
# Where `make run` keeps its cluster.
DIR ?= $(HOME)/eggsfs
ARGS ?=
CARGO := cargo

.PHONY: help run build dist train install test check unit process-test fuzz sim sim-bugs raft-crash chaos chaos-bugs limits \
	bench bench-meta bench-meta-large bench-data bench-failover deps deps-test clean

help:
	@echo 'make run    build and start a whole cluster in $(DIR) (DIR=... for another place, ARGS=... for eggsrun)'
	@echo 'make test   format, lints, unit and property tests, tests with real processes'
	@echo 'make fuzz   hostile messages; FUZZ_SECONDS=600 for a longer search'
	@echo 'make sim    whole clusters in simulation, on all cores; ARGS="--minutes 60" for a longer search'
	@echo 'make raft-crash  Raft over disks that crash everywhere; CRASH_SECONDS=600 for a longer search'
	@echo 'make chaos  real processes under every nemesis, histories checked; CHAOS_SECONDS=600 for longer runs'
	@echo 'make chaos-bugs  real processes with bugs put in on purpose, each of which must be seen'
	@echo 'make bench  figures: operations per second, throughput, CPU, start-up, memory'
	@echo 'make bench-meta  metadata in depth; META="--clients 64" for less'
	@echo 'make bench-meta-large  the same before and after FILES=10000000 files were made'
	@echo 'make bench-data  content in depth: throughput, CPU per GB, with services paused and lost'
	@echo 'make bench-failover  figures: time without a leader after kill -9, planned hand-over, idle load, restart'
	@echo 'make build  programs only, in $(BIN)'
	@echo 'make dist   programs compiled with a profile of a cluster at work: a tenth less CPU for changes, a quarter of an hour more to build'
	@echo 'make install  puts those into $(PREFIX)/bin (PREFIX=... for another place, DESTDIR=... for a package)'

run: build
	@echo "programs are in $(BIN): export PATH=\"$(BIN):\$$PATH\""
	@$(BIN)/eggsrun --dir $(DIR) $(ARGS)

build: deps
	$(CARGO) build --release --locked --workspace --bins

# Programs as they are installed (docs/adr/0038-profiled-programs.md). The profile is kept; `make train` takes a new one.
dist: build limits
	@scripts/dist.sh

train: build limits
	@scripts/dist.sh --train

PREFIX ?= /usr/local
PROGRAMS := eggsshard eggscdc eggsblocks eggsshuckle eggsgc eggscli eggsfuse eggsrun
install: dist
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(addprefix $(DIST)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin

# What a build needs, and what the tests need on top. Installs only what is missing.
deps:
	@scripts/deps.sh build

deps-test:
	@scripts/deps.sh build test

test: deps-test check unit sim-bugs raft-crash fuzz process-test

check: deps-test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

unit: deps-test
	$(CARGO) nextest run --release --locked --workspace -E 'not package(eggs-harness)'
	$(CARGO) test --release --locked --doc -p eggs-client

# Starts real clusters, breaks them and looks at what is left.
process-test: deps-test build
	$(CARGO) nextest run --release --locked -p eggs-harness

# Looks for messages that do harm, beginning with the kept corpus; FUZZ_SECONDS for each family of messages.
FUZZ_SECONDS ?= 12
fuzz: deps-test
	@scripts/fuzz.sh $(FUZZ_SECONDS)

# Clusters with faults, one seed after the other, for ARGS="--minutes N"; says what was never reached.
sim:
	$(CARGO) run --release --locked -p eggs-sim -- $(ARGS)

# Plants deliberate bugs, each of which the simulation must see. A build of its own: no other has them.
sim-bugs: deps-test
	$(CARGO) nextest run --release --locked -p eggs-sim --features bugs --test bugs

# Replicas of Raft over disks that crash at every boundary; and bugs put in on purpose, each of which must be seen. A build
# of its own: no server keeps its data in memory. CRASH_SEED=N repeats one run.
CRASH_SECONDS ?= 40
raft-crash: deps-test
	CRASH_SECONDS=$(CRASH_SECONDS) $(CARGO) nextest run --release --locked -p eggs-raft --features sim --test crash

# Every nemesis under every workload, on one cluster after the other; see docs/chaos.md.
CHAOS_SECONDS ?= 60
CHAOS := none,kill,pause,hunt,roll,rot,partition,flaky,clock,full,slow,fsync,clients,power,replace,members,lost,all
# Namespaces need root.
CHAOS_ROOT := $(if $(filter 0,$(shell id -u)),packets)
CHAOS_FILES := none,kill,rot,still,domains,filled
chaos: build
	$(BIN)/eggstests run --workload all --nemesis $(CHAOS) --time $(CHAOS_SECONDS) --out chaos-results $(ARGS)
	$(if $(CHAOS_ROOT),$(BIN)/eggstests run --workload all --nemesis $(CHAOS_ROOT) --time $(CHAOS_SECONDS) --out chaos-results $(ARGS))
	$(BIN)/eggstests run --workload files --nemesis $(CHAOS_FILES) --time $(CHAOS_SECONDS) --out chaos-results $(ARGS)

# Deliberate bugs in real processes, each of which must be seen. A build of its own: no other program has them.
chaos-bugs: build
	$(CARGO) run --release --locked -p eggs-harness --features bugs --bin eggsbugs -- $(ARGS)

bench: $(MEASURED) limits
	$(BENCH) $(ARGS)

# What this machine can do at best.
limits: build
	$(CARGO) build --release --locked -p eggs-raft --example limits

# Metadata in depth, next to the limits of this machine.
bench-meta: $(MEASURED) limits
	$(BENCH) $(ARGS) meta $(META)

# The same with very many files in the name space, in turns with a cluster without them; needs 10 GB and a quarter of an hour or more.
FILES ?= 10000000
bench-meta-large: META = --clients 64 --entries 0 --files $(FILES)
bench-meta-large: bench-meta

# Content in depth, next to the limits of this machine.
bench-data: $(MEASURED)
	$(BENCH) $(ARGS) data $(DATA)

# How long groups are without a leader: KILLS times the process that leads the most is killed.
KILLS ?= 100
bench-failover: $(MEASURED)
	$(BENCH) $(ARGS) failover --kills $(KILLS)

clean:
	$(CARGO) clean
