"""Reading files of events as JSON records, each with its place: one way in, whatever the file.

Parquet rows become JSON as well, so that the stream's decoder decides of them, too.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from eddy.deploy.spark.partition_rows import name_of
from eddy.schemas.errors import ConfigError

LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
COMPRESSED = (".gz", ".bz2", ".zst")

_TIMES = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}


def read_records(
    spark: SparkSession, paths: Sequence[str], kind: str | None, event_type: type[msgspec.Struct]
) -> tuple[DataFrame, dict[str, int]]:
    """Return files' records, and the order of the files.

    Parameters
    ----------
    spark : SparkSession
    paths : sequence of str
        Of files or folders; what Hadoop's file systems take.
    kind : str, optional
        ``lines`` or ``parquet``, of paths whose ending does not tell.
    event_type : type
        Whose fields are a Parquet file's columns.

    Returns
    -------
    DataFrame
        ``record`` (binary), ``file`` (string) and, to order a file's records by, ``block`` and
        ``line`` (long).
    dict of str to int
        What `name_of` makes of ``file``, with its place among all of them.

    Raises
    ------
    ConfigError
        No path, one whose kind is not known, or Parquet that lacks a column.
    """
    if not paths:
        raise ConfigError("no files named")
    lines = [path for path in paths if _kind(path, kind) == "lines"]
    columns = [path for path in paths if _kind(path, kind) == "parquet"]
    parts = [_read_lines(spark, lines)] if lines else []
    parts += [_read_parquet(spark, columns, event_type)] if columns else []
    files = sorted({name_of(file) for part in parts for file in part.inputFiles()})
    records = parts[0] if len(parts) == 1 else parts[0].unionByName(parts[1])
    return records, {file: place for place, file in enumerate(files)}


def _kind(path: str, otherwise: str | None) -> str:
    plain = path.lower()
    for ending in COMPRESSED:
        plain = plain.removesuffix(ending)
    if plain.endswith(LINES):
        return "lines"
    if plain.endswith(PARQUET):
        return "parquet"
    if otherwise is None:
        raise ConfigError(f"{path}: JSON lines or Parquet? say --format")
    return otherwise


def _read_lines(spark: SparkSession, paths: list[str]) -> DataFrame:
    return _placed(spark.read.text(paths), f.col("value"))


def _read_parquet(
    spark: SparkSession, paths: list[str], event_type: type[msgspec.Struct]
) -> DataFrame:
    rows = spark.read.parquet(*paths)
    kinds = {name.lower(): (name, kind) for name, kind in rows.dtypes}
    wanted = msgspec.structs.fields(event_type)
    if missing := [field.name for field in wanted if field.required and field.name not in kinds]:
        raise ConfigError(f"{', '.join(paths)}: no columns {', '.join(missing)}")
    there = [_column(*kinds[field.name], field.name) for field in wanted if field.name in kinds]
    return _placed(rows, f.to_json(f.struct(*there), _TIMES))


def _column(spelled: str, kind: str, name: str) -> Any:
    """Return a column under its field's name; times without a zone are of the session's: UTC."""
    column = f.col(f"`{spelled}`")
    return (column.cast("timestamp") if kind.startswith("timestamp") else column).alias(name)


def _placed(rows: DataFrame, record: Any) -> DataFrame:
    return rows.select(
        record.cast("binary").alias("record"),
        f.col("_metadata.file_path").alias("file"),
        f.col("_metadata.file_block_start").alias("block"),
        f.monotonically_increasing_id().alias("line"),
    )
