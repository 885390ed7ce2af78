"""pyarrow: a log as a table split at blanks (`trick`)."""

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pattern import CAPTURED, run
from pyarrow import csv

REQUEST = r"^(?P<method>[A-Za-z]+) (?P<target>.*?)(?: (?P<protocol>HTTP/\S+))?$"


def trick(log: str, out: str) -> None:
    """A delimiter that is a blank, a quote that is a quote."""
    table = csv.read_csv(
        log,
        read_options=csv.ReadOptions(column_names=CAPTURED),
        parse_options=csv.ParseOptions(delimiter=" ", quote_char='"', double_quote=False),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(CAPTURED, pa.string()) | {"status": pa.int16(), "bytes": pa.int64()},
            null_values=["-"],
            strings_can_be_null=True,
        ),
    )
    # Its strptime reads no offset: the clock's time and the offset by hand.
    local = pc.strptime(table["clock"], format="[%d/%b/%Y:%H:%M:%S", unit="ms")
    hours = pc.cast(pc.utf8_slice_codeunits(table["zone"], 1, 3), pa.int64())
    minutes = pc.cast(pc.utf8_slice_codeunits(table["zone"], 3, 5), pa.int64())
    minutes = pc.add(pc.multiply(hours, 60), minutes)
    east = pc.if_else(pc.starts_with(table["zone"], "-"), pc.negate(minutes), minutes)
    utc = pc.subtract(pc.cast(local, pa.int64()), pc.multiply(east, 60_000))
    request = pc.extract_regex(table["request"], REQUEST)
    columns = {name: table[name] for name in ("host", "ident", "authuser")}
    columns["ts"] = pc.cast(utc, pa.timestamp("ms", tz="UTC"))
    columns["method"] = pc.struct_field(request, "method")
    target = pc.split_pattern(pc.struct_field(request, "target"), "?", max_splits=1)
    columns["path"] = pc.list_element(target, 0)
    columns["query"] = pc.list_element(pc.list_slice(target, 1, 2, return_fixed_size_list=True), 0)
    columns["protocol"] = pc.struct_field(request, "protocol")
    columns |= {name: table[name] for name in ("status", "bytes")}
    pq.write_table(pa.table(columns), out, compression="zstd")


run({"trick": trick})
