"""IPv6 in a stack: two of them on one Ethernet, and frames made by hand."""

from __future__ import annotations

import errno

import pytest

from sansio_net import Capabilities, Entropy, Packet
from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.errors import ConnectionRefused, Unreachable
from sansio_net.protocols.icmp import EchoReplied
from sansio_net.protocols.ndp import NdpConfig, solicited_node
from sansio_net.protocols.ndp.frames import frame
from sansio_net.stack import Stack, StackConfig
from sansio_net.stack.events import (
    Accepted,
    AddressAdded,
    AddressConflict,
    DataReceived,
    Event,
    UdpError,
    UdpReceived,
)
from sansio_net.stack.flows import FlowLabels
from sansio_net.units import MILLISECOND, MINUTE, SECOND
from sansio_net.wire import icmpv6, ipv6, ndp
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.icmpv6 import build_icmpv6, parse_icmpv6
from sansio_net.wire.ipv6_extensions import build_fragment, build_options
from sansio_net.wire.segment import flatten
from sansio_net.wire.udp import build_udp

MAC_A, MAC_B = pack_mac("02:00:00:00:00:0a"), pack_mac("02:00:00:00:00:0b")
A, B, PEER = map(pack_ip, ("fd00::a", "fd00::b", "fd00::1"))
NONE = bytes(16)


class Wire:
    """Two stacks on one cable; a third hand may put frames on it."""

    def __init__(self, dad: bool = False, mtu: int = 1500) -> None:
        self.now = SECOND
        self.stacks = []
        self.events: list[list[Event]] = [[], []]
        self.seen: list[bytes] = []
        for n, (mac, address) in enumerate([(MAC_A, "fd00::a"), (MAC_B, "fd00::b")]):
            stack = Stack(StackConfig(), Entropy.of(n).bytes(32))
            stack.add_interface(
                mac=mac,
                addresses=[f"{address}/64"],
                capabilities=Capabilities(mtu=mtu),
                dad=dad,
            )
            self.stacks.append(stack)
        self.settle()

    def settle(self, *to_a: bytes | Packet) -> list[bytes]:
        """Turns until nothing moves; what A sent."""
        from_a: list[bytes] = []
        arriving: list[list[bytes | Packet]] = [list(to_a), []]
        for _ in range(200):
            leaving: list[list[bytes | Packet]] = [[], []]
            for n, stack in enumerate(self.stacks):
                if arriving[n]:
                    stack.receive(arriving[n], self.now)
                stack.handle_timeout(self.now)
                while events := stack.events():
                    self.events[n] += events
                for packet in stack.transmit(self.now):
                    leaving[1 - n] += flatten(packet)
            from_a += [bytes(one) for one in leaving[1]]  # type: ignore[arg-type]
            self.seen += [bytes(one) for side in leaving for one in side]  # type: ignore[arg-type]
            arriving = leaving
            if not any(leaving):
                return from_a
        raise AssertionError("never idle")

    def wait(self, delay: int) -> list[bytes]:
        out, end = self.settle(), self.now + delay
        while True:
            dues = [stack.next_timeout() for stack in self.stacks]
            due = min((at for at in dues if at is not None), default=end + 1)
            if due > end:
                self.now = end
                return out
            self.now = max(self.now, due)
            out += self.settle()

    def dropped(self, reason: str) -> int:
        return self.stacks[0].counters().get(f"drop.{reason}", 0)


def to_a(next_header: int, body: bytes, source: bytes = B, dst: bytes = A) -> bytes:
    header = ipv6.build_ipv6(source, dst, next_header, len(body))
    return MAC_A + MAC_B + b"\x86\xdd" + header + body


def udp_to_a(data: bytes, port: int = 7) -> bytes:
    """With its checksum."""
    segment = build_udp(9, port, len(data)) + data
    check = checksum(segment, pseudo_sum(B, A, 17, len(segment)))
    return build_udp(9, port, len(data), check) + data


def error_from_a(wire: Wire, *frames: bytes | Packet) -> tuple[int, int, int]:
    """Type, code and pointer of the one ICMPv6 error that A answers with."""
    errors = []
    for sent in wire.settle(*frames):
        header = ipv6.parse_ipv6(sent, 14)
        if header.next_header == 58:
            message = parse_icmpv6(
                sent, 54, len(sent), header.source, header.destination
            )
            if icmpv6.is_error(message.type):
                rest = int.from_bytes(message.rest, "big")
                errors.append((message.type, message.code, rest))
    (error,) = errors
    return error


