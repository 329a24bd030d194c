"""`flatten`: what the wire carries of a packet whose checksum or cutting was put off;
`cut`: the cutting alone.

RFC 9293 3.1, RFC 768, RFC 1071; the cutting is that of a device with TSO and USO.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.packet import CSUM_PARTIAL, Chunk, Packet

from . import ipv4, ipv6, tcp, udp
from .checksum import ones_sum, pseudo_base, pseudo_sum, words
from .ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, parse_ethernet

_WORD: Final = Struct("!H")
_LENGTH_IDENT: Final = Struct("!HH")
_SEQ: Final = Struct("!I")

_LAST_ONLY: Final = tcp.FIN | tcp.PSH
_FIRST_ONLY: Final = tcp.CWR


def flatten(packet: Packet) -> list[bytes]:
    """The frames of `packet`, checksums complete, super-segments cut.

    Raises a WireError when a packet to be cut or completed is not TCP or UDP over IP
    where its metadata says. Other packets come back as they are, in one piece.
    """
    if not packet.gso_size:
        return [_summed(packet)]
    layout = _layout(packet)
    if layout.protocol == ipv4.PROTO_TCP and layout.is_usual:
        return _segments(layout, packet.gso_size)
    return [_summed(one) for one in _cuts(packet, layout)]


def _summed(packet: Packet) -> bytes:
    """One frame, its checksum complete: the field holds the pseudo-header's sum.

    Two copies: what is summed lies in one piece (`int.from_bytes` makes one of views as
    well, and sums of parts cost more than they save), and so does the frame.
    """
    head, body = packet.head, packet.body
    if packet.csum != CSUM_PARTIAL:
        return b"".join((head, *body)) if body else head
    start = packet.csum_start
    place = start + packet.csum_offset
    if place + 2 > len(head):
        head, body = packet.join(), ()
        if place + 2 > len(head):
            raise TruncatedError("the checksum field lies beyond the packet")
    data = head[start:]
    if body:
        data = b"".join((data, *body))
    check = 0xFFFF ^ ones_sum(data)
    if not check and packet.csum_offset == udp.CHECKSUM_OFFSET:
        check = 0xFFFF  # RFC 768: 0 would say that there is no checksum
    front = head[:place] + check.to_bytes(2, "big")
    return b"".join((front, head[place + 2 :], *body))


def network_start(packet: Packet) -> int:
    """Where the IP header starts, also of a received packet that does not say.

    The transport header starts a whole number of words after the IP header, and that
    14 bytes and a whole number of words after the frame: csum_start gives away whether
    there is an Ethernet header. Without it, Ethernet is tried first.
    """
    if packet.offset:
        return packet.offset
    data = packet.head
    if packet.csum_start and packet.csum_start % 4 == 0:
        return 0
    if len(data) >= 14:
        header = parse_ethernet(data)
        if header.ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
            return header.size
    if packet.csum_start or not data or data[0] >> 4 not in (4, 6):
        raise MalformedError("no IP packet")
    return 0


def cut(packet: Packet) -> list[Packet]:
    """The packets that a super-segment stands for, as a device would cut it.

    Their payload are views of its payload, their checksums put off. Raises a WireError.
    """
    return _cuts(packet, _layout(packet))


class _Layout(NamedTuple):
    """Where a super-segment has what: the IP header at `network`, TCP's or UDP's at
    `transport`, payload in ``[start, end)``. base: the pseudo-header's sum without the
    length; None: a datagram without checksum."""

    data: bytes
    network: int
    transport: int
    start: int
    end: int
    protocol: int
    base: int | None
    v4: bool

    @property
    def is_usual(self) -> bool:
        """Does an IPv4 header end where the metadata says?"""
        data, network = self.data, self.network
        end = network + (data[network] & 15) * 4 if self.v4 else self.transport
        return end == self.transport


def _layout(packet: Packet) -> _Layout:
    """Raises a WireError where it is not what its metadata says."""
    data = packet.join()
    network = network_start(packet)
    if len(data) < network + ipv4.HEADER_SIZE:
        raise TruncatedError("IP header cut short")
    v4 = data[network] >> 4 == 4
    if not v4 and len(data) < network + ipv6.HEADER_SIZE:
        raise TruncatedError("IP header cut short")
    transport, protocol = _transport(packet, data, network, v4)
    minimum = tcp.HEADER_SIZE if protocol == ipv4.PROTO_TCP else udp.HEADER_SIZE
    least = ipv4.HEADER_SIZE if v4 else ipv6.HEADER_SIZE
    if transport < network + least or len(data) < transport + minimum:
        raise TruncatedError("transport header cut short")
    size = minimum
    if protocol == ipv4.PROTO_TCP:
        size = (data[transport + 12] >> 4) * 4
        if size < minimum or len(data) < transport + size:
            raise MalformedError(f"TCP data offset {size}")
    base = _base(packet, data, network, transport, protocol, v4)
    start = transport + size
    # padding of the link is no payload; a total length of 0 is a packet above 64 KB
    length = _length(data, network, v4)
    end = min(len(data), network + length) if length else len(data)
    if end < start:
        raise MalformedError("the IP length ends within the headers")
    return _Layout(data, network, transport, start, end, protocol, base, v4)


def _cuts(packet: Packet, layout: _Layout) -> list[Packet]:
    data, network, transport, start, end, protocol, base, v4 = layout
    head, step = data[:start], packet.gso_size
    count = max(1, -(-(end - start) // step))
    view = memoryview(data)
    cuts = []
    for index in range(count):
        at = start + index * step
        payload = view[at : min(at + step, end)]
        frame = bytearray(head)
        _renumber_ip(frame, network, index, len(head) - network + len(payload), v4)
        if protocol == ipv4.PROTO_TCP:
            _renumber_tcp(frame, transport, index, step, index == count - 1)
        else:
            _WORD.pack_into(frame, transport + 4, udp.HEADER_SIZE + len(payload))
        one = _put_off(frame, payload, transport, protocol, base)
        one.offset = packet.offset
        cuts.append(one)
    return cuts


def cut_size(frame: bytes, network: int, mtu: int) -> int:
    """What a segment with the headers of this TCP super-segment carries at `mtu`.

    network: where its IP header starts. Raises MalformedError for anything else.
    """
    protocol, start = _headers(frame, network)
    if protocol == ipv4.PROTO_TCP:
        top = start - network + (frame[start + 12] >> 4) * 4
        if top < mtu:
            return mtu - top
    raise MalformedError("no super-segment of TCP")


def _segments(layout: _Layout, step: int) -> list[bytes]:
    """The frames of a TCP super-segment. Of their headers only what differs from one
    to the next is summed anew."""
    data, network, transport, start, end, _, base, v4 = layout
    assert base is not None
    link, ip = data[:network], bytearray(data[network:transport])
    header = bytearray(data[transport:start])
    (ident,) = _WORD.unpack_from(ip, 4)
    (seq,), (word,) = _SEQ.unpack_from(header, 4), _WORD.unpack_from(header, 12)
    ip_rest = 0
    if v4:
        ip[2:6] = bytes(4)
        ip[10:12] = bytes(2)
        ip_rest = int.from_bytes(ip, "big")
    header[4:8], header[12:14], header[16:18] = bytes(4), bytes(2), bytes(2)
    rest = base + int.from_bytes(header, "big")
    frames, cut_word = [], word & ~_LAST_ONLY
    for at in range(start, end, step) if end > start else (start,):
        upto = at + step
        if upto >= end:
            upto, cut_word = end, cut_word | word & _LAST_ONLY
        text = data[at:upto]
        length = start - transport + upto - at
        n = words(text) + rest + seq + cut_word + length
        _SEQ.pack_into(header, 4, seq)
        _WORD.pack_into(header, 12, cut_word)
        _WORD.pack_into(header, 16, 0xFFFF ^ (n % 65535 or 65535))
        if v4:
            length += transport - network
            n = ip_rest + length + ident
            _LENGTH_IDENT.pack_into(ip, 2, length, ident)
            _WORD.pack_into(ip, 10, 0xFFFF ^ (n % 65535 or 65535))
            ident = ident + 1 & 0xFFFF
        else:
            _WORD.pack_into(ip, 4, length + transport - network - ipv6.HEADER_SIZE)
        frames.append(b"".join((link, ip, header, text)))
        seq, cut_word = seq + step & 0xFFFFFFFF, cut_word & ~_FIRST_ONLY
    return frames


def note_partial(packet: Packet, network: int) -> bool:
    """Note where the checksum of a received frame is, which its sender left unfinished.

    network: where its IP header starts. False: it is not that of the TCP or UDP header
    behind it, as the pseudo-header's sum is not there; a tunnel's, or what else.
    """
    frame = packet.head
    protocol, start = _headers(frame, network)
    if protocol not in (ipv4.PROTO_TCP, ipv4.PROTO_UDP):
        return False
    v4 = frame[network] >> 4 == 4
    place, size = (network + 12, 4) if v4 else (network + 8, 16)
    ends = frame[place : place + size], frame[place + size : place + 2 * size]
    length = network + _length(frame, network, v4) - start
    offset = tcp.CHECKSUM_OFFSET
    if protocol == ipv4.PROTO_UDP:
        offset = udp.CHECKSUM_OFFSET
    (field,) = _WORD.unpack_from(frame, start + offset)
    if field != pseudo_sum(*ends, protocol, length):
        return False
    packet.csum, packet.csum_start, packet.csum_offset = CSUM_PARTIAL, start, offset
    return True


def _headers(frame: bytes, network: int) -> tuple[int, int]:
    """Protocol and place of the header right behind the IP header; -1: none."""
    if len(frame) < network + ipv4.HEADER_SIZE:
        return -1, 0
    if frame[network] >> 4 == 4:
        start, protocol = network + (frame[network] & 15) * 4, frame[network + 9]
    else:
        start, protocol = network + ipv6.HEADER_SIZE, frame[network + 6]
    minimum = tcp.HEADER_SIZE if protocol == ipv4.PROTO_TCP else udp.HEADER_SIZE
    whole = frame[network] >> 4 in (4, 6) and len(frame) >= start + minimum
    return (protocol, start) if whole else (-1, 0)


def _transport(packet: Packet, data: bytes, network: int, v4: bool) -> tuple[int, int]:
    """Where the transport header starts, and its protocol."""
    if v4:
        start = network + (data[network] & 15) * 4
        protocol = data[network + 9]
    else:
        start = network + ipv6.HEADER_SIZE
        protocol = data[network + 6]
    if packet.csum == CSUM_PARTIAL:
        # extension headers may lie between: what the sender says is right
        start = packet.csum_start
        if packet.csum_offset == tcp.CHECKSUM_OFFSET:
            protocol = ipv4.PROTO_TCP
        elif packet.csum_offset == udp.CHECKSUM_OFFSET:
            protocol = ipv4.PROTO_UDP
    if protocol not in (ipv4.PROTO_TCP, ipv4.PROTO_UDP):
        raise MalformedError(f"protocol {protocol} cannot be cut")
    return start, protocol


def _length(data: bytes, network: int, v4: bool) -> int:
    """The IP packet's length as its header has it; 0 where it has none."""
    place = network + (2 if v4 else 4)
    length = int.from_bytes(data[place : place + 2], "big")
    return length if v4 or not length else length + ipv6.HEADER_SIZE


