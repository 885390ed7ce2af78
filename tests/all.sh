#!/usr/bin/env bash
# Every test there is: Rust with doctests, the kernels under valgrind, and the files read back in Python.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/skip.sh
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT

# The binary first: the command line's tests and Python's start it. The whole workspace, so that features are
# resolved as for the tests, and nothing is built twice.
"$cargo" build --workspace
"$cargo" test --workspace 2>&1 | tee "$log/rust"

tests/valgrind.sh 2>&1 | tee "$log/valgrind"
NASALOGS="$(cd "$target" && pwd)/debug/nasalogs" tests/python.sh test 2>&1 | tee "$log/python"

# One line for all, in the words of test runners.
sum() { awk -v word="$1" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ "^" word) n += $(i - 1) } END { print n + 0 }' "$log/rust"; }
python() { { grep -E '^=+ .* in [0-9.]+s' "$log/python" || true; } | grep -oE "[0-9]+ $1" | awk '{ n += $1 } END { print n + 0 }'; }
skipped=$(($(sum ignored) + $(python skipped) + $(grep -hcE '^(SKIPPED|skipped):' "$log"/* | awk '{ n += $1 } END { print n }')))
mkdir -p "$target"
echo "$(($(sum passed) + $(python passed))) passed, $(($(sum failed) + $(python failed))) failed, $skipped skipped" | tee "$target/tests.summary"
