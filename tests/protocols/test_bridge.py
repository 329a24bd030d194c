"""A bridge: what it learns, whom it tells, what it forgets."""

from __future__ import annotations

import pytest

from sansio_net import Packet
from sansio_net.addresses import pack_mac
from sansio_net.counters import Counters
from sansio_net.errors import StateError
from sansio_net.packet import CSUM_PARTIAL
from sansio_net.protocols.bridge import Bridge, BridgeConfig, BridgePort
from sansio_net.units import SECOND

A, B, C = (pack_mac(f"02:00:00:00:00:0{n}") for n in (1, 2, 3))
ALL = b"\xff" * 6
BODY = b"\x08\x00" + bytes(46)


def frame(
    to: bytes, source: bytes, vlan: int | None = None, priority: int = 0
) -> Packet:
    tag = b""
    if vlan is not None:
        tag = b"\x81\x00" + (priority << 13 | vlan).to_bytes(2, "big")
    return Packet(to + source + tag + BODY)


def ports(bridge: Bridge, port: int, packet: Packet, now: int = 0) -> list[int]:
    bridge.receive([(port, packet)], now)
    return sorted(port for port, _ in bridge.transmit(now, 1000))


def test_unknown_is_flooded_known_is_not() -> None:
    bridge = Bridge(4)
    assert ports(bridge, 0, frame(B, A)) == [1, 2, 3]
    assert ports(bridge, 2, frame(A, B)) == [0]
    assert ports(bridge, 0, frame(B, A)) == [2]
    assert ports(bridge, 0, frame(ALL, A)) == [1, 2, 3]


def test_never_back_where_it_came_from() -> None:
    bridge = Bridge(2)
    ports(bridge, 0, frame(B, A))
    assert ports(bridge, 0, frame(A, C)) == []


def test_a_host_that_moves() -> None:
    bridge = Bridge(3)
    ports(bridge, 0, frame(ALL, A))
    ports(bridge, 1, frame(ALL, A))
    assert ports(bridge, 2, frame(A, B)) == [1]


def test_addresses_age() -> None:
    bridge = Bridge(3, config=BridgeConfig(ageing=10 * SECOND))
    ports(bridge, 0, frame(ALL, A))
    assert bridge.next_timeout() == 10 * SECOND
    assert ports(bridge, 1, frame(A, B), 10 * SECOND - 1) == [0]
    bridge.handle_timeout(10 * SECOND)
    assert ports(bridge, 1, frame(A, B), 10 * SECOND) == [0, 2]


def test_group_sources_are_not_learned() -> None:
    bridge = Bridge(2)
    ports(bridge, 0, frame(B, ALL))
    assert bridge.addresses() == []


def test_frames_for_bridges_stay() -> None:
    counters = Counters()
    bridge = Bridge(2, counters=counters)
    assert ports(bridge, 0, frame(pack_mac("01:80:c2:00:00:00"), A)) == []
    assert ports(bridge, 0, frame(pack_mac("01:80:c2:00:00:10"), A)) == [1]
    assert counters.as_dict()["drop.bridge_reserved"] == 1


def test_a_flood_of_addresses_is_bounded() -> None:
    counters = Counters()
    bridge = Bridge(2, config=BridgeConfig(max_addresses=8), counters=counters)
    for n in range(100):
        ports(bridge, 0, frame(ALL, pack_mac(f"02:00:00:00:01:{n:02x}")))
    assert len(bridge.addresses()) == 8
    assert counters.as_dict()["bridge.not_learned"] == 92
    # those who were there first keep their place
    assert ports(bridge, 1, frame(pack_mac("02:00:00:00:01:00"), B)) == [0]


def test_queues_are_bounded() -> None:
    counters = Counters()
    bridge = Bridge(2, config=BridgeConfig(queue_packets=3), counters=counters)
    bridge.receive([(0, frame(ALL, A))] * 5, 0)
    assert bridge.waiting == 3
    assert counters.as_dict()["drop.output_queue_full"] == 2
    assert len(bridge.transmit(0, 2)) == 2
    assert bridge.waiting == 1


def aware() -> Bridge:
    """Ports 0 and 1 in VLANs 1 and 2, port 2 a trunk of both, port 3 in VLAN 2."""
    return Bridge(
        [
            BridgePort(pvid=1),
            BridgePort(pvid=2),
            BridgePort(pvid=0, tagged=(1, 2)),
            BridgePort(pvid=2),
        ],
        config=BridgeConfig(vlan_aware=True),
    )


def test_vlans_are_apart() -> None:
    bridge = aware()
    assert ports(bridge, 0, frame(ALL, A)) == [2]
    assert ports(bridge, 1, frame(ALL, B)) == [2, 3]
    assert bridge.addresses() == [(1, A, 0), (2, B, 1)]


def test_tags_on_the_trunk() -> None:
    bridge = aware()
    bridge.receive([(1, frame(ALL, B))], 0)
    sent = dict(bridge.transmit(0))
    assert sent[2].head == frame(ALL, B, 2).head
    assert sent[3].head == frame(ALL, B).head
    bridge.receive([(2, frame(B, C, 2, priority=5))], 0)
    ((port, packet),) = bridge.transmit(0)
    assert (port, packet.head) == (1, frame(B, C).head)


def test_an_untagged_frame_on_a_trunk_without_one() -> None:
    bridge = aware()
    assert ports(bridge, 2, frame(ALL, A)) == []
    assert ports(bridge, 2, frame(ALL, A, 7)) == []
    assert ports(bridge, 0, frame(ALL, A, 2)) == []
    # a priority tag belongs to the port's own
    assert ports(bridge, 1, frame(ALL, A, 0, priority=3)) == [2, 3]


def test_a_checksum_that_waits_moves_with_its_tag() -> None:
    bridge = aware()
    packet = frame(ALL, B)
    packet.csum, packet.csum_start, packet.offset = CSUM_PARTIAL, 34, 14
    bridge.receive([(1, packet)], 0)
    sent = dict(bridge.transmit(0))
    assert (sent[2].csum_start, sent[2].offset) == (38, 18)
    assert (sent[3].csum_start, sent[3].offset) == (34, 14)


def test_unaware_bridges_leave_tags_alone() -> None:
    bridge = Bridge(2)
    bridge.receive([(0, frame(ALL, A, 7))], 0)
    ((_, packet),) = bridge.transmit(0)
    assert packet.head == frame(ALL, A, 7).head


def test_a_port_that_is_off() -> None:
    bridge = Bridge(3)
    bridge.ports[1].enabled = False
    assert ports(bridge, 0, frame(ALL, A)) == [2]
    assert ports(bridge, 1, frame(ALL, B)) == []


def test_misuse_and_flush() -> None:
    with pytest.raises(StateError):
        Bridge(0)
    bridge = Bridge(2)
    assert ports(bridge, 9, frame(ALL, A)) == []
    ports(bridge, 0, frame(ALL, A))
    bridge.flush(1)
    assert bridge.addresses() == [(1, A, 0)] or bridge.addresses() == [(0, A, 0)]
    bridge.flush()
    assert bridge.addresses() == []
