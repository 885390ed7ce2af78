"""pandas: the script that many have (`regex`)."""

from pathlib import Path

import pandas as pd
from pattern import CAPTURED, LINE, REQUEST, TIME, run


def regex(log: str, out: str) -> None:
    """Lines, then one regular expression with captures."""
    with Path(log).open(encoding="latin-1", newline="\n") as file:
        lines = pd.Series(file.read().splitlines())
    frame = lines.str.extract(LINE)
    frame.columns = pd.Index(CAPTURED)
    request = frame["request"].str.extract(REQUEST)
    target = request[1].str.split("?", n=1, expand=True)
    when = pd.to_datetime(frame["clock"] + " " + frame["zone"], format=TIME, utc=True)
    columns = {name: frame[name] for name in ("host", "ident", "authuser")}
    columns |= {"ts": when.astype("datetime64[ms, UTC]"), "method": request[0], "path": target[0]}
    columns |= {"query": target[1], "protocol": request[2]}
    for name, width in (("status", "Int16"), ("bytes", "Int64")):
        columns[name] = pd.to_numeric(frame[name], errors="coerce").astype(width)
    pd.DataFrame(columns).to_parquet(out, compression="zstd")


run({"regex": regex})
