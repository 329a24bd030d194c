from __future__ import annotations

import errno
import re
import signal

from sansio_net.cli.hearing import Heard
from sansio_net.cli.ping import error_words, error_words6, local_words
from sansio_net.errors import Unreachable

from .conftest import A, B, Wire


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
    assert f"From {A} icmp_seq=1 Destination Host Unreachable" in out
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


def test_in_ipv6(wire: Wire) -> None:
    """Our own address is checked for duplicates before the first request."""
    six = {"a": "fd00::1", "b": "fd00::2"}
    wire.b("up", "-a", f"{six['b']}/64").expect("ready")
    ping = wire.a("ping", "-a", f"{six['a']}/64", "-c", "2", "-i", "0.02", six["b"])
    status, out, err = ping.finish()
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"PING {six['b']}({six['b']}) 56 data bytes"
    assert lines[1].startswith(f"64 bytes from {six['b']}: icmp_seq=1 ttl=64 time=")
    assert "2 packets transmitted, 2 received, 0% packet loss" in out


def test_quiet_with_a_deadline_and_a_ttl(wire: Wire) -> None:
    wire.up()
    ping = wire.a("ping", "-q", "-t", "3", "-w", "0.3", "-i", "0.01", B)
    status, out, err = ping.finish()
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 5
    assert re.search(r"[1-9]\d* packets transmitted, [1-9]\d* received", lines[3])


def test_a_family_that_does_not_fit_and_a_zone_that_is_not_there(wire: Wire) -> None:
    for argv, said in (
        (["-6", B], f"{B}: Address family for hostname not supported"),
        (["-4", "fd00::1"], "fd00::1: Address family for hostname not supported"),
        (["fe80::1%nope"], "unknown iface: nope"),
        ([f"{B}%eth0"], f"{B}%eth0: no zone belongs there"),
    ):
        status, out, err = wire.a("ping", "-c", "1", *argv).finish()
        assert (status, out, err) == (2, "", f"ping: {said}\n")


def words(kind: int, code: int, number: int = 0, six: bool = False) -> str:
    heard = Heard("x", kind, code, None, mtu=number, pointer=number)
    return (error_words6 if six else error_words)(heard)


def test_errors_in_the_words_of_ping() -> None:
    assert words(3, 1) == "Destination Host Unreachable"
    assert words(3, 13) == "Packet filtered"
    assert words(3, 99) == "Dest Unreachable, Bad Code: 99"
    assert words(3, 4, 1400) == "Frag needed and DF set (mtu = 1400)"
    assert words(11, 0) == "Time to live exceeded"
    assert words(11, 1) == "Frag reassembly time exceeded"
    assert words(12, 0, 20) == "Parameter problem: pointer = 20"
    assert words(1, 3, six=True) == "Destination unreachable: Address unreachable"
    assert words(1, 9, six=True) == "Destination unreachable: Unknown code 9"
    assert words(2, 0, 1280, six=True) == "Packet too big: mtu=1280"
    assert words(3, 0, six=True) == "Time exceeded: Hop limit"
    assert words(3, 7, six=True) == "Time exceeded: code 7"
    assert words(4, 1, 40, six=True) == "Parameter problem: Unknown header at 40"
    assert words(4, 7, 40, six=True) == "Parameter problem: code 7 at 40"
    no_route = Unreachable(code=errno.ENETUNREACH)
    assert local_words(no_route, True) == "Destination unreachable: No route"
    assert local_words(no_route, False) == "Destination Net Unreachable"
