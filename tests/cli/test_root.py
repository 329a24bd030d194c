"""What only a real device shows."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sansio_net.drivers import interface
from tests.drivers.conftest import namespace

from .conftest import ROOT, Command, run

__all__ = ["namespace"]

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("namespace")]


def up(*argv: str) -> tuple[Command, list[str]]:
    command = Command(["up", *argv], (), subprocess.DEVNULL)
    try:
        return command, command.expect("ready")
    except BaseException:
        command.popen.kill()
        raise


def stop(command: Command) -> None:
    command.interrupt()
    assert command.finish() == (0, "", "")


def test_the_line_to_type_where_the_host_has_no_address() -> None:
    tap = ["--link", "tap:tap0", "-a", "10.9.0.1/24"]
    command, lines = up(*tap)
    hint = "the host's side has no address; type: ip address add 10.9.0.2/24 dev tap0"
    assert lines[-2] == hint
    subprocess.run(["ip", "address", "add", "10.9.0.2/24", "dev", "tap0"], check=True)
    subprocess.run(["ping", "-q", "-c", "1", "-W", "5", "10.9.0.1"], check=True)
    stop(command)
    command, lines = up(*tap, "--host-address", "10.9.0.2/24")
    assert len(lines) == 2
    stop(command)
    # with the program goes its device
    said = subprocess.run(["ip", "link"], capture_output=True, text=True).stdout
    assert "tap0" not in said


def test_a_port_of_a_bridge_needs_no_address() -> None:
    for line in (
        "ip tuntap add tap0 mode tap",
        "ip link add bridge0 type bridge",
        "ip link set tap0 master bridge0",
    ):
        subprocess.run(line.split(), check=True)
    # /sys shows the namespace in which it was mounted
    ask = "from sansio_net.drivers.interface import is_bridged as f; print(f('tap0'))"
    mount = f'mount -t sysfs none /sys && exec {sys.executable} -c "{ask}"'
    said = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount], capture_output=True, text=True, cwd=ROOT
    )
    assert said.stdout == "True\n", said.stderr
    assert not interface.is_bridged("bridge0")


def test_what_is_refused_in_one_line() -> None:
    for link, message in (
        ("veth:nope", "no such interface: nope"),
        ("tap:lo", "cannot open tap:lo: lo exists and is no tap device"),
    ):
        status, out, err = run("up", "--link", link, "-a", "10.9.0.1/24")
        assert (status, out, err) == (1, "", f"sansio-net: {message}\n")


@pytest.mark.parametrize("more", [[], ["--http", "80:/usr/share"]])
def test_the_interface_goes_away(more: list[str]) -> None:
    command, _ = up("--link", "tap:tap0", "-a", "10.9.0.1/24", *more)
    subprocess.run(["ip", "link", "delete", "tap0"], check=True)
    status, _, err = command.finish()
    assert status == 1
    assert err.splitlines()[-1] == "sansio-net: tap0 is gone"


def test_a_cable_that_is_out_at_the_start() -> None:
    for line in (
        "ip link add ours type veth peer name theirs",
        "sysctl -qw net.ipv6.conf.ours.disable_ipv6=1",
        "ip link set ours up",
    ):
        subprocess.run(line.split(), check=True)
    command = Command(
        ["up", "--link", "veth:ours", "-a", "10.9.0.1/24"], (), subprocess.DEVNULL
    )
    assert command.popen.stderr is not None
    assert b"ours: " in command.popen.stderr.readline()  # link down, or waiting
    subprocess.run(["ip", "link", "set", "theirs", "up"], check=True)
    command.expect("ready")
    command.interrupt()
    assert command.finish()[0] == 0


@pytest.mark.programs("setpriv")
def test_without_permission() -> None:
    """Root without capabilities is nobody: what to do, not a traceback."""
    for link in ("tap:tap0", "veth:lo"):
        done = subprocess.run(
            [
                *("setpriv", "--bounding-set=-all", "--inh-caps=-all"),
                *(sys.executable, "-m", "sansio_net"),
                *("up", "--link", link, "-a", "10.9.0.1/24"),
            ],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(f"sansio-net: cannot open {link}: no permission")
        assert done.stderr.count("\n") == 1
