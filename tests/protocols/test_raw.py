"""RawSocket and FrameSocket alone: what leaves, what arrives, bounds, misuse."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest

from sansio_net import Packet
from sansio_net.addresses import pack_ip
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import (
    AddressNotAvailableError,
    BroadcastError,
    LimitError,
    MessageTooLongError,
    NotConnectedError,
    StateError,
    Unreachable,
)
from sansio_net.packet import CSUM_PARTIAL, CSUM_VALID
from sansio_net.protocols.raw import (
    Frame,
    FrameEvent,
    FrameOptions,
    FrameReceived,
    FrameSocket,
    FrameSpaceFreed,
    RawError,
    RawEvent,
    RawOptions,
    RawReceived,
    RawSocket,
    RawSpaceFreed,
)
from sansio_net.protocols.raw.config import OVERHEAD
from sansio_net.testing.craft import ip_packet, udp_packet
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.icmp import build_icmp
from sansio_net.wire.icmpv6 import build_icmpv6

US, PEER = pack_ip("10.0.0.1"), pack_ip("10.0.0.2")
US6, PEER6 = pack_ip("fd00::1"), pack_ip("fd00::2")
MTU = 1500


class Routes:
    """What a Stack with one interface says."""

    version = 0

    @property
    def routes(self) -> Routes:
        return self

    def source_for(self, destination: bytes, source: bytes, nic: str | None) -> bytes:
        if destination[0] == 192:
            raise Unreachable(code=errno.ENETUNREACH)
        ours = US if len(destination) == 4 else US6
        if source and source != ours:
            raise AddressNotAvailableError()
        return source or ours

    def is_broadcast(self, destination: bytes, nic: str | None) -> bool:
        return destination == b"\xff" * 4

    def interface_for(self, group: bytes, nic: str | None) -> str:
        return nic or "eth0"

    def listen(
        self, owner: int, group: bytes, nic: str, exclude: bool, sources: object
    ) -> None:
        """Nobody has to be told."""

    def mtu_to(self, destination: bytes, nic: str | None) -> int:
        return MTU

    def frame_sizes(self, nic: str) -> tuple[int, int]:
        return 14, MTU + 18


def opened(protocol: int = 89, **options: object) -> RawSocket:
    options.setdefault("counters", Counters())
    return RawSocket(protocol, router=Routes(), **options)  # type: ignore[arg-type]


def arrives(
    sock: RawSocket, packet: bytes, verified: bool = False, at: int | None = None
) -> None:
    six = packet[0] >> 4 == 6
    src, dst = (packet[8:24], packet[24:40]) if six else (packet[12:16], packet[16:20])
    start = at if at is not None else 40 if six else 20
    sock.packet_arrives(packet, start, src, dst, 61, 4, "eth0", verified, 5)


def drained(sock: RawSocket) -> list[RawEvent]:
    out: list[RawEvent] = []
    sock.drain(out)
    return out


def one_sent(sock: RawSocket) -> Packet:
    packet = sock.emit(7)
    assert packet is not None
    assert sock.emit(7) is None
    return packet


# -- sending


def test_a_payload_leaves_as_it_is() -> None:
    sock = opened()
    sock.send_to(bytearray(b"hello"), "10.0.0.2", ttl=3, tos=8)
    assert sock.queued
    packet = one_sent(sock)
    assert (packet.head, packet.body, packet.csum) == (b"hello", (), 0)
    assert packet.info is not None
    assert (packet.info.src, packet.info.dst) == (US, PEER)
    assert (packet.info.ttl, packet.info.tos) == (3, 8)
    sock.send_to(b"", ("fd00::2", 0))  # as a Datagram's source has it
    packet = one_sent(sock)
    assert packet.info is not None
    assert (packet.info.src, packet.info.ttl) == (US6, 64)


def test_where_ttl_and_tos_come_from() -> None:
    sock = opened()
    sock.set(ttl=9, tos=4, multicast_ttl=2, multicast_loop=False, broadcast=True)
    for host, ttl in (("10.0.0.2", 9), ("224.0.0.5", 2), ("255.255.255.255", 9)):
        sock.send_to(b"x", host)
        info = one_sent(sock).info
        assert info is not None
        assert (info.ttl, info.tos) == (ttl, 4)
    assert not sock.multicast_loop


@pytest.mark.parametrize("host", ["10.0.0.2", "fd00::2"])
@pytest.mark.parametrize("data", [b"ab\xff\xffcdef", b"ab\0\0", b"ab\0\0c"])
def test_a_checksum_is_filled_in(host: str, data: bytes) -> None:
    """RFC 3542 3.1; whatever was in the field before."""
    sock = opened(checksum=2)
    sock.send_to(data, host)
    packet = one_sent(sock)
    assert packet.head[:2] + packet.head[4:] == data[:2] + data[4:]
    assert packet.info is not None
    pseudo = pseudo_sum(packet.info.src, packet.info.dst, 89, len(data))
    assert checksum(packet.head, pseudo) == 0


def test_icmpv6_has_its_checksum_always() -> None:
    sock = opened(58)
    body = b"\x12\x34\0\1data"
    sock.send_to(b"\x80\0\0\0" + body, "fd00::2")
    expected = build_icmpv6(128, 0, body[:4], body[4:], US6, PEER6)
    assert one_sent(sock).head == expected
    for bad in (0, 4, 3):
        with pytest.raises(ValueError, match=r"checksum|even"):
            opened(58, checksum=bad)


def test_a_sum_of_zero_is_sent_as_ones_by_udp_alone() -> None:
    """RFC 768; and 0 where RFC 1071 gives 0."""
    for protocol, field in ((17, 0xFFFF), (6, 0)):
        sock = opened(protocol, checksum=6)
        pseudo = pseudo_sum(US, PEER, protocol, 8)
        fill = (0xFFFF - pseudo) % 0xFFFF
        sock.send_to(fill.to_bytes(2, "big") + bytes(6), "10.0.0.2")
        assert int.from_bytes(one_sent(sock).head[6:8], "big") == field


def test_with_the_header() -> None:
    sock = opened(255)
    assert sock.include_header
    whole = ip_packet("0.0.0.0", "10.0.0.9", 17, b"data")
    sock.send_to(whole, "10.0.0.2")
    packet = one_sent(sock)
    assert packet.head == whole  # filled in by the stack, which knows the way
    assert packet.info is not None
    assert packet.info.dst == PEER
    six = ip_packet("fd00::9", "fd00::8", 17, b"data")
    sock.send_to(six, "fd00::2")
    assert one_sent(sock).head == six
    for bad, host in (
        (whole, "fd00::2"),
        (six, "10.0.0.2"),
        (whole[:19], "10.0.0.2"),
        (b"\x4f" + whole[1:], "10.0.0.2"),  # its header is longer than it is
        (six[:39], "fd00::2"),
        (b"", "10.0.0.2"),
    ):
        with pytest.raises(ValueError, match="header"):
            sock.send_to(bad, host)
    with pytest.raises(MessageTooLongError):
        sock.send_to(ip_packet("0.0.0.0", "10.0.0.9", 17, bytes(MTU - 19)), "10.0.0.2")
    sock.send_to(ip_packet("0.0.0.0", "10.0.0.9", 17, bytes(MTU - 20)), "10.0.0.2")


def test_to_the_peer() -> None:
    sock = opened(laddr=US, raddr=PEER)
    assert (sock.local, sock.peer) == ("10.0.0.1", "10.0.0.2")
    sock.send(b"x")
    info = one_sent(sock).info
    assert info is not None
    assert (info.src, info.dst) == (US, PEER)
    with pytest.raises(NotConnectedError):
        opened().send(b"x")


def test_what_may_not_be_sent() -> None:
    sock = opened()
    for host in ("0.0.0.0", "::", "", "nobody"):
        with pytest.raises(ValueError, match=r"dest|address|appear"):
            sock.send_to(b"x", host)
    with pytest.raises(Unreachable):
        sock.send_to(b"x", "192.0.2.1")
    with pytest.raises(BroadcastError):
        sock.send_to(b"x", "255.255.255.255")
    with pytest.raises(AddressNotAvailableError):
        sock.send_to(b"x", "10.0.0.2", source="10.0.0.77")
    with pytest.raises(AddressNotAvailableError):
        sock.send_to(b"x", "10.0.0.2", source="fd00::1")
    with pytest.raises(MessageTooLongError):
        sock.send_to(bytes(65536 - 20), "10.0.0.2")
    sock.send_to(bytes(65535), "fd00::2")
    for options in ({"ttl": 0}, {"ttl": 256}, {"tos": -1}):
        with pytest.raises(ValueError, match="out of range"):
            sock.send_to(b"x", "10.0.0.2", **options)
    for changed in ({"ttl": 0}, {"multicast_ttl": 256}, {"tos": 256}):
        with pytest.raises(ValueError, match="out of range"):
            sock.set(**changed)
    with pytest.raises(ValueError, match="256 bits"):
        sock.set(icmp_filter=1 << 256)
    with pytest.raises(ValueError, match="no checksum at 6"):
        opened(checksum=6).send_to(bytes(7), "10.0.0.2")
    for protocol in (-1, 256):
        with pytest.raises(ValueError, match="protocol"):
            opened(protocol)


def test_the_send_queue_has_bounds_and_says_when_there_is_room() -> None:
    for options in (
        RawOptions(send_datagrams=3),
        RawOptions(send_bytes=3 * (10 + OVERHEAD)),
    ):
        sock = opened(options=options)
        for _ in range(3):
            sock.send_to(bytes(10), "10.0.0.2")
        with pytest.raises(LimitError):
            sock.send_to(bytes(10), "10.0.0.2")
        assert sock.emit(1) is not None
        assert drained(sock) == [RawSpaceFreed(sock)]
        sock.send_to(bytes(10), "10.0.0.2")
        assert sock.emit(1) is not None
        assert drained(sock) == []
    # one always fits
    sock = opened(options=RawOptions(send_bytes=1))
    sock.send_to(bytes(1000), "10.0.0.2")


# -- receiving


def test_what_follows_the_header_or_all_of_it() -> None:
    packet = ip_packet(PEER, US, 89, b"hello")
    for whole, data in ((False, b"hello"), (True, packet)):
        sock = opened(include_header=whole)
        arrives(sock, packet)
        assert sock.count == 1
        assert sock.pending == len(data) + OVERHEAD
        assert drained(sock) == [RawReceived(sock, 1)]
        found = sock.receive()
        assert found is not None
        assert found.data == data
        assert (found.source, found.destination) == (("10.0.0.2", 0), ("10.0.0.1", 0))
        assert (found.nic, found.ttl, found.tos) == ("eth0", 61, 4)
        assert sock.receive() is None
        assert sock.pending == 0
        assert drained(sock) == []


def test_one_event_for_what_waits() -> None:
    sock = opened()
    packet = ip_packet(PEER, US, 89, b"x")
    arrives(sock, packet)
    arrives(sock, packet)
    assert drained(sock) == [RawReceived(sock, 2)]
    assert drained(sock) == []
    arrives(sock, packet)
    assert drained(sock) == [RawReceived(sock, 3)]


def test_the_receive_queue_has_bounds() -> None:
    packet = ip_packet(PEER, US, 89, bytes(10))
    for options in (
        RawOptions(receive_datagrams=2),
        RawOptions(receive_bytes=2 * (10 + OVERHEAD)),
    ):
        counters = Counters()
        sock = opened(options=options, counters=counters, trace=[])
        for _ in range(3):
            arrives(sock, packet)
        assert sock.count == 2
        assert counters.dropped(DropReason.RAW_QUEUE_FULL) == 1
        assert sock.trace == [(5, "raw-queue-full", 0)]
        sock.receive()
        arrives(sock, packet)
        assert sock.count == 2


def test_a_wrong_checksum_is_not_received_unless_a_device_vouches() -> None:
    good = ip_packet(PEER6, US6, 58, build_icmpv6(128, 0, bytes(4), b"", PEER6, US6))
    bad = good[:-1] + b"\1"
    counters = Counters()
    sock = opened(58, counters=counters)
    arrives(sock, bad)
    arrives(sock, good[:42])  # no room for a checksum
    assert (sock.count, counters.dropped(DropReason.RAW_BAD_CHECKSUM)) == (0, 2)
    arrives(sock, good)
    arrives(sock, bad, verified=True)
    assert sock.count == 2


def test_icmp_types_that_are_filtered() -> None:
    """Linux's ICMP_FILTER: a bit for each type that is not wanted."""
    sock = opened(1)
    sock.set(icmp_filter=~(1 << 11 | 1 << 3) & 0xFFFFFFFF)
    for kind in (0, 3, 8, 11, 31, 32, 200):
        arrives(sock, ip_packet(PEER, US, 1, build_icmp(kind, 0, bytes(4), b"")))
    arrives(sock, ip_packet(PEER, US, 1, b""))
    kinds = []
    while (found := sock.receive()) is not None:
        kinds.append(found.data[0] if found.data else None)
    assert kinds == [3, 11, 32, 200, None]
    six = opened(58)
    six.set(icmp_filter=1 << 135 | 1 << 200)
    for kind in (1, 135, 200):
        body = build_icmpv6(kind, 0, bytes(4), b"", PEER6, US6)
        arrives(six, ip_packet(PEER6, US6, 58, body))
    assert six.count == 1
    other = opened(89)
    other.set(icmp_filter=(1 << 256) - 1)
    arrives(other, ip_packet(PEER, US, 89, b"\1"))
    assert other.count == 1


