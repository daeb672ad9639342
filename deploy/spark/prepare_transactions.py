"""Transactions and labels into a training table, over more of them than memory holds.

The features are the stream's, made by its own code, so that both give the same values: first for
whole terminals, then for whole cards, each in the order in which the rows came. Memory is bounded
by what a partition's history remembers, some 39 days of its cards or terminals, never by the data.

``transactions`` and ``labels`` are JSON lines as they stand on the topics, or Parquet with the
fields of `eddy.schemas.transactions.Transaction` and `eddy.schemas.labels.Label` as columns. Rows
count as having come in the order of the files' paths, and within a file as they stand there;
`--order time` is for files that are in no such order. The table is what ``eddy train`` reads: a
folder with a folder of Parquet files for each day.

Runs with spark-submit and as an AWS Glue job; deploy/spark/README.md tells how.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.storagelevel import StorageLevel

from eddy.deploy.spark.partition_rows import (
    PLACE,
    VERDICTS,
    OnIncomplete,
    decode,
    decode_labels,
    describe_cards,
    describe_terminals,
)
from eddy.deploy.spark.records import read_records
from eddy.models.features.names import CARD, FEATURES, OWN, TERMINAL, component
from eddy.models.features.transaction_history import HistorySettings
from eddy.schemas.errors import ConfigError
from eddy.schemas.labels import Label
from eddy.schemas.transactions import MOST_COMPONENTS, Transaction

_PLACES = "file int, block long, line long"
_SHARES = 1 << 20  # into how many parts events fall, for a sample of them


def main(words: Sequence[str]) -> int:
    """Run the job with a program's arguments; print what it did as JSON."""
    options = arguments(words)
    spark = session()
    try:
        print(json.dumps(PreparationJob(spark, options).run()))
    except (ConfigError, AnalysisException) as error:  # the latter: no such path, or one too many
        print(str(error).splitlines()[0], file=sys.stderr)  # Java's stack says no more
        return 2
    finally:
        spark.stop()
    return 0


