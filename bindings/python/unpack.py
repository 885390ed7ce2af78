"""`unpack.py ARCHIVE FOLDER`: the folder becomes what is in the archive, its first directory left away.

Files that are the same are not touched: Cargo goes by their times, and would build anew what it has.
"""

import sys
import tarfile
from pathlib import Path


def main(archive: Path, folder: Path) -> None:
    """Write what differs and remove what is gone."""
    wanted = {}
    with tarfile.open(archive) as members:
        for member in members:
            if data := members.extractfile(member):
                wanted[folder.joinpath(*Path(member.name).parts[1:])] = data.read()
    for file in folder.rglob("*"):
        if file.is_file() and file not in wanted:
            file.unlink()
    for file, content in wanted.items():
        if not file.exists() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
