#!/usr/bin/env bash
# Kernels and golden lines under valgrind: reads past an end, and decisions on bytes that nobody wrote. Its processor has
# no AVX-512, so that backend is left to AddressSanitizer (the fuzz targets).
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/skip.sh

if [ "$(uname -m)" != x86_64 ] || [ "$(uname -s)" != Linux ]; then
    skip "kernels under valgrind: only on x86-64 Linux"
    exit 0
fi
if ! command -v valgrind >/dev/null; then
    if can_apt; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y valgrind libc6-dbg >/dev/null
    else
        skip "kernels under valgrind: it is not installed"
        exit 0
    fi
fi

# Built by `cargo test --workspace` already: this only asks for their names.
built=$("${CARGO:-cargo}" test --workspace --no-run --message-format=json 2>/dev/null)
binary() { sed -n "s/.*\"kind\":\[\"$1\"\],.*\"name\":\"$2\",.*\"executable\":\"\([^\"]*\)\".*/\1/p" <<<"$built" | tail -n 1; }

run() {
    local name=$1 program=$2
    shift 2
    [ -x "$program" ] || { echo "the binary of the $name was not found" >&2; exit 1; }
    # A few random cases are enough: valgrind looks at each access. Every test here tries all backends.
    PROPTEST_CASES=4 valgrind --quiet --error-exitcode=9 --leak-check=no \
        "$program" --test-threads=1 "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
    grep -q '^test result: ok. [1-9]' "$log" || { echo "no test of the $name ran" >&2; exit 1; }
    echo "valgrind: the $name are clean"
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run "kernels" "$(binary lib nasalogs)" simd:: index:: column::
cd tests
run "golden lines" "$(binary test integration)" golden::
