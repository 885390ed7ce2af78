"""Makes the seeds of the fuzz targets, and their dictionary `log.dict`, of the golden corpus."""

import bz2
import gzip
import hashlib
import lzma
import re
import struct
import zlib
from pathlib import Path

FUZZ = Path(__file__).parent
GOLDEN = FUZZ.parent / "tests" / "corpus"
# As in lib.rs.
FORMATS = ["common", "combined", "vhost_common", "vhost_combined", "nginx_main"]
ENCODINGS = ["escape", "latin1", "binary"]
ESCAPE = re.compile(rb"\{([0-9A-F]{2})(?:\*(\d+))?\}")


def expand(text: bytes) -> bytes:
    """Turn `{HH}` and `{HH*N}` into bytes; long runs are cut, for a fuzzer wants small seeds."""
    return ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) * min(int(found[2] or 1), 100), text)


def golden() -> list[tuple[str, str, list[bytes]]]:
    """All groups: format, encoding, lines with their ends."""
    groups: list[tuple[str, str, list[bytes]]] = []
    for path in sorted(GOLDEN.glob("*.txt")):
        form, encoding = "", "escape"
        for line in path.read_bytes().split(b"\n"):
            if line.startswith(b"@format "):
                form, encoding = line[8:].decode(), "escape"
            elif line.startswith(b"@encoding "):
                encoding = line[10:].decode()
            if line.startswith(b"@"):
                groups.append((form, encoding, []))
            elif line.startswith(b"<"):
                text = line[1:].removeprefix(b" ")
                end = b"" if text.endswith(b"{EOF}") else b"\n"
                groups[-1][2].append(expand(text.removesuffix(b"{EOF}")) + end)
    return [group for group in groups if group[2]]


def write(target: str, seed: bytes) -> None:
    """Write a seed under a name made of what it holds."""
    folder = FUZZ / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)


def zstd(raw: bytes) -> bytes:
    """Frame bytes as Zstandard, in one raw block: all that is needed to have its headers in the seeds."""
    header = b"\x28\xb5\x2f\xfd" + b"\xa0" + struct.pack("<I", len(raw))
    return header + struct.pack("<I", len(raw) << 3 | 1)[:3] + raw


def records(log: bytes) -> list[bytes]:
    """Records of a stream: an aggregate, a block, JSON objects of both kinds."""
    message = b"\x0a\x150123456789abcdef-42+1\x12\x017"
    for line in log.split(b"\n")[:3]:
        record = b"\x08\x00\x10\x00\x1a" + varint(len(line)) + line
        message += b"\x1a" + varint(len(record)) + record
    aggregate = b"\xf3\x89\x9a\xc2" + message + hashlib.md5(message, usedforsecurity=False).digest()
    header = b"\xf5NLB\x01\x00\x00\x00" + struct.pack("<QQIII", 7, 0, log.count(b"\n"), 0, len(log))
    block = header + struct.pack("<I", zlib.crc32(header + zstd(log))) + zstd(log)
    ours = b'{"host":"h","ts":"1995-07-01T04:00:01.000Z","status":200,"line_id":"0123456789abcdef-7"}\n'
    classic = b'{"ip": "h", "timestamp": "01/Jul/1995:00:00:01 -0400", "url": "/?q", "bytes": 0}'
    return [aggregate, block, ours + classic]


def varint(number: int) -> bytes:
    """Write a length of at most two bytes, as protocol buffers do."""
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80, number >> 7])


def main() -> None:
    """Write all of it."""
    lines: list[bytes] = []
    for form, encoding, group in golden():
        lines += group
        pieces = [*group, b"".join(group[:40]), b"".join(group[40:80])]
        for piece in filter(None, pieces):
            write("format_string", form.encode() + b"\n" + piece)
            if form in FORMATS:
                choice = bytes([FORMATS.index(form), ENCODINGS.index(encoding)])
                for target in ("backends", "fast_equals_careful", "accounted", "render"):
                    write(target, choice + piece)
                write("chunking", b"\x00\x07" + choice + piece)
                # Odd: lines to be packed; the other bits choose how.
                write("envelope", b"\x07" + piece)
    log = b"".join(lines[:20])
    for packed in (log, gzip.compress(log, mtime=0), bz2.compress(log), lzma.compress(log), zstd(log)):
        write("compressed", packed)
        write("compressed", packed + packed)
        write("compressed", packed[: len(packed) // 2])
        write("envelope", b"\x00" + packed)
    for packed in records(log):
        write("envelope", b"\x00" + packed)
    words = {word for line in lines for word in re.findall(rb'[^ "\n]{1,24}|" "', line)}
    escaped = ("".join(f"\\x{byte:02X}" for byte in word) for word in sorted(words))
    (FUZZ / "log.dict").write_text("".join(f'"{word}"\n' for word in escaped))


if __name__ == "__main__":
    main()
