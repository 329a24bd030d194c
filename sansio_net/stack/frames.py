"""Frame sockets: opened here, shown what comes and leaves, and sent for. packet(7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sansio_net.counters import DropReason
from sansio_net.packet import CSUM_PARTIAL, Medium, Packet
from sansio_net.protocols.raw import FrameSocket
from sansio_net.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN
from sansio_net.wire.vlan import put_on, read_tags

from .sockets import SocketRouter

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack

RUNT = -1
"""The ethertype of what is too short to have one."""


def open_socket(
    stack: Stack, nic: Interface, ethertype: int | None, outgoing: bool, flatten: bool
) -> FrameSocket:
    name = stack.name_of(nic)
    assert name is not None
    stack.socket_table.check_room()
    socket = FrameSocket(
        name,
        router=SocketRouter(stack),
        ethertype=ethertype,
        outgoing=outgoing,
        flatten=flatten,
        options=stack.config.frames,
        id=stack.next_id(),
        ready=nic.ready,
        notified=stack.notified,
        counters=stack.tally,
        trace=stack.trace,
    )
    nic.frame_sockets.append(socket)
    return socket


def arrive(nic: Interface, packets: Sequence[Packet | bytes], now: int) -> None:
    """A batch as the device gave it, before anybody judges it."""
    for item in packets:
        packet = Packet(item) if isinstance(item, bytes) else item
        seen = _as_seen(nic, packet)
        if seen is not None:
            _show(nic, seen, False, now)


def leave(nic: Interface, packets: Sequence[Packet], now: int) -> None:
    """A batch for the device, tags not yet on it."""
    for packet in packets:
        _show(nic, packet, True, now)


def _show(nic: Interface, packet: Packet, is_outgoing: bool, now: int) -> None:
    kind = _ethertype(nic, packet)
    for socket in nic.frame_sockets:
        socket.frame_passes(packet, kind, is_outgoing, now)


def _as_seen(nic: Interface, packet: Packet) -> Packet | None:
    """With the tag that the device took off, or without those of the interface's own
    VLANs; None: it is of another VLAN.
    """
    info = packet.info
    tag = info.vlan if info is not None else None
    if tag is None and not nic.vlans:
        return packet
    seen = packet.joined()
    if not nic.vlans:
        if tag is not None and len(seen.head) >= 14:
            put_on(seen, ETHERTYPE_VLAN.to_bytes(2, "big") + tag.to_bytes(2, "big"))
        return seen
    found = read_tags(seen.head, info)
    if found is None or found[0] != nic.vlans:
        return None
    cut = found[1] - 12
    seen.head = seen.head[:12] + seen.head[found[1] :]
    seen.offset = max(0, seen.offset - cut)
    if seen.csum == CSUM_PARTIAL:
        seen.csum_start = max(0, seen.csum_start - cut)
    return seen


def _ethertype(nic: Interface, packet: Packet) -> int:
    head = packet.head
    if len(head) < 14 and packet.body:
        head = packet.join()
    if nic.medium is Medium.IP:
        version = head[0] >> 4 if head else 0
        return {4: ETHERTYPE_IPV4, 6: ETHERTYPE_IPV6}.get(version, RUNT)
    return int.from_bytes(head[12:14], "big") if len(head) >= 14 else RUNT


def send(stack: Stack, packet: Packet, nic: Interface | None) -> None:
    """A frame, as it is."""
    if nic is None or not (nic.is_up and nic.has_carrier):
        stack.tally.drop(DropReason.LINK_DOWN)
    elif len(nic.outbox) >= stack.config.output_queue:
        stack.tally.drop(DropReason.OUTPUT_QUEUE_FULL)
    else:
        nic.outbox.append(packet)
