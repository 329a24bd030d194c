"""UdpSocket: what leaves, what arrives, errors among the data, bounds."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest

from sansio_net import Datagram, Packet
from sansio_net.addresses import pack_ip
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import (
    AddressNotAvailableError,
    BroadcastError,
    ConnectionFailed,
    ConnectionRefused,
    LimitError,
    MessageTooLongError,
    NotConnectedError,
    StateError,
    Unreachable,
)
from sansio_net.packet import CSUM_PARTIAL
from sansio_net.protocols.udp import (
    SocketSpaceFreed,
    UdpError,
    UdpEvent,
    UdpOptions,
    UdpReceived,
    UdpSocket,
)
from sansio_net.protocols.udp.config import OVERHEAD
from sansio_net.wire.checksum import ones_sum, pseudo_sum
from sansio_net.wire.ip import ip_wrap
from sansio_net.wire.segment import flatten
from sansio_net.wire.udp import parse_udp

US = pack_ip("10.0.0.1")
PEER = pack_ip("10.0.0.2")
BROADCASTS = (pack_ip("10.0.0.255"), pack_ip("255.255.255.255"))


class Routes:
    """What a Stack with one interface says."""

    version = 0

    @property
    def routes(self) -> Routes:
        return self

    def source_for(self, destination: bytes, source: bytes, nic: str | None) -> bytes:
        if destination[0] == 192:
            raise Unreachable(code=errno.ENETUNREACH)
        if source and source != US:
            raise AddressNotAvailableError()
        return source or US

    def interface_for(self, group: bytes, nic: str | None) -> str:
        return nic or "eth0"

    def listen(
        self, owner: int, group: bytes, nic: str, exclude: bool, sources: object
    ) -> None:
        """Nobody has to be told."""

    def path_mtu(self, destination: bytes, nic: str | None) -> int:
        return 1500

    def is_broadcast(self, destination: bytes, nic: str | None) -> bool:
        return destination in BROADCASTS


def bound(**options: object) -> UdpSocket:
    """A socket on port 53 of every address."""
    options.setdefault("counters", Counters())
    return UdpSocket(b"", 53, router=Routes(), **options)  # type: ignore[arg-type]


def connected(**options: object) -> UdpSocket:
    options.setdefault("counters", Counters())
    return UdpSocket(
        US,
        53,
        router=Routes(),
        raddr=PEER,
        rport=9,
        **options,  # type: ignore[arg-type]
    )


def arrives(
    sock: UdpSocket, data: bytes = b"x", src: bytes = PEER, sport: int = 9
) -> bool:
    return sock.datagram_arrives(data, src, sport, US, 61, 4, "eth0", 5)


def drained(sock: UdpSocket) -> list[UdpEvent]:
    out: list[UdpEvent] = []
    sock.drain(out)
    return out


def emitted(sock: UdpSocket) -> list[Packet]:
    packets = []
    while (packet := sock.emit(7)) is not None:
        packets.append(packet)
    sock.queued = False
    return packets


# -- sending


def test_several_datagrams_leave_as_one() -> None:
    sock, data = bound(), bytes(range(10))
    sock.send_to(data, ("10.0.0.2", 9), segment_size=4)
    (packet,) = emitted(sock)
    assert packet.gso_size == 4
    assert packet.body == (data,)
    assert packet.body[0] is data
    # as Linux has it: the header speaks of all of them, and so does the sum
    assert parse_udp(packet.join()).length == 18
    assert parse_udp(packet.join()).checksum == pseudo_sum(US, PEER, 17, 18)


def test_what_fits_one_segment_is_one_datagram() -> None:
    sock = connected()
    sock.send(b"abcd", segment_size=4)
    sock.send(b"", segment_size=4)
    assert [(one.gso_size, len(one)) for one in emitted(sock)] == [(0, 12), (0, 8)]


def test_the_rules_of_udp_segment() -> None:
    """udp(7): at most 64, and each meets the path's MTU as one datagram must."""
    sock = connected()
    for size in (-1, 65536):
        with pytest.raises(ValueError, match="out of range"):
            sock.send(b"abcd", segment_size=size)
    sock.send(bytes(1472 * 44), segment_size=1472)
    with pytest.raises(MessageTooLongError):
        sock.send(bytes(3000), segment_size=1473)
    with pytest.raises(MessageTooLongError):
        sock.send_to(bytes(3000), ("10.0.0.2", 9), segment_size=1472, options=bytes(4))
    with pytest.raises(MessageTooLongError):
        sock.send(bytes(65508), segment_size=1472)
    sock.send(bytes(1400), segment_size=9000)  # that is one, and it fits
    sock.send(bytes(640), segment_size=10)
    with pytest.raises(ValueError, match="more than 64"):
        sock.send(bytes(641), segment_size=10)
    assert [one.gso_size for one in emitted(sock)] == [1472, 0, 10]


