#!/usr/bin/env bash
# What users get: the wheel, where nothing else is installed, and the package's tests with it.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/skip.sh
. tests/venv.sh
venv bindings/python/requirements.txt tests/python/requirements.txt || exit 0

bindings/python/wheel.sh
target=${CARGO_TARGET_DIR:-target}
wheel=$(ls "$target"/wheels/*.whl)
sdist=$(ls "$target"/wheels/*.tar.gz)

fail() {
    echo "wheel: $*" >&2
    exit 1
}

size=$(wc -c <"$wheel")
echo "wheel: $size bytes"
[ "$size" -le 8000000 ] || fail "more than 8 MB"
if [ "$(uname -s)" = Linux ]; then
    # Whole: a grep that has seen enough would close the pipe under it.
    shown=$("$python" -m auditwheel show "$wheel")
    grep -q '^"manylinux_2_17_' <<<"$shown" || fail "it needs more than manylinux2014 has"
fi
inside=$("$python" -m zipfile -l "$wheel"; "$python" -m tarfile -l "$sdist")
for file in licenses/LICENSE-APACHE licenses/LICENSE-MIT nasalogs/py.typed \
    nasalogs-*/LICENSE-APACHE nasalogs-*/LICENSE-MIT nasalogs-*/docs/python.md nasalogs-*/Cargo.lock; do
    grep -q -- "${file/\*/[^ ]*}" <<<"$inside" || fail "no $file"
done

# One wheel for every Python from 3.11 on: all that are here. Without pip, and without an index to get more from.
bare=$target/bare
for other in python3.{11,12,13,14,15} "$python"; do
    "$other" -c 'import venv' 2>/dev/null || continue
    rm -rf "$bare"
    "$other" -m venv --without-pip "$bare"
    "$python" -m pip --python "$bare/bin/python" install --quiet --disable-pip-version-check --no-index "$wheel"
    "$bare/bin/python" -I bindings/python/smoke.py
done

# In the last of them, whose own packages come first.
site='import sysconfig; print(sysconfig.get_path("purelib"))'
"$python" -c "$site" >"$("$bare/bin/python" -c "$site")/tests.pth"
"$bare/bin/python" -m pytest bindings/python/tests
