"""Super-segments and unfinished checksums through a router, whatever its devices do.

The oracle: what the wire would have carried to a router that sees one frame at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Capabilities, Packet
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID
from sansio_net.stack import StackConfig
from sansio_net.testing.craft import ip_packet, tcp_segment, udp_packet
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.ipv4 import DF, MF, parse_ipv4
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import ACK, CWR, FIN, PSH
from tests.stack.crossroads import Crossroads, on_wire

FILLED, EMPTY = True, False

CAPABILITIES = st.sampled_from(
    [
        Capabilities(),
        Capabilities(checksum=True),
        Capabilities(checksum=True, gso_max=3000),
        Capabilities(checksum=True, gso_max=65550),
        Capabilities(gso_max=65550),
    ]
)


@dataclass(slots=True)
class Sent:
    """A packet as a device hands it over, and as the wire would have carried it."""

    packet: Packet
    wire: list[bytes]
    df: bool


@st.composite
def packets(draw: st.DrawFn) -> Sent:
    v4 = draw(st.booleans())
    ends = ("10.0.0.2", "10.1.0.2") if v4 else ("fd00::2", "fd00:1::2")
    size = draw(st.integers(0, 9000))
    payload = (bytes(range(1, 256)) * 36)[:size]
    is_tcp = draw(st.booleans())
    if is_tcp:
        flags = ACK | draw(st.sampled_from([0, FIN, PSH, CWR, PSH | CWR | FIN]))
        transport = tcp_segment(
            (ends[0], 1),
            (ends[1], 2),
            seq=draw(st.sampled_from([5, 0xFFFFFF00])),
            flags=flags,
            options=bytes(4 * draw(st.integers(0, 3))),
            payload=payload,
        )
    else:
        transport = udp_packet((ends[0], 1), (ends[1], 2), payload)[20 if v4 else 40 :]
    df = not v4 or draw(st.booleans())
    fields = {"flags": DF if df else 0, "identification": 0xFFFE} if v4 else {}
    protocol = 6 if is_tcp else 17
    whole = ip_packet(*ends, protocol, transport, **fields)
    top = len(whole) - len(transport)
    gso = draw(st.sampled_from([0, 0, 100, 536, 1300, 1440])) if size else 0
    csum = draw(st.sampled_from([CSUM_NONE, CSUM_VALID, CSUM_PARTIAL]))
    offset = 16 if is_tcp else 6
    place = top + offset
    source, destination = (
        (whole[12:16], whole[16:20])
        if v4
        else (
            whole[8:24],
            whole[24:40],
        )
    )
    base = pseudo_sum(source, destination, protocol, len(transport)).to_bytes(2, "big")
    partial = whole[:place] + base + whole[place + 2 :]
    wire = flatten(
        Packet(partial, (), 0, gso, CSUM_PARTIAL, top, offset) if gso else Packet(whole)
    )
    if csum == CSUM_PARTIAL:
        packet = Packet(partial, (), 0, gso, csum, top, offset)
    elif csum == CSUM_VALID and draw(st.booleans()):
        packet = Packet(partial, (), 0, gso, csum)  # nobody ever computed it
    else:
        packet = Packet(whole, (), 0, gso, csum)
    packet.head += bytes(draw(st.sampled_from([0, 0, 6])))  # of the link
    return Sent(packet, wire, df)


@given(packets(), CAPABILITIES, st.sampled_from([576, 1280, 1400, 1500, 9000]))
def test_the_wire_sees_no_difference(
    sent: Sent, capabilities: Capabilities, mtu: int
) -> None:
    v4 = sent.packet.head[0] >> 4 == 4
    if not v4:
        mtu = max(mtu, 1280)
    at = Crossroads(
        StackConfig(forward=True),
        mtus=(9000, mtu, 1500),
        capabilities=(None, capabilities, None),
    )
    errors, out, _ = at.send(0, sent.packet)
    expected = [one_hop_less(packet) for packet in sent.wire]
    if max(map(len, expected)) > mtu and sent.df:
        assert not out
        (error,) = on_wire(errors)
        start = 28 if v4 else 48
        assert int.from_bytes(error[start - 4 : start], "big") == mtu
        assert expected[0].startswith(error[start:])
        return
    assert not errors
    for packet in out:
        n = len(flatten(packet))
        assert n == 1 or (capabilities.checksum and len(packet) <= capabilities.gso_max)
    found = on_wire(out)
    assert all(len(packet) <= mtu for packet in found)
    assert reassembled(found) == expected
    assert at.counted(f"ipv{4 if v4 else 6}.forwarded") == len(expected)


def one_hop_less(packet: bytes) -> bytes:
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes((packet[7] - 1,)) + packet[8:]
    header = parse_ipv4(packet)
    return ip_packet(
        header.source,
        header.destination,
        header.protocol,
        packet[20:],
        ttl=header.ttl - 1,
        flags=header.flags,
        identification=header.identification,
    )


def reassembled(packets: list[bytes]) -> list[bytes]:
    """Fragments that lie one after the other, as what they were."""
    whole: list[bytes] = []
    held = b""
    for packet in packets:
        if packet[0] >> 4 == 6:
            whole.append(packet)
            continue
        header = parse_ipv4(packet)
        assert header.fragment_offset == len(held)
        held += packet[20:]
        if header.flags & MF:
            continue
        whole.append(
            ip_packet(
                header.source,
                header.destination,
                header.protocol,
                held,
                ttl=header.ttl,
                flags=header.flags,
                identification=header.identification,
            )
        )
        held = b""
    assert not held
    return whole
