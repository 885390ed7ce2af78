"""Genuine logs, and what is known of them."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
import reference
from conftest import convert
from readers import READERS, only

Find = Callable[[str], Path]


def test_nasa_july(genuine: Find, tmp_path: Path) -> None:
    log = genuine("nasa/jul95_first_11277.log")
    out = tmp_path / "july.parquet"
    summary = convert(log, out, "--to", "parquet", "--strict")
    assert (summary["lines"], summary["rows"], summary["rejected"]) == (11_277, 11_277, 0)
    assert summary["format"] == "common"
    per_hour = duckdb.execute(
        f"""
        SELECT hour(ts AT TIME ZONE 'UTC' + to_minutes(tz_offset)) AS logged, count(*)
        FROM read_parquet('{out}') WHERE protocol IS NOT NULL GROUP BY 1 ORDER BY 1
        """
    ).fetchall()
    assert per_hour[:4] == [(0, 3558), (1, 2989), (2, 2268), (3, 1723)]
    expected, _, _ = reference.table(log.read_bytes())
    for name, read in READERS.items():
        assert read(out, reference.COMMON) == only(expected, reference.COMMON), name


def test_nasa_server_errors(genuine: Find, tmp_path: Path) -> None:
    out = tmp_path / "errors.parquet"
    convert(genuine("nasa/jul95_5xx_all_76.log"), out, "--to", "parquet", "--strict")
    counts = duckdb.execute(f"SELECT status, count(*) FROM read_parquet('{out}') GROUP BY 1 ORDER BY 1").fetchall()
    assert counts == [(500, 62), (501, 14)]


def test_nasa_odd_lines(genuine: Find, tmp_path: Path) -> None:
    log = genuine("nasa/odd_lines_jul95.log")
    out = tmp_path / "odd.parquet"
    summary = convert(log, out, "--to", "parquet")
    # The fragment that ends the real file.
    assert summary["rejects_by_reason"] == {"truncated": 1}
    expected, rejected, _ = reference.table(log.read_bytes())
    assert rejected == 1
    assert READERS["pyarrow"](out, reference.COMMON) == only(expected, reference.COMMON)


@pytest.mark.parametrize(
    ("name", "form", "rows"),
    [
        ("clf/apache_1406.log", "common", 1406),
        ("combined/nginx_shop_1000.log", "nginx_main", 1000),
        ("combined/apachelogs_vhost_combined.log", "vhost_combined", 6),  # and a bad one
    ],
)
def test_formats_are_detected(name: str, form: str, rows: int, genuine: Find, tmp_path: Path) -> None:
    log = genuine(name)
    summary = convert(log, tmp_path / "out.parquet", "--to", "parquet")
    assert summary["format"] == form
    assert summary["rows"] == rows


ODD: dict[str, dict[str, object] | str] = {
    "00_ok": {"host": "1.1.1.1", "path": "/a.html", "status": 200, "bytes": 100},
    "02_dash_bytes": {"status": 304, "bytes": None},
    "04_http09": {"protocol": "HTTP/0.9"},
    "06_embedded_quotes_unescaped": {"path": '/"><b>q".html', "protocol": "HTTP/1.0"},
    "08_nonutf8_url": {"path": "/caf\\xE9\\xFF.html"},
    "10_nul_byte": {"path": "/nul\0x.html"},
    "12_empty_request": {"method": None, "path": None, "query": None, "protocol": None, "status": 400},
    "14_tls_garbage": {"method": None, "path": "\\x16\\x03\\x01\\x02", "protocol": None, "bytes": 226},
    "16_lower_method": {"method": "get", "protocol": "http/1.1"},
    "18_dash_status": {"status": None, "bytes": 100},
    "20_neg_bytes": "bad_bytes",
    "22_float_bytes": "bad_bytes",
    "24_missing_status_bytes": "missing_field",
    "26_alyssa_prodigy_style": "missing_field",
    "28_bad_month": "bad_timestamp",
    "30_sec60": {"ts": 804657600000},
    "32_empty_line": "blank",
    "34_spaces_line": "blank",
    "36_extra_field": "trailing_data",
    "38_tabs": "missing_field",
    "40_user_with_space": {"authuser": "john doe"},
    "42_long_url_5000": {"protocol": "HTTP/1.0"},
    "44_ansi_escape": {"path": "/\x1b[31mred"},
    "46_pct_bad": {"path": "/%zz%f"},
    "48_pre1970": {"ts": -142113599000},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_lines(name: str, genuine: Find, tmp_path: Path) -> None:
    log = genuine(f"odd/{name}.log")
    out = tmp_path / "odd.parquet"
    expected = ODD[name]
    # A run of nothing but rejects is an error, so a good line goes first.
    both = tmp_path / "both.log"
    both.write_bytes(genuine("odd/00_ok.log").read_bytes() + log.read_bytes())
    summary = convert(both, out, "--to", "parquet", "--format", "common")
    rows = READERS["pyarrow"](out, reference.COMMON)
    if expected == "blank":
        assert (summary["rows"], summary["blank"]) == (1, 1)
    elif isinstance(expected, str):
        assert (summary["rows"], summary["rejects_by_reason"]) == (1, {expected: 1})
    else:
        assert {key: rows[1][key] for key in expected} == expected