@pytest.mark.parametrize(
    ("laddr", "raddr", "nic", "fits"),
    [
        (b"", None, None, True),
        (bytes(4), None, None, True),
        (bytes(16), None, None, False),
        (US, None, None, True),
        (PEER, None, None, False),
        (b"", PEER, None, True),
        (b"", US, None, False),
        (b"", None, "eth0", True),
        (b"", None, "eth1", False),
    ],
)
def test_whom_a_packet_concerns(
    laddr: bytes, raddr: bytes | None, nic: str | None, fits: bool
) -> None:
    sock = opened(laddr=laddr, raddr=raddr, nic=nic)
    assert sock.concerns(PEER, US, "eth0") is fits
    sock.close()
    assert not sock.concerns(PEER, US, "eth0")


def test_errors_about_the_peer_one_event_each() -> None:
    sock = opened(laddr=US, raddr=PEER, options=RawOptions(error_limit=2))
    errors = [Unreachable(code=n) for n in (errno.ENETUNREACH, errno.EHOSTUNREACH)]
    sock.error_arrives(errors[0])
    sock.error_arrives(errors[1], US)
    sock.error_arrives(Unreachable())
    assert sock._counters.as_dict() == {"raw.errors_dropped": 1}
    assert drained(sock) == [RawError(sock, errors[0], "10.0.0.2")]
    assert sock.pending_kinds
    assert drained(sock) == [RawError(sock, errors[1], "10.0.0.2", "10.0.0.1")]
    assert not sock.pending_kinds
    stranger = opened()
    stranger.error_arrives(Unreachable())
    assert drained(stranger) == []


