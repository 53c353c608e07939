#!/usr/bin/env bash
# Runs every fuzz target for a while, on a stable toolchain: fuzz/run.sh [SECONDS_EACH]. Exits 1 at the first crash,
# whose input cargo-fuzz has named and kept under fuzz/artifacts. TARGETS="decode job" runs only these.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-${SECONDS_EACH:-600}}"
read -ra targets <<<"${TARGETS:-probe decode metadata params spec job}"
# The sanitizer's flags are unstable.
export RUSTC_BOOTSTRAP=1

command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
# Not its default build: that one switches debug assertions on where fuzz/Cargo.toml has them off.
cargo fuzz build --release
host="$(rustc -vV | sed -n 's/^host: //p')"
# Two static tables of the same name in one C file are no violation; cargo-fuzz asks for the same.
ASAN_OPTIONS=detect_odr_violation=0:detect_leaks=0 "fuzz/target/$host/release/seeds" fuzz/corpus

# Known leaks are recognised by the names of functions, which takes this tool.
export LSAN_OPTIONS=suppressions=fuzz/leaks.txt:print_suppressions=0
leaks=1
command -v llvm-symbolizer >/dev/null || leaks=0

dictionaries=fuzz/dictionaries
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

words() {
    local name
    case "$1" in
        params | spec) set -- params ;;
        metadata) set -- exif icc ;;
        *) set -- jpeg png webp avif jxl heic gif bmp ico tiff exif icc ;;
    esac
    for name; do cat "$dictionaries/$name.dict"; done
}

for target in "${targets[@]}"; do
    echo "== $target: $seconds s"
    words "$target" >"$scratch/$target.dict"
    longest=16384
    [ "$target" != params ] || longest=512
    cargo fuzz run --release "$target" -- -max_total_time="$seconds" -dict="$scratch/$target.dict" \
        -max_len="$longest" -rss_limit_mb=1024 -timeout=10 -detect_leaks="$leaks" -print_final_stats=1 || exit 1
done
