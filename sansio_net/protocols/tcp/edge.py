"""The edge of the machines that are used alone: packets to segments.

RFC 9293 3.1 for the header and its checksum.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from sansio_net.counters import Counters, DropReason
from sansio_net.errors import NotConnectedError, StateError, WireError
from sansio_net.packet import CSUM_NONE, Chunk, Packet, PacketInfo, received_chunk
from sansio_net.wire.checksum import ones_sum
from sansio_net.wire.tcp import TcpHeader, parse_tcp

from .states import State

if TYPE_CHECKING:
    from .connection import Connection


def open_packet(
    packet: Packet, pseudo: int, counters: Counters | None
) -> tuple[TcpHeader, Chunk, int] | None:
    """Header, text and number of cuts of a packet at its TCP header; None: dropped.

    `pseudo`: the sum of the pseudo-header without the length, the same both ways.
    """
    data, start = packet.join(), packet.offset
    end = len(data)
    try:
        header = parse_tcp(data, start, end)
    except WireError:
        if counters is not None:
            counters.drop(DropReason.TCP_MALFORMED)
        return None
    # RFC 9293 MUST-3
    verify = packet.csum == CSUM_NONE
    if verify and ones_sum(data[start:], pseudo + end - start) != 0xFFFF:
        if counters is not None:
            counters.drop(DropReason.TCP_BAD_CHECKSUM)
        return None
    at = start + header.data_offset
    body = received_chunk(data, at, end)
    cuts = -(-len(body) // packet.gso_size) if packet.gso_size else 1
    return header, body, cuts


def deliver(conn: Connection, packet: Packet, now: int) -> None:
    """A packet for a connection that is used alone."""
    segment = open_packet(packet, conn.pseudo, conn.counters)
    if segment is None:
        return
    header, body, cuts = segment
    if (header.source_port, header.destination_port) != (conn.rport, conn.lport):
        conn.drop(DropReason.TCP_NO_SOCKET)
        return
    conn.segment_arrives(
        header.seq,
        header.ack,
        header.flags,
        header.window,
        header.urgent,
        header.options,
        body,
        now,
        cuts,
        0 if packet.info is None else packet.info.tos & 3,
    )


def address(packet: Packet, conn: Connection) -> Packet:
    """With the addresses that a Stack knows and who has none must be told."""
    options = conn.options
    tos = options.tos | conn.ect
    packet.info = PacketInfo(conn.laddr, conn.raddr, tos, options.ttl)
    return packet


def nothing_to_read(conn: Connection) -> bytes | None:
    """What `recv` says then: b"" at the end, None: nothing yet; or it raises."""
    if conn.closed:
        raise StateError("the connection is closed")
    if conn.receiver.fin_reached:
        return b""
    if conn.error is not None:
        raise copy(conn.error)
    if conn.state is State.CLOSED:
        raise NotConnectedError
    return None
