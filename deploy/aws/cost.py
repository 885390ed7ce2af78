"""What a million lines cost, as the table in README.md: run it, and paste what it prints."""

from typing import Final

# USD, us-east-1, list prices as of the end of 2025, without free tiers.
SHARD_HOUR: Final = 0.015
PUT_UNIT: Final = 0.014 / 1e6  # of 25 KB, begun ones count
INVOCATION: Final = 0.20 / 1e6
GB_SECOND: Final = 0.0000166667  # x86_64
S3_PUT: Final = 0.005 / 1e3  # a list costs the same
S3_GET: Final = 0.0004 / 1e3
S3_GB_MONTH: Final = 0.023
ALARM_MONTH: Final = 0.10
METRIC_MONTH: Final = 0.30
ATHENA_TB: Final = 5.00  # at least 10 MB a query

# A million lines of `nasalogs generate --lines 1M --seed 1995`: records and their bytes by `nasalogs stream --dry-run`,
# Parquet by `nasalogs convert --partition-by dt`, seconds by their own clock.
RECORDS: Final = {"raw": (1_000_000, 135.9e6), "kpl": (114, 119.3e6), "block": (14, 13.6e6)}
PARQUET: Final = 8.24e6
LOGGED_SECONDS: Final = 1_472_784
# What a batch is at most: records, and bytes once they are base64 in an event of 6 MB.
BATCH_RECORDS: Final = 10_000
BATCH_BYTES: Final = 6e6 * 3 / 4
# Assumed, for the function has not been measured in AWS: seconds and GB of a full batch, and of one with a few lines.
FULL_BATCH: Final = 1.0
SMALL_BATCH: Final = 0.2
MEMORY_GB: Final = 1.0
# Objects of a batch: rows, a commit, and rejects where there are any.
OBJECTS: Final = 3
# What it asks before: a list of commits, and the one before its own.
LISTS: Final = 1
GETS: Final = 1
WINDOW: Final = 60
ALARMS: Final = 7
HOURS: Final = 730


def batch_costs(batches: float, seconds: float) -> tuple[float, float]:
    """What the function and its objects cost."""
    requests = (OBJECTS + LISTS) * S3_PUT + GETS * S3_GET
    return batches * (INVOCATION + seconds * MEMORY_GB * GB_SECOND), batches * requests


def kinesis(form: str) -> tuple[float, float]:
    """What shards in full use, and PUT units, cost."""
    records, size = RECORDS[form]
    shard_seconds = max(records / 1000, size / 1e6)
    units = records * -(-size / records // 25_000)
    return shard_seconds / 3600 * SHARD_HOUR, units * PUT_UNIT


def row(name: str, *costs: float) -> str:
    """A row of the table."""
    return f"| {name} | " + " | ".join(f"{cost:.4f}" for cost in (*costs, sum(costs))) + " |"


def main() -> None:
    """Print the table."""
    print("| a million lines, in USD | shards | PUT units | function | objects | together |")
    print("|---|---:|---:|---:|---:|---:|")
    for form, (records, size) in RECORDS.items():
        batches = max(records / BATCH_RECORDS, size / BATCH_BYTES)
        costs = batch_costs(batches, FULL_BATCH)
        print(row(f"`--records {form}`, shards in full use", *kinesis(form), *costs))
    hours = LOGGED_SECONDS / 3600
    trickle = batch_costs(LOGGED_SECONDS / WINDOW, SMALL_BATCH)
    print(row(f"as they came in 1995, over {hours:.0f} hours, one shard", hours * SHARD_HOUR, PUT_UNIT * 1e6, *trickle))
    print()
    fixed = HOURS * SHARD_HOUR + ALARMS * ALARM_MONTH + METRIC_MONTH
    print(f"A month of one shard, {ALARMS} alarms and a metric, without a line: {fixed:.2f} USD.", end=" ")
    print(f"A million lines are {PARQUET / 1e6:.1f} MB of Parquet:", end=" ")
    keep, ask = PARQUET / 1e9 * S3_GB_MONTH, ATHENA_TB / 1e12 * 1e7
    print(f"{keep:.5f} USD a month to keep, {ask:.5f} USD to ask (10 MB, the least).")


if __name__ == "__main__":
    main()
