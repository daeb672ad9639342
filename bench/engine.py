"""The engine under test: the real ``eddy run`` in a process of its own."""

import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bench import fraud_model
from bench.model import MIN_WINDOW, WINDOW, register
from bench.peers.peer import ROOT
from bench.site import Site
from eddy.sandbox.machine import free_port
from eddy.sandbox.processes import BackgroundProcess
from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import DomainTopics
from eddy.training.transactions.train import Trained


@dataclass(frozen=True, slots=True)
class BenchmarkedEngine:
    """One configured engine; start it again and it is the same one."""

    process: BackgroundProcess
    group: str
    port: int
    folder: Path

    def metric(self, name: str) -> float:
        """Return a metric of the running engine, summed over its labels; 0 while it is not there.

        Raises
        ------
        MissingResource
            When the engine does not answer.
        """
        url = f"http://127.0.0.1:{self.port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, OSError) as error:
            raise MissingResource(f"{url} does not answer: {error}") from error
        return total(text, name)


def total(text: str, name: str) -> float:
    """Sum a metric over its labels, from the text of ``/metrics``."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    )


def engine(
    site: Site,
    topics: DomainTopics,
    name: str,
    *,
    reader: str = "auto",
    window: int = WINDOW,
    publish_scored: bool = False,
) -> BenchmarkedEngine:
    """Configure an engine for rides on `topics`, with the model that its peers have, too."""
    engine_settings = {
        "ENGINE__READER": reader,
        "ENGINE__PUBLISH_SCORED": str(publish_scored).lower(),
    }
    policy = {
        "DOMAINS__RIDES__WINDOW_RIDES": str(window),
        "DOMAINS__RIDES__MIN_WINDOW": str(MIN_WINDOW),
    }
    tested = _engine(site, topics, name, "rides", policy | engine_settings)
    register(tested.folder / "models", window)
    return tested


def tpv_engine(site: Site, topics: DomainTopics, name: str) -> BenchmarkedEngine:
    """Configure an engine for payments on `topics`, with its defaults."""
    return _engine(site, topics, name, "tpv", {})


def transactions_engine(
    site: Site, topics: DomainTopics, name: str, model: Trained
) -> BenchmarkedEngine:
    """Configure an engine for card transactions on `topics`, with a trained classifier."""
    tested = _engine(site, topics, name, "transactions", {})
    fraud_model.register(tested.folder / "models", model)
    return tested


def _engine(
    site: Site, topics: DomainTopics, name: str, domain: str, more: dict[str, str]
) -> BenchmarkedEngine:
    """Configure an engine with a state folder, group and port of its own."""
    folder = site.new_folder("eddy")
    rides = "" if domain == "rides" else "[domains.rides]\nenabled = false\n"
    (folder / "eddy.toml").write_text(f"[domains.{domain}]\n{rides}", encoding="utf-8")
    group, port = f"{site.cluster.prefix}.{name}", free_port()
    settings = {
        "CONFIG": str(folder / "eddy.toml"),
        "KAFKA__BOOTSTRAP_SERVERS": site.cluster.bootstrap,
        "TOPIC_PREFIX": topics.events.removesuffix(f".events.{domain}"),
        "ENGINE__GROUP": group,
        "ENGINE__INSTANCE_ID": name,
        "STORAGE__CHECKPOINTS_URL": str(folder / "checkpoints"),
        "STORAGE__REGISTRY": str(folder / "models"),
        "STORAGE__STACK": str(folder),
        "HEALTH__PORT": str(port),
    } | more
    process = BackgroundProcess(
        name=f"eddy-{name}",
        argv=(sys.executable, "-m", "eddy", "run"),
        env=_environment() | {f"EDDY_{key}": value for key, value in settings.items()},
    )
    return BenchmarkedEngine(process, group, port, folder)


def _environment() -> dict[str, str]:
    """Return this process' environment without settings that would reach the engine."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("EDDY_")}
    if cache := os.environ.get("EDDY_CACHE"):
        kept["EDDY_CACHE"] = cache
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
