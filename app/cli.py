"""The command line. Exit codes: see `eddy.schemas.errors`; 130 when interrupted."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from eddy.app.commands import config, doctor, stack, topics, tpv
from eddy.app.commands.demo import demo
from eddy.app.commands.explain import explain
from eddy.app.commands.lake.app import app as lake
from eddy.app.commands.learn import learn
from eddy.app.commands.mlflow import mlflow
from eddy.app.commands.replay import replay
from eddy.app.commands.run import run
from eddy.app.commands.serve import serve
from eddy.app.commands.simulate import simulate
from eddy.app.commands.tail import tail
from eddy.app.commands.train import models, promote, rollback, train
from eddy.app.commands.transaction_models import evaluate, prepare, train_transactions
from eddy.app.commands.watch import watch
from eddy.schemas.errors import EddyError

app = typer.Typer(
    name="eddy",
    help="Watches Kafka: scores every event, publishes every anomaly exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 defect, 2 usage or configuration, 3 something is not to be had "
    "(broker, port, disk, file), 4 fenced by another instance, 5 fuse blown, 6 difference found, "
    "7 refused by the promotion gate, 130 interrupted.",
)
app.command()(demo)
app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.status)
app.add_typer(topics.app, name="topics")
app.command()(run)
app.command()(serve)
app.add_typer(simulate, name="simulate")
app.command()(replay)
app.add_typer(tpv.app, name="tpv")
app.add_typer(lake, name="lake")
app.command()(tail)
app.command()(explain)
app.add_typer(prepare, name="prepare")
train.command("transactions")(train_transactions)
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")
app.add_typer(learn, name="learn")
app.command()(watch)
app.command()(promote)
app.command()(rollback)
app.command()(models)
app.command()(mlflow)
app.add_typer(config.app, name="config")
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line; every error on purpose becomes one line and its exit code."""
    try:
        app(standalone_mode=True)
    except EddyError as error:
        Console(stderr=True).print(
            f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True
        )
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