# -- the end, copies


def test_closing() -> None:
    sock = opened()
    sock.send_to(b"last", "10.0.0.2")
    arrives(sock, ip_packet(PEER, US, 89, b"x"))
    sock.close()
    sock.close()
    assert drained(sock) == []
    assert one_sent(sock).head == b"last"
    for verb in (lambda: sock.send_to(b"", "10.0.0.2"), sock.receive):
        with pytest.raises(StateError):
            verb()
    with pytest.raises(StateError):
        sock.send(b"")
    sock.error_arrives(Unreachable())
    assert "closed" in repr(sock)
    assert "protocol 89" in repr(opened())
    assert (sock.deadline(), sock.handle_timeout(1)) == (None, None)


def test_copies_and_pickles_go_on_alike() -> None:
    sock = opened()
    sock.send_to(b"x", "10.0.0.2")
    arrives(sock, ip_packet(PEER, US, 89, b"y"))
    for twin in (copy.deepcopy(sock), pickle.loads(pickle.dumps(sock))):
        assert one_sent(twin).head == b"x"
        found = twin.receive()
        assert found is not None
        assert found.data == b"y"


# -- frames

FRAME = b"\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5payload"
BATCH = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + udp_packet((PEER, 1), (US, 2), bytes(30))


def tap(**options: object) -> FrameSocket:
    options.setdefault("counters", Counters())
    return FrameSocket("eth0", router=Routes(), **options)  # type: ignore[arg-type]


