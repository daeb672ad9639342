"""The commands that each domain has of its own."""

import inspect

import pytest

from eddy.app import command_line
from eddy.app.commands.simulate import payments
from eddy.app.domains import BUILT_IN
from tests.support.commands import invoke, parse


@pytest.mark.parametrize("domain", BUILT_IN)
def test_every_domain_is_simulated_under_its_name(domain):
    parse("simulate", domain, "--seed", "3")


@pytest.mark.parametrize("name", ["tpv", "payments"])
def test_both_names_of_payments_call_the_same_function(name):
    command, bound, _ = command_line.build().parse_args(["simulate", name, "--merchants", "2"])
    assert inspect.unwrap(command) is payments
    assert bound.arguments["merchants"] == 2


def test_the_help_lists_a_command_once():
    text = invoke("simulate", "--help").stdout
    assert "  payments" in text
    assert "  tpv" not in text
    assert "eddy simulate tpv" in invoke("simulate", "payments", "--help").stdout
