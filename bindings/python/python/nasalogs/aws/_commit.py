"""What of a shard is in the table already: commit objects.

A commit says that the rows of some records are in the table. Its name holds the first record's sequence number, counted
down from the highest there is, so that a listing that starts at a record meets the youngest commit before it first. The
store refuses a second commit of the same name.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nasalogs.aws._store import Store

# Sequence numbers have at most 56 digits.
_DIGITS = 56
_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def _countdown(sequence: str) -> str:
    return sequence.rjust(_DIGITS, "0").translate(_COMPLEMENT)


@dataclass(frozen=True)
class Commit:
    """Which records are in which objects."""

    sequences: frozenset[str]
    keys: tuple[str, ...]


class Commits:
    """The commits of one shard."""

    def __init__(self, store: Store, prefix: str, shard: str) -> None:
        self._store = store
        self._prefix = f"{prefix}_commits/{shard}/"

    def key(self, first: str) -> str:
        """The name of the commit whose first record this is."""
        return f"{self._prefix}{_countdown(first)}.json.gz"

    def among(self, sequences: Sequence[str]) -> frozenset[str]:
        """Those of the records, which are in order, that are in the table already."""
        first, last = sequences[0], sequences[-1]
        # From the youngest commit that can hold one of these down to the first that begins before them: of one
        # consumer, commits do not overlap. Those of an invocation that timed out, and of the one after it, may; rows
        # are there twice then, under the same ids.
        behind = f"{self._prefix}{_countdown(last)}"
        wanted, covered = set(sequences), set[str]()
        for key in self._store.keys(self._prefix, behind):
            covered |= self.read(key).sequences & wanted
            if covered == wanted or key >= self.key(first):
                break
        return frozenset(covered)

    def read(self, key: str) -> Commit:
        """A commit."""
        content: dict[str, Any] = json.loads(gzip.decompress(self._store.get(key)))
        return Commit(frozenset(content["records"]), tuple(content["objects"]))

    def add(self, sequences: Sequence[str], keys: Iterable[str]) -> bool:
        """Commit some records; False if there is a commit of the first already."""
        text = json.dumps({"records": list(sequences), "objects": list(keys)})
        # Without a time in it: the same commit has the same bytes.
        return self._store.put_new(self.key(sequences[0]), gzip.compress(text.encode(), mtime=0))