def test_a_view_of_bytes_is_kept_and_anything_else_copied() -> None:
    data, sock = bytes(2000), connected()
    changes = bytearray(data)
    for given in (memoryview(data)[100:900], memoryview(changes), changes):
        sock.send(given)
    changes[:] = b"x" * 2000
    view, *copies = (packet.body[0] for packet in emitted(sock))
    assert isinstance(view, memoryview)
    assert view.obj is data
    assert copies == [data, data]
    sock.send(memoryview(data)[::2])  # not in one piece
    assert emitted(sock)[0].body == (bytes(1000),)


def test_a_datagram_leaves_with_its_header_and_the_sum_to_be_completed() -> None:
    sock = bound()
    sock.send_to(b"hello", ("10.0.0.2", 9), ttl=3, tos=8)
    assert sock.queued
    (packet,) = emitted(sock)
    header = parse_udp(packet.join())
    assert (header.source_port, header.destination_port, header.length) == (53, 9, 13)
    assert packet.join()[8:] == b"hello"
    assert (packet.csum, packet.csum_start, packet.csum_offset) == (CSUM_PARTIAL, 0, 6)
    assert header.checksum == pseudo_sum(US, PEER, 17, 13)
    assert packet.info is not None
    assert (packet.info.src, packet.info.dst) == (US, PEER)
    assert (packet.info.ttl, packet.info.tos) == (3, 8)
    (frame,) = flatten(ip_wrap(packet, 17))
    assert ones_sum(frame[20:], pseudo_sum(US, PEER, 17, 13)) == 0xFFFF


def test_an_empty_datagram_is_one() -> None:
    sock = bound()
    sock.send_to(b"", ("10.0.0.2", 9))
    (packet,) = emitted(sock)
    assert len(packet) == 8
    assert arrives(sock, b"")
    datagram = sock.receive()
    assert datagram is not None
    assert datagram.data == b""


def test_what_may_change_is_copied() -> None:
    sock = bound()
    data = bytearray(b"before")
    sock.send_to(data, ("10.0.0.2", 9))
    sock.send_to(memoryview(data), ("10.0.0.2", 9))
    data[:] = b"after!"
    assert [p.join()[8:] for p in emitted(sock)] == [b"before"] * 2


def test_the_largest_datagram_and_one_byte_more() -> None:
    sock = bound()
    sock.send_to(bytes(65507), ("10.0.0.2", 9))
    with pytest.raises(MessageTooLongError):
        sock.send_to(bytes(65508), ("10.0.0.2", 9))
    assert len(emitted(sock)) == 1


@pytest.mark.parametrize("address", [("", 9), ("0.0.0.0", 9), ("10.0.0.2", 0)])
def test_no_destination(address: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match="not a destination"):
        bound().send_to(b"x", address)


def test_no_route() -> None:
    with pytest.raises(Unreachable) as caught:
        bound().send_to(b"x", ("192.0.2.1", 9))
    assert caught.value.errno == errno.ENETUNREACH


@pytest.mark.parametrize("host", ["10.0.0.255", "255.255.255.255"])
def test_broadcast_has_to_be_allowed(host: str) -> None:
    sock = bound()
    with pytest.raises(BroadcastError) as caught:
        sock.send_to(b"x", (host, 9))
    assert isinstance(caught.value, PermissionError)
    assert caught.value.errno == errno.EACCES
    sock.set(broadcast=True)
    sock.send_to(b"x", (host, 9))
    assert len(emitted(sock)) == 1


def test_a_group_gets_a_ttl_of_one_unless_told() -> None:
    sock = bound()
    sock.send_to(b"x", ("224.0.0.251", 9))
    sock.set(multicast_ttl=7, ttl=99, tos=16)
    sock.send_to(b"x", ("224.0.0.251", 9))
    sock.send_to(b"x", ("10.0.0.2", 9))
    infos = [packet.info for packet in emitted(sock)]
    assert [info and (info.ttl, info.tos) for info in infos] == [
        (1, 0),
        (7, 16),
        (99, 16),
    ]


