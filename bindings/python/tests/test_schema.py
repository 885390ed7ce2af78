"""Schemas and detection."""

import io
from pathlib import Path

import nasalogs
import pyarrow as pa
import pytest
from sample import AGENT, CLASSIC, COMBINED, COMMON, GOOD, OPTIONAL, log, numbered

TYPES = {
    "host": pa.string(),
    "ts": pa.timestamp("ms", tz="UTC"),
    "tz_offset": pa.int16(),
    "status": pa.int16(),
    "bytes": pa.int64(),
    "vhost_port": pa.int32(),
    "line": pa.int64(),
    "byte_offset": pa.int64(),
    "raw": pa.binary(),
}


def test_schema() -> None:
    schema = nasalogs.schema("vhost_combined", extras=OPTIONAL)
    names = ["vhost", "vhost_port", *COMBINED, *OPTIONAL]
    assert schema.names == [field.name for field in schema] == names
    assert len(schema) == len(names)
    arrow = pa.schema(schema)
    assert arrow.names == names
    for name in names:
        assert arrow.field(name).type == TYPES.get(name, pa.string())
        assert arrow.field(name).nullable == schema[name].nullable
    never = {field.name for field in schema if not field.nullable}
    assert never == {"vhost", "host", "ts", "tz_offset", "line", "byte_offset", "raw"}
    assert schema.to_pyarrow() == arrow


def test_fields() -> None:
    schema = nasalogs.schema("common")
    assert schema["ts"].type == "timestamp(ms, UTC)"
    assert (schema["host"].type, schema["status"].type, schema["bytes"].type) == ("string", "int16", "int64")
    assert schema[0] == schema["host"] == schema[-len(COMMON)] != schema[1]
    assert hash(schema[0]) == hash(schema["host"])
    assert schema[-1].name == "bytes"
    assert "host" in schema
    assert "nope" not in schema
    for field in nasalogs.schema("nginx_main", extras=OPTIONAL):
        assert field.doc
    assert repr(schema[0]) == 'Field("host", string)'
    assert repr(schema[1]) == 'Field("ident", string, nullable)'
    assert repr(schema).splitlines()[0] == "host: string not null"
    for index in (len(COMMON), -len(COMMON) - 1, 1 << 40):
        with pytest.raises(IndexError):
            schema[index]
    with pytest.raises(KeyError):
        schema["nope"]
    for key in (None, 1.5, b"host"):
        with pytest.raises(TypeError):
            schema[key]  # type: ignore[index]


def test_schemas_are_equal_when_their_columns_are() -> None:
    assert nasalogs.schema("common") == nasalogs.schema('%h %l %u %t "%r" %>s %b')
    assert nasalogs.schema("common") != nasalogs.schema("combined")
    assert nasalogs.schema("common") != nasalogs.schema("common", strings="view")
    assert nasalogs.schema("common") != 5


def test_options() -> None:
    assert nasalogs.schema("common", columns=["bytes", "host"]).names == ["bytes", "host"]
    assert nasalogs.schema("common", names="classic").names == CLASSIC
    assert not nasalogs.schema("common", names="classic")["bytes"].nullable
    assert nasalogs.schema("common", rename={"host": "client"}).names == ["client", *COMMON[1:]]
    assert pa.schema(nasalogs.schema("common", encoding="binary")).field("path").type == pa.binary()
    assert pa.schema(nasalogs.schema("common", strings="view")).field("path").type == pa.string_view()
    for mistake in ("auto", "nope", "", "%!"):
        with pytest.raises(ValueError, match=r"format|%"):
            nasalogs.schema(mistake)
    with pytest.raises(TypeError):
        nasalogs.schema(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "form"),
    [
        (GOOD, "common"),
        (AGENT, "combined"),
        (b"www.example:80 " + GOOD, "vhost_common"),
        (b"www.example:80 " + AGENT, "vhost_combined"),
        (AGENT + b' "192.0.2.1"', "nginx_main"),
    ],
)
def test_detect(line: bytes, form: str, tmp_path: Path) -> None:
    content = log(line, line, b"", b"bad", line)
    path = tmp_path / "a.log"
    path.write_bytes(content)
    for source in (
        content,
        path,
        str(path),
        io.BytesIO(content),
        iter([content]),
        [content[:9], content[9:]],
    ):
        found = nasalogs.detect(source)
        assert found.format == form
        assert (found.fits, found.lines) == (3, 4)
        assert found.confidence == 0.75
        assert found.candidates[form] == 3
        assert set(found.candidates) == {"common", "combined", "vhost_common", "vhost_combined", "nginx_main"}
        assert found.schema == nasalogs.schema(form)
        assert nasalogs.parse([line], format=found.pattern).to_pylist() == nasalogs.parse([line]).to_pylist()
        assert str(found) in repr(found)
        assert form in str(found)


def test_nothing_to_tell_by() -> None:
    found = nasalogs.detect(b"\n\n")
    assert (found.confidence, found.lines, found.fits) == (0.0, 0, 0)
    with pytest.raises(nasalogs.ParseError) as caught:
        nasalogs.detect(b"what is this\n")
    assert caught.value.kind == "no_rows"
    with pytest.raises(ValueError, match="2 inputs"):
        nasalogs.detect([io.BytesIO(numbered(1)), io.BytesIO(numbered(1))])


def test_detect_leaves_a_path_as_it_is(path: Path) -> None:
    before = path.read_bytes()
    assert nasalogs.detect(path).format == "common"
    assert path.read_bytes() == before