def told(sock: FrameSocket) -> list[FrameEvent]:
    out: list[FrameEvent] = []
    sock.drain(out)
    return out


def test_frames_as_they_pass() -> None:
    sock = tap()
    sock.frame_passes(Packet(FRAME), 0x88B5, False, 9)
    sock.frame_passes(Packet(FRAME), 0x88B5, True, 9)  # not asked for
    assert told(sock) == [FrameReceived(sock, 1)]
    assert (sock.count, sock.pending) == (1, len(FRAME) + OVERHEAD)
    assert sock.receive() == Frame(FRAME, "eth0", 9)
    assert sock.receive() is None
    both = tap(outgoing=True)
    both.frame_passes(Packet(FRAME), 0x88B5, True, 9)
    assert both.receive() == Frame(FRAME, "eth0", 9, is_outgoing=True)


def test_one_ethertype() -> None:
    sock = tap(ethertype=0x88B5)
    for kind in (0x0800, -1, 0x88B5):
        sock.frame_passes(Packet(FRAME), kind, False, 9)
    assert sock.count == 1
    with pytest.raises(ValueError, match="ethertype"):
        tap(ethertype=65536)


def test_a_super_segment_is_cut_or_keeps_its_metadata() -> None:
    packet = Packet(BATCH, (), 14, 10, CSUM_PARTIAL, 34, 6)
    sock = tap()
    sock.frame_passes(packet, 0x0800, False, 9)
    assert [len(one.data) for one in iter(sock.receive, None)] == [52, 52, 52]
    kept = tap(flatten=False)
    kept.frame_passes(packet, 0x0800, False, 9)
    assert kept.receive() == Frame(BATCH, "eth0", 9, False, 10, CSUM_PARTIAL, 34, 6)
    # what does not fit its bytes is no frame
    sock.frame_passes(Packet(FRAME, gso_size=1), 0x88B5, False, 9)
    sock.frame_passes(Packet(FRAME, csum=CSUM_PARTIAL, csum_start=99), 1, False, 9)
    assert sock.count == 0
    assert sock._counters.dropped(DropReason.DEVICE_METADATA) == 2
    sock.frame_passes(Packet(FRAME, csum=CSUM_VALID), 1, False, 9)
    assert sock.count == 1


