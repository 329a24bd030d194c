"""Several datagrams in one: sent, received and passed on, whole or cut."""

from __future__ import annotations

import pytest

from sansio_net import Capabilities, Datagram, Packet
from sansio_net.addresses import pack_ip
from sansio_net.errors import MessageTooLongError
from sansio_net.packet import CSUM_PARTIAL, CSUM_VALID, PacketInfo
from sansio_net.protocols.udp import UdpSocket
from sansio_net.protocols.udp.build import datagram
from sansio_net.stack import StackConfig, UdpReceived
from sansio_net.testing.craft import ip_packet, tcp_segment
from sansio_net.wire.ip import ip_wrap
from sansio_net.wire.ipv4 import DF
from sansio_net.wire.segment import flatten

from .bench import MAC, PEER_MAC, Bench
from .crossroads import Crossroads

USO = Capabilities(checksum=True, gso_max=65_535, uso=True)
TSO = Capabilities(checksum=True, gso_max=65_535)
TEXT = bytes(range(256)) * 20
FOUR, SIX = ("10.0.0.2", "10.1.0.2"), ("fd00:0::2", "fd00:1::2")


def bench(uso: bool = True, **more: object) -> Bench:
    at = Bench(checksum=True, gso_max=65_535, uso=uso, **more)
    assert at.nic.arp is not None
    at.nic.arp.add_static("10.0.0.1", PEER_MAC)
    at.turn()
    return at


def leaving(at: Bench) -> list[Packet]:
    at.stack.handle_timeout(at.now)
    return at.nic.transmit(at.now, 1000)


def super_datagram(ends: tuple[str, str], gso_size: int, payload: bytes) -> Packet:
    """At its IP header, as a device hands it over."""
    src, dst = map(pack_ip, ends)
    packet = datagram(5000, 7, payload, PacketInfo(src, dst), gso_size)
    whole = ip_wrap(packet, 17).join()
    at = 20 if len(src) == 4 else 40
    return Packet(whole, (), 0, gso_size, CSUM_PARTIAL, at, 6)


def arrives(at: Bench, packet: Packet) -> None:
    packet.head = MAC + PEER_MAC + b"\x08\0" + packet.head
    packet.csum_start += 14
    at.settle(packet)


def taken(sock: UdpSocket) -> list[Datagram]:
    return list(iter(sock.receive, None))


# -- out


def test_a_device_that_cuts_datagrams_gets_one_packet() -> None:
    at = bench()
    sock = at.stack.udp_bind(("", 7))
    sock.send_to(TEXT, ("10.0.0.1", 9), segment_size=1000)
    (packet,) = leaving(at)
    assert (packet.gso_size, packet.csum, packet.csum_offset) == (1000, CSUM_PARTIAL, 6)
    assert packet.body[0] is TEXT
    payloads = [frame[42:] for frame in flatten(packet)]
    assert payloads == [TEXT[n : n + 1000] for n in range(0, len(TEXT), 1000)]


@pytest.mark.parametrize(
    ("device", "options"),
    [
        ({"uso": False}, b""),
        ({"mtu": 9000}, b"\x07\x07\x04\0\0\0\0\0"),  # each records its own route
    ],
)
def test_else_datagrams_leave(device: dict[str, object], options: bytes) -> None:
    at = bench(**device)  # type: ignore[arg-type]
    sock = at.stack.udp_bind(("", 7))
    data = TEXT[:4500]
    sock.send_to(data, ("10.0.0.1", 9), segment_size=1400, options=options)
    packets = leaving(at)
    assert [packet.gso_size for packet in packets] == [0] * 4
    assert all(packet.body[0].obj is data for packet in packets)  # type: ignore[union-attr]
    frames = [frame for packet in packets for frame in flatten(packet)]
    top = 42 + len(options)
    assert [len(frame) - top for frame in frames] == [1400, 1400, 1400, 300]
    assert b"".join(frame[top:] for frame in frames) == data
    idents = [int.from_bytes(frame[18:20], "big") for frame in frames]
    assert len(set(idents)) == 4


def test_a_super_datagram_waits_for_its_neighbour_in_one_piece() -> None:
    at = Bench(checksum=True, gso_max=65_535, uso=True)
    sock = at.stack.udp_bind(("", 7))
    sock.send_to(TEXT[:4000], ("10.0.0.1", 9), segment_size=100)
    assert [len(frame) - 42 for frame in at.settle()] == [100] * 40


