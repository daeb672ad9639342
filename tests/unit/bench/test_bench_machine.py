import os

import pytest

from bench.java import major_version
from bench.machine import cpu_model, describe, memory_gib
from bench.usage import _cpu_s, usage


def test_the_machine_is_described():
    described = dict(describe())
    assert int(described["cores"]) >= 1
    assert described["Python"].startswith("3.")
    assert described["numba"] != "not installed"


def test_the_processor_and_memory_are_read_from_what_linux_writes():
    assert cpu_model("processor\t: 0\nmodel name\t: Fast 3000 @ 2 GHz\n") == "Fast 3000 @ 2 GHz"
    assert cpu_model("") is None
    assert memory_gib("MemTotal:        2097152 kB\nMemFree: 1 kB\n") == 2.0
    assert memory_gib("") is None


def test_a_process_name_with_parentheses_does_not_shift_the_columns():
    ticks = os.sysconf("SC_CLK_TCK")
    fields = " ".join(str(n) for n in range(4, 14))
    stat = f"7 (a) b) (c) S {fields} {3 * ticks} {2 * ticks} 0 0"
    assert _cpu_s(stat) == 5.0


def test_this_process_uses_something():
    used = usage(os.getpid())
    assert used.cpu_s > 0
    assert used.rss_mib > 1


def test_a_process_that_is_gone_is_an_error():
    with pytest.raises(ProcessLookupError):
        usage(2**22 + 1)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ("javac 21.0.2", 21),
        ("command not found", 0),
    ],
)
def test_versions_of_java(text, version):
    assert major_version(text) == version
