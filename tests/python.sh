#!/usr/bin/env bash
# The Python side: `python.sh test` runs the package's tests and reads back what the command line wrote;
# `python.sh lint` checks style and types.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/skip.sh
. tests/venv.sh
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}

# The package in .venv. Its compiled half is the one that the workspace's tests have built: nothing is compiled a second
# time, as `maturin develop` would for its other features of dependencies, and arrays are validated as in those tests.
package() {
    "$cargo" build --quiet --workspace --lib --bins --tests
    local into=bindings/python/python/nasalogs/_core.abi3.so library
    for library in "$target"/debug/lib_core.{so,dylib}; do
        # A new file: Python may have the old one in memory.
        if [ -e "$library" ]; then rm -f "$into" && cp "$library" "$into"; fi
    done
    echo "$PWD/bindings/python/python" >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/nasalogs.pth"
}

venv tests/python/requirements.txt || exit 0

case "${1:-test}" in
    test)
        package
        export NASALOGS="${NASALOGS:-$(cd "$target" && pwd)/debug/nasalogs}"
        failed=0
        for tests in bindings/python/tests tests/python; do
            "$python" -m pytest "$tests" "${@:2}" || failed=1
        done
        exit $failed
        ;;
    setup) ;;
    package) package ;;
    lint)
        "$python" -m ruff check
        "$python" -m ruff format --check
        "$python" -m mypy
        # By itself: two folders of tests both have a conftest.
        MYPYPATH=bindings/python/tests "$python" -m mypy bindings/python/tests
        ;;
    *)
        echo "usage: $0 [test|lint|setup|package]" >&2
        exit 2
        ;;
esac