@pytest.mark.parametrize("name", ["ttl", "tos", "multicast_ttl"])
def test_octets_are_checked(name: str) -> None:
    sock = bound()
    for value in (-1, 256):
        with pytest.raises(ValueError, match=name):
            sock.set(**{name: value})
    with pytest.raises(ValueError, match="ttl"):
        sock.send_to(b"x", ("10.0.0.2", 9), ttl=0)


def test_the_answer_leaves_from_the_address_that_was_asked() -> None:
    sock = bound()
    arrives(sock, b"question")
    asked = sock.receive()
    assert asked is not None
    assert asked == Datagram(
        b"question", ("10.0.0.2", 9), ("10.0.0.1", 53), "eth0", 61, 4
    )
    sock.send_to(b"answer", asked.source, source=asked.destination)
    (packet,) = emitted(sock)
    assert packet.info is not None
    assert packet.info.src == US
    with pytest.raises(AddressNotAvailableError):
        sock.send_to(b"x", asked.source, source="10.0.0.77")
    with pytest.raises(AddressNotAvailableError):
        sock.send_to(b"x", asked.source, source=("10.0.0.1", 54))
    with pytest.raises(AddressNotAvailableError):
        sock.send_to(b"x", asked.source, source="fd00::1")


@pytest.mark.parametrize("host", ["255.255.255.255", "224.0.0.1", "0.0.0.0"])
def test_an_answer_to_a_group_leaves_from_an_address(host: str) -> None:
    sock = bound()
    sock.send_to(b"x", ("10.0.0.2", 9), source=(host, 53))
    (packet,) = emitted(sock)
    assert packet.info is not None
    assert packet.info.src == US


def test_the_send_queue_is_bounded_and_says_when_there_is_room() -> None:
    sock = bound(options=UdpOptions(send_datagrams=9))
    for n in range(9):
        sock.send_to(bytes([n]), ("10.0.0.2", 9))
    for _ in range(3):
        with pytest.raises(LimitError):
            sock.send_to(b"x", ("10.0.0.2", 9))
    assert drained(sock) == []
    for _ in range(2):
        sock.emit(1)
    assert drained(sock) == []
    sock.emit(1)
    assert drained(sock) == [SocketSpaceFreed(sock)]
    emitted(sock)
    assert drained(sock) == []


def test_the_send_queue_is_bounded_in_bytes_but_takes_one_of_any_size() -> None:
    sock = bound(options=UdpOptions(send_bytes=1000))
    sock.send_to(bytes(60_000), ("10.0.0.2", 9))
    with pytest.raises(LimitError):
        sock.send_to(b"", ("10.0.0.2", 9))
    emitted(sock)
    assert drained(sock) == [SocketSpaceFreed(sock)]
    sock.send_to(b"", ("10.0.0.2", 9))


# -- receiving


def test_datagrams_are_told_once_and_read_in_order() -> None:
    notified: list[UdpSocket] = []
    sock = bound(notified=notified)
    for n in range(3):
        arrives(sock, bytes([n]))
    assert notified == [sock]
    assert drained(sock) == [UdpReceived(sock, 3)]
    assert drained(sock) == []
    taken = [sock.receive() for _ in range(4)]
    assert [d and d.data for d in taken] == [b"\0", b"\1", b"\2", None]
    arrives(sock)
    sock.receive()
    assert drained(sock) == []  # already read


def test_the_receive_queue_is_bounded_in_datagrams() -> None:
    counters = Counters()
    sock = bound(counters=counters, options=UdpOptions(receive_datagrams=2))
    assert all(arrives(sock, bytes([n])) for n in range(5))
    assert counters.dropped(DropReason.UDP_QUEUE_FULL) == 3
    assert sock.count == 2
    sock.receive()
    arrives(sock, b"new")
    assert sock.count == 2


def test_the_receive_queue_is_bounded_in_bytes() -> None:
    counters = Counters()
    sock = bound(counters=counters, options=UdpOptions(receive_bytes=10_000))
    for _ in range(5):
        arrives(sock, bytes(4000))
    assert sock.count == 2
    assert counters.dropped(DropReason.UDP_QUEUE_FULL) == 3


def test_a_connected_socket_hears_its_peer_only() -> None:
    sock = connected()
    assert arrives(sock)
    assert not arrives(sock, src=pack_ip("10.0.0.3"))
    assert not arrives(sock, sport=10)
    assert sock.count == 1


