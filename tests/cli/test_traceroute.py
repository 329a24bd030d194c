"""traceroute over a wire to `up`: one hop, its lines, its statuses, and misuse."""

from __future__ import annotations

import re
import signal
import sys

import pytest

from sansio_net.cli.main import main
from sansio_net.cli.traceroute import Printer, parse_interval, parse_waits
from sansio_net.protocols.traceroute import ProbeResult
from sansio_net.units import MILLISECOND, SECOND

from .conftest import A, B, Wire


@pytest.mark.parametrize("method", [[], ["-I"], ["-T"], ["-U"]])
def test_the_target_is_the_first_hop(wire: Wire, method: list[str]) -> None:
    wire.up()
    command = wire.a("traceroute", *method, "-w", "25", B)
    status, out, err = command.finish()
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    assert first == f"traceroute to {B} ({B}), 30 hops max, 60 byte packets"
    assert re.fullmatch(rf" 1  {B} \({B}\)(  \d+\.\d{{3}} ms){{3}}", second)


@pytest.mark.parametrize("method", ["-U", "-T"])
def test_an_answer_of_the_target_itself_ends_it(wire: Wire, method: str) -> None:
    """UDP to a port where somebody answers, and a connection that is accepted."""
    wire.up("--echo", "7")
    argv = [method, "-p", "7", "-n", "-q", "1", "-N", "40", "-w", "25", B]
    status, out, _ = wire.a("traceroute", *argv).finish()
    assert status == 0
    _, first = out.splitlines()
    assert re.fullmatch(rf" 1  {B}  \d+\.\d{{3}} ms", first)


def test_nobody_answers(wire: Wire) -> None:
    """The other end of the wire is there for ARP alone."""
    wire.up()
    argv = ["-g", B, "-n", "-q", "2", "-m", "3", "-w", "0.2"]
    status, out, err = wire.a("traceroute", *argv, "192.0.2.1").finish()
    assert (status, err) == (0, "")
    assert out.splitlines()[1:] == [f" {hop}  * *" for hop in (1, 2, 3)]


def test_a_neighbour_that_does_not_answer_is_our_own_news(wire: Wire) -> None:
    for method in ([], ["-I"], ["-T"]):
        command = wire.a("traceroute", "-n", "-q", "1", *method, B)
        status, out, _ = command.finish()
        assert status == 0
        assert re.fullmatch(rf" 1  {A}  \d+\.\d{{3}} ms !H", out.splitlines()[1])


def test_no_route(wire: Wire) -> None:
    status, out, err = wire.a("traceroute", "192.0.2.1").finish()
    assert (status, out, err) == (1, "", "traceroute: Network is unreachable\n")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["example.com"], "traceroute: example.com: not an IP address"),
        (["-6", B], f"traceroute: {B}: Address family for hostname not supported"),
        ([f"{B}%eth0"], "no zone belongs there"),
        (["-f", "4", "-m", "3", B], "traceroute: first hop out of range"),
        (["-m", "256", B], "1 to 255"),
        (["-q", "0", B], "1 to 10"),
        (["-N", "x", B], "1 to 1000"),
        (["-w", "fast", B], "fast"),
        (["-w", "1,2,3,4", B], "1,2,3,4"),
        (["-z", "2q", B], "2q"),
        (["-z", "4000000", B], "hour"),
        (["-I", "-T", B], "not allowed with"),
    ],
)
def test_what_it_refuses(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it opens a link."""
    link = ["--link", "tap:nothing", "-a", "10.0.0.1/24"]
    with pytest.raises(SystemExit, match="2"):
        sys.exit(main(["traceroute", *link, *argv]))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err


def test_a_zone_that_is_not_there(wire: Wire) -> None:
    status, out, err = wire.a("traceroute", "fe80::1%nope").finish()
    assert (status, out, err) == (2, "", "traceroute: unknown iface: nope\n")


def test_ctrl_c(wire: Wire) -> None:
    wire.up()
    for number, expected in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        command = wire.a("traceroute", "-g", B, "-w", "20", "192.0.2.1")
        assert command.popen.stdout is not None
        command.popen.stdout.read(10)
        command.interrupt(number)
        status, _, _ = command.finish()
        assert status == expected


def test_times_and_factors() -> None:
    assert parse_waits("2") == (2 * SECOND, 0, 0)
    assert parse_waits("0.5,3") == (SECOND // 2, 3000, 0)
    assert parse_waits("1/2.5/10") == (SECOND, 2500, 10_000)
    assert parse_interval("0.5") == SECOND // 2
    assert parse_interval("500") == SECOND // 2
    assert parse_interval("20ms") == 20 * MILLISECOND


def test_an_address_is_printed_where_it_changes() -> None:
    printer = Printer(numeric=True)
    results = [
        ProbeResult(7, 0),
        ProbeResult(7, 1, "10.0.0.1", MILLISECOND),
        ProbeResult(7, 2),
        ProbeResult(7, 3, "10.0.0.1", MILLISECOND),
        ProbeResult(7, 4, "10.0.0.2", MILLISECOND, "!X"),
        ProbeResult(8, 0, "10.0.0.2", MILLISECOND),
    ]
    assert "".join(map(printer.piece, results)) == (
        "\n 7  * 10.0.0.1  1.000 ms *  1.000 ms 10.0.0.2  1.000 ms !X"
        "\n 8  10.0.0.2  1.000 ms"
    )
