"""The parameters of preparing, training, evaluating and promoting: one file, ``params.yaml``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from eddy.models.features.transaction_history import HistorySettings
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.installation import pip_install
from eddy.training.transactions.data_quality import QualityBounds

Share = Annotated[float, Meta(gt=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Preparation(_Section, frozen=True, kw_only=True):
    """How a training table is made.

    Attributes
    ----------
    zone : str
        Of times in files that carry no offset.
    history : HistorySettings
        Of the features. By default as the stream has it, in ``eddy.toml``; another one is refused,
        or the model learns another world.
    """

    zone: str = "UTC"
    history: HistorySettings | None = None


class LabelSettings(_Section, frozen=True, kw_only=True):
    """How the labels of a table are read.

    Attributes
    ----------
    genuine_after_days : float, optional
        Rows nobody spoke of for so long count as genuine, because few report what is in order;
        null leaves such rows out.
    """

    genuine_after_days: Positive | None = 7.0


class ForestSettings(_Section, frozen=True, kw_only=True):
    """Of `sklearn.ensemble.RandomForestClassifier`; a share of the rows for each tree."""

    trees: Annotated[int, Meta(ge=1, le=1_000)] = 25
    max_depth: Annotated[int, Meta(ge=1, le=64)] | None = None
    max_leaves: Annotated[int, Meta(ge=2)] | None = None
    min_rows_leaf: Count = 10
    rows_share: Annotated[float, Meta(gt=0, le=1)] = 0.2
    features_share: Annotated[float, Meta(gt=0, le=1)] = 0.34


class Boosting(_Section, frozen=True, kw_only=True):
    """Of `sklearn.ensemble.HistGradientBoostingClassifier`; each split sees a share of features.

    On the ULB transactions, in time order and before those it is tested on, a share below a half
    and a strong `l2` rank best.
    """

    trees: Annotated[int, Meta(ge=1, le=2_000)] = 200
    learning_rate: Positive = 0.05
    max_leaves: Annotated[int, Meta(ge=2, le=255)] = 31
    min_rows_leaf: Count = 50
    features_share: Annotated[float, Meta(gt=0, le=1)] = 0.3
    l2: Annotated[float, Meta(ge=0)] = 10.0


class Isolation(_Section, frozen=True, kw_only=True):
    """Of `sklearn.ensemble.IsolationForest`; so many rows a tree.

    Four times scikit-learn's 256: on card transactions more rows a tree rank better, and on the
    sets of ADBench no worse.
    """

    trees: Annotated[int, Meta(ge=1, le=1_000)] = 100
    rows: Annotated[int, Meta(ge=2)] = 1_024


class Threshold(_Section, frozen=True, kw_only=True):
    """Where the boundary is put, on held-out rows after the training rows.

    Attributes
    ----------
    by : str
        ``cards_per_day``: so that about as many cards a day are flagged. ``cost``: where the cost
        is least.
    cards_per_day : float
    alert_cost : float
        Of looking into an alert, in the currency of the amounts.
    missed_share : float
        What a missed fraud costs: this share of its amount.
    """

    by: Literal["cards_per_day", "cost"] = "cards_per_day"
    cards_per_day: Positive = 100.0
    alert_cost: Positive = 5.0
    missed_share: Positive = 1.0


class TrainSettings(_Section, frozen=True, kw_only=True):
    """How a model is trained.

    Attributes
    ----------
    kind : str
        ``classifier`` learns from labels, ``isolation_forest`` without.
    algorithm : str
        Of the classifier.
    features : list of str, optional
        By default all columns of the table.
    train_days : int
        How far back it learns.
    delay_days : float
        How long it takes until nearly every fraud of a day is known.
    calibration_days : int
        Held-out days, after a delay, on which probabilities and boundary are found.
    hold_out_days : int
        The newest labelled days, and the delay before them, that it does not see: the gate judges
        on them. 0 learns up to the newest day whose labels have had the delay to come; the gate
        then wants newer ones.
    seed : int
    jobs : int
        Processors used for training.
    """

    kind: Literal["classifier", "isolation_forest"] = "classifier"
    algorithm: Literal["random_forest", "hist_gradient_boosting"] = "random_forest"
    features: list[str] | None = None
    train_days: Count = 60
    delay_days: Annotated[float, Meta(ge=0)] = 7.0
    calibration_days: Count = 7
    hold_out_days: Annotated[int, Meta(ge=0)] = 7
    seed: Seed = 0
    jobs: Count = 1
    random_forest: ForestSettings = ForestSettings()
    hist_gradient_boosting: Boosting = Boosting()
    isolation_forest: Isolation = Isolation()
    threshold: Threshold = Threshold()


class Evaluation(_Section, frozen=True, kw_only=True):
    """How a way of training, or a model, is evaluated.

    Attributes
    ----------
    test_days : int
        Of a test window.
    folds : int
        Test windows, one before the other; for each the training is done anew.
    last_test_start : str, optional
        The day on which the last test window starts; by default so that it ends with the newest
        label.
    cards_a_day : int
        k of card precision@k.
    known_days : int
        Cards with a fraud that became known in the last days before, so many, leave the test.
    resamples : int
        Of the days, for the intervals.
    confidence : float
        Of the intervals.
    seed : int
    """

    test_days: Count = 7
    folds: Count = 4
    last_test_start: str | None = None
    cards_a_day: Count = 100
    known_days: Annotated[float, Meta(ge=0)] = 7.0
    resamples: Annotated[int, Meta(ge=10, le=100_000)] = 500
    confidence: Share = 0.95
    seed: Seed = 0


class GateSettings(_Section, frozen=True, kw_only=True):
    """What a candidate must show to become champion.

    Attributes
    ----------
    metric : str
    window_days : int
        The newest days it is judged on whose labels have had the delay to come.
    delay_days, known_days : float
        As those of training and evaluation.
    margin : float
        It must be better by more than this, at the lower end of the paired interval, too.
    confidence : float
        Of that interval; one-sided.
    cards_per_day : float
        The budget of alerts.
    budget_slack : float
        By which share alerts may exceed the budget.
    least_frauds : int
        With fewer in the window nothing is decided.
    least_labelled : float
        With a smaller share of the window's rows labelled, neither.
    resamples : int
    seed : int
    """

    metric: Literal["average_precision", "card_precision"] = "average_precision"
    window_days: Count = 7
    delay_days: Annotated[float, Meta(ge=0)] = 7.0
    known_days: Annotated[float, Meta(ge=0)] = 7.0
    margin: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    confidence: Share = 0.9
    cards_per_day: Positive = 100.0
    budget_slack: Annotated[float, Meta(ge=0)] = 0.25
    least_frauds: Count = 20
    least_labelled: Annotated[float, Meta(ge=0, le=1)] = 0.5
    resamples: Annotated[int, Meta(ge=10, le=100_000)] = 1_000
    seed: Seed = 0


class Parameters(_Section, frozen=True, kw_only=True):
    """All of ``params.yaml``; a section that is absent has its defaults."""

    prepare: Preparation = Preparation()
    labels: LabelSettings = LabelSettings()
    train: TrainSettings = TrainSettings()
    evaluate: Evaluation = Evaluation()
    gate: GateSettings = GateSettings()
    retrain: QualityBounds = QualityBounds()


def read_parameters(path: Path) -> Parameters:
    """Read a YAML file of parameters.

    Raises
    ------
    ConfigError
        Naming file and key.
    MissingResource
        There is no such file.
    """
    try:
        import yaml  # noqa: PLC0415 # only training needs it
    except ImportError as error:
        raise ConfigError(f"parameters need pyyaml: {pip_install('train')}") from error
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise MissingResource(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    return convert(content or {}, str(path))


def convert(content: Any, where: str) -> Parameters:
    """Return parameters from plain values; ConfigError names `where` and the key."""
    try:
        return msgspec.convert(content, Parameters)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_with_key(str(error))}") from error


def _with_key(text: str) -> str:
    """Put the key first: ``train.seed: Expected `int` ...``."""
    what, _, path = text.partition(" - at `")
    return f"{path.strip('`').lstrip('$.')}: {what}" if path else what
