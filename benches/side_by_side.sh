#!/usr/bin/env bash
# The same generated file through nasalogs and through what else people use. LINES_OF_LOG (2,000,000) sets its size.
set -euo pipefail
cd "$(dirname "$0")/.."
lines=${LINES_OF_LOG:-2000000}

"${CARGO:-cargo}" build --release -p nasalogs-cli --no-default-features
nasalogs="${CARGO_TARGET_DIR:-target}/release/nasalogs"
tests/python.sh setup
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$nasalogs" generate --lines "$lines" --seed 1995 -o "$folder/access.log"
"$nasalogs" bench "$folder/access.log"
.venv/bin/python benches/side_by_side.py --nasalogs "$nasalogs" "$folder/access.log" "$@"
