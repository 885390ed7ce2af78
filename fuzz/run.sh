#!/usr/bin/env bash
# Every fuzz target for so many seconds each, from seeds that are made of the golden corpus.
#   fuzz/run.sh [SECONDS [TARGET…]]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true

if ! cargo fuzz --version >/dev/null 2>&1 || ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzzing needs a nightly compiler and cargo-fuzz: cargo install --locked cargo-fuzz" >&2
    exit 1
fi
if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(cargo +nightly fuzz list); fi

# One list of versions for both workspaces; what only this one needs is added to the copy.
cp Cargo.lock fuzz/Cargo.lock
python3 fuzz/seed.py
# All at once, so that the crate and its dependencies are compiled a single time.
cargo +nightly fuzz build
for target in "${targets[@]}"; do
    echo "--- fuzz $target for $seconds s"
    # What libFuzzer says is kept for the day it finds something.
    if ! cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=60 \
        -rss_limit_mb=2048 -dict=fuzz/log.dict -print_final_stats=1 >"fuzz/target/$target.log" 2>&1; then
        tail -n 60 "fuzz/target/$target.log"
        exit 1
    fi
    grep -E 'number_of_executed_units|average_exec_per_sec' "fuzz/target/$target.log"
done
