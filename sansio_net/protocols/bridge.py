"""A learning bridge: frames between ports, to where their destination was last heard.

IEEE 802.1D 7.7 to 7.9 and 802.1Q 8.6, as far as a switch without spanning tree goes.

Items are ``(port, Packet)``: in, the port that a frame came by; out, the one that it
leaves by. Loops between bridges are not broken: there is no spanning tree.

>>> a, b = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
>>> bridge = Bridge(3)
>>> bridge.receive([(0, Packet(b + a + bytes(48)))], now=0)
>>> [port for port, _ in bridge.transmit(now=0)]  # not known yet: flooded
[1, 2]
>>> bridge.receive([(2, Packet(a + b + bytes(48)))], now=1)
>>> [port for port, _ in bridge.transmit(now=1)]
[0]
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sansio_net.counters import Counters, DropReason
from sansio_net.errors import StateError
from sansio_net.machine import ASAP, restore_state, versioned_state
from sansio_net.packet import CSUM_PARTIAL, Packet
from sansio_net.trace import Trace
from sansio_net.units import MIB, SECOND
from sansio_net.wire.ethernet import ETHERTYPE_VLAN

BridgeItem: TypeAlias = tuple[int, Packet]

_TAG: Final = ETHERTYPE_VLAN.to_bytes(2, "big")
_RESERVED: Final = bytes.fromhex("0180c20000")
"""01:80:c2:00:00:00 to 0f are never forwarded (802.1D table 7-10)."""


@dataclass(slots=True, kw_only=True)
class BridgeConfig:
    """ageing: how long an address is believed to be where it was heard (Linux's
    default). max_addresses: of all ports; one more is not learned, and its frames are
    flooded. queue_packets, queue_bytes: what waits for one port; more is dropped.
    vlan_aware: tags decide who hears what; else they are part of the frame.
    """

    ageing: int = 300 * SECOND
    max_addresses: int = 4096
    queue_packets: int = 1024
    queue_bytes: int = 16 * MIB
    vlan_aware: bool = False


@dataclass(slots=True, kw_only=True)
class BridgePort:
    """pvid: the VLAN of untagged frames, in and out; 0: they are dropped. tagged: those
    that come and leave with their tag.
    """

    pvid: int = 1
    tagged: tuple[int, ...] = ()
    enabled: bool = True

    def carries(self, vlan: int) -> bool:
        is_ours = vlan == self.pvid or vlan in self.tagged
        return self.enabled and vlan > 0 and is_ours


class _Place:
    """Where an address was heard, and until when that is believed."""

    __slots__ = ("expires_at", "port")

    def __init__(self, port: int, expires_at: int) -> None:
        self.port = port
        self.expires_at = expires_at


class Bridge:
    """`ports` may be changed at any time, their number may not."""

    __slots__ = (
        "_config",
        "_counters",
        "_places",
        "_queues",
        "_sizes",
        "_turn",
        "ports",
        "trace",
    )

    __getstate__ = versioned_state
    __setstate__ = restore_state

    def __init__(
        self,
        ports: int | Sequence[BridgePort],
        *,
        config: BridgeConfig | None = None,
        counters: Counters | None = None,
        trace: Trace | None = None,
    ) -> None:
        if isinstance(ports, int):
            ports = [BridgePort() for _ in range(ports)]
        self.ports = list(ports)
        if not self.ports:
            raise StateError("a bridge has ports")
        self._config = config or BridgeConfig()
        self._counters = counters if counters is not None else Counters()
        self.trace = trace
        # (VLAN, MAC) -> place; the one heard longest ago lies first
        self._places: dict[tuple[int, bytes], _Place] = {}
        self._queues: list[deque[Packet]] = [deque() for _ in self.ports]
        self._sizes = [0] * len(self.ports)
        self._turn = 0  # which port is served first

    # -- the five methods

    def receive(self, items: Sequence[BridgeItem], now: int) -> None:
        for port, packet in items:
            if not 0 <= port < len(self.ports):
                self._counters.drop(DropReason.BRIDGE_PORT)
                continue
            self._frame_arrives(port, packet, now)

    def handle_timeout(self, now: int) -> None:
        places = self._places
        while places:
            key = next(iter(places))
            if places[key].expires_at > now:
                break
            del places[key]

    def next_timeout(self) -> int | None:
        if any(self._queues):
            return ASAP
        for place in self._places.values():
            return place.expires_at
        return None

    def events(self) -> list[None]:
        """A bridge says nothing."""
        return []

    def transmit(self, now: int, limit: int = 64) -> list[BridgeItem]:
        """A frame of each port in turn."""
        out: list[BridgeItem] = []
        n = len(self._queues)
        while len(out) < limit and any(self._queues):
            for step in range(n):
                port = (self._turn + step) % n
                if self._queues[port]:
                    packet = self._queues[port].popleft()
                    self._sizes[port] -= len(packet)
                    out.append((port, packet))
                    self._turn = (port + 1) % n
                    break
        return out

    # -- verbs

    def flush(self, port: int | None = None) -> None:
        """Forget what was heard (on one port)."""
        if port is None:
            self._places.clear()
            return
        self._places = {
            key: place for key, place in self._places.items() if place.port != port
        }

    def addresses(self) -> list[tuple[int, bytes, int]]:
        """(VLAN, MAC, port) of what is known, the one heard longest ago first."""
        return [(*key, place.port) for key, place in self._places.items()]

    @property
    def waiting(self) -> int:
        """Frames that have not left yet."""
        return sum(map(len, self._queues))

    # -- the way of a frame

    def _frame_arrives(self, port: int, packet: Packet, now: int) -> None:
        head = packet.head
        if len(head) < 14:
            self._counters.drop(DropReason.FRAME_TRUNCATED)
            return
        destination, source = head[:6], head[6:12]
        if destination[:5] == _RESERVED and destination[5] < 16:
            self._counters.drop(DropReason.BRIDGE_RESERVED)
            return
        vlan, tagged = self._vlan_of(head, self.ports[port])
        if not self._carries(self.ports[port], vlan):
            self._counters.drop(DropReason.VLAN)
            return
        if not source[0] & 1:
            self._learn(vlan, source, port, now)
        place = None if destination[0] & 1 else self._places.get((vlan, destination))
        if place is not None and place.expires_at > now:
            if place.port != port:
                self._send(place.port, packet, vlan, tagged)
            else:
                self._counters.count("bridge.filtered")
            return
        if not destination[0] & 1:
            self._counters.count("bridge.flooded")
        for other in range(len(self.ports)):
            if other != port:
                self._send(other, packet, vlan, tagged)

    def _vlan_of(self, head: bytes, port: BridgePort) -> tuple[int, bool]:
        """The frame's VLAN, and whether it says so; a priority tag does not."""
        if not self._config.vlan_aware:
            return 0, False
        if head[12:14] != _TAG or len(head) < 18:
            return port.pvid, False
        vlan = int.from_bytes(head[14:16], "big") & 0xFFF
        return (vlan, True) if vlan else (port.pvid, True)

    def _carries(self, port: BridgePort, vlan: int) -> bool:
        if not self._config.vlan_aware:
            return port.enabled
        return port.carries(vlan)

    def _learn(self, vlan: int, source: bytes, port: int, now: int) -> None:
        key = (vlan, source)
        known = self._places.pop(key, None)
        if known is None and len(self._places) >= self._config.max_addresses:
            self.handle_timeout(now)
            if len(self._places) >= self._config.max_addresses:
                self._counters.count("bridge.not_learned")
                return
        if self.trace is not None and (known is None or known.port != port):
            self.trace.append((now, "bridge", source, vlan, port))
        self._places[key] = _Place(port, now + self._config.ageing)

    def _send(self, port: int, packet: Packet, vlan: int, tagged: bool) -> None:
        """Queue a copy for a port, with the tag that this port has for the VLAN."""
        there = self.ports[port]
        if not self._carries(there, vlan):
            return
        copy = packet.joined()
        if self._config.vlan_aware:
            with_tag = vlan != there.pvid
            if tagged and not with_tag:
                _shorten(copy)
            elif with_tag and not tagged:
                _tag(copy, vlan)
            elif tagged:
                _retag(copy, vlan)
        size, config = len(copy), self._config
        if (
            len(self._queues[port]) >= config.queue_packets
            or self._sizes[port] + size > config.queue_bytes
        ):
            self._counters.drop(DropReason.OUTPUT_QUEUE_FULL)
            return
        self._queues[port].append(copy)
        self._sizes[port] += size


def _moved(packet: Packet, n: int) -> None:
    packet.offset = max(packet.offset + n, 0)
    if packet.csum == CSUM_PARTIAL:
        packet.csum_start += n


def _shorten(packet: Packet) -> None:
    packet.head = packet.head[:12] + packet.head[16:]
    _moved(packet, -4)


def _tag(packet: Packet, vlan: int) -> None:
    tag = _TAG + vlan.to_bytes(2, "big")
    packet.head = packet.head[:12] + tag + packet.head[12:]
    _moved(packet, 4)


def _retag(packet: Packet, vlan: int) -> None:
    """The priority stays; a priority tag gets the VLAN that it belongs to."""
    word = int.from_bytes(packet.head[14:16], "big") & 0xF000 | vlan
    packet.head = packet.head[:14] + word.to_bytes(2, "big") + packet.head[16:]
