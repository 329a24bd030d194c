"""Raw sockets on a stack: copies in, packets out, and the stack goes on as before."""

from __future__ import annotations

import copy
import errno

import pytest

from sansio_net import Capabilities, Medium, Packet
from sansio_net.addresses import pack_ip
from sansio_net.errors import (
    AddressNotAvailableError,
    LimitError,
    MessageTooLongError,
    StateError,
    Unreachable,
)
from sansio_net.packet import CSUM_PARTIAL, Datagram
from sansio_net.protocols.raw import RawOptions, RawSocket
from sansio_net.protocols.tcp import State
from sansio_net.stack import RawError, RawReceived, RawSpaceFreed, Stack, StackConfig
from sansio_net.testing.craft import icmp_packet, ip_packet, tcp_packet, udp_packet
from sansio_net.units import SECOND
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.icmp import parse_icmp
from sansio_net.wire.icmpv6 import build_icmpv6
from sansio_net.wire.ipv4 import parse_ipv4
from sansio_net.wire.ipv6 import parse_ipv6
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import ACK, SYN

from .bench import Bench, ethernet
from .bench import tcp_packet as bench_tcp

US, PEER = "10.0.0.2", "10.0.0.1"
US6, PEER6 = "fd00::2", "fd00::1"


class Host:
    """A stack on a TUN, in both families."""

    def __init__(self, config: StackConfig | None = None, **capabilities: int) -> None:
        self.stack = Stack(config, bytes(32))
        self.nic = self.stack.add_interface(
            addresses=[f"{US}/24", f"{US6}/64"],
            capabilities=Capabilities(medium=Medium.IP, **capabilities),
        )
        self.now = SECOND
        self.turn()
        self.events: list[object] = []

    def turn(self, *packets: bytes | Packet) -> list[bytes]:
        self.stack.receive(packets, self.now)
        self.stack.handle_timeout(self.now)
        while events := self.stack.events():
            self.events = [*getattr(self, "events", []), *events]
        out = self.stack.transmit(self.now)
        while events := self.stack.events():
            self.events += events
        return [one for packet in out for one in flatten(packet)]

    def dropped(self) -> dict[str, int]:
        counters = self.stack.counters().items()
        return {name[5:]: n for name, n in counters if name.startswith("drop.")}


def received(sock: RawSocket) -> list[Datagram]:
    return list(iter(sock.receive, None))


def data_of(sock: RawSocket) -> list[bytes]:
    return [one.data for one in received(sock)]


# -- what comes in


@pytest.mark.parametrize(("us", "peer"), [(US, PEER), (US6, PEER6)])
def test_a_protocol_that_nobody_else_knows(us: str, peer: str) -> None:
    host = Host()
    packet = ip_packet(peer, us, 89, b"hello", ttl=5, tos=0xC0)
    (refused,) = host.turn(packet)
    assert refused[-len(packet) :] == packet  # protocol unreachable quotes it
    assert host.dropped() == {"unknown_protocol": 1}
    sock = host.stack.raw_open(89)
    assert host.turn(packet) == []
    assert host.events == [RawReceived(sock, 1)]
    assert received(sock) == [
        Datagram(b"hello", (peer, 0), (us, 0), host.nic.name, 5, 0xC0)
    ]
    assert host.dropped() == {"unknown_protocol": 1}
    sock.close()
    assert len(host.turn(packet)) == 1
    assert host.stack.socket_table.raw == {}


def test_every_one_that_fits_gets_a_copy_and_the_stack_answers() -> None:
    host = Host()
    ours = host.stack.raw_open(1)
    whole = host.stack.raw_open(1, local=US, include_header=True)
    others = [
        host.stack.raw_open(1, local="::"),
        host.stack.raw_open(1, peer="10.0.0.9"),
        host.stack.raw_open(1, nic=host.stack.lo),
        host.stack.raw_open(58),
    ]
    ping = icmp_packet(PEER, US, 8, body=b"data")
    (answer,) = host.turn(ping)
    assert parse_icmp(answer[20:]).type == 0
    assert data_of(ours) == [ping[20:]]
    assert data_of(whole) == [ping]
    assert [one.count for one in others] == [0, 0, 0, 0]


