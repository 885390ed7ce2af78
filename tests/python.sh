#!/usr/bin/env bash
# The Python side: `python.sh test` runs the package's tests and reads back what the command line wrote;
# `python.sh lint` checks style and types.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/skip.sh
. tests/venv.sh
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}

# The package in .venv, as `maturin develop` would install it. Its compiled half is the one that the workspace's tests have
# built: maturin would build it, and half of what it depends on, a second time, as other features are asked for. And this
# one's arrays are validated, as in those tests.
package() {
    "$cargo" build --quiet --workspace --lib --bins --tests
    local module=bindings/python/python/nasalogs/_core.abi3.so script=.venv/bin/nasalogs library site said
    for library in "$target"/debug/lib_core.{so,dylib}; do
        # A new file: Python may have the old one in memory.
        if [ -e "$library" ]; then rm -f "$module" && cp "$library" "$module"; fi
    done
    site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    rm -rf "$site"/nasalogs-*.dist-info
    said=$(.venv/bin/maturin pep517 write-dist-info --metadata-directory "$site" 2>&1) || { echo "$said" >&2; exit 1; }
    echo "$PWD/bindings/python/python" >"$site/nasalogs.pth"
    printf '#!%s\nimport sys\nfrom nasalogs.__main__ import main\nsys.exit(main())\n' "$PWD/$python" >"$script"
    chmod +x "$script"
}

# What Spark runs on. Where it is not and cannot be had, the tests that need it skip themselves.
spark_runtime() {
    if [ -z "${JAVA_HOME:-}" ] && ! command -v java >/dev/null && can_apt; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y default-jre-headless >/dev/null
    fi
}

# What the pages of reports are looked at with; likewise.
browser() {
    if [ -z "${NASALOGS_CHROMIUM:-}" ] && ! command -v chromium >/dev/null && can_apt; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
            chromium fonts-dejavu-core >/dev/null
    fi
}

# What the prompt of `nasalogs sql` is driven in; likewise.
terminal() {
    if ! command -v tmux >/dev/null && can_apt; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y tmux >/dev/null
    fi
}

venv tests/python/requirements.txt || exit 0

case "${1:-test}" in
    test)
        venv bindings/python/requirements.txt || exit 0
        package
        spark_runtime
        browser
        terminal
        export NASALOGS="${NASALOGS:-$(cd "$target" && pwd)/debug/nasalogs}"
        failed=0
        for tests in bindings/python/tests tests/python; do
            "$python" -m pytest "$tests" "${@:2}" || failed=1
        done
        exit $failed
        ;;
    setup) ;;
    package)
        venv bindings/python/requirements.txt || exit 0
        package
        ;;
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