def test_udp_both_ways_and_back() -> None:
    wire = Wire()
    a, b = wire.stacks
    server = b.udp_bind(("fd00::b", 7))
    client = a.udp_bind(("fd00::a", 0))
    client.send_to(b"hello", ("fd00::b", 7))
    wire.settle()
    datagram = server.receive()
    assert datagram is not None
    assert datagram.data == b"hello"
    server.send_to(b"back", datagram.source)
    wire.settle()
    assert any(isinstance(event, UdpReceived) for event in wire.events[0])


def test_tcp_and_the_neighbour_is_confirmed_by_it() -> None:
    wire = Wire()
    a, b = wire.stacks
    b.tcp_listen(("", 80))
    client = a.tcp_connect(("fd00::b", 80))
    wire.settle()
    client.send(bytes(100_000))
    wire.wait(SECOND)
    (accepted,) = [one for one in wire.events[1] if isinstance(one, Accepted)]
    assert accepted.conn.pending == 100_000
    assert any(isinstance(event, DataReceived) for event in wire.events[1])
    assert client.info().snd_mss in (1428, 1440)


def test_ping_by_link_local_address() -> None:
    wire = Wire()
    a, b = wire.stacks
    (nic,) = [nic for nic in b.interfaces() if nic.name == "eth0"]
    address = str(nic.addresses[1]).partition("/")[0]
    assert address.startswith("fe80::")
    echo = a.echo_open()
    echo.send_to(address, 1, b"data")
    wire.settle()
    (reply,) = [one for one in wire.events[0] if isinstance(one, EchoReplied)]
    assert (reply.source, reply.data, reply.ttl) == (f"{address}%eth0", b"data", 64)


def test_addresses_are_checked_first() -> None:
    wire = Wire(dad=True)
    added = [event for event in wire.events[0] if isinstance(event, AddressAdded)]
    assert added == []
    wire.wait(5 * SECOND)
    added = [event for event in wire.events[0] if isinstance(event, AddressAdded)]
    assert len(added) == 2
    probes = [one for one in wire.seen if one[54] == 135 and one[22:38] == NONE]
    assert len(probes) == 4


def test_a_duplicate_is_not_used() -> None:
    wire = Wire()
    a = wire.stacks[0]
    (nic,) = [nic for nic in a.interfaces() if nic.name == "eth0"]
    nic.add_address("fd00::b/64")
    wire.wait(5 * SECOND)
    conflicts = [one for one in wire.events[0] if isinstance(one, AddressConflict)]
    assert len(conflicts) == 1
    assert "fd00::b/64" not in [str(one) for one in nic.addresses]


def test_stable_addresses() -> None:
    """RFC 7217: the same secret, the same address."""

    def link_local(secret: bytes, seed: int) -> str:
        config = StackConfig(stable_secret=secret, ndp=NdpConfig(dad_transmits=0))
        stack = Stack(config, Entropy.of(seed).bytes(32))
        nic = stack.add_interface(addresses=["fd00::2/64"])
        return str(nic.addresses[1])

    first = link_local(b"secret", 1)
    assert first == link_local(b"secret", 2)
    assert first != link_local(b"other", 1)


def test_large_datagrams_in_fragments() -> None:
    wire = Wire(mtu=1280)
    a, b = wire.stacks
    server = b.udp_bind(("", 7))
    data = Entropy.of(3).bytes(5000)
    a.udp_bind(("", 0)).send_to(data, ("fd00::b", 7))
    sent = wire.settle()
    fragments = [one for one in sent if one[20] == 44]
    assert len(fragments) == 5
    assert max(map(len, fragments)) <= 1280 + 14
    datagram = server.receive()
    assert datagram is not None
    assert datagram.data == data


def test_options_and_their_answers() -> None:
    wire = Wire()
    wire.stacks[0].udp_bind(("", 7))
    body = udp_to_a(b"x")
    wire.settle(to_a(60, build_options(17, [(0x1E, b"")]) + body))
    assert any(isinstance(event, UdpReceived) for event in wire.events[0])
    assert error_from_a(wire, to_a(60, build_options(17, [(0xC2, b"")]) + body)) == (
        4,
        2,
        42,
    )
    assert error_from_a(wire, to_a(99, b"what")) == (4, 1, 6)
    assert error_from_a(wire, to_a(60, build_options(99, []) + b"what")) == (4, 1, 40)
    assert error_from_a(wire, to_a(43, bytes((17, 0, 0, 1)) + bytes(4) + body)) == (
        4,
        0,
        42,
    )


