from __future__ import annotations

import re
import signal

from .conftest import B, Wire


def test_prints_what_ping_prints(wire: Wire) -> None:
    wire.up()
    status, out, err = wire.a("ping", "-c", "3", "-i", "0.02", B).finish()
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"PING {B} ({B}) 56(84) bytes of data."
    for n in (1, 2, 3):
        assert re.fullmatch(
            rf"64 bytes from {B}: icmp_seq={n} ttl=64 time=\d+(\.\d+)? ms", lines[n]
        )
    assert lines[4:6] == ["", f"--- {B} ping statistics ---"]
    assert re.fullmatch(
        r"3 packets transmitted, 3 received, 0% packet loss, time \d+ms", lines[6]
    )
    assert re.fullmatch(
        r"rtt min/avg/max/mdev = \d+\.\d{3}/\d+\.\d{3}/\d+\.\d{3}/\d+\.\d{3} ms",
        lines[7],
    )
    assert len(lines) == 8


def test_large_ones_travel_in_fragments(wire: Wire) -> None:
    wire.up()
    status, out, _ = wire.a("ping", "-c", "1", "-s", "20000", B).finish()
    assert status == 0
    assert "20000(20028) bytes of data" in out
    assert "20008 bytes from" in out


def test_no_answer_is_status_1(wire: Wire) -> None:
    status, out, err = wire.a("ping", "-c", "2", "-i", "0.01", "-W", "0.1", B).finish()
    assert (status, err) == (1, "")
    assert "2 packets transmitted, 0 received, 100% packet loss" in out
    assert "rtt" not in out


def test_an_unreachable_neighbour_is_an_error(wire: Wire) -> None:
    status, out, _ = wire.a("ping", "-c", "1", B).finish()
    assert status == 1
    assert f"From {B} icmp_seq=1 Destination Host Unreachable" in out
    assert "1 packets transmitted, 0 received, +1 errors, 100% packet loss" in out


def test_no_route_is_status_2(wire: Wire) -> None:
    status, _, err = wire.a("ping", "-c", "1", "192.0.2.1").finish()
    assert (status, err) == (2, "ping: connect: Network is unreachable\n")


def test_a_gateway_makes_a_route(wire: Wire) -> None:
    wire.up()
    ping = wire.a("ping", "-g", B, "-c", "1", "-W", "0.1", "192.0.2.1")
    status, out, err = ping.finish()
    assert (status, err) == (1, "")  # nobody forwards there
    assert "1 packets transmitted, 0 received" in out


def test_ctrl_c_prints_the_statistics_and_ends_with_130(wire: Wire) -> None:
    wire.up()
    ping = wire.a("ping", "-i", "0.01", B)
    ping.expect(f"PING {B} ({B}) 56(84) bytes of data.")
    assert ping.popen.stdout is not None
    ping.popen.stdout.readline()
    ping.interrupt()
    status, out, _ = ping.finish()
    assert status == 130
    # one may have been under way
    assert re.search(r"[1-9]\d* packets transmitted, [1-9]\d* received", out)
    again = wire.a("ping", "-i", "0.01", B)
    again.expect(f"PING {B} ({B}) 56(84) bytes of data.")
    again.interrupt(signal.SIGTERM)
    assert again.finish()[0] == 143


def test_names_are_not_looked_up(wire: Wire) -> None:
    status, _, err = wire.a("ping", "example.com").finish()
    assert status == 2
    assert err == (
        "ping: example.com: not an IP address, and names are not looked up\n"
    )
