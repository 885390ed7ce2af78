#!/usr/bin/env bash
# The source distribution and, from that, the wheel for this machine's platform, in target/wheels. On Linux zig links it
# against the glibc 2.17 of manylinux2014, so that it runs on whatever has that or newer.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/skip.sh
. tests/venv.sh
venv bindings/python/requirements.txt || exit 1

mkdir -p "${CARGO_TARGET_DIR:-target}"
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
wheels=$target/wheels
# maturin asks this Python for zig.
export PATH="$PWD/.venv/bin:$PATH"
# zig is given a target by name, and Cargo keeps what is built for one apart from what is built for none: neither the
# wheel nor a plain `cargo build` throws away what the other has made.
export CARGO_TARGET_DIR=$target
if [ "$(uname -s)" = Linux ]; then export MATURIN_PEP517_ARGS="--zig --compatibility manylinux2014"; fi

rm -rf "$wheels"
maturin sdist --out "$wheels"
"$python" bindings/python/unpack.py "$wheels"/*.tar.gz "$target/sdist"
# Through pip, as it goes for those who have the source alone.
"$python" -m pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$wheels" "$target/sdist"