def session() -> SparkSession:
    """Return the session, with what the table's values depend on set."""
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    }
    spark = SparkSession.builder.appName("eddy prepare transactions").getOrCreate()
    for name, value in settings.items():
        spark.conf.set(name, value)
    return spark


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the arguments; Glue adds some of its own, which are passed over there only."""
    parser = _parser()
    if not any(word.startswith("--JOB_") for word in words):
        return parser.parse_args(words)
    return parser.parse_known_args(words)[0]


def _parser() -> argparse.ArgumentParser:
    default = HistorySettings()
    parser = argparse.ArgumentParser(
        prog="prepare_transactions", description=__doc__.split("\n")[0], allow_abbrev=False
    )
    say = parser.add_argument
    say("--transactions", required=True, help="files or folders, divided by commas")
    say("--labels", default="", help="files or folders, divided by commas; none: no labels")
    say("--output", required=True, help="the folder of the table")
    say("--format", choices=("lines", "parquet"), help="of what a path's ending does not tell")
    say("--order", choices=("arrival", "time"), default="arrival", help="in which rows came")
    say("--overwrite", choices=("yes", "no"), default="no", help="replace a table that is there")
    say("--components", type=_components, default=0, help="of the events' vectors to keep: v1 ...")
    say("--delay-days", type=float, default=default.delay_days)
    say("--label-grace-s", type=float, default=default.label_grace_s)
    say("--lateness-s", type=float, default=default.lateness_s)
    say("--genuine-share", type=_share, default=1.0, help="of rows that are no frauds to keep")
    say("--partitions", type=_count, default=200, help="into which cards and terminals fall")
    return parser


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text}: above 0, at most 1")
    return share


def _components(text: str) -> int:
    if not 0 <= int(text) <= MOST_COMPONENTS:
        raise argparse.ArgumentTypeError(f"{text}: 0 to {MOST_COMPONENTS}")
    return int(text)


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return int(text)


class PreparationJob:
    """One run of the job.

    Parameters
    ----------
    spark : SparkSession
    options : argparse.Namespace
        Of `arguments`.
    """

    def __init__(self, spark: SparkSession, options: argparse.Namespace) -> None:
        self._spark = spark
        self._options = options
        self._settings = _settings(options)
        self._vector = [component(k + 1) for k in range(options.components)]
        self._incomplete = spark.sparkContext.accumulator(0)

    def run(self) -> dict[str, Any]:
        """Write the table.

        Returns
        -------
        dict
            ``rows`` of the table, ``frauds`` and ``labelled`` ones among them; records ``rejected``
            by reason; ``incomplete``: rows that came so late that some of what counts for them was
            forgotten, of cards and of terminals. None of them: every value is exact.
        """
        decoded = self._transactions().persist(StorageLevel.DISK_ONLY)
        rejected = self._rejected(decoded)
        rows = decoded.where("reason is null").drop("reason")
        table = self._table(self._described(self._labelled(rows)))
        self._write(self._sample(table))
        decoded.unpersist()
        incomplete = self._incomplete.value
        return self._written() | {"rejected": rejected, "incomplete": incomplete}

    def _transactions(self) -> DataFrame:
        options = self._options
        records, files = read_records(
            self._spark, _paths(options.transactions), options.format, Transaction
        )
        vector = "".join(f", {name} double" for name in self._vector)
        return records.mapInArrow(
            decode(files, len(self._vector)),
            "event long, occurred_at long, card long, terminal long, amount double, reason string"
            f"{vector}, {_PLACES}",
        )

    def _labels(self) -> DataFrame:
        """Return a row for each labelled event, with all its labels in their order."""
        options = self._options
        records, files = read_records(self._spark, _paths(options.labels), options.format, Label)
        labels = records.mapInArrow(
            decode_labels(files), f"event long, is_fraud boolean, known_at long, {_PLACES}"
        )
        in_order = f.array_sort(f.collect_list(f.struct(*PLACE, "known_at", "is_fraud")))
        return labels.groupBy("event").agg(in_order.alias(VERDICTS))

    def _labelled(self, rows: DataFrame) -> DataFrame:
        if not self._options.labels:
            return rows.withColumns(
                {
                    "is_fraud": f.expr("cast(null as boolean)"),
                    "labelled_at": f.expr("cast(null as long)"),
                }
            )
        last = f.array_max(
            f.transform(
                VERDICTS,
                lambda verdict: f.struct(
                    verdict.known_at, *(verdict[p] for p in PLACE), verdict.is_fraud
                ),
            )
        )
        labelled = rows.join(self._labels(), "event", "left").withColumn("last", last)
        labelled = labelled.selectExpr("*", "last.is_fraud is_fraud", "last.known_at labelled_at")
        return labelled.drop("last")

    def _described(self, rows: DataFrame) -> DataFrame:
        on_incomplete: OnIncomplete = self._incomplete.add
        by_terminal = self._by("terminal", rows)
        kept = [name for name in by_terminal.columns if name != VERDICTS]
        rows = by_terminal.mapInArrow(
            describe_terminals(self._settings, on_incomplete), _kinds(by_terminal, kept, TERMINAL)
        )
        by_card = self._by("card", rows)
        added = (*OWN, *CARD)
        kept = [name for name in by_card.columns if name not in added]
        return by_card.mapInArrow(
            describe_cards(self._settings, on_incomplete), _kinds(by_card, kept, added)
        )

    def _by(self, entity: str, rows: DataFrame) -> DataFrame:
        """Let all rows of an entity be in one partition, as they came."""
        order = PLACE if self._options.order == "arrival" else ("occurred_at", *PLACE)
        return rows.repartition(self._options.partitions, entity).sortWithinPartitions(*order)

    def _table(self, rows: DataFrame) -> DataFrame:
        """Return the columns of a training table, and those that rows are laid out by."""
        return rows.select(
            "event",
            f.expr("timestamp_micros(occurred_at)").alias("occurred_at"),
            "card",
            *FEATURES,
            *self._vector,
            "is_fraud",
            f.expr("timestamp_micros(labelled_at)").alias("labelled_at"),
            f.lit(None).cast("double").alias("score"),
            f.lit(1.0).alias("weight"),
            *PLACE,
        )

    def _sample(self, table: DataFrame) -> DataFrame:
        """Keep all frauds, and of the others a share, each of which weighs the more.

        By a part of the event's hash, so that every run keeps the same ones.
        """
        share = self._options.genuine_share
        if share >= 1:
            return table
        kept = max(round(share * _SHARES), 1)
        fraud = f.coalesce(f.col("is_fraud"), f.lit(False))
        weight = f.when(fraud, 1.0).otherwise(_SHARES / kept)
        sampled = table.where(fraud | (f.expr(f"event & {_SHARES - 1}") < kept))
        return sampled.withColumn("weight", weight)

    def _write(self, table: DataFrame) -> None:
        """Write a file a day, its rows by time."""
        mode = "overwrite" if self._options.overwrite == "yes" else "errorifexists"
        days = table.withColumn("day", f.to_date("occurred_at"))
        days = days.repartition(self._options.partitions, "day")
        days = days.sortWithinPartitions("day", "occurred_at", *PLACE).drop(*PLACE)
        days.write.mode(mode).partitionBy("day").parquet(self._options.output)

    def _rejected(self, decoded: DataFrame) -> dict[str, int]:
        counts = decoded.where("reason is not null").groupBy("reason").count().collect()
        return {row["reason"]: row["count"] for row in sorted(counts)}

    def _written(self) -> dict[str, int]:
        table = self._spark.read.parquet(self._options.output)
        counts = table.selectExpr(
            "count(*) rows", "count_if(is_fraud) frauds", "count(is_fraud) labelled"
        )
        written: dict[str, int] = counts.head().asDict()
        return written


def _settings(options: argparse.Namespace) -> HistorySettings:
    given = {name: getattr(options, name) for name in ("delay_days", "label_grace_s", "lateness_s")}
    try:
        return msgspec.convert(given, HistorySettings)
    except msgspec.ValidationError as error:
        raise ConfigError(str(error)) from error


def _paths(text: str) -> list[str]:
    return [path.strip() for path in text.split(",") if path.strip()]


def _kinds(rows: DataFrame, kept: Sequence[str], added: Sequence[str]) -> str:
    there = [f"{name} {kind}" for name, kind in rows.dtypes if name in kept]
    return ", ".join((*there, *(f"{name} double" for name in added)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
