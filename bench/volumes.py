"""Series of volumes for `bench.quality.tpv`: read from public data, and simulated segments."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from eddy.models.arrays import Floats

_COUNTRIES = 5


def nyc_two_hours(folder: Path) -> tuple[np.ndarray, np.ndarray, Floats]:
    """Return the intervals' beginnings, as datetime64 and in µs, and passengers, shape (m, 1)."""
    table = pd.read_csv(
        folder / "nab/realKnownCause/nyc_taxi.csv", parse_dates=["timestamp"]
    ).set_index("timestamp")
    volumes = table.value.resample("2h").sum()
    times = volumes.index.to_numpy().astype("M8[us]")
    return times, times.astype(np.int64), volumes.to_numpy(float)[:, None]


def nyc_windows(folder: Path) -> list[tuple[np.datetime64, np.datetime64]]:
    """Return beginning and end of the labelled windows."""
    labels = json.loads((folder / "nab/combined_windows.json").read_text())
    return [
        (np.datetime64(begin, "us"), np.datetime64(end, "us"))
        for begin, end in labels["realKnownCause/nyc_taxi.csv"]
    ]


def daily_merchants(path: Path) -> Iterator[tuple[str, Floats, np.ndarray]]:
    """Yield a wholesaler's daily takings, as a whole and by country: name, (m, n), µs.

    Cancellations count as refunds; a day of more refunds than sales has a volume of zero.
    """
    table = pd.read_parquet(path, columns=["InvoiceDate", "Quantity", "Price", "Country"])
    day = pd.to_datetime(table.InvoiceDate).dt.floor("D")
    amounts = (table.Quantity * table.Price).groupby([day, table.Country]).sum().unstack()
    amounts = amounts.resample("D").sum().clip(lower=0.0)
    # noon of the day, so that the local date is the day's whatever the time zone
    starts = amounts.index.to_numpy().astype("M8[us]").astype(np.int64) + 43_200_000_000
    largest = amounts.sum().nlargest(_COUNTRIES).index
    yield "all", amounts.sum(axis=1).to_numpy()[:, None], starts
    yield f"{_COUNTRIES} largest countries", amounts[largest].to_numpy(), starts


def simulated_segments(
    weeks: int = 16, merchants: int = 300, seed: int = 5
) -> tuple[np.ndarray, Floats, np.ndarray, list[str]]:
    """Return four segments of different noise: beginnings in µs, (m, n), segment, names."""
    random = np.random.default_rng(seed)
    names = ["steady", "noisy", "sparse", "bursty"]
    segment = np.repeat(np.arange(len(names)), merchants)
    m, n = weeks * 84, len(segment)
    slot, day = np.arange(m) % 12, np.arange(m) // 12 % 7
    peak = random.uniform(4, 9, n)
    shape = 0.15 + np.exp(-0.5 * ((slot[:, None] - peak) / 2.0) ** 2)
    weekend = np.where((day >= 5)[:, None], random.uniform(0.4, 1.4, n), 1.0)
    size = np.select([segment == 2, segment == 3], [1.5, 20.0], 200.0)
    rate = size * random.lognormal(0, 0.5, n) * shape * weekend
    spread = np.select([segment == 1, segment == 3], [0.5, 0.9], 0.1)
    noise = np.exp(spread * random.standard_normal((m, n)) - spread**2 / 2)
    count = random.poisson(rate * noise)
    mean_ticket = random.lognormal(3, 0.5, n)
    volumes = mean_ticket * random.gamma(np.maximum(2.0 * count, 1e-9)) / 2.0
    start = np.datetime64("2024-01-01", "us").astype(np.int64)
    starts = start + np.arange(m) * 7_200_000_000
    return starts, np.where(count > 0, volumes, 0.0), segment, names
