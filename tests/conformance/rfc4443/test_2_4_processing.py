"""RFC 4443 2 to 4: errors sent, errors not sent, echoes."""

from __future__ import annotations

import pytest

from sansio_net import Packet
from sansio_net.addresses import pack_ip
from sansio_net.errors import ConnectionRefused
from sansio_net.protocols.ndp.frames import group_mac
from sansio_net.stack.events import UdpError
from sansio_net.units import SECOND
from sansio_net.wire import ipv6
from sansio_net.wire.icmpv6 import build_icmpv6, parse_icmpv6
from sansio_net.wire.ipv6_extensions import build_options
from tests.conformance.requirements import requirement
from tests.stack.test_ipv6 import A, B, Wire, to_a, udp_to_a

RFC = "RFC 4443"

ALL_NODES = pack_ip("ff02::1")
ANY = bytes(16)
ECHO = bytes((128, 0)) + bytes(6)


def messages(wire: Wire, *frames: bytes | Packet) -> list[tuple[bytes, bytes, bytes]]:
    """Source, destination and message of each ICMPv6 that A answers with, but for
    neighbour and listener discovery."""
    found = []
    for sent in wire.settle(*frames):
        if sent[12:14] != b"\x86\xdd":
            continue
        header = ipv6.parse_ipv6(sent, 14)
        if header.next_header == 58 and sent[54] < 130:
            found.append((header.source, header.destination, sent[54:]))
    return found


def echo(data: bytes = b"x", dst: bytes = A, source: bytes = B) -> bytes:
    body = build_icmpv6(128, 0, b"\0\1\0\2", data, source, dst)
    return to_a(58, body, source, dst)


def to_group(frame: bytes) -> bytes:
    """The same, as the link carries it to a group."""
    return group_mac(ALL_NODES) + frame[6:]


@requirement(RFC, "4.1-1", "Every node MUST answer echo requests")
@requirement(RFC, "4.2-1", "The source of a reply MUST be the address that was asked")
@requirement(RFC, "4.2-2", "The data MUST be returned entirely and unmodified")
@pytest.mark.parametrize("size", [0, 1, 1000, 1400])
def test_echo(size: int) -> None:
    wire = Wire()
    data = bytes(n & 0xFF for n in range(size))
    ((source, destination, message),) = messages(wire, echo(data))
    assert (source, destination) == (A, B)
    read = parse_icmpv6(message, 0, len(message), source, destination)
    assert (read.type, read.code, read.rest) == (129, 0, b"\0\1\0\2")
    assert read.body == data


@requirement(RFC, "4.2-3", "To a group a reply SHOULD be sent, from an address of ours")
@requirement(RFC, "2.2-2", "Its source MUST be a unicast address of the node")
def test_echo_to_a_group() -> None:
    wire = Wire()
    (nic,) = [nic for nic in wire.stacks[0].interfaces() if not nic.is_loopback]
    ((source, destination, _),) = messages(wire, to_group(echo(dst=ALL_NODES)))
    assert source in [one.ip for one in nic.addresses]
    assert destination == B


@requirement(RFC, "2.4-2", "Unknown informational messages MUST be dropped in silence")
@pytest.mark.parametrize("kind", [139, 200, 201, 255])
def test_unknown_information(kind: int) -> None:
    wire = Wire()
    body = build_icmpv6(kind, 0, bytes(4), b"what", B, A)
    assert messages(wire, to_a(58, body)) == []


@requirement(RFC, "2.4-3", "An error MUST quote what fits in 1280 bytes")
@requirement(RFC, "2.2-1", "An error's source MUST be the address that was meant")
@requirement(RFC, "3.1-1", "No listener SHOULD be answered with code 4")
@pytest.mark.parametrize("size", [0, 100, 1400])
def test_no_listener(size: int) -> None:
    wire = Wire()
    came = to_a(17, udp_to_a(bytes(size)))
    ((source, destination, message),) = messages(wire, came)
    assert (source, destination) == (A, B)
    assert message[:2] == bytes((1, 4))
    whole = came[14:]
    assert message[8:] == whole[: 1280 - 40 - 8]
    assert len(message) + 40 == min(1280, len(whole) + 48)


