"""Ports and disk: what is missing is named, with what to do."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from eddy.sandbox import machine
from eddy.schemas.errors import MissingResource

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who holds a port")


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port somebody listens on, as Python does (IPv4) and as Java does (IPv6, mapped)."""
    with socket.socket(request.param) as server:
        if request.param == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind(("::", 0))
        else:
            server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_named_with_what_to_do(taken: int) -> None:
    with pytest.raises(MissingResource, match=rf"port {taken} .*already taken.*--port") as caught:
        machine.require_port(taken, "--port or EDDY_PORT")
    assert "--port or EDDY_PORT" in str(caught.value)


@on_linux
def test_the_holder_of_a_port_is_named(taken: int) -> None:
    import os

    assert machine.holder(taken).endswith(f"(pid {os.getpid()})")


def test_nobody_holds_a_free_port() -> None:
    port = machine.free_port()
    assert machine.holder(port) is None
    assert not machine.answers(port)
    machine.require_port(port, "--port")


def test_a_port_bound_by_somebody_who_does_not_listen_yet_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        assert not machine.is_free(server.getsockname()[1])


def test_free_ports_stay_out_of_the_range_of_outgoing_connections() -> None:
    assert all(machine.free_port() < 32_768 for _ in range(20))


def test_running_out_of_ports_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "is_free", lambda port: False)
    with pytest.raises(MissingResource, match="no free TCP port"):
        machine.free_port()


def test_a_full_disk_names_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet" / "there"
    machine.require_disk(folder, 1)
    with pytest.raises(MissingResource, match=rf"free on the disk of {folder}"):
        machine.require_disk(folder, 2**60)