def test_icmpv6_of_both_kinds() -> None:
    host = Host()
    sock = host.stack.raw_open(58)
    body = build_icmpv6(128, 0, b"\0\1\0\2", b"data", pack_ip(PEER6), pack_ip(US6))
    (answer,) = host.turn(ip_packet(PEER6, US6, 58, body))
    assert answer[40] == 129
    # behind a destination options header, which is not shown
    options = b"\x3a\0\1\4\0\0\0\0"
    host.turn(ip_packet(PEER6, US6, 60, options + body))
    assert data_of(sock) == [body, body]
    wrong = body[:-1] + b"x"
    host.turn(ip_packet(PEER6, US6, 58, wrong))
    assert sock.count == 0
    assert host.dropped() == {"raw_bad_checksum": 1, "icmp_bad_checksum": 1}


def test_fragments_come_in_one_piece() -> None:
    host = Host()
    sock = host.stack.raw_open(89, include_header=True)
    data = bytes(range(24))
    for at, flags in ((16, 0), (0, 1)):
        part = data[at : at + 16]
        host.turn(ip_packet(PEER, US, 89, part, flags=flags, fragment_offset=at))
    (whole,) = data_of(sock)
    assert whole[20:] == data
    assert parse_ipv4(whole).flags == 0


def test_segments_of_a_connection_are_copied() -> None:
    bench = Bench()
    connection = bench.established()
    sock = bench.stack.raw_open(6)
    seq, lport = connection.sender.snd_nxt, connection.local[1]
    segment = bench_tcp(80, lport, 1001, seq & 0xFFFFFFFF, ACK, b"data")
    bench.settle(ethernet(segment))
    assert connection.recv(10) == b"data"
    assert data_of(sock) == [segment[20:]]
    sock.close()
    bench.settle()
    assert bench.stack.socket_table.raw == {}
    assert connection.state is State.ESTABLISHED


def test_tcp_that_nobody_asked_for_is_still_reset() -> None:
    """What a half-open traceroute lives on."""
    host = Host()
    sock = host.stack.raw_open(6)
    (reset,) = host.turn(tcp_packet((PEER, 80), (US, 9), flags=SYN | ACK, ack=7))
    assert reset[20 + 13] == 4
    assert sock.count == 1


def test_what_a_device_left_undone_is_done() -> None:
    """Super-segments are cut, checksums complete."""
    host = Host()
    sock = host.stack.raw_open(17)
    whole = udp_packet((PEER, 1), (US, 9), bytes(range(30)))
    pseudo = pseudo_sum(pack_ip(PEER), pack_ip(US), 17, len(whole) - 20)
    undone = whole[:26] + pseudo.to_bytes(2, "big") + whole[28:]
    host.turn(Packet(undone, (), 0, 0, CSUM_PARTIAL, 20, 6))
    assert data_of(sock) == [whole[20:]]
    host.turn(Packet(undone, (), 0, 12, CSUM_PARTIAL, 20, 6))
    cuts = data_of(sock)
    assert [len(cut) for cut in cuts] == [20, 20, 14]
    assert [cut[8:] for cut in cuts] == [
        bytes(range(12)),
        bytes(range(12, 24)),
        bytes(range(24, 30)),
    ]
    host.turn(Packet(undone, (), 0, 0, CSUM_PARTIAL, 99, 6))
    assert sock.count == 0
    assert host.dropped()["device_metadata"] == 1


def test_groups_that_the_host_hears() -> None:
    host = Host()
    sock = host.stack.raw_open(89, local="0.0.0.0")
    host.turn(ip_packet(PEER, "224.0.0.5", 89, b"x"))
    assert sock.count == 0
    host.turn(ip_packet(PEER, "224.0.0.1", 89, b"x"))
    (found,) = received(sock)
    assert found.destination == ("224.0.0.1", 0)


# -- what goes out


def test_both_families_from_one_socket() -> None:
    host = Host()
    sock = host.stack.raw_open(89)
    sock.send_to(b"hello", PEER, ttl=3)
    sock.send_to(b"hello", PEER6, tos=4)
    four, six = host.turn()
    header = parse_ipv4(four)
    assert (header.protocol, header.ttl, four[20:]) == (89, 3, b"hello")
    header6 = parse_ipv6(six)
    assert (header6.next_header, header6.traffic_class) == (89, 4)
    assert six[40:] == b"hello"


