"""The original's five conversations with a Linux host, and what it got wrong.

On its own set-up (a veth whose other end is on the host's bridge), and on a TAP; all
but ARP on a TUN too.
"""

from __future__ import annotations

import pytest

from .lab import HOST_IP, OUR_IP, OUR_MAC, Capture, Seat

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark", "nc.openbsd"),
]

OURS_TCP = f"ip.src == {OUR_IP} && tcp"


def assert_ids_vary(capture: Capture) -> None:
    """RFC 6864 lets an unfragmented packet have any id; the original's were all 1."""
    ids = [int(row[0], 0) for row in capture.frames(f"ip.src == {OUR_IP}", "ip.id")]
    assert len(ids) > 2
    assert len(set(ids)) > len(ids) // 2


def test_arp_is_answered_once_and_believed(seat: Seat) -> None:
    """A reply to the asker alone leaves its entry REACHABLE, and it stops asking."""
    seat.ours.up(*seat.link)
    capture = seat.host.capture(seat.interface, "arp or icmp")
    seat.host.run("ping", "-c", "1", OUR_IP)
    known = seat.host.neighbour(OUR_IP)
    assert known["state"] == ["REACHABLE"]
    assert known["lladdr"] == OUR_MAC
    said = seat.host.run("ping", "-c", "21", "-i", "0.5", OUR_IP)
    assert "21 received" in said
    asked = capture.frames(
        f"arp.opcode == 1 && arp.src.proto_ipv4 == {HOST_IP}", "frame.time_relative"
    )
    assert len(asked) == 1, asked
    answers = capture.frames(
        f"arp.opcode == 2 && arp.src.proto_ipv4 == {OUR_IP}", "eth.dst", "eth.src"
    )
    assert len(answers) == 1
    assert answers[0][0] != "ff:ff:ff:ff:ff:ff"
    assert answers[0][1] == OUR_MAC
    capture.assert_clean(seat.frames)


def test_ping_is_answered(any_seat: Seat) -> None:
    seat = any_seat
    seat.ours.up(*seat.link)
    capture = seat.host.capture(seat.interface)
    said = seat.host.run("ping", "-c", "10", "-i", "0.1", OUR_IP)
    assert "10 received, 0% packet loss" in said
    assert capture.assert_clean(seat.frames) >= 10
    assert_ids_vary(capture)
    assert {row[0] for row in capture.frames("icmp.type == 0", "ip.ttl")} == {"64"}


def test_udp_is_echoed(any_seat: Seat) -> None:
    seat = any_seat
    seat.ours.up(*seat.link, "--echo", "8888")
    capture = seat.host.capture(seat.interface)
    client = seat.host.start("nc.openbsd", "-u", OUR_IP, "8888")
    for n in range(5):
        client.write(b"udp %d\n" % n)
        client.expect(b"udp %d\n" % n)
    client.close()
    assert capture.assert_clean(f"{seat.frames} && udp") == 5
    assert_ids_vary(capture)


def test_our_tcp_client_reaches_nc(any_seat: Seat) -> None:
    seat = any_seat
    server = seat.host.start("nc.openbsd", "-l", "8888")
    seat.host.listening(8888)
    # a TAP or TUN appears only with our process: capture on whatever there is
    capture = seat.host.capture("any" if seat.kind != "veth" else seat.interface)
    client = seat.ours.sansio("nc", *seat.link, HOST_IP, "8888")
    for n in range(3):
        client.write(b"hello!%d\n" % n)
        server.expect(b"hello!%d\n" % n)
    server.write(b"and you\n")
    client.expect(b"and you\n")
    client.end_input()
    assert server.wait() == 0
    assert client.wait() == 0
    capture.assert_clean(OURS_TCP)
    assert_handshake_is_right(capture)
    data = capture.frames(f"{OURS_TCP} && tcp.len > 0", "tcp.flags.push")
    assert len(data) == 3
    ends = capture.frames(f"tcp.flags.reset == 1 && ip.src == {OUR_IP}", "frame.number")
    assert not ends


def test_nc_reaches_our_tcp_echo(any_seat: Seat) -> None:
    seat = any_seat
    seat.ours.up(*seat.link, "--echo", "8888")
    capture = seat.host.capture(seat.interface)
    client = seat.host.start("nc.openbsd", "-N", OUR_IP, "8888")
    for n in range(5):
        client.write(b"echo!%d\n" % n)
        client.expect(b"echo!%d\n" % n)
    client.end_input()
    assert client.wait() == 0
    capture.assert_clean(seat.frames)
    assert_handshake_is_right(capture)
    assert_ids_vary(capture)
    # the ACK rides on the answer: what first acknowledges a request echoes it
    ours = capture.frames(f"{OURS_TCP} && tcp.flags.syn == 0", "tcp.ack", "tcp.len")
    first: dict[int, int] = {}
    for ack, size in ours:
        first.setdefault(int(ack), int(size))
    assert [first[1 + 7 * n] for n in range(1, 6)] == [7] * 5


def assert_handshake_is_right(capture: Capture) -> None:
    """Options offered and agreed; the sequence number is none that one could guess."""
    fields = (
        "tcp.seq_raw",
        "tcp.options.mss_val",
        "tcp.options.wscale.shift",
        "tcp.options.sack_perm",
        "tcp.options.timestamp.tsval",
    )
    syns = capture.frames(f"{OURS_TCP} && tcp.flags.syn == 1", *fields)
    assert len(syns) == 1
    seq, mss, wscale, sack, timestamp = syns[0]
    assert int(seq) not in (0, 1)
    assert mss == "1460"
    assert wscale
    assert sack
    assert timestamp
    later = capture.frames(
        f"{OURS_TCP} && tcp.flags.syn == 0", "tcp.options.timestamp.tsval"
    )
    assert all(row[0] for row in later)


def test_sequence_numbers_start_anywhere(seat: Seat) -> None:
    """RFC 6528: a keyed hash and a clock; never 0, never the same (the original's
    server always said 0)."""
    seat.ours.up(*seat.link, "--echo", "8888")
    capture = seat.host.capture(seat.interface)
    for n in range(8):
        said = seat.host.run(
            "nc.openbsd", "-N", OUR_IP, "8888", stdin=b"number %d\n" % n
        )
        assert said == f"number {n}\n"
    rows = capture.frames(f"{OURS_TCP} && tcp.flags.syn == 1", "tcp.seq_raw")
    numbers = [int(row[0]) for row in rows]
    assert len(set(numbers)) == 8
    assert 0 not in numbers
    # not one after the other either: the ports differ, so does the hash
    spread = max(numbers) - min(numbers)
    assert spread > 1 << 24
