#!/usr/bin/env bash
# A million lines of invented traffic to a Parquet table and a report, from nothing but cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
lines=${LINES_OF_LOG:-1000000}

"${CARGO:-cargo}" build --release -p nasalogs-cli --no-default-features
nasalogs="${CARGO_TARGET_DIR:-target}/release/nasalogs"

mkdir -p demo
"$nasalogs" generate --lines "$lines" -o demo/access.log
echo
head -n 3 demo/access.log
echo
"$nasalogs" convert demo/access.log -o demo/table --partition-by dt --overwrite

echo
"$nasalogs" report demo/access.log --html demo/report.html --overwrite --quiet
"$nasalogs" report demo/table

cat <<EOF

The same as a page, which its reader can filter: $PWD/demo/report.html

$(find demo/table -name '*.parquet' | wc -l) Parquet files, one a day or more, are in demo/table. Ask them, for instance:

  duckdb -c "SELECT status, count(*), sum(bytes) FROM 'demo/table/**/*.parquet' GROUP BY ALL ORDER BY 1"
  python -c "import polars as p; print(p.scan_parquet('demo/table/**/*.parquet').head().collect())"

Your own log: $nasalogs report access.log --html report.html
              $nasalogs convert access.log -o table --partition-by dt
EOF
