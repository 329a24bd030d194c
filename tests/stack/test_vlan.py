"""An interface on a VLAN: tags out, tags in, everything else is somebody else's."""

from __future__ import annotations

import pytest

from sansio_net import Capabilities, Medium, Packet
from sansio_net.addresses import pack_mac
from sansio_net.packet import PacketInfo
from sansio_net.stack import Stack
from sansio_net.units import SECOND
from sansio_net.wire.arp import REQUEST, build_arp
from sansio_net.wire.ethernet import parse_ethernet
from sansio_net.wire.segment import flatten

MAC, PEER_MAC = pack_mac("02:00:00:00:00:02"), pack_mac("02:00:00:00:00:01")
US, PEER = bytes((10, 0, 0, 2)), bytes((10, 0, 0, 1))
ARP = build_arp(REQUEST, PEER_MAC, PEER, bytes(6), US)


def host(vlan: int | tuple[int, ...]) -> Stack:
    stack = Stack(seed=bytes(32))
    stack.add_interface(mac=MAC, addresses=["10.0.0.2/24"], vlan=vlan)
    answers(stack)  # the announcement
    return stack


def answers(stack: Stack, *frames: bytes | Packet) -> list[bytes]:
    stack.receive(frames, SECOND)
    stack.handle_timeout(SECOND)
    return [one for packet in stack.transmit(SECOND) for one in flatten(packet)]


def asked(*tags: bytes) -> bytes:
    return b"\xff" * 6 + PEER_MAC + b"".join(tags) + b"\x08\x06" + ARP


def test_its_own_frames_are_answered_with_its_tag() -> None:
    stack = host(7)
    (answer,) = answers(stack, asked(b"\x81\0\xe0\x07"))
    header = parse_ethernet(answer)
    assert (header.destination, header.vlan, header.ethertype) == (
        PEER_MAC,
        (7,),
        0x0806,
    )


@pytest.mark.parametrize(
    "tags",
    [(), (b"\x81\0\0\x08",), (b"\x81\0\0\0",), (b"\x81\0\0\x07", b"\x81\0\0\x08")],
)
def test_others_are_not(tags: tuple[bytes, ...]) -> None:
    stack = host(7)
    assert answers(stack, asked(*tags)) == []
    assert stack.counters()["drop.vlan"] == 1


def test_a_tag_that_the_device_took_off() -> None:
    stack = host(7)
    assert len(answers(stack, Packet(asked(), info=PacketInfo(vlan=0x2007)))) == 1


def test_stacked_tags() -> None:
    stack = host((100, 7))
    (answer,) = answers(stack, asked(b"\x88\xa8\0\x64", b"\x81\0\0\x07"))
    assert parse_ethernet(answer).vlan == (100, 7)
    assert answer[12:14] == b"\x88\xa8"
    assert answers(stack, asked(b"\x81\0\0\x07")) == []


def test_a_cut_tag_and_misuse() -> None:
    stack = host(7)
    assert answers(stack, b"\xff" * 6 + PEER_MAC + b"\x81\0\0\x07") == []
    with pytest.raises(ValueError, match="4094"):
        stack.add_interface(vlan=4095)
    with pytest.raises(ValueError, match="Ethernet"):
        stack.add_interface(vlan=7, capabilities=Capabilities(medium=Medium.IP))
    assert [nic.name for nic in stack.interfaces()] == ["lo", "eth0"]


def test_a_connection_over_a_vlan_keeps_its_checksums() -> None:
    stacks = []
    for n in (1, 2):
        stack = Stack(seed=bytes([n]) * 32)
        capabilities = Capabilities(checksum=True, gso_max=65_536)
        mac = bytes((2, 0, 0, 0, 0, n))
        address = f"10.0.0.{n}/24"
        stack.add_interface(
            mac=mac, addresses=[address], vlan=(100, 7), capabilities=capabilities
        )
        stacks.append(stack)
    one, two = stacks
    two.tcp_listen(("", 80))
    conn = one.tcp_connect(("10.0.0.2", 80))
    conn.send(bytes(20_000))
    now = SECOND
    for _ in range(40):
        now += SECOND // 100
        for sender, receiver in ((one, two), (two, one)):
            sender.handle_timeout(now)
            sender.events()
            frames = [f for packet in sender.transmit(now) for f in flatten(packet)]
            receiver.receive(frames, now)
    (accepted,) = two.connections()
    assert accepted.pending == 20_000
    assert "drop.tcp_bad_checksum" not in two.counters()
