"""The Lambda function writes and writes again, whole and in pieces, while its table is compacted."""

import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from events import Bucket, EventSource, KilledError, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nasalogs.aws import KinesisHandler
from tables import Directory, compact, data_files, doctor, rows_of


class Shelf(MutableMapping[str, bytes]):
    """The objects of a bucket, as files that the command finds, too."""

    def __init__(self, lake: Directory) -> None:
        self._lake = lake

    def __getitem__(self, key: str) -> bytes:
        return self._lake.get(key)

    def __setitem__(self, key: str, body: bytes) -> None:
        self._lake.put(key, body)

    def __delitem__(self, key: str) -> None:
        (self._lake.root / key).unlink()

    def __iter__(self) -> Iterator[str]:
        return iter(self._lake.names())

    def __len__(self) -> int:
        return len(self._lake.names())


def line(number: int) -> bytes:
    """Make a line that is like no other, of one of two days."""
    return b'h.example - - [%02d/Jul/1995:12:00:01 +0000] "GET /%d HTTP/1.0" 200 5' % (1 + number % 2, number)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(1, 6), st.integers(0, 12)),
        st.tuples(st.just("again"), st.integers(1, 6), st.integers(0, 40)),
        st.tuples(st.just("compact"), st.just(0), st.just(0)),
    ),
    max_size=8,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_each_record_is_there_once(tmp_path: Path, actions: list[tuple[str, int, int]]) -> None:
    lake = Directory(tmp_path / os.urandom(8).hex())
    lake.root.mkdir()
    bucket = Bucket()
    # It is used as a mapping.
    bucket.objects = Shelf(lake)  # type: ignore[assignment]
    careful = KinesisHandler("s3://lake/", client=bucket)
    # It forgets what it has written, as one does whose commits were removed.
    careless = KinesisHandler("s3://lake/", client=bucket, commits=False)
    records = [record(line(at), at) for at in range(60)]
    delivered = 0
    for action, size, at in actions:
        if action == "deliver":
            steps = 0

            def strike(_operation: str, _key: str, at: int = at) -> None:
                nonlocal steps
                steps += 1
                if steps == at:
                    raise KilledError

            bucket.before = strike
            EventSource(careful).deliver(records[delivered : delivered + size])
            bucket.before = lambda _operation, _key: None
            delivered += size
        elif action == "again":
            careless({"Records": records[min(at, delivered) : min(at + size, delivered)]})
        elif data_files(lake):
            compact(lake)
    paths = {each["path"] for each in rows_of(lake)}
    assert paths == {f"/{at}" for at in range(delivered)}
    # A place in which nothing was written yet is no table.
    compact(lake) if paths else lake.run("compact", code=2)
    assert sorted(each["path"] for each in rows_of(lake)) == sorted(paths)
    assert len(data_files(lake)) == min(2, delivered)
    if delivered:
        assert doctor(lake, code=0) == []
