#!/usr/bin/env bash
# A report of a raw log: nasalogs and GoAccess, which Debian has. LINES_OF_LOG (2,000,000) sets its size.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/skip.sh
lines=${LINES_OF_LOG:-2000000}

if [ -z "${NASALOGS:-}" ]; then
    "${CARGO:-cargo}" build --release -p nasalogs-cli --no-default-features
    NASALOGS="${CARGO_TARGET_DIR:-target}/release/nasalogs"
fi
if ! command -v goaccess >/dev/null && can_apt; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends goaccess >/dev/null
fi
tests/python.sh setup
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$NASALOGS" generate --lines "$lines" --seed 1995 -o "$folder/access.log"
.venv/bin/python benches/report.py --nasalogs "$NASALOGS" "$folder/access.log" "$@"