@requirement(RFC, "2.4-5", "No error MUST be sent about an error")
@requirement(RFC, "2.4-6", "No error MUST be sent about a redirect")
@requirement(RFC, "2.4-7", "No error MUST be sent about a packet to a group")
@requirement(RFC, "2.4-8", "No error MUST be sent about a link-layer multicast")
@requirement(RFC, "2.4-9", "No error MUST be sent to what is no single node")
@pytest.mark.parametrize("what", ["error", "redirect", "group", "link", "any"])
def test_no_error(what: str) -> None:
    wire = Wire()
    bad = build_options(58, [(0xC1, b"")])  # unknown: discard, tell unless a group
    about = build_icmpv6(1, 4, bytes(4), to_a(17, udp_to_a(b"x"))[14:], B, A)
    redirect = build_icmpv6(137, 0, bytes(4), bytes(32), B, A)
    plain = build_icmpv6(128, 0, bytes(4), b"x", B, A)
    frames = {
        "error": to_a(60, bad + about),
        "redirect": to_a(60, bad + redirect),
        "group": to_group(to_a(60, bad + plain, dst=ALL_NODES)),
        "link": to_group(to_a(60, bad + plain)),
        "any": to_a(60, bad + plain, source=ANY),
    }
    assert messages(wire, frames[what]) == []
    assert len(messages(wire, to_a(60, bad + plain))) == 1


@requirement(RFC, "2.4-10", "What says 10 of an unknown option tells of groups too")
def test_the_exception() -> None:
    wire = Wire()
    plain = build_icmpv6(128, 0, bytes(4), b"x", B, ALL_NODES)
    tells = build_options(58, [(0x81, b"")])
    frame = to_group(to_a(60, tells + plain, dst=ALL_NODES))
    ((source, destination, message),) = messages(wire, frame)
    assert destination == B
    assert source != ALL_NODES
    assert (message[0], message[1]) == (4, 2)
    assert int.from_bytes(message[4:8], "big") == 42


@requirement(RFC, "2.4-11", "The rate of errors MUST be limited, SHOULD by options")
def test_the_rate() -> None:
    wire = Wire()
    wire.stacks[0].udp_bind(("", 7))
    frames = [to_a(17, udp_to_a(b"x", 9)) for _ in range(200)]
    n = len(messages(wire, *frames))
    assert 0 < n < 20
    wire.now += 10 * SECOND
    wire.settle()
    assert 0 < len(messages(wire, *frames)) < 20


@requirement(RFC, "3.4-1", "What cannot be processed MUST be dropped, SHOULD be told")
@pytest.mark.parametrize(
    ("frame", "code", "pointer"),
    [
        (to_a(123, bytes(20)), 1, 6),  # next header
        (to_a(60, build_options(123, []) + bytes(8)), 1, 40),
        (to_a(60, build_options(58, [(0xC5, b"ab")]) + ECHO), 2, 42),
        (to_a(43, bytes((58, 0, 0, 1, 0, 0, 0, 0)) + ECHO), 0, 42),  # RFC 5095: type 0
    ],
    ids=["header", "header later", "option", "routing"],
)
def test_parameter_problems(frame: bytes, code: int, pointer: int) -> None:
    ((_, destination, message),) = messages(Wire(), frame)
    assert destination == B
    assert (message[0], message[1]) == (4, code)
    assert int.from_bytes(message[4:8], "big") == pointer


@requirement(RFC, "3.1-2", "An error MUST be told to the one whose packet it quotes")
def test_it_is_told() -> None:
    wire = Wire()
    sock = wire.stacks[0].udp_bind(("", 5))
    sock.send_to(b"x", ("fd00::b", 9))
    wire.settle()
    (told,) = [one for one in wire.events[0] if isinstance(one, UdpError)]
    assert isinstance(told.error, ConnectionRefused)
    assert told.peer == ("fd00::b", 9)


@requirement(RFC, "2.4-1", "Errors of unknown types MUST be passed to the upper layer")
def test_unknown_errors() -> None:
    wire = Wire()
    a = wire.stacks[0]
    sock = a.udp_bind(("fd00::a", 5))
    sock.send_to(b"x", ("fd00::b", 9))
    (sent,) = [one for one in wire.settle() if one[20] == 17]
    wire.events[0].clear()
    body = build_icmpv6(100, 0, bytes(4), sent[14:], B, A)
    wire.settle(to_a(58, body))
    told = [one for one in wire.events[0] if isinstance(one, UdpError)]
    assert [one.peer for one in told] == [("fd00::b", 9)]


@requirement(RFC, "3.1-3", "Destination unreachable SHOULD be something to switch off")
def test_silence() -> None:
    wire = Wire()
    wire.stacks[0].config.icmp.unreachable = False
    assert messages(wire, to_a(17, udp_to_a(b"x", 9))) == []
    assert len(messages(wire, to_a(123, bytes(20)))) == 1  # others are sent
