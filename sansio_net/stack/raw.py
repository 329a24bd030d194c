"""Raw sockets at the IP layer: opened here, fed from here, heard of by errors.

raw(7), RFC 3542 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.addresses import IpAddress, is_multicast
from sansio_net.counters import DropReason
from sansio_net.errors import ConnectionFailed, WireError
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, Packet
from sansio_net.protocols.raw import RawSocket
from sansio_net.wire.checksum import checksum
from sansio_net.wire.icmp import Quoted
from sansio_net.wire.segment import flatten

from . import groups
from .arrival import Arrival
from .hops import find_hop, is_broadcast, next_ident, way_to
from .sockets import SocketRouter, local_endpoint

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack


def open_socket(
    stack: Stack,
    protocol: int,
    local: str,
    peer: IpAddress | None,
    nic: Interface | None,
    include_header: bool,
    checksum: int | None,
    broadcast: bool,
) -> RawSocket:
    bound = stack.name_of(nic)
    laddr, _ = local_endpoint(stack, (local, 0), nic)
    table = stack.socket_table
    table.check_room()
    raddr = stack.endpoints.pack_ip(peer, bound) if peer is not None else None
    if raddr is not None:
        if not any(raddr):
            raise ValueError(f"a peer has an address: {peer!r}")
        if is_multicast(raddr) or is_broadcast(stack, raddr):
            way_to(stack, raddr, laddr, nic)
        else:
            _, laddr = way_to(stack, raddr, laddr, nic)
    router = SocketRouter(stack)
    router.socket = socket = RawSocket(
        protocol,
        laddr,
        router=router,
        raddr=raddr,
        nic=bound,
        include_header=include_header,
        checksum=checksum,
        broadcast=broadcast,
        options=stack.config.raw,
        id=stack.next_id(),
        endpoints=stack.endpoints,
        ready=stack.lo.ready,
        notified=stack.notified,
        counters=stack.tally,
        trace=stack.trace,
    )
    table.raw.setdefault(protocol, []).append(socket)
    return socket


def packet_arrives(arrival: Arrival, protocol: int, at: int, now: int) -> bool:
    """A copy to each raw socket that it concerns; False: to none.

    Before the transport has looked at it, after fragments were put together.
    """
    src, dst, nic, packet = arrival.src, arrival.dst, arrival.nic, arrival.packet
    sockets = [
        one for one in arrival.raw.get(protocol, ()) if one.concerns(src, dst, nic.name)
    ]
    if not sockets:
        return False
    start = arrival.start
    wholes = [packet.head[start : arrival.end]]
    if packet.csum == CSUM_PARTIAL or packet.gso_size:
        try:
            wholes = [_ip_packet(frame, start) for frame in flatten(packet)]
        except (WireError, ValueError):
            arrival.drop(DropReason.DEVICE_METADATA)
            return True
    verified = packet.csum != CSUM_NONE
    for whole in wholes:
        for socket in sockets:
            socket.packet_arrives(
                whole,
                at - start,
                src,
                dst,
                arrival.ttl,
                arrival.tos,
                nic.name,
                verified,
                now,
            )
    return True


def _ip_packet(frame: bytes, start: int) -> bytes:
    """The IP packet of a cut: to its own length."""
    if frame[start] >> 4 == 4:
        size = int.from_bytes(frame[start + 2 : start + 4], "big")
    else:
        size = 40 + int.from_bytes(frame[start + 4 : start + 6], "big")
    return frame[start : start + size]


def concern(
    nic: Interface, quoted: Quoted, failure: ConnectionFailed, source: bytes = b""
) -> bool:
    """Tell the raw sockets whose packet an error quotes; False: there is none."""
    told = False
    for one in nic.stack.socket_table.raw.get(quoted.protocol, ()):
        if one.raddr is not None and one.concerns(
            quoted.destination, quoted.source, one.nic or ""
        ):
            one.error_arrives(failure, source)
            told = True
    return told


def send_whole(stack: Stack, packet: Packet, nic: Interface | None, now: int) -> None:
    """A packet that came with its header; `info.dst` says where it is routed.

    raw(7): the IPv4 checksum and total length are filled in, source and identification
    where they are 0. IPv6's header is left alone, as rawv6_send_hdrinc does.
    """
    info = packet.info
    assert info is not None
    hop = find_hop(stack, info.dst, nic)
    if hop is None:
        stack.tally.drop(DropReason.NO_ROUTE)
        return
    nic = hop.nic
    if not (nic.is_up and nic.has_carrier):
        stack.tally.drop(DropReason.LINK_DOWN)
        return
    if len(packet.head) > hop.mtu:
        stack.tally.drop(DropReason.PACKET_TOO_BIG)  # the MTU fell meanwhile
        return
    whole = packet.head
    if len(info.dst) == 4:
        whole = _filled(stack, packet, hop.source)
    if is_multicast(info.dst):
        groups.loop_back(nic, whole, whole[12:16], info.dst[:16])
    header = hop.link_header(now)
    if header is None:
        assert hop.cache is not None
        assert hop.neighbour is not None
        hop.cache.enqueue(hop.neighbour, Packet(whole), now)
        nic.settle_neighbours(now)
    elif len(nic.outbox) >= stack.config.output_queue:
        stack.tally.drop(DropReason.OUTPUT_QUEUE_FULL)
    else:
        nic.outbox.append(Packet(header + whole, offset=len(header)))


def _filled(stack: Stack, packet: Packet, source: bytes) -> bytes:
    """Linux's raw_send_hdrinc."""
    whole = packet.head
    assert packet.info is not None
    header = bytearray(whole[: (whole[0] & 15) * 4])
    header[2:4] = len(whole).to_bytes(2, "big")
    if not any(header[12:16]):
        header[12:16] = source or bytes(4)
    if not any(header[4:6]):
        ident = next_ident(stack, packet.info.dst, packet, len(whole))
        header[4:6] = ident.to_bytes(2, "big")
    header[10:12] = b"\0\0"
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    return bytes(header) + whole[len(header) :]


__all__ = ["concern", "open_socket", "packet_arrives", "send_whole"]