def test_a_closed_port_tells_the_sender() -> None:
    wire = Wire()
    client = wire.stacks[1].udp_bind(("", 0))
    client.send_to(b"x", ("fd00::a", 99))
    wire.settle()
    (error,) = [event for event in wire.events[1] if isinstance(event, UdpError)]
    assert isinstance(error.error, ConnectionRefusedError)


def test_an_atomic_fragment_is_whole() -> None:
    """RFC 6946"""
    wire = Wire()
    wire.stacks[0].udp_bind(("", 7))
    wire.settle(to_a(44, build_fragment(17, 0, False, 1) + udp_to_a(b"x")))
    assert any(isinstance(event, UdpReceived) for event in wire.events[0])


def test_fragments_that_never_all_come() -> None:
    """RFC 8200 4.5: time exceeded, when the first is there."""
    wire = Wire()
    wire.settle(to_a(44, build_fragment(17, 0, True, 1) + udp_to_a(bytes(8))))
    late = [one for one in wire.wait(61 * SECOND) if one[20] == 58 and one[54] == 3]
    assert [one[55] for one in late] == [1]


@pytest.mark.parametrize("where", ["first", "last"])
def test_options_before_one_fragment_alone(where: str) -> None:
    """RFC 8200 4.5: the first fragment's headers are the packet's."""
    wire = Wire()
    server = wire.stacks[0].udp_bind(("", 7))
    whole = udp_to_a(b"what was cut")
    first = build_fragment(17, 0, True, 1) + whole[:8]
    last = build_fragment(17, 8, False, 1) + whole[8:]
    options = build_options(44, [])
    sent = [(44, first), (44, last)]
    at = 0 if where == "first" else 1
    sent[at] = 60, options + sent[at][1]
    for pieces in (sent, sent[::-1]):
        wire.settle(*(to_a(protocol, body) for protocol, body in pieces))
        datagram = server.receive()
        assert datagram is not None
        assert datagram.data == b"what was cut"


def test_options_before_the_longest_packet() -> None:
    """RFC 8200 4.5: its payload length has to hold them as well."""
    wire = Wire()
    options = build_options(44, [])
    size = 0xFFFF - len(options)
    wire.settle(to_a(60, options + build_fragment(17, 0, True, 1) + bytes(0xFFE8)))
    rest = bytes(size - 0xFFE8 + 1)
    last = options + build_fragment(17, 0xFFE8, False, 1) + rest
    assert error_from_a(wire, to_a(60, last)) == (4, 0, 50)
    bare = build_fragment(17, 0xFFE8, False, 1) + rest  # which has no options
    assert wire.settle(to_a(44, bare)) == []
    assert wire.dropped("fragment_malformed") == 2


def test_a_first_fragment_that_ends_before_its_icmp() -> None:
    """RFC 8200 4.5: its source is told all the same."""
    wire = Wire()
    first = build_fragment(60, 0, True, 1) + build_options(58, [])
    assert error_from_a(wire, to_a(44, first)) == (4, 3, 0)


def test_no_error_for_an_anycast_address() -> None:
    """RFC 4443 2.4 (e.6): it names no single node; RFC 4291 2.6.1."""
    wire = Wire()
    assert wire.settle(to_a(99, b"what", source=pack_ip("fd00::"))) == []
    assert wire.dropped("icmp_never_about") == 1


def test_the_alert_of_a_router_is_hop_by_hop() -> None:
    """RFC 2711 2.1; elsewhere its number says that it is skipped."""
    wire = Wire()
    wire.stacks[0].udp_bind(("", 7))
    odd = build_options(17, [(5, bytes(4))])
    wire.settle(to_a(60, odd + udp_to_a(b"x")))
    assert any(isinstance(event, UdpReceived) for event in wire.events[0])
    assert error_from_a(wire, to_a(0, odd + udp_to_a(b"x"))) == (4, 0, 43)


