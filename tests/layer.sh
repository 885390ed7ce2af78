#!/usr/bin/env bash
# What Lambda gets: the layer, made of the wheel that is there, alone beside boto3.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/skip.sh
. tests/venv.sh
venv bindings/python/requirements.txt tests/python/requirements.txt || exit 0
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
wheel=$(ls "$target"/wheels/*.whl)
layer=$target/lambda/nasalogs-layer.zip

fail() {
    echo "layer: $*" >&2
    exit 1
}

"$python" bindings/python/layer.py "$wheel" "$layer"
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
"$python" bindings/python/layer.py "$wheel" "$again/layer.zip" >/dev/null
cmp "$layer" "$again/layer.zip" || fail "made twice, it differs"
"$python" -m zipfile -e "$layer" "$again/opt"
size=$(find "$again/opt" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
[ "$size" -le 15000000 ] || fail "$size bytes unpacked, more than 15 MB"
strangers=$(cd "$again/opt" && find . -type f ! -path './python/nasalogs/*' ! -path './python/nasalogs-*.dist-info/*')
[ -z "$strangers" ] || fail "it has $strangers"

# As a function finds it: a Python that has nothing, the layer, and the runtime's boto3.
"$python" -m venv --without-pip "$again/bare"
"$python" -m pip --python "$again/bare/bin/python" install --quiet --disable-pip-version-check \
    "$(grep '^boto3==' tests/python/requirements.txt)"
env -i PYTHONPATH="$again/opt/python" DEST=s3://lake/access/ REJECTS=s3://lake/rejects/ AWS_DEFAULT_REGION=us-east-1 \
    "$again/bare/bin/python" - "$again/opt/python" <<'PYTHON'
import base64, sys
import nasalogs
assert nasalogs.__file__.startswith(sys.argv[1]), nasalogs.__file__
sys.path.insert(0, "deploy/aws/function")
import app
from nasalogs.aws import parse_kinesis_event
line = b'h.example - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 6245'
kinesis = {"data": base64.b64encode(line).decode(), "sequenceNumber": "4711", "partitionKey": "k"}
batch = parse_kinesis_event({"Records": [{"eventID": "shardId-0:4711", "kinesis": kinesis}]})
assert batch.rows == 1 and batch.to_parquet()[:4] == b"PAR1"
assert app.handler({"Records": []}, None) == {"batchItemFailures": []}
strangers = {name for name in ("numpy", "pandas", "pyarrow") if name in sys.modules}
assert not strangers, strangers
print(f"layer: nasalogs {nasalogs.__version__} in Python {sys.version.split()[0]}, sound")
PYTHON