def test_a_view_is_not_kept() -> None:
    sock = bound()
    frame = bytes(100_000)
    sock.datagram_arrives(memoryview(frame)[:1000], PEER, 9, US, 64, 0, "eth0", 1)
    datagram = sock.receive()
    assert datagram is not None
    assert type(datagram.data) is bytes


# -- errors


def test_an_unconnected_socket_is_told_by_an_event_only() -> None:
    sock = bound()
    error = ConnectionRefused()
    sock.error_arrives(error, (PEER, 9))
    assert drained(sock) == [UdpError(sock, error, ("10.0.0.2", 9))]
    assert sock.receive() is None
    sock.send_to(b"x", ("10.0.0.2", 9))
    assert drained(sock) == []


def test_a_connected_socket_raises_it_once_as_well() -> None:
    for verb in ("send", "receive"):
        sock = connected()
        sock.error_arrives(ConnectionRefused(), (PEER, 9))
        assert len(drained(sock)) == 1
        with pytest.raises(ConnectionRefusedError):
            sock.send(b"x") if verb == "send" else sock.receive()
        assert sock.receive() is None
        sock.send(b"x")
        assert drained(sock) == []


def test_reading_makes_room() -> None:
    sock = bound(options=UdpOptions(receive_bytes=10_000))
    for _ in range(20):
        arrives(sock, bytes(4000))
        arrives(sock, bytes(4000))
        assert sock.count == 2
        assert sock.receive() is not None
        assert sock.receive() is not None


def test_bounds_are_reached_exactly() -> None:
    size = 8 + 100 + OVERHEAD
    sock = bound(options=UdpOptions(send_bytes=3 * size, receive_bytes=3 * size - 24))
    for _ in range(3):
        sock.send_to(bytes(100), ("10.0.0.2", 9))
        arrives(sock, bytes(100))
    assert sock.count == 3
    with pytest.raises(LimitError):
        sock.send_to(b"", ("10.0.0.2", 9))
    sock.set(ttl=255)


def test_each_error_is_told_once() -> None:
    sock = connected()
    sock.error_arrives(Unreachable("soft"), (PEER, 9), hard=False)
    sock.error_arrives(ConnectionRefused(), (PEER, 9))
    told = []
    while events := drained(sock):
        told += [type(event.error) for event in events if isinstance(event, UdpError)]
        assert len(told) <= 2
    assert told == [Unreachable, ConnectionRefused]


def test_what_was_raised_is_not_told_again() -> None:
    sock = connected()
    sock.error_arrives(ConnectionRefused(), (PEER, 9))
    with pytest.raises(ConnectionRefusedError):
        sock.send(b"x")
    assert drained(sock) == []


def test_a_soft_error_is_told_and_never_raised() -> None:
    sock = connected()
    sock.error_arrives(Unreachable(), (PEER, 9), hard=False)
    assert len(drained(sock)) == 1
    sock.send(b"x")
    assert sock.receive() is None


def test_errors_keep_their_place_among_the_data() -> None:
    sock = connected()
    arrives(sock, b"1")
    sock.error_arrives(ConnectionRefused(), (PEER, 9))
    arrives(sock, b"2")
    assert [type(event) for event in drained(sock)] == [UdpReceived, UdpError]
    first = sock.receive()
    assert first is not None
    assert first.data == b"1"
    with pytest.raises(ConnectionRefusedError):
        sock.receive()
    second = sock.receive()
    assert second is not None
    assert second.data == b"2"


def test_an_error_before_the_data_is_told_before_it() -> None:
    sock = bound()
    sock.error_arrives(ConnectionRefused(), (PEER, 9))
    arrives(sock)
    assert [type(event) for event in drained(sock)] == [UdpError, UdpReceived]


def test_one_error_event_a_drain_and_none_is_lost() -> None:
    notified: list[UdpSocket] = []
    sock = bound(notified=notified)
    for port in (1, 2, 3):
        sock.error_arrives(ConnectionRefused(), (PEER, port))
    ports = []
    while notified:
        notified.clear()
        (event,) = drained(sock)
        assert isinstance(event, UdpError)
        ports.append(event.peer[1])
    assert ports == [1, 2, 3]


def test_a_burst_of_the_same_error_is_raised_once() -> None:
    sock = connected()
    for _ in range(6):
        sock.error_arrives(ConnectionRefused(), (PEER, 9))
    assert len(drained(sock)) == 1
    with pytest.raises(ConnectionRefusedError):
        sock.receive()
    assert sock.receive() is None


