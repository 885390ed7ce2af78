#!/usr/bin/env bash
# Questions to a raw log, in SQL: nasalogs with each layout of strings, and DuckDB. LINES_OF_LOG (2,000,000) sets its size.
set -euo pipefail
cd "$(dirname "$0")/.."
lines=${LINES_OF_LOG:-2000000}

if [ -z "${NASALOGS:-}" ]; then
    "${CARGO:-cargo}" build --release -p nasalogs-cli --no-default-features --features sql
    NASALOGS="${CARGO_TARGET_DIR:-target}/release/nasalogs"
fi
tests/python.sh setup
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$NASALOGS" generate --lines "$lines" --seed 1995 -o "$folder/access.log"
.venv/bin/python benches/sql.py --nasalogs "$NASALOGS" "$folder/access.log" "$@"