def test_protocol_1_stays_protocol_1_in_ipv6() -> None:
    """And a ping socket's becomes 58."""
    host = Host()
    host.stack.raw_open(1).send_to(b"x", PEER6)
    host.stack.echo_open().send_to(PEER6, 1)
    assert [packet[6] for packet in host.turn()] == [1, 58]


def test_what_is_too_big_goes_in_fragments() -> None:
    host = Host()
    sock = host.stack.raw_open(58)
    sock.send_to(b"\x80\0\0\0" + bytes(3000), PEER6)
    assert len(host.turn()) == 3
    sock.send_to(b"x" * 3000, PEER)
    assert len(host.turn()) == 3


def test_the_header_is_completed_as_linux_does() -> None:
    host = Host()
    sock = host.stack.raw_open(17, include_header=True)
    # nothing filled in but the length of the header
    sock.send_to(b"\x45" + bytes(8) + b"\x11" + bytes(6) + b"\x0a\0\0\x09data", PEER)
    (packet,) = host.turn()
    header = parse_ipv4(packet)  # its checksum is right
    assert header.source == pack_ip(US)
    assert header.destination == pack_ip("10.0.0.9")
    assert header.identification != 0
    assert header.total_length == 24
    # what is there is kept; and the source may be anybody's
    given = ip_packet("192.0.2.1", PEER, 17, b"data", identification=7, options=b"\1")
    sock.send_to(given[:10] + b"\xbe\xef" + given[12:], PEER)
    assert host.turn() == [given]
    six = ip_packet("2001:db8::1", PEER6, 17, b"data", ttl=9)
    sock.send_to(six, PEER6)
    assert host.turn() == [six]


def test_no_fragments_with_the_header() -> None:
    host = Host()
    sock = host.stack.raw_open(255)
    with pytest.raises(MessageTooLongError):
        sock.send_to(ip_packet(US, PEER, 17, bytes(1481)), PEER)
    with pytest.raises(Unreachable):
        sock.send_to(ip_packet(US, PEER, 17, b""), "192.0.2.1")
    sock.send_to(ip_packet(US, PEER, 17, bytes(1480)), PEER)
    host.nic.set_mtu(1400)
    assert host.turn() == []
    assert host.dropped() == {"packet_too_big": 1}


def test_to_ourselves_and_between_two_sockets() -> None:
    host = Host()
    one = host.stack.raw_open(89, local=US)
    sock = host.stack.raw_open(89, nic=host.stack.lo, include_header=True)
    one.send_to(b"x", US)
    sock.send_to(ip_packet("0.0.0.0", US, 89, b"y"), US)
    host.turn()
    host.turn()
    assert [one.data for one in received(one)] == [b"x", b"y"]


def test_a_group_is_heard_at_home() -> None:
    host = Host()
    sock = host.stack.raw_open(89, nic=host.nic)
    sock.send_to(b"x", "224.0.0.1")
    whole = host.stack.raw_open(89, nic=host.nic, include_header=True)
    whole.send_to(ip_packet(US, "224.0.0.1", 89, b"y", ttl=1), "224.0.0.1")
    out = host.turn()
    assert [packet[8] for packet in out] == [1, 1]
    host.turn()
    assert data_of(sock) == [b"x", b"y"]


def test_a_neighbour_is_asked_for_first() -> None:
    bench = Bench()
    sock = bench.stack.raw_open(255)
    sock.send_to(ip_packet(US, PEER, 17, b"data"), PEER)
    plain = bench.stack.raw_open(89)
    plain.send_to(b"x", PEER)
    out = bench.settle()
    assert sorted(frame[14 + 9] for frame in out) == [17, 89]
    sock.send_to(ip_packet(US, PEER, 17, b"data"), PEER)
    assert len(bench.settle()) == 1


