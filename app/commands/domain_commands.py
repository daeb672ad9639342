"""The commands that each domain has its own of: ``simulate``, ``prepare``, ``train`` and others.

A domain's commands stand in `COMMANDS` and nowhere else; the command line loops over them.
"""

from collections.abc import Mapping

from eddy.app.commands.options import group

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
        "transactions": f"{_ROOM}.transaction_models:train_transactions",
    },
    "evaluate": {"transactions": f"{_ROOM}.transaction_models:evaluate_transactions"},
    "learn": {"transactions": f"{_ROOM}.learn:transactions"},
}

simulate = group("simulate", "Send simulated events.", COMMANDS["simulate"])
prepare = group("prepare", "Make the table a model learns from.", COMMANDS["prepare"])
train = group("train", "Train a model and put it into the registry.", COMMANDS["train"])
evaluate = group("evaluate", "Say how good a way of training is, or a model.", COMMANDS["evaluate"])
learn = group("learn", "Learn from labels as they come.", COMMANDS["learn"])
