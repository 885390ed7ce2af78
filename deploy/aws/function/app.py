"""The function: what a Kinesis stream brings becomes Parquet in the lake, and lines that are no rows are kept."""

import os

from nasalogs.aws import KinesisHandler

handler = KinesisHandler(dest=os.environ["DEST"], rejects=os.environ["REJECTS"])
