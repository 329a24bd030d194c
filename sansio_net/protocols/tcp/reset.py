"""The RST that answers a segment for which there is no connection.

RFC 9293 3.5.2 group 1, 3.10.7.1; RFC 7323 5.2 for its timestamps.
"""

from __future__ import annotations

from sansio_net.entropy import Entropy
from sansio_net.packet import CSUM_PARTIAL, Packet, PacketInfo
from sansio_net.units import SECOND
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.ipv4 import PROTO_TCP
from sansio_net.wire.tcp import ACK, CHECKSUM_OFFSET, FIN, RST, SYN, build_tcp
from sansio_net.wire.tcp_options import build_tcp_options, parse_tcp_options

from .seq import MASK


def control_packet(
    laddr: bytes,
    lport: int,
    raddr: bytes,
    rport: int,
    *,
    seq: int,
    ack: int,
    flags: int,
    window: int = 0,
    options: bytes = b"",
) -> Packet:
    """A segment without text that no connection sends, with its addresses in `info`."""
    length = 20 + len(options)
    head = build_tcp(
        lport,
        rport,
        seq & MASK,
        ack & MASK,
        flags,
        window,
        checksum=pseudo_sum(laddr, raddr, PROTO_TCP, length),
        options=options,
    )
    info = PacketInfo(src=laddr, dst=raddr)
    return Packet(head, (), 0, 0, CSUM_PARTIAL, 0, CHECKSUM_OFFSET, info)


class ResetLimit:
    """So many resets a second, of a Stack, for segments that belong to nobody.

    How many exactly is drawn anew each second, three quarters of the limit at least:
    who counts them learns nothing about what else was answered (CVE-2020-25705).
    """

    __slots__ = ("_entropy", "_left", "_since", "limit")

    def __init__(self, limit: int, entropy: Entropy) -> None:
        self.limit = limit
        self._entropy = entropy
        self._since: int | None = None
        self._left = 0

    def allows(self, now: int) -> bool:
        if self._since is None or now - self._since >= SECOND:
            self._since = now
            self._left = self.limit - self._entropy.below(self.limit // 4 + 1)
        self._left -= 1
        return self._left >= 0


def reset_for(
    seq: int,
    ack: int,
    flags: int,
    length: int,
    *,
    laddr: bytes,
    lport: int,
    raddr: bytes,
    rport: int,
    options: bytes = b"",
) -> Packet | None:
    """The answer to a segment from raddr:rport with `length` bytes of text.

    None to a RST: two ends must never answer each other's resets.
    """
    if flags & RST:
        return None
    if flags & ACK:
        # <SEQ=SEG.ACK><CTL=RST>
        answer_seq, answer_ack, answer_flags = ack, 0, RST
    else:
        # <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>
        length += bool(flags & SYN) + bool(flags & FIN)
        answer_seq, answer_ack, answer_flags = 0, seq + length, RST | ACK
    echo = b""
    if options:
        stamp = parse_tcp_options(options).ts_val
        if stamp is not None:
            echo = build_tcp_options(ts_val=0, ts_ecr=stamp)
    return control_packet(
        laddr,
        lport,
        raddr,
        rport,
        seq=answer_seq,
        ack=answer_ack,
        flags=answer_flags,
        options=echo,
    )
