"""The diagnosis: everything a detector needs, looked at one by one; nothing is changed."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from eddy.app import wiring
from eddy.app.settings import Settings
from eddy.app.stack import local_stack
from eddy.models.domain import Domain
from eddy.models.registry.names import CHAMPION
from eddy.sandbox import jars, java, machine
from eddy.schemas.errors import ConfigError, EddyError, ModelRefused, UnknownModel
from eddy.streams import checkpoints, inspection, librdkafka
from eddy.streams import topics as kafka_topics

Outcome = Literal["ok", "warn", "fail"]

_NEEDED_BYTES = 2**30
_COMFORTABLE_BYTES = 5 * 2**30
_CLOCK_TOLERANCE_S = 1.0
_BROKER_PATIENCE_S = 5.0


class DoctorCheck(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes
    ----------
    advice : str
        What to do; empty where nothing is.
    """

    name: str
    outcome: Outcome
    detail: str
    advice: str = ""


def diagnose(settings: Settings) -> Iterator[DoctorCheck]:
    """Yield the checks one after the other, each when it was done."""
    for name, check in _LOCAL.items():
        yield _guarded(name, check, settings)
    for domain in wiring.chosen_domains(settings):
        yield _guarded(f"model {domain.name}", partial(_model, domain), settings)
    broker = _guarded("broker", _broker, settings)
    yield broker
    if broker.outcome == "ok":
        for name, check in _REMOTE.items():
            yield _guarded(name, check, settings)


def _guarded(
    name: str, check: Callable[[Settings], DoctorCheck], settings: Settings
) -> DoctorCheck:
    """Return the check's outcome; an error on purpose is a failure that says what to do."""
    try:
        result = check(settings)
    except EddyError as error:
        return DoctorCheck(name, "fail", str(error))
    return msgspec.structs.replace(result, name=name)


def _ok(detail: str) -> DoctorCheck:
    return DoctorCheck("", "ok", detail)


def _warn(detail: str, advice: str) -> DoctorCheck:
    return DoctorCheck("", "warn", detail, advice)


def _fail(detail: str, advice: str) -> DoctorCheck:
    return DoctorCheck("", "fail", detail, advice)


# -- this machine -----------------------------------------------------------------------------


def _python(_: Settings) -> DoctorCheck:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs from a checkout may have another
        return _fail(version, "use Python 3.11 or newer")
    return _ok(version)


def _reader(settings: Settings) -> DoctorCheck:
    if settings.engine.reader == "portable":
        return _ok("portable, as configured")
    try:
        librdkafka.Library()
    except EddyError as error:
        advice = "the portable reader is used instead: same results, a third of the speed"
        return _warn(str(error), advice)
    return _ok("native")


def _compiled(_: Settings) -> DoctorCheck:
    cache_folder = os.environ.get("NUMBA_CACHE_DIR")
    package = Path(librdkafka.__file__).parent.parent / "models"
    folders = [Path(cache_folder)] if cache_folder else [package, Path.home() / ".cache"]
    for folder in folders:
        if os.access(_existing(folder), os.W_OK):
            return _ok(f"compiled ones are kept in {folder}")
    return _warn(
        f"{folders[0]} is not writable: the kernels are compiled again at every start",
        "set NUMBA_CACHE_DIR to a writable folder",
    )


def _java(_: Settings) -> DoctorCheck:
    try:
        return _ok(str(java.java_executable()))
    except EddyError as error:
        return _warn(str(error), "only `eddy demo` and `eddy up` need it")


def _jars(_: Settings) -> DoctorCheck:
    folder = jars.jar_directory()
    listed = jars.read_listing(jars.KAFKA_JARS)
    absent = sum(1 for jar in listed if not (folder / jar.filename).is_file())
    if absent:
        return _warn(
            f"{absent} of {len(listed)} jars are not in {folder}",
            "`eddy demo` and `eddy up` download them once",
        )
    return _ok(f"{len(listed)} jars in {folder}")


def _disk(settings: Settings) -> DoctorCheck:
    folder = Path(settings.storage.stack)
    free = shutil.disk_usage(_existing(folder)).free
    text = f"{free / 2**30:.1f} GiB free on the disk of {folder}"
    if free < _NEEDED_BYTES:
        return _fail(text, "make room, or set storage.* to folders on another disk")
    if free < _COMFORTABLE_BYTES:
        return _warn(text, "an embedded broker keeps 512 MiB a partition")
    return _ok(text)


