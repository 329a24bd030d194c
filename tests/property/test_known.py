"""The shortcut of known flows decides nothing: without it, all is the same."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sansio_net import Capabilities, Medium, Packet
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import Interface, Stack
from sansio_net.testing.craft import udp_packet
from sansio_net.units import SECOND
from sansio_net.wire.checksum import checksum

MAC = bytes((2, 0, 0, 0, 0, 2))
LINK = MAC + bytes((2, 0, 0, 0, 0, 1))
ENDS = {
    4: (("10.0.0.1", 5000), ("10.0.0.2", 7)),
    6: (("fd00::1", 5000), ("fd00::2", 7)),
}


class End:
    """A host with a socket that one flow is for."""

    def __init__(self, medium: Medium) -> None:
        self.stack = Stack(seed=bytes(32))
        self.nic: Interface = self.stack.add_interface(
            mac=MAC if medium is Medium.ETHERNET else None,
            addresses=["10.0.0.2/24", "fd00::2/64"],
            capabilities=Capabilities(medium=medium),
            dad=False,
        )
        self.socket: UdpSocket = self.stack.udp_bind(("", 7))
        self.now = SECOND

    def takes(self, *packets: Packet) -> list[object]:
        """All that can be seen of a turn."""
        self.now += SECOND
        self.nic.receive(packets, self.now)
        self.stack.handle_timeout(self.now)
        events = list(map(repr, self.stack.events()))
        datagrams = list(iter(self.socket.receive, None))
        sent = [packet.join() for packet in self.nic.transmit(self.now)]
        return [events, datagrams, sent, self.stack.counters()]


def usual(family: int, payload: bytes, medium: Medium) -> bytes:
    packet = udp_packet(*ENDS[family], payload)
    if medium is Medium.IP:
        return packet
    return LINK + (b"\x08\x00" if family == 4 else b"\x86\xdd") + packet


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
