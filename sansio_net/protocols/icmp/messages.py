"""ICMP of one stack: answers echo requests, sends errors within limits, reads errors.

RFC 792; RFC 1122 3.2.2; RFC 1812 4.3.2 for how errors look; RFC 6633.

A part of the Stack, no machine: messages come by `message_arrives`, errors are asked
for by `report`, both leave by `emit` as Packets at their ICMP header. Deliberately not
here: timestamp, information and mask requests (RFC 1122 3.2.2.7 to 3.2.2.9, RFC 6918).
"""

from __future__ import annotations

from collections import deque
from typing import Final

from sansio_net.addresses import BROADCAST4, is_loopback, is_multicast, is_unicast
from sansio_net.counters import Counters, DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import ChecksumError, WireError
from sansio_net.machine import Sink
from sansio_net.packet import Chunk, Packet, PacketInfo
from sansio_net.trace import Trace
from sansio_net.wire import icmp, ipv4
from sansio_net.wire.checksum import checksum, ones_sum, update
from sansio_net.wire.ipv4_options import for_the_way_back

from .config import EchoReply, IcmpError, IcmpOptions, IcmpRedirect
from .limits import Limits

QUOTE_SIZE: Final = 576 - ipv4.HEADER_SIZE - icmp.HEADER_SIZE
"""How much of a packet an error quotes (RFC 1812 4.3.2.3)."""

ERROR_TOS: Final = 0xC0
"""Internetwork control, the TOS bits zero (RFC 1812 4.3.2.5, RFC 1122 3.2.2)."""

_QUERIES: Final = frozenset((0, 8, 9, 10, 13, 14, 15, 16, 17, 18))
"""Types that are known to be no errors."""


def icmp_header(kind: int, code: int, rest: bytes, body: Chunk) -> bytes:
    """The header of a message, with its checksum over `body`."""
    check = checksum(body, ones_sum(icmp.HEADER.pack(kind, code, 0, rest)))
    return icmp.HEADER.pack(kind, code, check, rest)


def reply_checksum(code: int, check: int) -> int:
    """That of the reply to an echo request whose own is right; but where all else of
    the reply is zero, the field is not.
    """
    # RFC 1624: only the type changes, so the data need not be summed again
    old = icmp.ECHO_REQUEST << 8 | code
    return update(check, old, icmp.ECHO_REPLY << 8 | code)


