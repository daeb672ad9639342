"""The options that many commands share, and how an option is declared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

from eddy.schemas.errors import ConfigError

if TYPE_CHECKING:
    from eddy.app.settings import Settings
    from eddy.app.training.trained_model import TrainingSource
    from eddy.lake.days import Day
    from eddy.training.transactions.settings import Parameters

# A flag is given or not: there is no --no-json; the last of a repeated option counts.
DEFAULTS = Parameter(negative_bool=(), negative_iterable=(), negative_none=(), allow_repeating=True)


def option(
    text: str,
    *names: str,
    least: float | None = None,
    most: float | None = None,
    metavar: str | None = None,
    off: str | None = None,
    dash: bool = False,
) -> Parameter:
    """Declare an option or an argument.

    Parameters
    ----------
    text : str
        Its sentence in the help.
    names : str
        Where they are not made from the parameter's name.
    least, most : float, optional
        Bounds of a number, both allowed.
    metavar : str, optional
        What stands for the value in the help.
    off : str, optional
        The name that switches a flag off.
    dash : bool
        Whether a value may begin with ``-``.
    """
    bounds = () if least is None and most is None else Number(gte=least, lte=most)
    return Parameter(
        names or None,
        help=text,
        validator=bounds,
        metavar=metavar,
        negative=off,
        allow_leading_hyphen=dash,
    )


def group(name: str, text: str, commands: Mapping[str, str]) -> App:
    """Return a command that holds commands, each by name and ``module:function``."""
    app = App(name=name, help=text, help_flags=(), version_flags=())
    for command, target in commands.items():
        app.command(target, name=command)
    return app


JsonFlag = Annotated[bool, option("Print JSON for machines.")]
HealthPort = Annotated[int | None, option("Port of /live, /ready, /metrics; 0 takes a free one.")]


OptionValues = Annotated[
    list[str] | None,
    option("An option of the domain; may be given several times.", "--set", metavar="KEY=VALUE"),
]


def option_values(pairs: Sequence[str] | None) -> dict[str, str]:
    """Return ``KEY=VALUE`` options by name; ConfigError where one is not written so."""
    values = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair}: wants KEY=VALUE")
        values[name.strip()] = value
    return values


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class FileOptions:
    """Which file the settings are read from."""

    config: Annotated[
        Path | None, option("TOML file; by default eddy.toml where there is one.", metavar="FILE")
    ] = None

    def load(self, flags: Mapping[str, Any] | None = None) -> "Settings":
        """Return the settings: this file, the environment, then `flags` by their dotted names."""
        from eddy.app import output, settings

        if foreign := settings.foreign_variables():
            output.warning(f"no settings of Eddy's, left alone: {', '.join(foreign)}")
        return settings.load(self.config, self.flags(flags))

    def flags(self, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the settings that are given as options, by their dotted names."""
        return dict(more or {})


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class KafkaOptions(FileOptions):
    """Which file the settings are read from, and which brokers are asked."""

    bootstrap_servers: Annotated[
        str | None,
        option("Kafka brokers.", "--bootstrap-servers", "-b", metavar="HOST:PORT[,...]"),
    ] = None

    def flags(self, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the settings that are given as options, by their dotted names."""
        return {"kafka.bootstrap_servers": self.bootstrap_servers, **(more or {})}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class TopicRange:
    """Whether a topic is read, and which part of it."""

    topic: Annotated[bool, option("Read the event topic instead of files.")] = False
    start: Annotated[
        str | None,
        option("First offset in every partition, or an RFC 3339 time.", "--from", metavar="FROM"),
    ] = None
    stop: Annotated[
        str | None, option("Offset or time before which to stop.", "--to", metavar="TO")
    ] = None

    def source(self, files: Sequence[Path] | None, zone: str | None) -> "TrainingSource":
        """Return where a training's rows come from: the topic, or files.

        Raises
        ------
        ConfigError
            Both are given, or a range of what is no topic.
        """
        from eddy.app.training.trained_model import TrainingSource

        return TrainingSource(files or (), self.topic, self.start, self.stop, zone)

    def require_for(self, has_other_source: bool, sources: str) -> None:
        """Refuse no source, more than one, or a range of what is no topic.

        Parameters
        ----------
        sources : str
            What may be given, for the message.

        Raises
        ------
        ConfigError
        """
        if has_other_source == self.topic:
            raise ConfigError(f"give {sources}")
        if not self.topic and (self.start or self.stop):
            raise ConfigError("--from and --to: for --topic; files are read whole")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class DayOptions:
    """Which days of the lake a command is about."""

    date: Annotated[str | None, option("A day of UTC, or `yesterday`.", metavar="YYYY-MM-DD")] = (
        None
    )
    since: Annotated[str | None, option("First of several days.", metavar="YYYY-MM-DD")] = None
    until: Annotated[
        str | None, option("Last of them; by default yesterday.", metavar="YYYY-MM-DD")
    ] = None

    def days(self, now: datetime) -> "list[Day]":
        """Return the days, first to last."""
        from eddy.lake.days import selected_days

        return selected_days(self.date, self.since, self.until, now)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingOptions:
    """How models of transactions are trained and judged."""

    params: Annotated[
        Path | None,
        option("YAML file of parameters; by default params.yaml where there is one."),
    ] = None
    override: Annotated[
        list[str] | None,
        option(
            "Overrides a parameter, as train.seed=3; may be given several times.",
            "--set",
            metavar="KEY=VALUE",
        ),
    ] = None

    def parameters(self, *pairs: str) -> "Parameters":
        """Return the parameters; what is given here and in `pairs` overrides the file's."""
        from eddy.app.training import transaction_models

        return transaction_models.parameters(self.params, [*(self.override or ()), *pairs])
