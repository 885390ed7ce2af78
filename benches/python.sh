#!/usr/bin/env bash
# The Python package, as its wheel is, beside the core and beside what scripts do without it; then as a function of Lambda.
# LINES_OF_LOG (2,000,000).
set -euo pipefail
cd "$(dirname "$0")/.."
lines=${LINES_OF_LOG:-2000000}
target=${CARGO_TARGET_DIR:-target}

"${CARGO:-cargo}" build --release -p nasalogs-cli --no-default-features
tests/python.sh setup
bindings/python/wheel.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --target "$folder/package" \
    "$target"/wheels/*.whl
"$target/release/nasalogs" generate --lines "$lines" --seed 1995 -o "$folder/access.log"
# Before the package that the tests use, which is built for them.
PYTHONPATH=$folder/package .venv/bin/python benches/python.py --nasalogs "$target/release/nasalogs" "$folder/access.log" "$@"
.venv/bin/python bindings/python/layer.py "$target"/wheels/*.whl "$folder/layer.zip"
PYTHONPATH=$folder/package .venv/bin/python benches/lambda.py --layer "$folder/layer.zip" "$folder/access.log"
