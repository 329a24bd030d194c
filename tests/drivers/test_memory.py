from __future__ import annotations

import pytest

from sansio_net.drivers.memory import (
    LinkedDevice,
    MemoryDevice,
    as_received,
    memory_pair,
)
from sansio_net.errors import DeviceGone
from sansio_net.packet import CSUM_PARTIAL, Capabilities, Packet, PacketInfo
from sansio_net.testing.link import Link

from .fakes import FakeDevice


def heads(packets: list[Packet]) -> list[bytes]:
    return [packet.head for packet in packets]


def unfinished(payload: bytes = b"data", gso_size: int = 0) -> Packet:
    """A UDP packet over Ethernet as a stack sends it."""
    size = 8 + len(payload)
    ip = b"\x45\0" + (20 + size).to_bytes(2, "big") + bytes(5) + b"\x11" + bytes(10)
    udp = bytes(4) + size.to_bytes(2, "big") + bytes(2)
    head = bytes(12) + b"\x08\x00" + ip + udp
    return Packet(
        head, [payload], 14, gso_size, CSUM_PARTIAL, 34, 6, PacketInfo(reason="test")
    )


def test_what_one_end_sends_the_other_receives() -> None:
    a, b = memory_pair(Link(latency="2ms"))
    a.send([Packet(b"to b", [b"!"])], 0)
    b.send([Packet(b"to a")], 0)
    assert a.next_timeout() == b.next_timeout() == 2_000_000
    assert (a.fileno(), a.link(), a.room()) == (None, None, 64)
    assert a.readable()
    assert a.receive(1_999_999) == []
    assert heads(a.receive(2_000_000)) == [b"to a"]
    assert b.next_timeout() == 0  # it has arrived: a's look at the link moved both
    assert heads(b.receive(2_000_000)) == [b"to b!"]
    assert not a.readable()
    assert b.next_timeout() is None


def test_a_batch_has_at_most_64_packets() -> None:
    a, b = memory_pair(Link())
    a.send([Packet(b"%d" % n) for n in range(150)], 0)
    batches = [heads(b.receive(0)) for _ in range(4)]
    assert [len(batch) for batch in batches] == [64, 64, 22, 0]
    assert [head for batch in batches for head in batch] == [
        b"%d" % n for n in range(150)
    ]


def test_checksums_and_super_segments_by_capability() -> None:
    for capabilities, count, csum in (
        (Capabilities(), 3, 0),
        (Capabilities(checksum=True), 3, 0),
        (Capabilities(checksum=True, gso_max=65535), 1, CSUM_PARTIAL),
    ):
        a, b = memory_pair(Link(offload=True), capabilities)
        a.send([unfinished(bytes(2500), gso_size=1000)], 0)
        packets = b.receive(0)
        assert [packet.csum for packet in packets] == [csum] * count
        for packet in packets:
            assert (packet.offset, packet.body, packet.info) == (0, (), None)


def test_an_unfinished_checksum_passes_only_where_nobody_needs_it() -> None:
    a, b = memory_pair(Link(offload=True), Capabilities(checksum=True))
    a.send([unfinished()], 0)
    assert [packet.csum for packet in b.receive(0)] == [CSUM_PARTIAL]
    a, b = memory_pair(Link(offload=True))
    a.send([unfinished()], 0)
    (packet,) = b.receive(0)
    assert packet.csum == 0
    assert packet.head[40:42] != b"\0\0"


def test_the_receiver_gets_the_frame_from_its_start_and_no_more() -> None:
    sent = unfinished()
    (got,) = as_received(sent, Capabilities(checksum=True))
    assert (got.offset, got.body, got.info) == (0, (), None)
    assert got.head == sent.join()
    assert (sent.offset, len(sent.body)) == (14, 1)  # the sender's is left alone


def test_a_closed_end_is_silent() -> None:
    a, b = memory_pair(Link())
    a.send([Packet(b"x")], 0)
    b.close()
    assert (b.receive(0), b.room(), b.next_timeout()) == ([], 0, None)
    assert isinstance(a, MemoryDevice)
    assert a.room() == 64


class Host(FakeDevice):
    """A device that keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__("host", [])
        self.outbox: list[bytes] = []

    def send(self, packets: object, now: int) -> None:
        super().send(packets, now)  # type: ignore[arg-type]
        self.outbox += heads(packets)  # type: ignore[arg-type]


def test_a_link_around_a_device_delays_both_ways() -> None:
    host = Host()
    device = LinkedDevice(host, Link(latency="2ms"))
    assert device.capabilities is host.capabilities
    device.send([Packet(b"out", [b"!"])], 0)
    host.inbox.append(b"in")
    assert device.readable()
    assert device.receive(0) == []
    assert host.outbox == []
    assert device.next_timeout() == 2_000_000
    assert heads(device.receive(2_000_000)) == [b"in"]
    assert host.outbox == [b"out!"]
    assert device.next_timeout() is None


def test_a_link_around_a_device_loses() -> None:
    host = Host()
    link = Link()
    device = LinkedDevice(host, link)
    link.lose(0, 2)
    device.send([Packet(b"%d" % n) for n in range(3)], 0)
    assert host.outbox == [b"0", b"2"]


def test_a_blocked_device_holds_back_what_the_link_delivers() -> None:
    host = Host()
    device = LinkedDevice(host, Link())
    host.space = 0
    assert device.room() == 0
    device.send([Packet(b"1"), Packet(b"2")], 0)
    assert host.outbox == []
    host.due = 5
    assert device.next_timeout() == 5
    host.space = 1
    assert device.next_timeout() == 0
    device.receive(5)
    assert host.outbox == [b"1", b"2"]


def test_a_link_around_a_device_passes_on_the_rest() -> None:
    host = Host()
    device = LinkedDevice(host, Link())
    host.news = False
    assert device.link() is False
    assert device.fileno() is None
    host.fails = "receive"
    with pytest.raises(DeviceGone, match="host in receive"):
        device.receive(0)
    device.close()
    assert host.closed


def test_who_waits_for_an_end_is_told_of_what_the_other_sends() -> None:
    a, b = memory_pair(Link(latency="2ms"))
    told: list[str] = []
    a.notify(lambda: told.append("a"))
    b.notify(lambda: told.append("b"))
    a.send([Packet(b"to b")], 0)
    assert told == ["b"]
    b.close()
    a.send([Packet(b"to nobody")], 0)
    assert told == ["b"]
