"""What routers and hosts say by ICMP of packets that we sent, with who said it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sansio_net.errors import WireError
from sansio_net.packet import Datagram
from sansio_net.protocols.raw import RawSocket
from sansio_net.stack import Interface, Stack
from sansio_net.wire import icmp, icmpv6
from sansio_net.wire.icmp import Quoted, parse_icmp, parse_quoted
from sansio_net.wire.ipv4 import PROTO_ICMP, PROTO_ICMPV6

_HEARD4: Final[tuple[int, ...]] = (
    *(icmp.ECHO_REPLY, icmp.UNREACHABLE),
    *(icmp.TIME_EXCEEDED, icmp.PARAMETER_PROBLEM),
)
_HEARD6: Final[tuple[int, ...]] = (
    *(icmpv6.UNREACHABLE, icmpv6.PACKET_TOO_BIG, icmpv6.TIME_EXCEEDED),
    *(icmpv6.PARAMETER_PROBLEM, icmpv6.ECHO_REPLY),
)


@dataclass(slots=True)
class Heard:
    """A message. source: with its zone where it is link-local. quoted: None for an echo
    reply, whose identifier and sequence then are here. mtu: of a packet
    too big. pointer: of a parameter problem.
    """

    source: str
    kind: int
    code: int
    quoted: Quoted | None
    identifier: int = 0
    sequence: int = 0
    mtu: int = 0
    pointer: int = 0


def open_ear(stack: Stack, is_ipv6: bool, nic: Interface | None) -> RawSocket:
    """A raw socket that gets replies and errors alone."""
    protocol, kinds = PROTO_ICMP, _HEARD4
    if is_ipv6:
        protocol, kinds = PROTO_ICMPV6, _HEARD6
    ear = stack.raw_open(protocol, local="::" if is_ipv6 else "0.0.0.0", nic=nic)
    wanted = sum(1 << kind for kind in kinds)
    ear.set(icmp_filter=~wanted & (1 << 256) - 1)
    return ear


def listen(ear: RawSocket) -> Iterator[Heard]:
    """What has come. What is malformed is no message."""
    while (datagram := ear.receive()) is not None:
        heard = _read(datagram, ear.protocol == PROTO_ICMPV6)
        if heard is not None:
            yield heard


def _read(datagram: Datagram, is_ipv6: bool) -> Heard | None:
    source = datagram.source[0]
    try:
        # the socket has verified ICMPv6's, which covers a pseudo-header
        message = parse_icmp(datagram.data, verify=not is_ipv6)
        kind, code, rest = message.type, message.code, message.rest
        if kind == (icmpv6.ECHO_REPLY if is_ipv6 else icmp.ECHO_REPLY):
            identifier, sequence = (
                int.from_bytes(part, "big") for part in (rest[:2], rest[2:])
            )
            return Heard(source, kind, code, None, identifier, sequence)
        quoted = parse_quoted(message.body)
    except WireError:
        return None
    heard = Heard(source, kind, code, quoted)
    if is_ipv6:
        # an MTU or a pointer, whichever it is
        heard.mtu = heard.pointer = int.from_bytes(rest, "big")
    else:
        heard.mtu, heard.pointer = int.from_bytes(rest[2:], "big"), rest[0]
    return heard