def test_a_link_that_is_down_or_gone() -> None:
    host = Host()
    for sock, data in (
        (host.stack.raw_open(255), ip_packet(US, PEER, 17, b"data")),
        (host.stack.raw_open(89, nic=host.nic), b"x"),
    ):
        sock.send_to(data, PEER)
    host.nic.carrier(False)
    host.turn()
    assert host.dropped() == {"link_down": 2}
    host.nic.carrier(True)
    bound = host.stack.raw_open(255, nic=host.nic)
    free = host.stack.raw_open(255)
    for sock in (bound, free):
        sock.send_to(ip_packet(US, PEER, 17, b"data"), PEER)
    host.stack.remove_interface(host.nic)
    host.stack.handle_timeout(host.now)
    host.stack.handle_timeout(host.now)
    assert host.dropped()["no_route"] == 2
    with pytest.raises(Unreachable) as caught:
        host.stack.raw_open(89).send_to(b"x", PEER)
    assert caught.value.errno == errno.ENETUNREACH


# -- errors


def test_an_icmp_error_is_told_to_the_socket_with_that_peer() -> None:
    host = Host()
    sock = host.stack.raw_open(89, peer=PEER)
    other = host.stack.raw_open(89)
    sock.send(b"hello")
    (sent,) = host.turn()
    host.turn(icmp_packet(PEER, US, 3, 2, body=sent))
    (event,) = host.events
    assert isinstance(event, RawError)
    assert (event.sock, event.peer, event.source) == (sock, PEER, PEER)
    assert event.error.errno == errno.ENOPROTOOPT  # type: ignore[attr-defined]
    assert host.dropped() == {}
    # of a packet that nobody here sent
    host.turn(icmp_packet(PEER, US, 3, 2, body=ip_packet(US, "10.0.0.9", 89, b"")))
    assert host.dropped() == {"icmp_not_concerning": 1}
    assert other.count == 0


def test_a_neighbour_that_does_not_answer() -> None:
    bench = Bench()
    sock = bench.stack.raw_open(89, peer="10.0.0.77")
    sock.send(b"x")
    bench.wait(10 * SECOND)
    (event,) = [one for one in bench.events if isinstance(one, RawError)]
    assert event.source == ""
    assert event.error.errno == errno.EHOSTUNREACH  # type: ignore[attr-defined]


# -- tables, misuse, twins


def test_the_table_of_sockets_is_bounded() -> None:
    host = Host(StackConfig(max_sockets=2))
    sock = host.stack.raw_open(89)
    tap = host.stack.frame_open(host.nic)
    with pytest.raises(LimitError):
        host.stack.raw_open(89)
    with pytest.raises(LimitError):
        host.stack.frame_open(host.nic)
    assert host.stack.sockets() == [sock, tap]
    assert host.stack.socket(tap.id) is tap
    tap.close()
    assert host.stack.raw_open(90).id > tap.id


def test_queues_are_bounded_by_the_config() -> None:
    options = RawOptions(receive_datagrams=1, send_datagrams=1)
    host = Host(StackConfig(raw=options))
    sock = host.stack.raw_open(89)
    host.turn(*[ip_packet(PEER, US, 89, b"x")] * 2)
    assert host.dropped() == {"raw_queue_full": 1}
    sock.send_to(b"x", PEER)
    with pytest.raises(LimitError):
        sock.send_to(b"x", PEER)
    host.events.clear()
    host.turn()
    assert host.events == [RawSpaceFreed(sock)]


def test_where_a_socket_may_be_bound() -> None:
    stack = Host().stack
    with pytest.raises(AddressNotAvailableError):
        stack.raw_open(89, local="10.0.0.77")
    with pytest.raises(Unreachable):
        stack.raw_open(89, peer="192.0.2.1")
    for peer in ("0.0.0.0", "::"):
        with pytest.raises(ValueError, match="peer"):
            stack.raw_open(89, peer=peer)
    assert stack.raw_open(89, peer=PEER6).local == US6
    assert stack.raw_open(89, peer="224.0.0.1", nic=stack.interface("eth0")).local == ""
    with pytest.raises(StateError):
        stack.raw_open(89, nic=Host().nic)
    sock = stack.raw_open(89)
    stack.close(SECOND)
    assert sock.closed
    with pytest.raises(StateError):
        stack.raw_open(89)


def test_a_copy_of_the_stack_has_a_socket_of_its_own() -> None:
    host = Host()
    sock = host.stack.raw_open(89)
    twin = copy.deepcopy(host.stack)
    twin.receive([ip_packet(PEER, US, 89, b"x")], host.now)
    copied = twin.socket(sock.id)
    assert isinstance(copied, RawSocket)
    assert (sock.count, copied.count) == (0, 1)