def test_the_checksum_may_not_be_missing() -> None:
    """RFC 8200 8.1"""
    wire = Wire()
    wire.stacks[0].udp_bind(("", 7))
    wire.settle(to_a(17, build_udp(9, 7, 1) + b"x"))
    assert wire.dropped("udp_bad_checksum") == 1


def test_discovery_in_fragments_is_not_believed() -> None:
    """RFC 6980 5"""
    wire = Wire()
    body = ndp.build_neighbour_solicitation(A, B, A, MAC_B)
    header = build_fragment(58, 0, False, 1)
    packet = ipv6.build_ipv6(B, A, 44, 8 + len(body), hop_limit=255) + header + body
    before = wire.dropped("ndp_invalid")
    assert wire.settle(MAC_A + MAC_B + b"\x86\xdd" + packet) == []
    assert wire.dropped("ndp_invalid") == before + 1


@pytest.mark.parametrize("target", [PEER, pack_ip("fe80::99")])
def test_a_redirect_from_the_gateway_alone(target: bytes) -> None:
    """RFC 4861 8.1: from the first hop in use, to a router's link-local address."""
    wire = Wire()
    a = wire.stacks[0]
    a.add_route("default", via="fe80::1")
    far = pack_ip("2001:db8::1")
    client = a.udp_bind(("fd00::a", 0))

    def redirect(source: bytes) -> Packet:
        body = ndp.build_redirect(ndp.Redirect(target, far, MAC_B), source, A)
        return frame(MAC_B, MAC_A, source, A, body)

    gateway = pack_ip("fe80::1")
    wire.settle(redirect(pack_ip("fe80::2")))
    wire.settle(redirect(gateway))
    client.send_to(b"x", ("2001:db8::1", 9))
    wire.now += MILLISECOND
    asked = [one for one in wire.settle() if one[20] == 58 and one[54] == 135]
    sent = [one for one in wire.seen if one[20] == 17]
    if target == PEER:
        assert [one[62:78] for one in asked] == [gateway]
        assert sent == []
    else:
        assert asked == []
        assert sent[-1][:6] == MAC_B
    assert solicited_node(gateway).startswith(b"\xff\x02")


def test_an_error_about_a_group_is_seldom_sent() -> None:
    """RFC 4443 2.4 (e.3); RFC 8200 4.2 for the exception."""
    wire = Wire()
    group = pack_ip("ff02::1")
    silent = wire.settle(to_a(99, b"what", dst=group))
    assert silent == []
    header = build_options(17, [(0x80, b"")])
    assert error_from_a(wire, to_a(60, header + udp_to_a(b"x"), dst=group)) == (
        4,
        2,
        42,
    )


def test_echo_to_all_nodes() -> None:
    wire = Wire()
    group = pack_ip("ff02::1")
    body = build_icmpv6(128, 0, bytes(4), b"hi", B, group)
    *_, answer = wire.settle(to_a(58, body, dst=group))
    header = ipv6.parse_ipv6(answer, 14)
    assert (header.source, header.destination) == (A, B)


def too_big(quoted: bytes, mtu: int) -> bytes:
    """From a router, about a packet that A sent."""
    body = quoted[14:][:1232]
    message = build_icmpv6(
        icmpv6.PACKET_TOO_BIG, 0, mtu.to_bytes(4, "big"), body, PEER, A
    )
    return to_a(58, message, source=PEER)


def sizes(wire: Wire, *to_a: bytes) -> list[int]:
    return [len(one) - 14 for one in wire.settle(*to_a) if one[12:14] == b"\x86\xdd"]


def test_datagrams_learn_that_a_path_is_narrow() -> None:
    """RFC 8201: the second one leaves in fragments that fit, for ten minutes."""
    wire = Wire()
    stack = wire.stacks[0]
    socket = stack.udp_bind(("", 5000))

    def send() -> list[bytes]:
        socket.send_to(bytes(1400), ("fd00::b", 9))
        return wire.settle()

    send()
    (whole,) = [one for one in send() if len(one) > 1400]
    wire.settle(too_big(whole, 1300))
    assert max(map(len, send())) == 14 + 1296
    told = [one.error for one in wire.events[0] if isinstance(one, UdpError)]
    assert [type(one) for one in told[-2:]] == [Unreachable, ConnectionRefused]
    assert told[-2].errno == errno.EMSGSIZE  # type: ignore[attr-defined]
    # what is small never asks; others' paths are theirs
    assert stack.datagram_paths.mtu(B) == 1300
    assert stack.paths.mtu(B) == 0
    # never below the least link MTU, nor about what was smaller, nor upwards
    for mtu in (1279, 0, 1300, 1400, 1500):
        wire.settle(too_big(whole, mtu))
    assert stack.datagram_paths.mtu(B) == 1300
    assert stack.counters()["pmtu_ignored"] == 5
    wire.wait(10 * MINUTE)
    assert max(map(len, send())) == 14 + 1448
    # of a socket that is not there
    socket.close()
    wire.settle(too_big(whole, 1280))
    assert stack.datagram_paths.mtu(B) == 0


