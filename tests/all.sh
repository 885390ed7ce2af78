#!/usr/bin/env bash
# Every test there is: Rust with doctests, the kernels under valgrind, the wheel as users get it, the layer as Lambda gets
# it, the Python package, and the files read back in Python.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/skip.sh
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

# The binary first: the command line's tests and Python's start it. The whole workspace, so that features are
# resolved as for the tests, and nothing is built twice.
"$cargo" build --workspace --lib --bins --tests
"$cargo" test --workspace 2>&1 | tee "$log/rust"

tests/valgrind.sh 2>&1 | tee "$log/valgrind"
tests/wheel.sh 2>&1 | tee "$log/wheel"
tests/layer.sh 2>&1 | tee "$log/layer"
# After the layer, for the function is tested in it.
target=$(cd "$target" && pwd)
NASALOGS=$target/debug/nasalogs NASALOGS_LAYER=$target/lambda/nasalogs-layer.zip tests/python.sh test 2>&1 | tee "$log/python"

# One line for all, in the words of test runners.
mkdir -p "$target"
awk '
    /^test result:/ { for (i = 2; i <= NF; i++) { n = $(i - 1); if ($i ~ /^passed/) passed += n
        else if ($i ~ /^failed/) failed += n; else if ($i ~ /^ignored/) skipped += n } }
    /^=+ .* in [0-9.]+s/ { for (i = 2; i <= NF; i++) { n = $(i - 1); if ($i ~ /^passed/) passed += n
        else if ($i ~ /^(failed|error)/) failed += n; else if ($i ~ /^skipped/) skipped += n } }
    /^(SKIPPED|skipped):/ { skipped++ }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }
' "$log"/* | tee "$target/tests.summary"
