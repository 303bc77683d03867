#!/bin/sh
# fuzz.sh SECONDS: runs every fuzz target for so long, beginning with the kept corpus. What is found new is thrown away; to
# keep it: cargo fuzz run --fuzz-dir chaos/fuzz -s none --features fuzzing TARGET
set -eu

seconds=$1
cd "$(dirname "$0")/.."
# The instrumentation is an unstable option of a stable compiler.
export RUSTC_BOOTSTRAP=1
options="--fuzz-dir chaos/fuzz --sanitizer none --features fuzzing --target-dir ${CARGO_TARGET_DIR:-target}/fuzz"
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT

# shellcheck disable=SC2086 # a list of words
cargo fuzz build $options
for target in frame shard cdc registry block; do
    mkdir "$found/$target"
    echo "fuzz $target for $seconds s"
    # shellcheck disable=SC2086 # a list of words
    if ! cargo fuzz run $options "$target" "$found/$target" "chaos/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=2048 -max_len=8192 -artifact_prefix="$PWD/chaos/fuzz/artifacts/$target-" \
        >"$found/log" 2>&1; then
        tail -n 60 "$found/log"
        echo "the input is kept in chaos/fuzz/artifacts; repeat: scripts/fuzz.sh, or put it into chaos/fuzz/corpus/$target and run 'cargo nextest run -p eggs-fuzz'" >&2
        exit 1
    fi
    tail -n 1 "$found/log"
done

# The messages between replicas are varied by a test of common/raft (any_bytes_are_read_or_refused, EGGS_FUZZ_SECONDS for longer):
# that crate holds RocksDB, which takes too long to instrument.