def test_a_repeated_error_is_told_again() -> None:
    sock = connected()
    for _ in range(3):
        sock.error_arrives(ConnectionRefused(), (PEER, 9))
        assert len(drained(sock)) == 1


def test_errors_are_bounded_and_old_ones_make_room() -> None:
    counters = Counters()
    sock = bound(counters=counters, options=UdpOptions(error_limit=3))
    for port in range(1, 8):
        sock.error_arrives(ConnectionRefused(), (PEER, port))
    assert counters.as_dict() == {"udp.errors_dropped": 4}
    told = connected(options=UdpOptions(error_limit=2))
    failures: list[ConnectionFailed] = [ConnectionRefused(), Unreachable("a")]
    for error in [*failures, Unreachable("b")]:
        told.error_arrives(error, (PEER, 9))
        assert len(drained(told)) == 1


# -- life


def test_close_wakes_the_stack_to_forget_it() -> None:
    ready: list[UdpSocket] = []
    notified: list[UdpSocket] = []
    sock = bound(ready=ready, notified=notified, reuse=True)
    assert sock.reuse
    assert not sock.queued
    sock.close()
    assert ready == notified == [sock]


def test_after_close_nothing_comes_but_what_was_sent_leaves() -> None:
    ready: list[UdpSocket] = []
    notified: list[UdpSocket] = []
    sock = bound(notified=notified, ready=ready)
    arrives(sock)
    sock.send_to(b"last", ("10.0.0.2", 9))
    sock.close()
    sock.close()
    assert sock.closed
    assert notified == [sock]
    assert ready == [sock]
    assert drained(sock) == []
    assert not arrives(sock)
    sock.error_arrives(ConnectionRefused(), (PEER, 9))
    assert drained(sock) == []
    assert [p.join()[8:] for p in emitted(sock)] == [b"last"]
    for verb in (sock.receive, lambda: sock.send_to(b"x", ("10.0.0.2", 9))):
        with pytest.raises(StateError):
            verb()


def test_send_needs_a_peer() -> None:
    with pytest.raises(NotConnectedError):
        bound().send(b"x")
    with pytest.raises(StateError):
        UdpSocket(US, 53, router=Routes(), raddr=PEER, rport=0)


def test_its_names() -> None:
    sock = connected(id=3)
    assert (sock.local, sock.peer) == (("10.0.0.1", 53), ("10.0.0.2", 9))
    assert "10.0.0.2" in repr(sock)
    assert (bound().local, bound().peer) == (("", 53), None)
    sock.close()
    assert "closed" in repr(sock)


def test_it_has_no_timers() -> None:
    sock = bound()
    sock.handle_timeout(1)
    assert sock.deadline() is None


def test_copies_go_on_alike() -> None:
    sock = connected()
    arrives(sock, b"1")
    sock.error_arrives(ConnectionRefused(), (PEER, 9))
    for twin in (copy.deepcopy(sock), pickle.loads(pickle.dumps(sock))):
        assert [type(event) for event in drained(twin)] == [UdpReceived, UdpError]
        first = twin.receive()
        assert first is not None
        assert first.data == b"1"
        with pytest.raises(ConnectionRefusedError):
            twin.send(b"x")
    sock.receive()
    with pytest.raises(ConnectionRefusedError):
        sock.receive()
    sock.send(b"x")
    twin = pickle.loads(pickle.dumps(sock))
    assert [p.join() for p in emitted(twin)] == [p.join() for p in emitted(sock)]


def test_tracing_says_what_left_and_what_was_dropped() -> None:
    sock = bound(options=UdpOptions(receive_datagrams=0), trace=[])
    arrives(sock)
    sock.send_to(b"x", ("10.0.0.2", 9))
    emitted(sock)
    assert sock.trace == [(5, "udp-queue-full", 0), (7, "udp-sent", 0, PEER, 9)]


def test_ways_that_are_remembered_are_bounded() -> None:
    counters = Counters()
    sock = bound(counters=counters, options=UdpOptions(ways=2), ready=[])
    for n in (1, 2, 3, 1):
        sock.send_to(bytes((n,)), (f"10.0.0.{n}", 7))
        packet = sock.emit(0)
        assert sock.emit(0) is None
        sock.queued = False
        assert packet is not None
        assert packet.info is not None
        assert packet.info.dst == bytes((10, 0, 0, n))
    assert counters.as_dict() == {"udp.ways_flushed": 1}
