"""The command line `nasalogs`, which is the program's: ``python -m nasalogs --help``."""

import sys

from nasalogs._core import command_line


def main() -> int:
    """Run it with the arguments of this process, and give the exit code."""
    return command_line(["nasalogs", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