def _base(
    packet: Packet, data: bytes, network: int, start: int, protocol: int, v4: bool
) -> int | None:
    """The pseudo-header's sum without the length; None: a datagram without checksum."""
    if packet.csum == CSUM_PARTIAL:
        # a routing header's last address is in this sum, not in the IP header
        place = start + packet.csum_offset
        length = _length(data, network, v4) or len(data) - network
        whole = network + length - start
        return (int.from_bytes(data[place : place + 2], "big") - whole) % 65535
    if protocol == ipv4.PROTO_UDP and not any(data[start + 6 : start + 8]):
        return None
    place, size = (network + 12, 4) if v4 else (network + 8, 16)
    source, destination = data[place : place + size], data[place + size :][:size]
    return pseudo_base(source, destination, protocol)


def _renumber_ip(
    frame: bytearray, network: int, index: int, length: int, v4: bool
) -> None:
    if not v4:
        _WORD.pack_into(frame, network + 4, length - ipv6.HEADER_SIZE)
        return
    (ident,) = _WORD.unpack_from(frame, network + 4)
    _WORD.pack_into(frame, network + 2, length)
    _WORD.pack_into(frame, network + 4, (ident + index) & 0xFFFF)
    _WORD.pack_into(frame, network + 10, 0)
    header = frame[network : network + (frame[network] & 15) * 4]
    _WORD.pack_into(frame, network + 10, 0xFFFF ^ ones_sum(bytes(header)))


def _renumber_tcp(
    frame: bytearray, start: int, index: int, step: int, last: bool
) -> None:
    (seq,) = _SEQ.unpack_from(frame, start + 4)
    _SEQ.pack_into(frame, start + 4, (seq + index * step) & 0xFFFFFFFF)
    if not last:
        frame[start + 13] &= ~_LAST_ONLY & 0xFF
    if index:
        frame[start + 13] &= ~_FIRST_ONLY & 0xFF


def _put_off(
    frame: bytearray, payload: Chunk, start: int, protocol: int, base: int | None
) -> Packet:
    """One cut with its pseudo-header's sum; unless it has none (`base` None)."""
    body = (payload,) if payload else ()
    if base is None:
        return Packet(bytes(frame), body)
    offset = udp.CHECKSUM_OFFSET
    if protocol == ipv4.PROTO_TCP:
        offset = tcp.CHECKSUM_OFFSET
    whole = (base + len(frame) - start + len(payload)) % 65535
    _WORD.pack_into(frame, start + offset, whole)
    return Packet(bytes(frame), body, 0, 0, CSUM_PARTIAL, start, offset)
