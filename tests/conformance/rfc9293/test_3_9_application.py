"""RFC 9293 3.9.1: between TCP and the application."""

from __future__ import annotations

import pytest

from sansio_net.errors import StateError, Unreachable
from sansio_net.protocols.tcp import State, TcpOptions
from sansio_net.testing import Script
from tests.conformance.peers import MS, accepted, connected, lost, plain, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


# Open


@requirement(RFC, "MUST-41", "A passive OPEN MUST NOT affect earlier connections")
def test_a_second_listener() -> None:
    t = accepted()
    with pytest.raises(OSError, match="in use"):
        t.stack.tcp_listen(("", t.port))
    t.stack.tcp_listen((t.address, t.port))
    t.peer("P.", data=b"text")
    assert t.happened() == ["DataReceived"]
    assert t.conn.state is State.ESTABLISHED


@requirement(RFC, "MUST-42", "MUST allow LISTEN while the port is in SYN-SENT")
def test_a_listener_beside_an_opening_connection() -> None:
    t = Script()
    t.connect()
    t.us("S")
    listener = t.listen()
    t.peer_port = 4001
    t.peer("S", seq=0)
    t.us("S.", ack=1)
    assert listener.half_open == 1
    assert t.conn.state is State.SYN_SENT


@requirement(RFC, "MUST-43", "The local address parameter of OPEN MUST be supported")
@requirement(RFC, "MUST-44", "Without it MUST ask IP to select an address")
@requirement(RFC, "MUST-45", "Otherwise MUST use the address of the connection")
def test_the_local_address() -> None:
    t = Script()
    t.stack.interface("eth0").add_address("192.0.2.2/24")
    asked = t.stack.tcp_connect(("192.0.2.1", 80))
    given = t.stack.tcp_connect(("192.0.2.1", 80), local=(t.address, 0))
    assert asked.local[0] == "192.0.2.2"
    assert given.local[0] == t.address
    t.wait(3000 * MS)  # first and again
    sources = [seen.packet[12:16] for seen in t.sent()]
    ours, other = bytes((192, 0, 2, 2)), bytes((10, 0, 0, 2))
    assert sources == [ours, other] * 3


@requirement(RFC, "MUST-46", "MUST reject an OPEN for an invalid remote address")
@pytest.mark.parametrize("remote", ["255.255.255.255", "10.0.0.255", "224.0.0.1"])
def test_nobody_to_open_to(remote: str) -> None:
    t = Script()
    with pytest.raises(Unreachable):
        t.stack.tcp_connect((remote, 80))
    t.silent()


# Send


@requirement(RFC, "MUST-60", "Without PUSH flags MUST NOT buffer data indefinitely")
@requirement(RFC, "MUST-61", "Without PUSH flags MUST set PSH in the last segment")
def test_push() -> None:
    t = connected()
    t.conn.send(bytes(2500))
    t.us(".", seq=1, length=1000)
    t.us(".", seq=1001, length=1000)
    t.us("P.", seq=2001, length=500)
    t.conn.send(b"held by Nagle")
    t.silent()
    t.peer(".")
    t.us("P.", seq=2501)


@requirement(RFC, "SHLD-27", "SHOULD collapse successive PSH bits")
@requirement(RFC, "MAY-16", "MAY aggregate data of several SENDs")
def test_sends_are_joined() -> None:
    t = connected()
    for _ in range(10):
        t.conn.send(bytes(150))
    t.us(".", length=1000)
    t.us("P.", length=500)
    t.silent()


@requirement(RFC, "SHLD-28", "SHOULD send a maximum-sized segment whenever possible")
def test_full_segments() -> None:
    t = connected(win=10_000)
    for _ in range(30):
        t.conn.send(bytes(333))
    assert sizes(t) == [1000] * 9 + [990]


# Reports


@requirement(RFC, "MUST-47", "MUST have a mechanism to report soft errors")
def test_a_soft_error_is_the_reason_in_the_end() -> None:
    """Before that, `Stalled` tells it: SHLD-9."""
    t = connected(retries2=1)
    t.conn.send(b"x")
    t.us("P.")
    t.router(3, 1)
    assert t.happened() == []
    t.wait(1000 * MS)
    assert t.happened()[-1] == "ConnectionLost"
    assert isinstance(lost(t), Unreachable)


# Differentiated services


@requirement(RFC, "MUST-48", "MUST be able to specify the Diffserv field")
@requirement(RFC, "SHLD-22", "SHOULD pass it to IP without change")
def test_the_diffserv_field() -> None:
    t = connected(tos=0xB8)
    t.conn.send(b"x")
    t.us("P.")
    assert t.last is not None
    assert t.last.tos & 0xFC == 0xB8


@requirement(RFC, "SHLD-21", "SHOULD be able to change it on a connection")
def test_the_diffserv_field_changes() -> None:
    t = connected()
    t.conn.set(tos=0x28)
    t.conn.send(b"x")
    t.us("P.")
    assert t.last is not None
    assert t.last.tos & 0xFC == 0x28


@requirement(RFC, "SHLD-23", "Applications SHOULD NOT change it on a connection")
def test_the_stack_never_changes_it() -> None:
    t = connected(tos=0x28)
    t.conn.send(bytes(3000))
    t.peer(".")
    t.conn.close()
    assert {seen.tos & 0xFC for seen in t.sent()} == {0x28}


# What options refuse


@requirement(RFC, "MUST-17", "MUST have a way to disable Nagle on a connection")
def test_nagle_is_an_option_from_the_start() -> None:
    t = Script(options=plain(nodelay=True))
    t.connect()
    t.us("S")
    t.peer("S.", mss=1000)
    t.us(".")
    t.conn.send(b"a")
    t.us("P.")
    t.conn.send(b"b")
    t.us("P.")


@requirement(RFC, "MUST-40", "The delay MUST be less than 0.5 seconds")
def test_no_longer_delay_can_be_chosen() -> None:
    with pytest.raises(StateError):
        TcpOptions(delayed_ack=500 * MS)
