"""Polars: a log as a table split at blanks (`trick`), and by a regular expression (`regex`)."""

import polars as pl
from pattern import CAPTURED, LINE, REQUEST, TIME, run


def trick(log: str, out: str) -> None:
    """A separator that is a blank, a quote that is a quote."""
    frame = pl.scan_csv(
        log, separator=" ", has_header=False, quote_char='"', infer_schema=False, new_columns=list(CAPTURED)
    )
    columns(frame, out)


def regex(log: str, out: str) -> None:
    """Lines, then one regular expression with captures."""
    lines = pl.scan_csv(
        log, separator="\x01", has_header=False, quote_char=None, infer_schema=False, new_columns=["line"]
    )
    groups = lines.select(pl.col("line").str.extract_groups(LINE).alias("groups")).unnest("groups")
    columns(groups.rename({str(number): name for number, name in enumerate(CAPTURED, start=1)}), out)


def columns(frame: pl.LazyFrame, out: str) -> None:
    """Texts to typed columns, and those to a file."""
    request = pl.col("request").str.extract_groups(REQUEST)
    target = request.struct.field("2").str.splitn("?", 2)
    when = pl.concat_str("clock", pl.lit(" "), "zone").str.strip_chars("[]")
    frame.select(
        pl.col("host", "ident", "authuser"),
        when.str.to_datetime(TIME, time_unit="ms").alias("ts"),
        request.struct.field("1").alias("method"),
        target.struct.field("field_0").alias("path"),
        target.struct.field("field_1").alias("query"),
        request.struct.field("3").alias("protocol"),
        pl.col("status").cast(pl.Int16, strict=False),
        pl.col("bytes").replace("-", None).cast(pl.Int64),
    ).sink_parquet(out, compression="zstd")


run({"trick": trick, "regex": regex})
