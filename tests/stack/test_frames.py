"""Frame sockets on a stack: what they see, on which medium, and what they send."""

from __future__ import annotations

import pytest

from sansio_net import Capabilities, Medium, Packet
from sansio_net.addresses import pack_mac
from sansio_net.errors import MessageTooLongError, StateError, Unreachable
from sansio_net.packet import CSUM_PARTIAL, PacketInfo
from sansio_net.protocols.raw import FrameOptions, FrameSocket
from sansio_net.stack import FrameReceived, Stack, StackConfig
from sansio_net.testing.craft import ip_packet, udp_packet
from sansio_net.units import SECOND
from sansio_net.wire.segment import flatten

from .bench import MAC, PEER_MAC, Bench, ethernet

STRANGER = pack_mac("02:00:00:00:00:77")
UDP = udp_packet(("10.0.0.1", 1), ("10.0.0.2", 9), b"data")
LLDP = b"\x01\x80\xc2\0\0\x0e" + PEER_MAC + b"\x88\xccdata"


def seen(sock: FrameSocket) -> list[bytes]:
    return [one.data for one in iter(sock.receive, None)]


def vlan_host(*vlan: int) -> tuple[Stack, FrameSocket]:
    stack = Stack(seed=bytes(32))
    nic = stack.add_interface(mac=MAC, addresses=["10.0.0.2/24"], vlan=vlan)
    stack.transmit(SECOND)  # the announcement
    stack.events()
    return stack, stack.frame_open(nic, outgoing=True)


def test_everything_that_comes_as_it_comes() -> None:
    """Also what is not for us, is unknown, or is no frame at all."""
    bench = Bench()
    sock = bench.stack.frame_open(bench.nic)
    frames = [ethernet(UDP), ethernet(UDP, STRANGER), LLDP, LLDP[:13], b""]
    bench.turn(*frames)
    assert FrameReceived(sock, 5) in bench.events
    first = sock.receive()
    assert first is not None
    assert (first.nic, first.at, first.is_outgoing) == ("eth0", bench.now, False)
    assert [first.data, *seen(sock)] == frames
    # and the stack did what it always does
    dropped = {
        "frame_truncated": 2,
        "other_host": 1,
        "udp_no_socket": 1,
        "unknown_ethertype": 1,
    }
    assert bench.dropped() == {**bench.dropped(), **dropped}


def test_one_type_alone() -> None:
    bench = Bench()
    sock = bench.stack.frame_open(bench.nic, 0x88CC)
    bench.turn(ethernet(UDP), LLDP, LLDP[:13])
    assert seen(sock) == [LLDP]


def test_nobody_looks_once_it_is_closed() -> None:
    bench = Bench()
    sock = bench.stack.frame_open(bench.nic)
    sock.close()
    bench.settle()
    assert bench.nic.frame_sockets == []
    assert bench.stack.sockets() == []


def test_what_the_stack_sends_where_asked_for() -> None:
    bench = Bench()
    sock = bench.stack.frame_open(bench.nic, outgoing=True)
    udp = bench.stack.udp_bind(("", 9))
    udp.send_to(b"x", ("10.0.0.1", 1))
    out = bench.settle()
    found = list(iter(sock.receive, None))
    # the announcement, our question, the answer, the datagram with its checksum
    assert [one.is_outgoing for one in found] == [True, True, False, True]
    assert found[-1].data == out[-1]


def test_a_frame_is_sent_as_it_is() -> None:
    bench = Bench()
    sock = bench.stack.frame_open(bench.nic, 0x88CC)
    bench.settle()
    sock.send(LLDP)
    assert bench.turn() == [LLDP]
    sock.send(bytes(1518))
    assert bench.turn() == [bytes(1518)]
    with pytest.raises(MessageTooLongError):
        sock.send(bytes(1519))
    with pytest.raises(ValueError, match="no frame"):
        sock.send(LLDP[:13])
    undone = Packet(ethernet(UDP), (), 14, 2, CSUM_PARTIAL, 34, 6)
    sock.send(undone)
    assert [len(frame) for frame in bench.turn()] == [44, 44]


