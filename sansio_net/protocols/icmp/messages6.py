"""ICMPv6 of one stack: answers echo requests, sends errors within limits, reads errors.

RFC 4443; RFC 8200 4.2 for errors about groups. Neighbour discovery and listener
discovery are handed on as they came.

A part of the Stack, no machine, with the doors of `Icmp`.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from sansio_net.addresses import is_multicast, is_unicast
from sansio_net.counters import Counters, DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import ChecksumError, Unreachable, WireError
from sansio_net.machine import Router, Sink
from sansio_net.packet import Packet, PacketInfo
from sansio_net.trace import Trace
from sansio_net.wire import icmpv6, ipv6
from sansio_net.wire.icmp import Icmp as IcmpMessage
from sansio_net.wire.icmp import parse_quoted
from sansio_net.wire.ipv4 import PROTO_ICMPV6
from sansio_net.wire.ipv6_extensions import EXTENSIONS

from .config import EchoReply, IcmpError, IcmpOptions
from .limits import Limits

QUOTE_SIZE: Final = icmpv6.MIN_MTU - ipv6.HEADER_SIZE - icmpv6.HEADER_SIZE
"""As much of the packet as keeps an error within 1280 bytes (RFC 4443 2.4 (c))."""

_HANDED_ON: Final = frozenset(
    (
        icmpv6.MLD_QUERY,
        icmpv6.MLD_REPORT,
        icmpv6.MLD_DONE,
        icmpv6.ROUTER_SOLICITATION,
        icmpv6.ROUTER_ADVERTISEMENT,
        icmpv6.NEIGHBOUR_SOLICITATION,
        icmpv6.NEIGHBOUR_ADVERTISEMENT,
        icmpv6.REDIRECT,
        icmpv6.MLD2_REPORT,
    )
)


class Icmp6:
    """Made by the Stack, one for all interfaces."""

    __slots__ = (
        "_counters",
        "_limits",
        "_options",
        "_router",
        "_sending",
        "_sending_bytes",
        "queued",
        "ready",
        "trace",
    )

    def __init__(
        self,
        options: IcmpOptions | None,
        entropy: Entropy,
        router: Router,
        counters: Counters | None = None,
        trace: Trace | None = None,
        ready: Sink[Icmp6] | None = None,
    ) -> None:
        self._options = options or IcmpOptions()
        self._limits = Limits(self._options, entropy)
        self._router = router
        self._counters = counters if counters is not None else Counters()
        self.trace = trace
        self._sending: deque[Packet] = deque()
        self._sending_bytes = 0
        self.queued = False
        self.ready = ready

    # -- inner doors

    def message_arrives(
        self,
        data: bytes,
        start: int,
        end: int,
        src: bytes,
        dst: bytes,
        ttl: int,
        tos: int,
        nic_name: str,
        group: bool,
        verified: bool,
        now: int,
    ) -> IcmpError | EchoReply | IcmpMessage | None:
        """The message ``data[start:end]``; what it means for somebody else, if so.

        group: it came to more than one host. verified: its checksum is right. A message
        of neighbour or listener discovery is given back as it is.
        """
        try:
            message = icmpv6.parse_icmpv6(data, start, end, src, dst, not verified)
        except ChecksumError:
            return self._drop(DropReason.ICMP_BAD_CHECKSUM)
        except WireError:
            return self._drop(DropReason.ICMP_MALFORMED)
        kind = message.type
        if self.trace is not None:
            self.trace.append((now, "icmp6", nic_name, src, kind, message.code))
        if kind in _HANDED_ON:
            return message
        if kind == icmpv6.ECHO_REQUEST:
            self._answer(message, src, dst, tos, group, nic_name, now)
            return None
        if kind == icmpv6.ECHO_REPLY:
            identifier = int.from_bytes(message.rest[:2], "big")
            sequence = int.from_bytes(message.rest[2:], "big")
            return EchoReply(identifier, sequence, message.body, src, ttl)
        # RFC 4443 2.4 (a), (b): an unknown error goes to the upper layer; what is
        # unknown and no error is dropped in silence
        if not icmpv6.is_error(kind):
            return self._drop(DropReason.ICMP_UNKNOWN_TYPE)
        return self._error(message, src)

    def report(
        self,
        kind: int,
        code: int,
        original: bytes,
        rest: bytes,
        src: bytes,
        link_multicast: bool,
        now: int,
        group_too: bool = False,
        to: bytes = b"",
    ) -> bool:
        """Send an error about the IPv6 packet `original`, unless one must not be sent.

        rest: the 4 bytes after the checksum. src: the address it leaves from, b"" for
        the stack's choice. group_too: also about a packet to a group (RFC 8200 4.2).
        to: its source with its zone, where it has one.
        """
        tells = group_too or kind == icmpv6.PACKET_TOO_BIG
        destination = self._concerned(original, tells)
        if destination is None or (link_multicast and not tells):
            self._counters.drop(DropReason.ICMP_NEVER_ABOUT)
            return False
        destination = to or destination
        if kind == icmpv6.UNREACHABLE and not self._options.unreachable:
            self._counters.drop(DropReason.ICMP_NEVER_ABOUT)
            return False
        if not self._limits.allow_error(destination, now):
            self._counters.drop(DropReason.ICMP_RATE_LIMITED)
            return False
        if not self._send(kind, code, rest, original[:QUOTE_SIZE], src, destination, 0):
            self._counters.drop(DropReason.OUTPUT_QUEUE_FULL)
            return False
        self._counters.count("icmp6.errors_sent")
        if self.trace is not None:
            self.trace.append((now, "icmp6-error", destination, kind, code))
        return True

    def emit(self, now: int) -> Packet | None:
        """The next message, at its ICMPv6 header; `info` says from and to."""
        if not self._sending:
            return None
        packet = self._sending.popleft()
        self._sending_bytes -= len(packet)
        return packet

    # -- helpers

    def _answer(
        self,
        message: IcmpMessage,
        src: bytes,
        dst: bytes,
        tos: int,
        group: bool,
        nic_name: str,
        now: int,
    ) -> None:
        """RFC 4443 4.2: from the address that was asked, or one of ours for a group."""
        self._counters.count("icmp.echo_requests_received")
        if self._options.echo_ignore_all:
            self._counters.count("icmp.echo_requests_ignored")
        elif not is_unicast(src):
            self._counters.drop(DropReason.ICMP_NEVER_ABOUT)
        elif self._send(
            icmpv6.ECHO_REPLY,
            0,
            message.rest,
            message.body,
            b"" if group else dst,
            src,
            tos & 0xFC,
            nic_name,
        ):
            self._counters.count("icmp.echo_replies_sent")
        else:
            self._counters.drop(DropReason.ECHO_QUEUE_FULL)

    def _send(
        self,
        kind: int,
        code: int,
        rest: bytes,
        body: bytes,
        src: bytes,
        dst: bytes,
        tos: int,
        nic_name: str | None = None,
    ) -> bool:
        """Queue a message; False if there is no way or no room for it."""
        options = self._options
        size = icmpv6.HEADER_SIZE + len(body)
        if len(self._sending) >= options.queue_packets or (
            self._sending_bytes + size > options.queue_bytes
        ):
            return False
        if not src:
            try:
                src = self._router.source_for(dst, b"", nic_name)
            except Unreachable:
                return False
        whole = icmpv6.build_icmpv6(kind, code, rest, body, src, dst)
        info = PacketInfo(src, dst, tos, options.ttl)
        self._sending.append(Packet(whole, info=info))
        self._sending_bytes += size
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)
        return True

    def _error(self, message: IcmpMessage, src: bytes) -> IcmpError | None:
        try:
            quoted = parse_quoted(message.body)
        except WireError:
            return self._drop(DropReason.ICMP_MALFORMED)
        is_too_big = message.type == icmpv6.PACKET_TOO_BIG
        # who asks for much has to get it in pieces that fit
        answer = icmpv6.ECHO_REPLY if is_too_big else None
        known = (icmpv6.ECHO_REQUEST, answer, None)
        if quoted.protocol == PROTO_ICMPV6 and quoted.icmp_type not in known:
            return self._drop(DropReason.ICMP_NOT_CONCERNING)
        mtu = int.from_bytes(message.rest, "big") if is_too_big else 0
        return IcmpError(message.type, message.code, quoted, mtu, src)

    @staticmethod
    def _concerned(original: bytes, group_too: bool) -> bytes | None:
        """Whom to send an error about this packet; None: RFC 4443 2.4 (e) forbids."""
        if len(original) < ipv6.HEADER_SIZE or original[0] >> 4 != 6:
            return None
        src, dst = original[8:24], original[24:40]
        if not is_unicast(src) or (is_multicast(dst) and not group_too):
            return None
        protocol, at = original[6], ipv6.HEADER_SIZE
        more = False
        while protocol in EXTENSIONS and len(original) >= at + 8:
            size = 8 if protocol == 44 else 8 + original[at + 1] * 8
            if protocol == 44:
                word = int.from_bytes(original[at + 2 : at + 4], "big")
                if word >> 3:
                    return src  # what a later piece is of cannot be told
                more = bool(word & 1)
            protocol = original[at]
            at += size
        if protocol == PROTO_ICMPV6:
            if len(original) <= at:
                # RFC 8200 4.5: the source of a first fragment whose chain goes on in
                # the next one is told; an error is never cut
                return src if more else None
            if icmpv6.is_error(original[at]) or original[at] == icmpv6.REDIRECT:
                return None
        return src

    def _drop(self, reason: DropReason) -> IcmpError | None:
        """Count it; it means nothing to anybody."""
        self._counters.drop(reason)
        return None
