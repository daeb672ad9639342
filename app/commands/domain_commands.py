"""The commands that each domain has its own of: ``simulate``, ``prepare``, ``train`` and others.

The commands of Eddy's own domains stand in `COMMANDS`, with options of their own; those of
installed packages are made of their rows.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cyclopts import App

from eddy.app.commands.options import group
from eddy.app.commands.simulate import domain_command as simulate_domain
from eddy.app.commands.train import domain_command as train_domain
from eddy.app.domains import BUILT_IN, domain_names

_ROOM = "eddy.app.commands"
COMMANDS: Mapping[str, Mapping[str, str]] = {
    "simulate": {
        "rides": f"{_ROOM}.simulate:rides",
        "payments": f"{_ROOM}.simulate:payments",
        "transactions": f"{_ROOM}.simulate:transactions",
    },
    "prepare": {"transactions": f"{_ROOM}.transaction_models:prepare_transactions"},
    "train": {
        "rides": f"{_ROOM}.train:rides",
        "tpv": f"{_ROOM}.train:tpv",
        "transactions": f"{_ROOM}.train:transactions",
    },
    "evaluate": {"transactions": f"{_ROOM}.transaction_models:evaluate_transactions"},
    "learn": {"transactions": f"{_ROOM}.learn:transactions"},
}


def _with_packages(app: App, command: Callable[[str], Callable[..., Any]]) -> App:
    """Add the command of every domain of an installed package; no row is imported."""
    for name in domain_names():
        if name not in BUILT_IN:
            app.command(command(name), name=name)
    return app


simulate = _with_packages(
    group("simulate", "Send simulated events.", COMMANDS["simulate"]), simulate_domain
)
# The domain's own name, which the help of `payments` mentions.
simulate.command(COMMANDS["simulate"]["payments"], name="tpv", show=False)
prepare = group("prepare", "Make the table a model learns from.", COMMANDS["prepare"])
train = _with_packages(
    group("train", "Train a model and put it into the registry.", COMMANDS["train"]), train_domain
)
evaluate = group("evaluate", "Say how good a way of training is, or a model.", COMMANDS["evaluate"])
learn = group("learn", "Learn from labels as they come.", COMMANDS["learn"])
