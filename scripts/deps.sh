#!/bin/sh
# Installs what is missing: 'build' for compiling and running, 'test' for the tests on top.
# Debian packages by name; cargo-nextest through cargo.
set -eu

missing=
# need COMMAND-OR-FILE PACKAGE: asks for the package unless the command or file is there.
need() {
    case $1 in
    /*)
        found=
        for file in $1; do [ -e "$file" ] && found=yes; done
        [ -n "$found" ] || missing="$missing $2"
        ;;
    *) command -v "$1" >/dev/null 2>&1 || missing="$missing $2" ;;
    esac
}

for part in "$@"; do
    case $part in
    build)
        need clang clang
        need g++ g++
        need make make
        need '/usr/lib/*/libclang*.so* /usr/lib/llvm-*/lib/libclang*.so*' libclang-dev
        need fusermount3 fuse3
        ;;
    test)
        need chromium chromium
        need rsync rsync
        need setfattr attr
        need git git
        need tar tar
        need dash dash
        need nft nftables
        need ip iproute2
        need nsenter util-linux
        need python3 python3
        ;;
    *)
        echo "deps.sh: unknown part '$part'" >&2
        exit 2
        ;;
    esac
done

if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "missing packages; install them with: sudo apt-get install$missing" >&2
        exit 1
    fi
    echo "installing$missing"
    apt-get update -q >/dev/null
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null
fi

if ! command -v cargo >/dev/null 2>&1; then
    echo "cargo is missing: install Rust 1.95 or newer (rustup.rs)" >&2
    exit 1
fi
for part in "$@"; do
    [ "$part" = test ] || continue
    for tool in nextest fuzz; do
        if ! command -v "cargo-$tool" >/dev/null 2>&1; then
            echo "installing cargo-$tool"
            cargo install --locked "cargo-$tool"
        fi
    done
done
