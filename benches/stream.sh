#!/usr/bin/env bash
# Delivery to a Kinesis on this machine, beside boto3. LINES_OF_LOG (2,000,000).
set -euo pipefail
cd "$(dirname "$0")/.."
lines=${LINES_OF_LOG:-2000000}
target=${CARGO_TARGET_DIR:-target}

# The only bench that needs AWS's crates.
"${CARGO:-cargo}" build --release -p nasalogs-cli -p nasalogs-simulator
tests/python.sh setup
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# What is built next may be another.
cp "$target/release/nasalogs" "$target/release/nasalogs-simulator" "$folder"
"$folder/nasalogs" generate --lines "$lines" --seed 1995 -o "$folder/access.log"
.venv/bin/python benches/stream.py --nasalogs "$folder/nasalogs" --simulator "$folder/nasalogs-simulator" "$folder/access.log" "$@"
