#!/usr/bin/env bash
# The kernels under valgrind: reads past an end, and decisions on bytes that nobody wrote. Valgrind knows no AVX-512, so
# that backend is left to AddressSanitizer (the fuzz targets); the others are forced one by one.
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

# Built by `cargo test --workspace` already: this only asks for its name.
binary=$("${CARGO:-cargo}" test --workspace --lib --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"nasalogs",.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -x "$binary" ] || { echo "the unit tests' binary was not found" >&2; exit 1; }

for backend in scalar sse42 avx2; do
    # mimalloc is not in it, and few random cases are enough: valgrind looks at each access.
    NASALOGS_SIMD=$backend PROPTEST_CASES=4 \
        valgrind --quiet --error-exitcode=9 --leak-check=no "$binary" --test-threads=1 --quiet simd:: index::
    echo "valgrind: $backend is clean"
done
