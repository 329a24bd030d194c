from __future__ import annotations

import os
import random
import select
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sansio_net.drivers import Loop, TapDevice
from sansio_net.protocols.tcp import Connection
from sansio_net.stack import Accepted, Closed, Event, Stack
from sansio_net.units import MILLISECOND

from .conftest import B, Wire

DATA = random.Random(1).randbytes(1_000_000)


def test_both_ways_then_both_ends(wire: Wire) -> None:
    server = wire.b("nc", "-l", "8888")
    client = wire.a("nc", B, "8888")
    client.type(b"from the client\n")
    assert server.read(16) == b"from the client\n"
    server.type(b"from the server\n")
    assert client.read(16) == b"from the server\n"
    # a half-close: the other way goes on (a listener whose peer has ended ends too, if
    # it has nothing more to say)
    server.end_input()
    client.type(b"still here\n")
    assert server.read(11) == b"still here\n"
    client.end_input()
    assert server.finish() == (0, "", "")
    assert client.finish() == (0, "", "")


def test_a_megabyte_each_way(wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    with path.open("rb") as one, path.open("rb") as two:
        server = wire.b("nc", "-l", "8888", stdin=one)
        client = wire.a("nc", B, "8888", stdin=two)
        with ThreadPoolExecutor() as pool:
            at_server = pool.submit(server.finish_bytes)
            at_client = pool.submit(client.finish_bytes)
            assert at_server.result() == (0, DATA, "")
            assert at_client.result() == (0, DATA, "")


def test_a_reader_that_does_not_read_stops_the_sender(wire: Wire) -> None:
    """What nobody reads fills buffers, then closes the window, then the pipe."""
    server = wire.b("nc", "-l", "8888")
    client = wire.a("nc", B, "8888")
    assert client.popen.stdin is not None
    fd = client.popen.stdin.fileno()
    os.set_blocking(fd, False)
    written, rest = 0, DATA * 20
    while select.select([], [fd], [], 1)[1]:
        try:
            written += os.write(fd, rest[written : written + 65536])
        except BlockingIOError:
            continue
    assert written < len(rest)
    # and reading sets it going again
    got = bytearray()
    os.set_blocking(fd, True)
    client.end_input()
    while len(got) < written:
        got += server.read(min(65536, written - len(got)))
    assert got == rest[:written]
    assert server.finish(b"")[0] == 0
    assert client.finish()[0] == 0


def test_what_came_before_a_reset_is_written(wire: Wire) -> None:
    """The peer resets once we have everything, and nobody reads our output yet: no more
    than the window that a connection begins with."""
    client = wire.a("nc", B, "8888")
    device = TapDevice.from_fd(os.dup(wire.ends[1].fileno()))
    stack = Stack(seed=bytes(32))
    nic = stack.add_interface(addresses=[f"{B}/24"])
    stack.tcp_listen(("", 8888))
    conns: list[Connection] = []

    def app(events: list[Event], now: int) -> bool:
        for event in events:
            if isinstance(event, Accepted):
                conns.append(event.conn)
                assert event.conn.send(DATA[:100_000]) == 100_000
        return any(isinstance(event, Closed) for event in events)

    def reset(now: int) -> None:
        if conns and not conns[0].info().send_queue:
            conns[0].abort()
        else:
            loop.call_at(now + MILLISECOND, reset)

    with Loop(stack, {nic: device}) as loop:
        loop.call_at(0, reset)
        loop.run(app)
    status, out, err = client.finish_bytes()
    assert (status, err) == (1, "nc: Connection reset by peer\n")
    assert out == DATA[:100_000]
    device.close()


def test_refused(wire: Wire) -> None:
    wire.up()
    status, out, err = wire.a("nc", B, "81").finish(b"hello")
    assert (status, out) == (1, "")
    assert err == f"nc: connect to {B} port 81 (tcp) failed: Connection refused\n"


def test_w_before_the_connection_stands(wire: Wire) -> None:
    status, _, err = wire.a("nc", "-w", "0.2", B, "80").finish()
    assert status == 1
    assert err == f"nc: connect to {B} port 80 (tcp) failed: Connection timed out\n"
    status, _, err = wire.a("nc", "-w", "0.2", "-l", "80").finish()
    assert status == 1
    assert err == "nc: nobody connected to port 80 (tcp): Connection timed out\n"


def test_w_once_connected(wire: Wire) -> None:
    wire.up("--discard", "9")
    client = wire.a("nc", "-w", "0.3", B, "9")
    client.type(b"something\n")
    assert client.popen.wait(20) == 0


def test_an_output_that_nobody_reads_resets_the_connection(wire: Wire) -> None:
    server = wire.b("nc", "-l", "8888")
    client = wire.a("nc", B, "8888")
    client.type(b"unread\n")
    assert server.read(7) == b"unread\n"
    assert server.popen.stdout is not None
    server.popen.stdout.close()
    server.popen.stdout = None
    client.type(b"more\n")  # the server cannot write it
    assert server.finish()[0] == 1
    client.end_input()
    # what it had not written it could not read: the peer hears RST
    assert client.finish() == (1, "", "nc: Connection reset by peer\n")


def test_udp_one_datagram_a_read(wire: Wire) -> None:
    server = wire.b("nc", "-u", "-l", "-w", "1", "5000")
    client = wire.a("nc", "-u", "-w", "0.5", B, "5000")
    client.type(b"first\n")
    assert server.read(6) == b"first\n"
    server.type(b"answer\n")
    assert client.read(7) == b"answer\n"
    assert client.finish(b"") == (0, "", "")
    assert server.finish(b"") == (0, "", "")


def test_udp_refused(wire: Wire) -> None:
    wire.up()
    status, _, err = wire.a("nc", "-u", B, "81").finish(b"hello\n")
    assert (status, err) == (1, "nc: Connection refused\n")


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (["host", "80"], 1, "nc: host: not an IP address, and names are not looked"),
        (["80"], 2, "sansio-net: nc takes HOST PORT, or -l PORT"),
        (["-l", B, "80"], 2, "sansio-net: nc takes HOST PORT, or -l PORT"),
        ([B, "0"], 2, "sansio-net: not a port: '0'"),
        ([B, "65536"], 2, "sansio-net: not a port: '65536'"),
        (
            ["192.0.2.1", "80"],
            1,
            "nc: connect to 192.0.2.1 port 80 (tcp) failed: Network is unreachable",
        ),
    ],
)
def test_a_bad_target(wire: Wire, argv: list[str], status: int, message: str) -> None:
    got, out, err = wire.a("nc", *argv).finish()
    assert (got, out) == (status, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_ctrl_c_is_130(wire: Wire) -> None:
    client = wire.a("nc", "-l", "80")
    # nothing says that it listens: a connection does
    other = wire.b("nc", "10.0.0.1", "80")
    other.type(b"x")
    assert client.read(1) == b"x"
    client.interrupt()
    other.end_input()
    assert client.finish()[0] == 130
    assert other.finish()[0] == 0
