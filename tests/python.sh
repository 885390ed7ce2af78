#!/usr/bin/env bash
# The Python side: `python.sh test` reads back what nasalogs wrote; `python.sh lint` checks style and types.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/skip.sh

# A virtual environment of the repository's own, made once and again when the pinned versions change.
requirements=tests/python/requirements.txt
python=.venv/bin/python
if ! cmp -s "$requirements" .venv/requirements.txt; then
    if ! command -v python3 >/dev/null || ! python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        if can_apt; then
            apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
        fi
    fi
    if ! python3 -m venv --clear .venv; then
        skip "Python's read-back tests: no Python 3.11 with venv here"
        exit 0
    fi
    if ! "$python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"; then
        skip "Python's read-back tests: the packages of $requirements cannot be installed"
        exit 0
    fi
    cp "$requirements" .venv/requirements.txt
fi

case "${1:-test}" in
    test)
        export NASALOGS="${NASALOGS:-$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug/nasalogs}"
        "$python" -m pytest tests/python "${@:2}"
        ;;
    setup) ;;
    lint)
        "$python" -m ruff check --config tests/python/pyproject.toml tests/python benches fuzz/seed.py
        "$python" -m ruff format --check --config tests/python/pyproject.toml tests/python benches fuzz/seed.py
        "$python" -m mypy --config-file tests/python/pyproject.toml
        ;;
    *)
        echo "usage: $0 [test|lint|setup]" >&2
        exit 2
        ;;
esac