def test_on_a_tun_there_are_packets() -> None:
    bench = Bench(medium=Medium.IP)
    everything = bench.stack.frame_open(bench.nic)
    six = bench.stack.frame_open(bench.nic, 0x86DD)
    packets = [UDP, ip_packet("fd00::1", "fd00::2", 17, b""), b"\x99", b""]
    bench.turn(*packets)
    assert seen(everything) == packets
    assert seen(six) == packets[1:2]
    everything.send(UDP)
    assert UDP in bench.turn()
    with pytest.raises(ValueError, match="no frame"):
        everything.send(b"")
    with pytest.raises(MessageTooLongError):
        everything.send(bytes(1501))


def test_super_segments_on_either_terms() -> None:
    bench = Bench()
    cut = bench.stack.frame_open(bench.nic)
    kept = bench.stack.frame_open(bench.nic, flatten=False)
    bench.turn(Packet(ethernet(UDP), (), 0, 2, CSUM_PARTIAL, 34, 6))
    assert [len(frame) for frame in seen(cut)] == [44, 44]
    frame = kept.receive()
    assert frame is not None
    assert (frame.gso_size, frame.csum, frame.csum_start) == (2, CSUM_PARTIAL, 34)
    # in parts, as another stack's output
    bench.turn(Packet(ethernet(UDP)[:10], (ethernet(UDP)[10:],)))
    assert seen(cut) == seen(kept) == [ethernet(UDP)]


def test_tags_in_the_frame_or_beside_it() -> None:
    bench = Bench()
    everything = bench.stack.frame_open(bench.nic)
    tagged = bench.stack.frame_open(bench.nic, 0x8100)
    frame = ethernet(UDP)
    whole = frame[:12] + b"\x81\0\x20\x07" + frame[12:]
    bench.turn(whole, Packet(frame, info=PacketInfo(vlan=0x2007)))
    assert seen(everything) == seen(tagged) == [whole, whole]
    undone = Packet(frame, (), 0, 0, CSUM_PARTIAL, 34, 6, PacketInfo(vlan=7))
    bench.turn(undone)
    assert [len(one) for one in seen(tagged)] == [len(whole)]


def test_an_interface_on_vlans_shows_its_own_frames_without_tags() -> None:
    for vlan, tag in (((7,), b"\x81\0\0\7"), ((9, 7), b"\x88\xa8\0\x09\x81\0\0\7")):
        stack, sock = vlan_host(*vlan)
        frame = LLDP
        whole = frame[:12] + tag + frame[12:]
        other = frame[:12] + b"\x81\0\0\x08" + frame[12:]
        stack.receive([frame, other, whole, whole[:15], whole[:17]], SECOND)
        sock.send(LLDP)
        (sent,) = stack.transmit(SECOND)
        assert sent.join() == whole
        assert [(one.data, one.is_outgoing) for one in iter(sock.receive, None)] == [
            (LLDP, False),
            (LLDP, True),
        ]


def test_a_tag_beside_the_frame_of_a_vlan() -> None:
    stack, sock = vlan_host(7)
    frame = ethernet(UDP)
    info = PacketInfo(vlan=7)
    stack.receive([Packet(frame, (), 14, 0, CSUM_PARTIAL, 34, 6, info)], SECOND)
    (found,) = seen(sock)
    assert found[:14] == frame[:14]


def test_an_interface_that_is_down_or_gone() -> None:
    bench = Bench()
    sock = bench.stack.frame_open(bench.nic)
    bench.settle()
    sock.send(LLDP)
    bench.nic.down()
    bench.turn()
    assert bench.dropped() == {"link_down": 1}
    bench.nic.up()
    sock.send(LLDP)
    bench.stack.remove_interface(bench.nic)
    bench.stack.handle_timeout(bench.now)
    assert bench.dropped()["no_route"] == 1
    with pytest.raises(Unreachable):
        sock.send(LLDP)
    with pytest.raises(StateError):
        bench.stack.frame_open(bench.nic)
    sock.close()
    bench.stack.events()


def test_the_output_queue_is_bounded() -> None:
    config = StackConfig(output_queue=2, frames=FrameOptions(send_frames=100))
    stack = Stack(config, bytes(32))
    capabilities = Capabilities(medium=Medium.IP)
    nic = stack.add_interface(addresses=["10.0.0.2/24"], capabilities=capabilities)
    sock = stack.frame_open(nic)
    for _ in range(50):
        sock.send(UDP)
    sent = stack.transmit(SECOND, 64)
    assert [flatten(packet) for packet in sent] == [[UDP]] * 50
    assert len(nic.outbox) == 0
