"""The shortcuts of known flows decide nothing: without them, all is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sansio_net import Capabilities, Medium, Packet
from sansio_net.addresses import pack_ip
from sansio_net.errors import SansioNetError
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID
from sansio_net.protocols.icmp import IcmpOptions
from sansio_net.protocols.udp import UdpSocket, ways
from sansio_net.stack import Interface, Stack, StackConfig, egress
from sansio_net.testing.craft import udp_packet
from sansio_net.units import SECOND
from sansio_net.wire.checksum import checksum
from sansio_net.wire.icmp import build_icmp
from sansio_net.wire.ipv4 import build_ipv4

MAC = bytes((2, 0, 0, 0, 0, 2))
LINK = MAC + bytes((2, 0, 0, 0, 0, 1))
ENDS = {
    4: (("10.0.0.1", 5000), ("10.0.0.2", 7)),
    6: (("fd00::1", 5000), ("fd00::2", 7)),
}


class End:
    """A host that answers echo requests, with a socket that one flow is for."""

    def __init__(self, medium: Medium, icmp: IcmpOptions | None = None) -> None:
        self.stack = Stack(StackConfig(icmp=icmp or IcmpOptions()), bytes(32))
        self.nic: Interface = self.stack.add_interface(
            mac=MAC if medium is Medium.ETHERNET else None,
            addresses=["10.0.0.2/24", "fd00::2/64"],
            capabilities=Capabilities(medium=medium),
            dad=False,
        )
        if self.nic.arp is not None:
            self.nic.arp.add_static("10.0.0.1", LINK[6:])
        self.socket: UdpSocket = self.stack.udp_bind(("", 7))
        self.now = SECOND

    def takes(self, *packets: Packet) -> list[object]:
        """All that can be seen of a turn."""
        self.now += SECOND
        self.nic.receive(packets, self.now)
        self.stack.handle_timeout(self.now)
        events = list(map(repr, self.stack.events()))
        datagrams = list(iter(self.socket.receive, None))
        sent = [
            (packet.join(), packet.offset, packet.csum, packet.csum_start)
            for packet in self.nic.transmit(self.now)
        ]
        return [events, datagrams, sent, self.stack.counters()]


def framed(packet: bytes, medium: Medium) -> bytes:
    if medium is Medium.IP:
        return packet
    return LINK + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet


def usual(family: int, payload: bytes, medium: Medium) -> bytes:
    return framed(udp_packet(*ENDS[family], payload), medium)


def echo_request(payload: bytes, medium: Medium, rest: bytes = b"idsq") -> bytes:
    message = build_icmp(8, 0, rest, payload)
    source, destination = pack_ip("10.0.0.1"), pack_ip("10.0.0.2")
    return framed(build_ipv4(source, destination, 1, len(message)) + message, medium)


changes = st.lists(
    st.tuples(st.integers(0, 70), st.integers(1, 255)), max_size=2
)  # where, and what is turned over there


def changed(
    frame: bytes, changes: list[tuple[int, int]], network: int, no_checksum: bool
) -> bytes:
    """IPv4's header checksum is right again; UDP's is as it was, or not there."""
    data = bytearray(frame)
    for place, mask in changes:
        if place < len(data):
            data[place] ^= mask
    is_v4 = frame[network] >> 4 == 4
    if no_checksum:
        place = network + (26 if is_v4 else 46)
        data[place : place + 2] = bytes(2)
    if is_v4:
        data[network + 10 : network + 12] = bytes(2)
        check = checksum(bytes(data[network : network + 20]))
        data[network + 10 : network + 12] = check.to_bytes(2, "big")
    return bytes(data)


@given(
    st.sampled_from((4, 6)),
    st.sampled_from(Medium),
    st.binary(max_size=20),
    changes,
    st.integers(-60, 20),
    st.sampled_from((CSUM_NONE, CSUM_VALID, CSUM_PARTIAL)),
    st.sampled_from((0, 0, 0, 1, 8)),
    st.booleans(),
)
@example(4, Medium.ETHERNET, b"", [], 0, CSUM_NONE, 0, False)
@example(4, Medium.ETHERNET, b"wrong sum", [(40, 1)], 0, CSUM_NONE, 0, False)
@example(6, Medium.ETHERNET, b"wrong sum", [(60, 1)], 0, CSUM_NONE, 0, False)
@example(4, Medium.ETHERNET, b"no sum", [], 0, CSUM_NONE, 0, True)
@example(6, Medium.ETHERNET, b"no sum", [], 0, CSUM_NONE, 0, True)
@example(4, Medium.ETHERNET, b"a fragment", [(20, 0x20)], 0, CSUM_VALID, 0, False)
@example(4, Medium.ETHERNET, b"later one", [(21, 1)], 0, CSUM_VALID, 0, False)
@example(4, Medium.ETHERNET, b"shorter UDP", [(39, 1)], 0, CSUM_NONE, 0, True)
@example(4, Medium.ETHERNET, b"no UDP", [(23, 1)], 0, CSUM_VALID, 0, False)
@example(4, Medium.ETHERNET, b"options", [(14, 3)], 0, CSUM_VALID, 0, False)
@example(4, Medium.ETHERNET, b"another MAC", [(5, 4)], 0, CSUM_VALID, 0, False)
@example(4, Medium.ETHERNET, b"", [(17, 7), (39, 15)], 0, CSUM_VALID, 0, False)
@example(6, Medium.ETHERNET, b"", [(19, 15), (59, 15)], 0, CSUM_VALID, 0, False)
@example(4, Medium.IP, b"no UDP", [(9, 1)], 0, CSUM_VALID, 0, False)
@example(6, Medium.IP, b"no UDP", [(6, 1)], 0, CSUM_VALID, 0, False)
@example(4, Medium.IP, b"padded", [], 18, CSUM_NONE, 0, False)
def test_a_packet_of_a_known_flow_is_judged_as_any_other(
    family: int,
    medium: Medium,
    payload: bytes,
    changes: list[tuple[int, int]],
    longer: int,
    csum: int,
    gso_size: int,
    no_checksum: bool,
) -> None:
    network = 14 if medium is Medium.ETHERNET else 0
    frame = changed(usual(family, payload, medium), changes, network, no_checksum)
    frame = frame[:longer] if longer < 0 else frame + bytes(longer)
    packet = Packet(frame, (), 0, gso_size, csum, 34 if family == 4 else 54, 6)
    knows, forgets = End(medium), End(medium)
    for end in (knows, forgets):
        for known_family in ENDS:
            end.takes(Packet(usual(known_family, b"first", medium)))
    assert len(knows.nic.known.flows) == 2
    forgets.nic.known.flows.clear()
    forgets.nic.known.pairs.clear()
    assert knows.takes(packet) == forgets.takes(packet)


@given(
    st.sampled_from(Medium),
    st.binary(max_size=20) | st.integers(0, 2000).map(bytes),
    st.sampled_from((b"idsq", bytes(4), b"\xf7\xff\0\0")),
    changes,
    st.integers(-60, 20),
    st.sampled_from((CSUM_NONE, CSUM_VALID)),
    st.sampled_from(("", "ignores", "limited")),
    st.booleans(),
)
@example(Medium.ETHERNET, b"", b"idsq", [], 0, CSUM_NONE, "", False)
@example(Medium.ETHERNET, b"", bytes(4), [], 0, CSUM_NONE, "", False)
@example(Medium.ETHERNET, b"odd", b"idsq", [], 0, CSUM_VALID, "", False)
@example(Medium.ETHERNET, b"sum", b"idsq", [(43, 1)], 0, CSUM_NONE, "", False)
@example(Medium.ETHERNET, b"tos", b"idsq", [(15, 0xFF)], 0, CSUM_NONE, "", False)
@example(Medium.ETHERNET, b"fragment", b"idsq", [(20, 32)], 0, CSUM_NONE, "", False)
@example(Medium.ETHERNET, b"options", b"idsq", [(14, 3)], 0, CSUM_NONE, "", False)
@example(
    Medium.ETHERNET, b"reply", b"adsq", [(34, 8), (38, 8)], 0, CSUM_NONE, "", False
)
@example(Medium.ETHERNET, b"short", b"idsq", [(17, 0x27)], 0, CSUM_NONE, "", False)
@example(Medium.ETHERNET, b"long", b"idsq", [(17, 0x1F)], 0, CSUM_NONE, "", False)
@example(Medium.IP, b"no ICMP", b"idsq", [(9, 2)], 0, CSUM_NONE, "", False)
@example(Medium.ETHERNET, bytes(1600), b"idsq", [], 0, CSUM_NONE, "", False)
@example(Medium.ETHERNET, b"asked", b"idsq", [], 0, CSUM_NONE, "ignores", False)
@example(Medium.ETHERNET, b"often", b"idsq", [], 0, CSUM_NONE, "limited", False)
@example(Medium.ETHERNET, b"moved", b"idsq", [], 0, CSUM_NONE, "", True)
def test_an_echo_of_a_known_pair_is_answered_as_any_other(
    medium: Medium,
    payload: bytes,
    rest: bytes,
    changes: list[tuple[int, int]],
    longer: int,
    csum: int,
    said: str,
    moved: bool,
) -> None:
    network = 14 if medium is Medium.ETHERNET else 0
    frame = changed(echo_request(payload, medium, rest), changes, network, False)
    frame = frame[:longer] if longer < 0 else frame + bytes(longer)
    options = IcmpOptions()
    options.echo_ignore_all = said == "ignores"
    if said == "limited":
        options.ratemask, options.burst = 1, 3
    knows, forgets = End(medium, options), End(medium, options)
    for end in (knows, forgets):
        for _ in range(2):
            end.takes(Packet(echo_request(b"first", medium)))
        if moved:
            end.nic.remove_address("10.0.0.2/24")
    forgets.nic.known.pairs.clear()
    if said != "ignores":
        assert any(knows.nic.known.pairs.values())
    packets = [Packet(frame, (), 0, 0, csum) for _ in range(3)]
    assert knows.takes(*packets) == forgets.takes(*packets)


# the way out ------------------------------------------------------------------------

HERE, THERE = "10.0.0.1", "fd00::1"
ADDRESSES = (
    *((HERE, 5000), (HERE, 5001), ("10.0.0.9", 7), ("192.0.2.1", 7), ("10.1.0.1", 7)),
    *((THERE, 5000), ("2001:db8::1", 7), ("fe80::1%eth0", 7), ("fe80::1", 7)),
    *(("224.0.0.5", 7), ("ff02::5", 7), ("10.0.0.255", 7), ("10.0.0.2", 7)),
    *(("127.0.0.1", 7), ("203.0.113.1", 0), ("nobody", 7), ("0.0.0.0", 7)),
)
"""Neighbours, behind routers, groups, ourselves, and what is none."""
NEAR, FAR, SIX = ADDRESSES[0], ADDRESSES[4], ADDRESSES[5]
ALL, ONLY, GOES = ("transmit", 64), ("only", 1), ("address", "10.0.0.2/24")

sizes = st.one_of(st.integers(0, 100), st.integers(1200, 3000))
address = st.sampled_from(ADDRESSES[:7]) | st.sampled_from(ADDRESSES)
what_to_do = st.one_of(
    st.tuples(st.just("send"), address, sizes, st.integers(1, 5)),
    st.tuples(st.just("send"), address, sizes, st.integers(1, 5)),
    st.tuples(st.just("to_peer"), sizes),
    st.tuples(st.just("segments"), address, st.integers(1, 4000)),
    st.tuples(st.just("special"), address, st.integers(1, 255)),
    st.tuples(st.just("set"), st.integers(1, 255), st.integers(0, 255)),
    st.tuples(st.just("transmit"), st.integers(0, 8)),
    st.tuples(st.just("only"), st.integers(0, 1)),
    st.tuples(st.just("address"), st.sampled_from(("10.0.0.2/24", "fd00::2/64"))),
    st.tuples(st.just("mtu"), st.sampled_from((1280, 1400, 1500))),
    st.tuples(st.just("route"), st.sampled_from(("10.0.0.1", "10.1.0.9"))),
    st.tuples(st.just("flap")),
    st.tuples(st.just("close"), st.integers(0, 3)),
)


class Sender:
    """A host on two links, with neighbours on the first; what can be seen of it."""

    def __init__(self) -> None:
        self.stack = Stack(StackConfig(), bytes(32))
        add = self.stack.add_interface
        self.nics = [
            add(addresses=["10.0.0.2/24", "169.254.0.5/16", "fd00::2/64"], dad=False),
            add(addresses=["10.1.0.2/24"]),
        ]
        first, second = self.nics
        first.hop_limit = 50
        for cache, ip in (
            *((first.arp, HERE), (first.arp, "10.0.0.9"), (first.ndp, THERE)),
            (second.arp, "10.1.0.1"),
        ):
            assert cache is not None
            cache.add_static(ip, "02:00:00:00:00:01")
        self.stack.add_route("default", via=HERE)
        self.stack.add_route("default", via=THERE)
        options = self.stack.config.udp
        options.send_datagrams = 6
        bind = self.stack.udp_bind
        self.sockets = [bind(("", 7)), bind(("", 8)), bind(("10.0.0.2", 9))]
        self.sockets += bind(("", 10), broadcast=True), bind(("169.254.0.5", 11))
        for group in ("224.0.0.5", "ff02::5"):
            self.sockets[0].join(group, nic="eth0")
        self.connected = bind(("", 0), peer=(HERE, 53))
        self.now = SECOND
        self.seen: list[object] = []

    def do(self, kind: str, *how: object) -> None:
        self.attempt(lambda: getattr(self, kind)(*how))
        self.turn(64 if kind == "flap" else 0)

    def attempt(self, verb: Callable[[], None]) -> None:
        try:
            verb()
        except (SansioNetError, ValueError) as error:
            self.seen.append(repr(error))

    def turn(self, limit: int, *only: Interface) -> None:
        self.now += SECOND // 100
        self.stack.handle_timeout(self.now)
        self.seen += map(repr, self.stack.events())
        for nic in only or self.nics if limit else ():
            for packet in nic.transmit(self.now, limit):
                self.seen.append((packet.join(), packet.offset, packet.gso_size))
                self.seen.append((packet.csum, packet.csum_start, packet.csum_offset))

    def send(self, to: tuple[str, int], size: int, n: int) -> None:
        for socket in self.sockets[:n]:
            for _ in range(n):
                self.attempt(lambda socket=socket: socket.send_to(bytes(size), to))

    def to_peer(self, size: int) -> None:
        for _ in range(3):
            self.connected.send(bytes(size))

    def segments(self, to: tuple[str, int], size: int) -> None:
        self.sockets[0].send_to(bytes(size), to, segment_size=1000)

    def special(self, to: tuple[str, int], ttl: int) -> None:
        self.sockets[0].send_to(b"special", to, ttl=ttl)
        if ":" not in to[0]:
            self.sockets[0].send_to(b"special", to, options=bytes((1, 1, 1, 0)))
        self.sockets[1].send_to(b"special", to, source="10.1.0.2")

    def set(self, ttl: int, tos: int) -> None:
        self.sockets[0].set(ttl=ttl, tos=tos)
        self.sockets[1].set(broadcast=bool(tos & 1), multicast_ttl=ttl)

    def transmit(self, limit: int) -> None:
        self.turn(limit)

    def only(self, which: int) -> None:
        self.turn(64, self.nics[which])

    def address(self, text: str) -> None:
        nic = self.nics[0]
        if any(str(one) == text for one in nic.addresses):
            nic.remove_address(text)
        else:
            nic.add_address(text, probe=False)

    def mtu(self, mtu: int) -> None:
        self.nics[0].set_mtu(mtu)

    def route(self, via: str) -> None:
        self.stack.add_route("192.0.2.0/24", via=via)

    def flap(self) -> None:
        self.nics[0].carrier(False)
        self.turn(8)
        self.nics[0].carrier(True)

    def close(self, which: int) -> None:
        self.sockets[which].close()


@contextmanager
def forgetful() -> Iterator[None]:
    """Every datagram is looked at as if it were the first."""
    with (
        patch.object(ways.Ways, "find", lambda self, address: None),
        patch.object(egress, "leaves", lambda nic, packet, socket: False),
    ):
        yield


def seen_of(script: list[tuple[object, ...]]) -> list[object]:
    sender = Sender()
    for kind, *how in script:
        sender.do(str(kind), *how)
    for _ in range(4):
        sender.turn(64)
    return [*sender.seen, sender.stack.counters()]


@given(st.lists(what_to_do, max_size=12))
@example(
    [step for to in ADDRESSES for step in 2 * [("send", to, 9, 5), ("transmit", 64)]]
)
@example([("send", NEAR, 10, 2), ("transmit", 64), ("send", SIX, 9, 3)])
# the way is known, and then it is none
@example([*2 * [("send", NEAR, 9, 2), ("transmit", 64)], ("send", NEAR, 9, 1), GOES])
# the socket waited in another interface's queue when the second was first sent
@example([("send", NEAR, 9, 1), ("send", FAR, 9, 1), ALL, ("send", FAR, 9, 1), ONLY])
# several in one that would fit a packet
@example([*2 * [("send", NEAR, 9, 1), ALL], ("segments", NEAR, 1400), ALL])
@example([*2 * [("special", NEAR, 9), ALL]])
@pytest.mark.interpreted("replaces functions of modules")
def test_a_datagram_leaves_as_if_it_were_the_first(
    script: list[tuple[object, ...]],
) -> None:
    known = seen_of(script)
    with forgetful():
        first = seen_of(script)
    assert known == first
