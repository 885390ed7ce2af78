"""`layer.py WHEEL ZIP`: the wheel as a layer of Lambda, where Python finds what is in the folder `python`.

The same wheel gives the same bytes: no time of a clock, no owner, one order. The wheel's list of what it was built of
is left out: it is larger than all else beside the library.
"""

import sys
import zipfile
from pathlib import Path

LIBRARIES = (".so", ".pyd")


def main(wheel: Path, layer: Path) -> None:
    """Write the layer, and say how large it is."""
    layer.parent.mkdir(parents=True, exist_ok=True)
    unpacked = 0
    with (
        zipfile.ZipFile(wheel) as source,
        zipfile.ZipFile(layer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        names = (found.filename for found in source.infolist() if not found.is_dir())
        for name in sorted(name for name in names if ".dist-info/sboms/" not in name):
            # What else a wheel may have belongs elsewhere than beside the packages.
            if ".data/" in name:
                message = f"{wheel.name} has {name}, for which a layer has no place"
                raise ValueError(message)
            entry = zipfile.ZipInfo(f"python/{name}")
            entry.compress_type = zipfile.ZIP_DEFLATED
            # Lambda keeps the modes, and the function is run by somebody else.
            entry.create_system = 3
            entry.external_attr = (0o100755 if name.endswith(LIBRARIES) else 0o100644) << 16
            content = source.read(name)
            unpacked += len(content)
            target.writestr(entry, content)
    print(f"{layer}: {layer.stat().st_size:,} bytes, {unpacked:,} unpacked")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
