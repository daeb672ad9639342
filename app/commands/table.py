"""Every command of the first level: where it is found, and its one sentence."""

from typing import NamedTuple

_ROOM = "eddy.app.commands"


class CommandRow(NamedTuple):
    """A command or a group of commands, found when it is called.

    Attributes
    ----------
    target : str
        ``module:attribute`` of a function or an `App`.
    sentence : str
        What it does; the first of its docstring, or the group's text.
    """

    name: str
    target: str
    sentence: str


SECTIONS: dict[str, tuple[CommandRow, ...]] = {
    "Start": (
        CommandRow(
            "demo",
            f"{_ROOM}.demo:demo",
            "Start a real Kafka broker and a detector, stream three kinds of events through, and "
            "watch.",
        ),
        CommandRow(
            "up",
            f"{_ROOM}.stack:up",
            "Start a Kafka broker, its topics and a detector in the background, and keep them "
            "running.",
        ),
        CommandRow(
            "down",
            f"{_ROOM}.stack:down",
            "End what `up` started, and what a killed demo left behind; data is kept.",
        ),
        CommandRow(
            "status", f"{_ROOM}.stack:status", "Show what runs; exit code 3 unless all of it does."
        ),
        CommandRow("simulate", f"{_ROOM}.domain_commands:simulate", "Send simulated events."),
    ),
    "Detect": (
        CommandRow("topics", f"{_ROOM}.topics:app", "Create the topics of the configured domains."),
        CommandRow(
            "run",
            f"{_ROOM}.run:run",
            "Judge events until SIGTERM or Ctrl-C; scale by starting more, each with its instance "
            "id.",
        ),
        CommandRow(
            "serve",
            f"{_ROOM}.serve:serve",
            "Answer predictions over HTTP with the champion, until SIGTERM or Ctrl-C.",
        ),
        CommandRow(
            "replay",
            f"{_ROOM}.replay:replay",
            "Judge a file or a topic's range again; resumes where an interrupted replay of this "
            "name was.",
        ),
    ),
    "Look": (
        CommandRow(
            "tail",
            f"{_ROOM}.tail:tail",
            "Show anomalies as they are published; Ctrl-C ends it.",
        ),
        CommandRow(
            "explain",
            f"{_ROOM}.explain:explain",
            "Show what was expected, what came, which features weigh how much, and the event "
            "itself.",
        ),
        CommandRow("tpv", f"{_ROOM}.tpv:app", "Merchants' payment volume: history, pictures."),
    ),
    "Models": (
        CommandRow(
            "prepare",
            f"{_ROOM}.domain_commands:prepare",
            "Make the table a model learns from.",
        ),
        CommandRow(
            "train",
            f"{_ROOM}.domain_commands:train",
            "Train a model and put it into the registry.",
        ),
        CommandRow(
            "evaluate",
            f"{_ROOM}.domain_commands:evaluate",
            "Say how good a way of training is, or a model.",
        ),
        CommandRow("learn", f"{_ROOM}.domain_commands:learn", "Learn from labels as they come."),
        CommandRow(
            "watch",
            f"{_ROOM}.watch:watch",
            "Train a challenger on transactions that arrive in a folder or a bucket; never "
            "promotes.",
        ),
        CommandRow(
            "promote",
            f"{_ROOM}.models:promote",
            "Make a version the champion; running detectors take it up without losing an event.",
        ),
        CommandRow(
            "rollback",
            f"{_ROOM}.models:rollback",
            "Make the champion the one it replaced; said again, the one before that.",
        ),
        CommandRow(
            "models",
            f"{_ROOM}.models:models",
            "List the registry: versions, which are in use, and how good they were.",
        ),
        CommandRow(
            "mlflow",
            f"{_ROOM}.mlflow:mlflow",
            "Run an MLflow tracking server until SIGTERM or Ctrl-C; only this machine reaches it.",
        ),
    ),
    "Tables": (
        CommandRow(
            "lake",
            f"{_ROOM}.lake.app:app",
            "Tables on S3: created, fed, checked, compacted, queried.",
        ),
    ),
    "Settings": (
        CommandRow(
            "config",
            f"{_ROOM}.config:app",
            "Check and show the settings: file, environment, defaults.",
        ),
        CommandRow(
            "doctor",
            f"{_ROOM}.doctor:doctor",
            "Look at everything a detector needs, a line each; exit code 3 where something fails.",
        ),
    ),
}