def _checkpoints(settings: Settings) -> DoctorCheck:
    """Write where checkpoints go: a file that is removed, or one small object that stays."""
    url = settings.storage.checkpoints_url
    folder = Path(url.removeprefix("file://"))
    if "://" not in url or url.startswith("file://"):
        try:
            with tempfile.TemporaryFile(dir=_existing(folder)):
                return _ok(f"{url} is writable")
        except OSError as error:
            return _fail(f"{url}: {error.strerror}", "set storage.checkpoints_url")
    store = checkpoints.Checkpoints(checkpoints.open_store(url), f"{settings.engine.group}.doctor")
    now = datetime.now(UTC)
    store.write("doctor", 0, 0, b"", state_hash="", model_version="", now=now)
    return _ok(f"{url} is writable")


def _health_port(settings: Settings) -> DoctorCheck:
    host, port = settings.health.host, settings.health.port
    if port == 0 or machine.is_free(port):
        return _ok(f"port {port} is free" if port else "any free port")
    if local_stack.answers_ok(f"http://{host}:{port}/live"):
        return _ok(f"port {port}: a detector answers and is alive")
    who = machine.holder(port) or "another program"
    return _fail(
        f"port {port} is taken by {who}, which is no live detector",
        "end it, or choose another port with EDDY_HEALTH__PORT",
    )


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


_LOCAL: dict[str, Callable[[Settings], DoctorCheck]] = {
    "python": _python,
    "reader": _reader,
    "kernels": _compiled,
    "java": _java,
    "kafka jars": _jars,
    "disk": _disk,
    "checkpoints": _checkpoints,
    "health port": _health_port,
}


# -- models and the cluster -------------------------------------------------------------------


def _model(domain: Domain, settings: Settings) -> DoctorCheck:
    registry = wiring.registry(settings)
    try:
        model = registry.load(domain.name, CHAMPION, domain.parameters_type)
    except UnknownModel:
        advice = f"`eddy train {domain.name}` makes one; the defaults are used until then"
        return _warn(f"no champion in {settings.storage.registry}", advice)
    except ModelRefused as error:
        advice = f"`eddy rollback {domain.name}`, or train again; the defaults are used until then"
        return _fail(str(error), advice)
    return _ok(f"champion {model.ref.version}, sha256 {model.ref.sha256[:12]} verified")


def _broker(settings: Settings) -> DoctorCheck:
    existing = kafka_topics.cluster_topics(settings.kafka, timeout_s=_BROKER_PATIENCE_S)
    return _ok(f"{settings.kafka.bootstrap_servers} answers, {len(existing)} topics")


def _topics(settings: Settings) -> DoctorCheck:
    names = [wiring.topics(settings, domain) for domain in wiring.chosen_domains(settings)]
    wanted = kafka_topics.specs(names, partitions=1)
    existing = kafka_topics.cluster_topics(settings.kafka)
    absent = [spec.name for spec in wanted if spec.name not in existing]
    if absent:
        return _fail(f"missing: {', '.join(absent)}", "`eddy topics create`")
    apart = [n.events for n in names if n.partitions and existing[n.events] != n.partitions]
    if apart:
        return _warn(
            f"{', '.join(apart)}: more partitions than one; each partition's terminals are known "
            "by its own events only",
            "bring all events of a card and of a terminal into one partition, see "
            "docs/explanation/transactions.md",
        )
    other = inspection.differences(settings.kafka, wanted)
    if other:
        text = "; ".join(f"{name}: {what}" for name, what in other.items())
        return _warn(text, "change them with kafka-configs unless they are meant so")
    return _ok(f"{len(wanted)} topics as they should be")


def _clock(settings: Settings) -> DoctorCheck:
    """Compare with the broker's timestamps; seen from one side: a broker that lags looks idle."""
    newest = None
    for domain in wiring.chosen_domains(settings):
        name = wiring.topics(settings, domain).events
        if name in kafka_topics.cluster_topics(settings.kafka):
            newest_ms = inspection.newest_timestamp_ms(settings.kafka, name)
            newest = max(filter(None, (newest, newest_ms)), default=None)
    if newest is None:
        return _ok("no records yet to compare with")
    ahead_s = newest / 1e3 - time.time()
    if ahead_s > _CLOCK_TOLERANCE_S:
        return _warn(
            f"the broker's newest record is {ahead_s:.1f} s in the future of this machine's clock",
            "synchronise the clocks (NTP)",
        )
    return _ok(f"newest record {-ahead_s:,.1f} s ago by the broker's clock")


_REMOTE: dict[str, Callable[[Settings], DoctorCheck]] = {"topics": _topics, "clock": _clock}


def explain_settings(error: ConfigError) -> DoctorCheck:
    """Return the check of a configuration that cannot be used."""
    return DoctorCheck(
        "configuration", "fail", str(error), "`eddy config show` lists every setting"
    )
