#!/bin/sh
# dist.sh [--train]: programs as they are installed, compiled with a profile of a cluster at work (docs/adr/0038-profiled-programs.md),
# in $CARGO_TARGET_DIR/dist/bin. 'make build limits' comes first: its RocksDB is linked, because compiling that twice more would take
# twenty minutes. The profile is kept as long as compiler and dependencies are the same; --train takes a new one.
set -eu

cd "$(dirname "$0")/.."
: "${CARGO_TARGET_DIR:=$PWD/target}"
export CARGO_TARGET_DIR
host=$(rustc -vV | sed -n 's/^host: //p')
programs="--locked --workspace --bins"
profiles=$CARGO_TARGET_DIR/profile
known=$( (rustc -vV && cat Cargo.lock) | sha256sum | cut -c1-16)

# The directory of the archive that the quick build uses.
# shellcheck disable=SC2086 # a list of words
rocksdb=$(cargo build --release $programs --message-format=json 2>/dev/null |
    sed -n 's/.*"build-script-executed".*librocksdb-sys.*"out_dir":"\([^"]*\)".*/\1/p')
if [ ! -e "$rocksdb/librocksdb.a" ]; then
    echo "dist.sh: no librocksdb.a in '$rocksdb': run 'make build' first" >&2
    exit 1
fi
# From here on nothing may be built in the directory of the quick build: with these it would compile RocksDB again the next time.
export ROCKSDB_LIB_DIR="$rocksdb" ROCKSDB_STATIC=1

# compile DIR FLAG: with --target the flag is not for build scripts and macros.
compile() {
    # shellcheck disable=SC2086 # a list of words
    RUSTFLAGS="${RUSTFLAGS:-} $2" cargo build --profile dist --target "$host" --target-dir "$CARGO_TARGET_DIR/$1" $programs
}

# What benchmarks measure the limits of the machine with; a build with other features, so it stays the quick one.
limits=$CARGO_TARGET_DIR/release/examples/limits

# What a cluster does most: a little of everything, then metadata with many at once.
train() {
    merge=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
    [ -x "$merge" ] || rustup component add llvm-tools
    compile train "-Cprofile-generate=$profiles/unused"
    counts=$(mktemp -d)
    trap 'rm -rf "$counts"' EXIT
    trap 'exit 1' INT TERM
    built=$CARGO_TARGET_DIR/train/$host/dist
    install -D -m 755 "$limits" "$built/examples/limits"
    echo "training with two small benchmarks, three minutes"
    export LLVM_PROFILE_FILE="$counts/%p-%m.profraw"
    "$built/eggsbench" --seconds 4 --megabytes 300 >"$counts/log"
    "$built/eggsbench" --seconds 4 meta --clients 64 --entries 0 >"$counts/log"
    unset LLVM_PROFILE_FILE
    # A process that is killed may leave half a file.
    find "$counts" -name '*.profraw' >"$counts/files"
    "$merge" merge --failure-mode=all --input-files="$counts/files" -o "$counts/merged"
    mkdir -p "$profiles"
    rm -f "$profiles/$known"-*
    # Cargo compiles again when a flag changes, not when the file behind it does.
    mv "$counts/merged" "$profiles/$known-$(sha256sum <"$counts/merged" | cut -c1-16)"
}

profile() {
    find "$profiles" -name "$known-*" 2>/dev/null
}

if [ "${1:-}" = --train ] || [ -z "$(profile)" ]; then
    train
fi
compile dist "-Cprofile-use=$(profile)"

bin=$CARGO_TARGET_DIR/dist/bin
built=$CARGO_TARGET_DIR/dist/$host/dist
mkdir -p "$bin/examples"
for program in shard cdc blocks shuckle gc cli fuse run tests bench; do
    install -m 755 "$built/eggs$program" "$bin"
done
install -m 755 "$limits" "$bin/examples"
echo "programs are in $bin"
