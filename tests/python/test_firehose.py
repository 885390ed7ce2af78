"""The transformation of Firehose: one record out for one record in."""

import base64
import gzip
import json
from typing import Any

import nasalogs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasalogs.aws import FirehoseHandler, transform_firehose_event

LINE = b'h.example - - [01/Jul/1995:00:00:01 -0400] "GET /a?b HTTP/1.0" 200 5'


def event(*data: bytes) -> dict[str, Any]:
    """Make an event of records."""
    records = [
        {
            "recordId": f"4957{at}",
            "approximateArrivalTimestamp": 804_571_201_000,
            "data": base64.b64encode(each).decode(),
        }
        for at, each in enumerate(data)
    ]
    return {"invocationId": "i", "deliveryStreamArn": "arn", "region": "us-east-1", "records": records}


def objects(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a record of the answer, each a line with its end."""
    text = base64.b64decode(record["data"])
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def test_every_kind_of_record() -> None:
    data = [LINE, LINE + b"\n" + LINE.replace(b"01/Jul", b"02/Jul"), gzip.compress(LINE), b"", b"\n", b"nonsense"]
    data.append(LINE + b"\nnonsense")
    data.append(b"\x1f\x8b\x08 damaged")
    whole = event(*data)
    whole["records"][-1]["data"] = "%%%"
    answers = FirehoseHandler()(whole, None)["records"]
    assert [answer["recordId"] for answer in answers] == [record["recordId"] for record in whole["records"]]
    results = [answer["result"] for answer in answers]
    assert results == ["Ok"] * 3 + ["Dropped"] * 2 + ["ProcessingFailed"] * 3
    assert [len(objects(answer)) for answer in answers[:3]] == [1, 2, 1]
    assert answers[1]["metadata"] == {"partitionKeys": {"dt": "1995-07-01"}}
    assert all("data" not in answer for answer in answers[3:])
    [row] = objects(answers[0])
    assert (row["host"], row["ts"], row["path"], row["query"], row["status"]) == (
        "h.example", "1995-07-01T04:00:01.000Z", "/a", "b", 200,
    )  # fmt: skip
    assert row["line_id"] == "49570/0"


def test_what_is_no_event_says_so() -> None:
    for wrong, error in (({}, ValueError), ({"records": [{}]}, ValueError), (None, TypeError), (5, TypeError)):
        with pytest.raises(error, match=r"event|records"):
            transform_firehose_event(wrong)
    with pytest.raises(ValueError, match="latin1"):
        FirehoseHandler(encoding="binary")  # type: ignore[arg-type]


def test_the_format_is_that_of_the_event() -> None:
    combined = LINE + b' "-" "agent"'
    answers = transform_firehose_event(event(combined, combined, LINE))["records"]
    assert [answer["result"] for answer in answers] == ["Ok", "Ok", "ProcessingFailed"]
    assert objects(answers[0])[0]["user_agent"] == "agent"


def test_an_answer_stays_within_its_limit() -> None:
    block = gzip.compress(b"\n".join([LINE] * 5000))
    whole = event(*[block] * 8)
    answer = transform_firehose_event(whole)
    results = [record["result"] for record in answer["records"]]
    assert results == ["Ok"] * results.count("Ok") + ["ProcessingFailed"] * results.count("ProcessingFailed")
    assert 0 < results.count("Ok") < 8
    assert len(json.dumps(answer)) < 6_000_000


def test_what_no_answer_holds_is_not_unpacked() -> None:
    blanks = gzip.compress(b"\n" * 1_000_000)
    for limit, result in ((2_000_000, "Dropped"), (100_000, "ProcessingFailed")):
        [answer] = transform_firehose_event(event(blanks), limit=limit)["records"]
        assert answer["result"] == result


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=200) | st.just(LINE), max_size=8))
def test_any_record_has_its_answer(data: list[bytes]) -> None:
    answers = transform_firehose_event(event(*data))["records"]
    assert len(answers) == len(data)
    for answer, each in zip(answers, data, strict=True):
        if each == LINE:
            assert nasalogs.parse([LINE]).num_rows == len(objects(answer))