def test_the_longest_datagram_waits_for_its_neighbour_in_all_its_fragments() -> None:
    at = Bench()
    at.stack.udp_bind(("", 7)).send_to(bytes(65_507), ("10.0.0.1", 9))
    frames = at.settle()
    assert len(frames) == 45
    assert sum(len(frame) - 34 for frame in frames) == 65_507 + 8


def test_a_path_that_became_narrow_gets_fragments_of_each() -> None:
    """Of the application's datagrams none is cut at another size."""
    at = bench()
    sock = at.stack.udp_bind(("", 7))
    sock.send_to(TEXT[:3000], ("10.0.0.1", 9), segment_size=1472)
    at.nic.set_mtu(800)
    packets = leaving(at)
    assert all(len(packet) <= 814 and not packet.gso_size for packet in packets)
    assert len(packets) == 2 + 2 + 1
    with pytest.raises(MessageTooLongError):
        sock.send_to(TEXT[:3000], ("10.0.0.1", 9), segment_size=1472)


def test_a_narrow_path_of_ipv6_is_known_to_send() -> None:
    at = bench()
    at.nic.add_address("fd00::2/64", probe=False)
    assert at.nic.ndp is not None
    at.nic.ndp.add_static("fd00::1", PEER_MAC)
    at.turn()
    sock = at.stack.udp_bind(("", 7))
    sock.send_to(TEXT[:3000], ("fd00::1", 9), segment_size=1452)
    assert [packet.gso_size for packet in leaving(at) if packet.gso_size] == [1452]
    at.stack.datagram_paths.learn(pack_ip("fd00::1"), 1300, at.now)
    with pytest.raises(MessageTooLongError):
        sock.send_to(TEXT[:3000], ("fd00::1", 9), segment_size=1453 - 200)
    sock.send_to(TEXT[:3000], ("fd00::1", 9), segment_size=1452 - 200)
    assert [packet.gso_size for packet in leaving(at)] == [1252]


def test_to_ourselves_and_to_a_group() -> None:
    at = bench()
    at.stack.add_route("default", via="10.0.0.1")
    near, whole = at.stack.udp_bind(("", 7)), at.stack.udp_bind(("", 8))
    whole.set(gro=True)
    near.join("239.1.1.1", nic="eth0")
    at.settle()
    near.send_to(b"aabbc", ("10.0.0.2", 7), segment_size=2)
    near.send_to(b"aabbc", ("10.0.0.2", 8), segment_size=2)
    near.send_to(b"xxyyz", ("239.1.1.1", 7), segment_size=2)
    out = at.settle()
    assert [frame[42:] for frame in out if frame[23] == 17] == [b"xx", b"yy", b"z"]
    got = [datagram.data for datagram in taken(near)]
    assert sorted(got) == sorted([b"aa", b"bb", b"c", b"xx", b"yy", b"z"])
    assert [(d.data, d.segment_size) for d in taken(whole)] == [(b"aabbc", 2)]


# -- in


def test_whole_for_those_who_ask_single_for_the_others() -> None:
    at = bench()
    sock = at.stack.udp_bind(("", 7))
    arrives(at, super_datagram(("10.0.0.1", "10.0.0.2"), 4, b"aaaabbbbcc"))
    assert [(d.data, d.segment_size) for d in taken(sock)] == [
        (b"aaaa", 0),
        (b"bbbb", 0),
        (b"cc", 0),
    ]
    sock.set(gro=True)
    arrives(at, super_datagram(("10.0.0.1", "10.0.0.2"), 4, b"aaaabbbbcc"))
    arrives(at, super_datagram(("10.0.0.1", "10.0.0.2"), 4, b"aaaa"))
    assert [(d.data, d.segment_size) for d in taken(sock)] == [
        (b"aaaabbbbcc", 4),
        (b"aaaa", 0),
    ]
    assert [e.count for e in at.events if isinstance(e, UdpReceived)] == [3, 1, 2]


def test_a_group_of_sockets_of_both_kinds() -> None:
    at = bench()
    socks = [at.stack.udp_bind(("", 7), reuse=True) for _ in range(2)]
    socks[1].set(gro=True)
    for sock in socks:
        sock.join("239.1.1.1", nic="eth0")
    packet = super_datagram(("10.0.0.1", "239.1.1.1"), 2, b"aabbc")
    packet.head = bytes.fromhex("01005e010101") + PEER_MAC + b"\x08\0" + packet.head
    packet.csum_start += 14
    at.settle(packet)
    assert [d.data for d in taken(socks[0])] == [b"aa", b"bb", b"c"]
    assert [d.data for d in taken(socks[1])] == [b"aabbc"]