class Icmp:
    """Made by the Stack, one for all interfaces."""

    __slots__ = (
        "_counters",
        "_limits",
        "_options",
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
        counters: Counters | None = None,
        trace: Trace | None = None,
        ready: Sink[Icmp] | None = None,
    ) -> None:
        self._options = options or IcmpOptions()
        self._limits = Limits(self._options, entropy)
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
        broadcast: bool,
        verified: bool,
        now: int,
        options: bytes = b"",
    ) -> IcmpError | IcmpRedirect | EchoReply | None:
        """The message ``data[start:end]``; what it means for somebody else, if so.

        broadcast: it came to a group. verified: its checksum is known to be right.
        options: of the IP header, valid.
        """
        try:
            message = icmp.parse_icmp(data, start, end, verify=not verified)
        except ChecksumError:
            return self._drop(DropReason.ICMP_BAD_CHECKSUM)
        except WireError:
            return self._drop(DropReason.ICMP_MALFORMED)
        kind = message.type
        if self.trace is not None:
            self.trace.append((now, "icmp", nic_name, src, kind, message.code))
        if kind == icmp.ECHO_REQUEST:
            self._answer(message, src, dst, tos, broadcast, verified, options, now)
            return None
        if kind not in (icmp.ECHO_REPLY, *icmp.ERRORS):
            # RFC 1122 3.2.2: silently
            return self._drop(DropReason.ICMP_UNKNOWN_TYPE)
        if broadcast:
            return self._drop(DropReason.ICMP_NOT_CONCERNING)
        if kind == icmp.ECHO_REPLY:
            identifier = int.from_bytes(message.rest[:2], "big")
            sequence = int.from_bytes(message.rest[2:], "big")
            return EchoReply(identifier, sequence, message.body, src, ttl)
        return self._error(message, src)

    def report(
        self,
        kind: int,
        code: int,
        original: bytes,
        rest: bytes,
        src: bytes,
        link_broadcast: bool,
        now: int,
    ) -> bool:
        """Send an error about the IP packet `original`, unless one must not be sent.

        rest: the 4 bytes after the checksum. src: the address it leaves from, b"" for
        the stack's choice. link_broadcast: the packet came to a group.
        """
        destination = self._concerned(original)
        if link_broadcast or destination is None:
            self._counters.drop(DropReason.ICMP_NEVER_ABOUT)
            return False
        is_news = kind == icmp.UNREACHABLE and code != icmp.FRAGMENTATION_NEEDED
        if is_news and not self._options.unreachable:
            self._counters.drop(DropReason.ICMP_NEVER_ABOUT)
            return False
        if not self._limits.allow(kind, code, destination, now):
            self._counters.drop(DropReason.ICMP_RATE_LIMITED)
            return False
        body = original[:QUOTE_SIZE]
        header = icmp_header(kind, code, rest, body)
        info = PacketInfo(src, destination, ERROR_TOS, self._options.ttl)
        if not self._queue(Packet(header, (body,), info=info)):
            self._counters.drop(DropReason.OUTPUT_QUEUE_FULL)
            return False
        self._counters.count("icmp.errors_sent")
        if self.trace is not None:
            self.trace.append((now, "icmp-error", destination, kind, code))
        return True

    def emit(self, now: int) -> Packet | None:
        """The next message, at its ICMP header; `info` says from and to."""
        if not self._sending:
            return None
        packet = self._sending.popleft()
        self._sending_bytes -= len(packet)
        return packet

    # -- helpers

    def _answer(
        self,
        message: icmp.Icmp,
        src: bytes,
        dst: bytes,
        tos: int,
        broadcast: bool,
        verified: bool,
        options: bytes,
        now: int,
    ) -> None:
        if not self.may_answer(src, broadcast, now):
            return
        code, rest, body = message.code, message.rest, message.body
        check = reply_checksum(code, message.checksum)
        if verified or not check:
            # the device vouched for a field that need not be filled
            header = icmp_header(icmp.ECHO_REPLY, code, rest, body)
        else:
            header = icmp.HEADER.pack(icmp.ECHO_REPLY, code, check, rest)
        # RFC 1122 3.2.2.6: from the address that was asked, with all of the data;
        # RFC 1812 4.3.2.5: with the request's TOS
        source = b"" if broadcast else dst
        info = PacketInfo(source, src, tos & 0xFC, self._options.ttl)
        if options:
            info.options = for_the_way_back(options)
        if self._queue(Packet(header, (body,) if body else (), info=info)):
            self._counters.count("icmp.echo_replies_sent")
        else:
            self._counters.drop(DropReason.ECHO_QUEUE_FULL)

    def may_answer(self, src: bytes, broadcast: bool, now: int) -> bool:
        """May an echo request that came from `src` be answered? It is counted."""
        told = self._options
        self._counters.count("icmp.echo_requests_received")
        if told.echo_ignore_all or (broadcast and told.echo_ignore_broadcasts):
            self._counters.count("icmp.echo_requests_ignored")
        elif not is_unicast(src):
            self._counters.drop(DropReason.ICMP_NEVER_ABOUT)
        elif not self._limits.allow(icmp.ECHO_REPLY, 0, src, now):
            self._counters.drop(DropReason.ICMP_RATE_LIMITED)
        else:
            return True
        return False

    def _error(self, message: icmp.Icmp, src: bytes) -> IcmpError | IcmpRedirect | None:
        if message.type == icmp.SOURCE_QUENCH:
            # RFC 6633 3: MUST be silently ignored
            return self._drop(DropReason.ICMP_UNKNOWN_TYPE)
        try:
            quoted = icmp.parse_quoted(message.body)
        except WireError:
            return self._drop(DropReason.ICMP_MALFORMED)
        if quoted.protocol == ipv4.PROTO_ICMP and quoted.icmp_type not in (
            icmp.ECHO_REQUEST,
            None,
        ):
            return self._drop(DropReason.ICMP_NOT_CONCERNING)
        if message.type == icmp.REDIRECT:
            return IcmpRedirect(message.code, quoted, message.rest, src)
        is_too_big = (message.type, message.code) == (
            icmp.UNREACHABLE,
            icmp.FRAGMENTATION_NEEDED,
        )
        # RFC 1191 4: the next hop's MTU, or 0 from an old router
        mtu = int.from_bytes(message.rest[2:], "big") if is_too_big else 0
        return IcmpError(message.type, message.code, quoted, mtu, src)

    @staticmethod
    def _concerned(original: bytes) -> bytes | None:
        """Whom to send an error about this packet; None: RFC 1122 3.2.2 forbids it."""
        if len(original) < ipv4.HEADER_SIZE or original[0] >> 4 != 4:
            return None
        size = (original[0] & 15) * 4
        src, dst = original[12:16], original[16:20]
        if int.from_bytes(original[6:8], "big") & 0x1FFF:
            return None
        if is_multicast(dst) or dst == BROADCAST4:
            return None
        # "a datagram whose source address does not define a single host"; a loopback
        # source is one on lo, where the destination is a loopback address as well
        if not is_unicast(src) or (is_loopback(src) and not is_loopback(dst)):
            return None
        if original[9] == ipv4.PROTO_ICMP and (
            len(original) <= size or original[size] not in _QUERIES
        ):
            return None
        return src

    def _queue(self, packet: Packet) -> bool:
        options = self._options
        size = len(packet)
        if len(self._sending) >= options.queue_packets or (
            self._sending_bytes + size > options.queue_bytes
        ):
            return False
        self._sending.append(packet)
        self._sending_bytes += size
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)
        return True

    def _drop(self, reason: DropReason) -> IcmpError | None:
        """Count it; it means nothing to anybody."""
        self._counters.drop(reason)
        return None