def test_frames_sent_as_they_are() -> None:
    sock = tap()
    sock.send(memoryview(FRAME))
    packet = sock.emit(1)
    assert packet is not None
    assert (packet.join(), packet.offset) == (FRAME, 14)
    sock.send(Packet(BATCH, (), 14, 10, CSUM_PARTIAL, 34, 6))
    sizes = [len(one) for one in iter(lambda: sock.emit(1), None)]
    assert sizes == [52, 52, 52]
    with pytest.raises(ValueError, match="no frame"):
        sock.send(FRAME[:13])
    with pytest.raises(ValueError, match="cannot be cut"):
        sock.send(Packet(FRAME, gso_size=1))
    with pytest.raises(MessageTooLongError):
        sock.send(bytes(MTU + 19))
    assert sock.emit(1) is None


def test_bounds_of_frames() -> None:
    for options in (
        FrameOptions(receive_frames=2, send_frames=2),
        FrameOptions(
            receive_bytes=2 * (len(FRAME) + OVERHEAD),
            send_bytes=2 * (len(FRAME) + OVERHEAD),
        ),
    ):
        sock = tap(options=options, trace=[])
        for _ in range(3):
            sock.frame_passes(Packet(FRAME), 1, False, 9)
        assert sock.count == 2
        assert sock._counters.dropped(DropReason.FRAME_QUEUE_FULL) == 1
        assert sock.trace == [(9, "frame-queue-full", 0)]
        assert told(sock) == [FrameReceived(sock, 2)]
        sock.send(FRAME)
        sock.send(FRAME)
        with pytest.raises(LimitError):
            sock.send(FRAME)
        assert sock.emit(1) is not None
        assert told(sock) == [FrameSpaceFreed(sock)]


def test_a_frame_socket_that_is_closed() -> None:
    sock = tap()
    sock.send(FRAME)
    sock.frame_passes(Packet(FRAME), 1, False, 9)
    sock.close()
    sock.close()
    sock.frame_passes(Packet(FRAME), 1, False, 9)
    assert (sock.count, told(sock)) == (0, [])
    assert sock.emit(1) is not None
    with pytest.raises(StateError):
        sock.send(FRAME)
    with pytest.raises(StateError):
        sock.receive()
    assert repr(sock) == "<FrameSocket 0 eth0 every type>"
    assert (sock.deadline(), sock.handle_timeout(1)) == (None, None)