def test_answers_to_a_large_ping_fit_a_narrow_path() -> None:
    wire = Wire()
    ask = build_icmpv6(icmpv6.ECHO_REQUEST, 0, bytes(4), bytes(1400), B, A)
    ping = to_a(58, ask)
    wire.settle(ping)
    (whole,) = [one for one in wire.settle(ping) if one[54] == icmpv6.ECHO_REPLY]
    assert len(whole) == 14 + 1448
    assert sizes(wire, too_big(whole, 1280)) == []
    assert max(sizes(wire, ping)) <= 1280


def test_the_table_of_narrow_paths_is_bounded() -> None:
    wire = Wire()
    stack = wire.stacks[0]
    echo = build_icmpv6(icmpv6.ECHO_REPLY, 0, bytes(4), bytes(1400), A, B)
    for n in range(stack.config.max_hops + 5):
        to = pack_ip("fd00:5::")[:12] + n.to_bytes(4, "big")
        quoted = bytes(14) + ipv6.build_ipv6(A, to, 58, len(echo)) + echo
        wire.now += SECOND
        stack.receive([too_big(quoted, 1300)], wire.now)
    assert len(stack.datagram_paths) == stack.config.max_hops
    assert stack.counters()["paths_forgotten"] == 5


def test_a_group_is_left_with_the_last_address_that_needs_it() -> None:
    """RFC 4861 7.2.1"""
    wire = Wire()
    (nic,) = [nic for nic in wire.stacks[0].interfaces() if not nic.is_loopback]
    nic.add_address("fd00:1::a/64", probe=False)
    nic.remove_address("fd00:1::a")
    wire.settle()
    echo = wire.stacks[1].echo_open()
    echo.send_to("fd00::a", 1)
    wire.settle()
    assert any(isinstance(event, EchoReplied) for event in wire.events[1])
    nic.remove_address("fd00::a")
    membership = nic.memberships[16]
    assert not membership.wanted(solicited_node(A)).exclude


def labels(frames: list[bytes], protocol: int) -> set[int]:
    headers = [ipv6.parse_ipv6(one, 14) for one in frames if one[12:14] == b"\x86\xdd"]
    return {one.flow_label for one in headers if one.next_header == protocol}


def test_a_flow_has_a_label() -> None:
    """RFC 6437 3"""
    wire = Wire()
    a, b = wire.stacks
    b.tcp_listen(("", 80))
    seen = []
    for _ in range(20):
        conn = a.tcp_connect(("fd00::b", 80))
        conn.send(bytes(20_000))
        (label,) = labels(wire.settle(), 6)
        conn.send(bytes(20_000))
        assert labels(wire.settle(), 6) == {label}
        seen.append(label)
    assert 0 not in seen
    assert len(set(seen)) == 20
    sock, other = a.udp_bind(("", 5)), a.udp_bind(("", 6))
    for _ in range(2):
        sock.send_to(bytes(4000), ("fd00::b", 9))
    (udp,) = labels(wire.settle(), 44)  # all fragments of both
    other.send_to(b"x", ("fd00::b", 9))
    assert labels(wire.settle(), 17) - {udp} != set()


def test_labels_are_uniform() -> None:
    """RFC 6437 3: an approximation to a discrete uniform distribution"""
    flows = FlowLabels(True, Entropy.of(1))
    offset = flows.offset(A)
    buckets = [0] * 16
    for port in range(32768, 32768 + 1600):
        buckets[flows.label(offset, 6, port << 16 | 443) >> 16] += 1
    assert min(buckets) > 50
    assert FlowLabels(False, Entropy.of(1)).label(offset, 6, 443) == 0