def test_a_full_queue_counts_each_datagram() -> None:
    config = StackConfig()
    config.udp.receive_datagrams = 1
    config.udp.gro = True
    at = Bench(config)
    sock = at.stack.udp_bind(("", 7))
    for _ in range(2):
        arrives(at, super_datagram(("10.0.0.1", "10.0.0.2"), 4, b"aaaabbbbcc"))
    assert len(taken(sock)) == 1
    assert at.dropped() == {"udp_queue_full": 3}


def test_nobody_there() -> None:
    at = bench()
    out = []
    packet = super_datagram(("10.0.0.1", "10.0.0.2"), 4, b"aaaabbbbcc")
    packet.head = MAC + PEER_MAC + b"\x08\0" + packet.head
    packet.csum_start += 14
    out = at.settle(packet)
    assert at.dropped()["udp_no_socket"] == 3
    # what is quoted is what the wire would have carried: the first
    assert out[0][42:].endswith(b"aaaa")


def test_what_is_to_be_cut_within_a_tunnel_is_not_cut_here() -> None:
    """A kernel's VXLAN super-frame: the metadata speak of the segment inside."""
    at = bench()
    sock = at.stack.udp_bind(("", 7))
    for start, offset in ((90, 16), (90, 6), (20, 16)):
        packet = super_datagram(("10.0.0.1", "10.0.0.2"), 50, bytes(200))
        packet.csum_start, packet.csum_offset = start, offset
        arrives(at, packet)
    assert taken(sock) == []
    assert at.dropped() == {"device_metadata": 3}


# -- passed on


@pytest.mark.parametrize("ends", [FOUR, SIX])
@pytest.mark.parametrize("able", [USO, TSO, None])
def test_forwarded_whole_where_the_device_cuts_datagrams(
    ends: tuple[str, str], able: Capabilities | None
) -> None:
    at = Crossroads(capabilities=(None, able, None))
    _, out, _ = at.send(0, super_datagram(ends, 1000, TEXT[:2500]))
    assert [packet.gso_size for packet in out] == ([1000] if able is USO else [0] * 3)
    top = 42 if ends is FOUR else 62
    frames = [frame for packet in out for frame in flatten(packet)]
    assert b"".join(frame[top:] for frame in frames) == TEXT[:2500]
    assert [len(frame) - top for frame in frames] == [1000, 1000, 500]


def test_forwarded_by_a_gso_size_that_does_not_fit() -> None:
    at = Crossroads(mtus=(1500, 900, 1500), capabilities=(None, USO, None))
    _, out, _ = at.send(0, super_datagram(FOUR, 1000, TEXT[:2500]))
    # no DF: each in its own fragments
    assert [len(packet) - 34 for packet in out] == [880, 128, 880, 128, 508]


@pytest.mark.parametrize("ends", [FOUR, SIX])
def test_a_tunnel_is_not_passed_on_cut_in_the_wrong_place(
    ends: tuple[str, str],
) -> None:
    at = Crossroads(capabilities=(None, USO, None))
    for start, offset in ((90, 16), (90, 6), (20 if ends is FOUR else 40, 16)):
        packet = super_datagram(ends, 1000, bytes(2500))
        packet.csum_start, packet.csum_offset = start, offset
        assert at.send(0, packet)[1] == []
    assert at.dropped("device_metadata") == 3


@pytest.mark.parametrize("ends", [FOUR, SIX])
def test_a_guess_at_a_size_that_does_not_fit_is_another_guess(
    ends: tuple[str, str],
) -> None:
    """Its sender may have known the path for long: he cannot be told of a size that he
    never chose. Where a device says the size, he is.
    """
    for guess in (True, False):
        able = Capabilities(gso_guess=guess)
        at = Crossroads(mtus=(1500, 1300, 1500), capabilities=(able, None, None))
        segment = tcp_segment((ends[0], 1), (ends[1], 2), payload=TEXT[:4000])
        fields = {"flags": DF} if ends is FOUR else {}
        whole = ip_packet(*ends, 6, segment, **fields)
        errors, out, _ = at.send(0, Packet(whole, (), 0, 1440, CSUM_VALID))
        frames = [frame for packet in out for frame in flatten(packet)]
        if guess:
            top = 54 if ends is FOUR else 74
            assert [len(frame) for frame in frames][:-1] == [1314] * (len(frames) - 1)
            assert b"".join(frame[top:] for frame in frames) == TEXT[:4000]
            assert not errors
        else:
            assert not out
            assert len(errors) == 1
