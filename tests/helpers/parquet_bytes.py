"""Parquet files of a run, as bytes."""

from collections.abc import Mapping
from io import BytesIO

from disbench.runs.tables import ParquetWriter, Values


def encode_parquet(columns: Mapping[str, Values]) -> bytes:
    file = BytesIO()
    writer = ParquetWriter(file)
    writer.write(columns)
    writer.close()
    return file.getvalue()
