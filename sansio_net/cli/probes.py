"""How traceroute's probes look, and how the answers to them are known: UDP, ICMP, TCP.

Each kind of probe has a number, and names it in what a router quotes: by its source
port, or by its ICMP sequence number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sansio_net.errors import ConnectionFailed, WireError
from sansio_net.protocols.icmp import EchoSocket
from sansio_net.protocols.raw import RawSocket
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import EchoFailed, Event, RawError, Stack, UdpError, UdpReceived
from sansio_net.wire import tcp, udp
from sansio_net.wire.icmp import HEADER_SIZE as ICMP_HEADER_SIZE
from sansio_net.wire.icmp import Quoted
from sansio_net.wire.ipv4 import PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP
from sansio_net.wire.tcp_options import build_tcp_options

from .hearing import Heard
from .target import Target, bare_ip

SYN_OPTIONS: Final = 20
"""Bytes of them: MSS, SACK permitted, timestamps, window scale."""
WINDOW: Final = 5840


@dataclass(slots=True)
class Sign:
    """Of probe `number`: the target itself answered, or it never left this host."""

    number: int
    failed: ConnectionFailed | None = None


class Probes(Protocol):
    """One kind of probe. size: of one, after the IP header, bytes."""

    size: int

    def send(self, number: int, ttl: int) -> None:
        """Raises ConnectionFailed and the like where there is no way."""

    def quoted(self, quoted: Quoted) -> int | None:
        """The number of the probe that an error quotes; None: it is none of ours."""

    def replied(self, heard: Heard) -> int | None:
        """That of an echo reply."""

    def signs(self, events: Sequence[Event]) -> Iterator[Sign]:
        """What else the stack's events say."""

    def over(self, number: int) -> None:
        """Nothing is waited for any more."""


def filling(size: int) -> bytes:
    """What traceroute has as data."""
    return bytes(0x40 + (n & 0x3F) for n in range(size))


class UdpProbes:
    """Datagrams, each from a port of its own, to one port or to one after the other."""

    def __init__(
        self, stack: Stack, target: Target, size: int, port: int, counts_up: bool
    ) -> None:
        self.size = max(size, udp.HEADER_SIZE)
        self._stack = stack
        self._target = target
        self._data = filling(self.size - udp.HEADER_SIZE)
        self._port = port
        self._counts_up = counts_up
        self._sockets: dict[int, UdpSocket] = {}
        self._numbers: dict[int, int] = {}  # by source port

    def send(self, number: int, ttl: int) -> None:
        socket = self._stack.udp_bind(("", 0), nic=self._target.nic)
        self._sockets[number] = socket
        self._numbers[socket.lport] = number
        port = self._port
        if self._counts_up:
            port = (port + number - 1) % 0xFFFF + 1
        socket.send_to(self._data, (self._target.text, port), ttl=ttl)

    def quoted(self, quoted: Quoted) -> int | None:
        if quoted.protocol != PROTO_UDP:
            return None
        return self._numbers.get(quoted.source_port)

    def replied(self, heard: Heard) -> int | None:
        return None

    def signs(self, events: Sequence[Event]) -> Iterator[Sign]:
        for event in events:
            if not isinstance(event, UdpReceived | UdpError):
                continue
            number = self._numbers.get(event.sock.lport)
            if number is None:
                continue
            if isinstance(event, UdpError):
                yield Sign(number, event.error)
            elif any(
                bare_ip(datagram.source[0]) == self._target.packed
                for datagram in iter(event.sock.receive, None)
            ):
                yield Sign(number)

    def over(self, number: int) -> None:
        socket = self._sockets.pop(number, None)
        if socket is not None:
            del self._numbers[socket.lport]
            socket.close()


class EchoProbes:
    """Echo requests, counted from 1."""

    def __init__(self, stack: Stack, target: Target, size: int, first: int) -> None:
        self.size = max(size, ICMP_HEADER_SIZE)
        self._echo: EchoSocket = stack.echo_open(target.nic)
        self._target = target
        self._data = filling(self.size - ICMP_HEADER_SIZE)
        self._first = first

    def send(self, number: int, ttl: int) -> None:
        sequence = (self._first + number) & 0xFFFF
        self._echo.send_to(self._target.text, sequence, self._data, ttl=ttl)

    def quoted(self, quoted: Quoted) -> int | None:
        if quoted.protocol not in (PROTO_ICMP, PROTO_ICMPV6):
            return None
        return self._number(quoted.identifier, quoted.sequence)

    def replied(self, heard: Heard) -> int | None:
        return self._number(heard.identifier, heard.sequence)

    def _number(self, identifier: int | None, sequence: int | None) -> int | None:
        if identifier != self._echo.identifier or sequence is None:
            return None
        return (sequence - self._first) & 0xFFFF

    def signs(self, events: Sequence[Event]) -> Iterator[Sign]:
        for event in events:
            if isinstance(event, EchoFailed):
                number = (event.sequence - self._first) & 0xFFFF
                yield Sign(number, event.error)

    def over(self, number: int) -> None:
        """Its sequence number is not used again."""


class SynProbes:
    """SYNs, each from a port of its own; whatever answers, the stack resets it: the
    peer's application never sees a connection.
    """

    def __init__(self, stack: Stack, target: Target, port: int) -> None:
        self.size = tcp.HEADER_SIZE + SYN_OPTIONS
        self._target = target
        self._port = port
        self._entropy = stack.entropy.child("traceroute")
        self._raw: RawSocket = stack.raw_open(
            PROTO_TCP, peer=target.text, nic=target.nic, checksum=tcp.CHECKSUM_OFFSET
        )
        self._base = 32768 + self._entropy.below(16384)
        self._seqs: dict[int, int] = {}  # of those under way

    def send(self, number: int, ttl: int) -> None:
        self._seqs[number] = seq = self._entropy.below(1 << 32)
        overhead = 40 if len(self._target.packed) == 4 else 60
        options = build_tcp_options(
            mss=1500 - overhead, wscale=2, sack_permitted=True, ts_val=seq, ts_ecr=0
        )
        head = tcp.build_tcp(
            self._base + number, self._port, seq, 0, tcp.SYN, WINDOW, options=options
        )
        self._raw.send_to(head, self._target.text, ttl=ttl)

    def quoted(self, quoted: Quoted) -> int | None:
        if quoted.protocol != PROTO_TCP or quoted.destination_port != self._port:
            return None
        number = quoted.source_port - self._base
        return number if self._seqs.get(number) == quoted.seq else None

    def replied(self, heard: Heard) -> int | None:
        return None

    def signs(self, events: Sequence[Event]) -> Iterator[Sign]:
        for datagram in iter(self._raw.receive, None):
            number = self._answered(datagram.data)
            if number is not None:
                yield Sign(number)
        for event in events:
            if (
                isinstance(event, RawError)
                and event.sock is self._raw
                and not event.source
            ):
                # it does not say of which: of all that wait for the same neighbour
                for number in list(self._seqs):
                    yield Sign(number, event.error)

    def _answered(self, data: bytes) -> int | None:
        """SYN and ACK, or RST, that acknowledge our SYN."""
        try:
            header = tcp.parse_tcp(data, 0, len(data))
        except WireError:
            return None
        number = header.destination_port - self._base
        seq = self._seqs.get(number)
        if seq is None or header.source_port != self._port:
            return None
        is_answer = header.flags & tcp.ACK and header.ack == (seq + 1) & 0xFFFFFFFF
        return number if is_answer and header.flags & (tcp.SYN | tcp.RST) else None

    def over(self, number: int) -> None:
        self._seqs.pop(number, None)
