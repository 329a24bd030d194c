"""One line per frame, the line `tcpdump -n -t` prints for it.

ARP, IPv4 with fragments, ICMP, UDP, TCP with options; IPv6 as far as UDP and TCP.
Payloads are not decoded: where tcpdump goes on, this ends. Never raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from sansio_net.addresses import format_ip, format_mac
from sansio_net.packet import Medium

from . import arp, ethernet, ipv4, ipv6, tcp, udp
from .summary_icmp import format_icmp
from .tcp_options import OPT_END, OPT_NOP

_ARP_OPS: Final = {
    1: "Request",
    2: "Reply",
    3: "Reverse Request",
    4: "Reverse Reply",
    8: "Inverse Request",
    9: "Inverse Reply",
    10: "NACK",
}
_ARP_HARDWARE: Final = {1: "Ethernet", 6: "TokenRing", 7: "ArcNet", 15: "Frame Relay"}
_TCP_OPTIONS: Final = {
    0: "eol",
    1: "nop",
    2: "mss",
    3: "wscale",
    4: "sackOK",
    5: "sack",
    6: "echo",
    7: "echoreply",
    8: "TS",
    11: "cc",
    12: "ccnew",
    13: "ccecho",
    19: "md5",
    20: "scps",
    28: "uto",
    29: "tcp-ao",
    30: "mptcp",
    34: "tfo",
    254: "exp",
}
_OPTION_SIZES: Final = {2: 2, 3: 1, 4: 0, 6: 4, 7: 4, 8: 8, 11: 4, 12: 4, 13: 4}
"""Bytes of data that tcpdump reads of an option, whatever its length says."""

_PAIR: Final = Struct("!II")
_MASK: Final = 0xFFFFFFFF


@dataclass(slots=True)
class Flows:
    """Where each TCP conversation's numbers start, for relative sequence numbers.

    As tcpdump does it: from the first segment with ACK on, both directions in one
    entry. At most `limit` conversations; the oldest is forgotten.
    """

    limit: int = 65536
    _starts: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def relative(
        self, source: bytes, destination: bytes, ports: bytes, header: tcp.TcpHeader
    ) -> tuple[int, int, int]:
        """seq and ack as tcpdump prints them, and what to take off SACK's edges."""
        seq, ack = header.seq, header.ack
        if not header.flags & tcp.ACK:
            return seq, ack, 0
        reverse = (ports[:2], source) > (ports[2:], destination)
        if reverse:
            key = destination + source + ports[2:] + ports[:2]
        else:
            key = source + destination + ports
        start = self._starts.get(key)
        if start is None or header.flags & tcp.SYN:
            start = seq, (ack - 1) & _MASK
            if reverse:
                start = start[1], start[0]
            self._starts[key] = start
            if len(self._starts) > self.limit:
                del self._starts[next(iter(self._starts))]
            return seq, ack, start[0] if reverse else start[1]
        ours, theirs = (start[1], start[0]) if reverse else start
        return (seq - ours) & _MASK, (ack - theirs) & _MASK, theirs


def summary(
    frame: bytes, medium: Medium = Medium.ETHERNET, flows: Flows | None = None
) -> str:
    """tcpdump's line for `frame`, without the time.

    Sequence numbers are absolute (`tcpdump -S`) unless `flows` is given and kept from
    frame to frame.
    """
    if medium == Medium.IP:
        if frame and frame[0] >> 4 == 6:
            return _ipv6(frame, flows)
        return _ipv4(frame, flows)
    if len(frame) < ethernet.HEADER_SIZE:
        return "[|ether]"
    destination, source, ethertype = ethernet.HEADER.unpack_from(frame)
    at = ethernet.HEADER_SIZE
    while ethertype in (ethernet.ETHERTYPE_VLAN, ethernet.ETHERTYPE_QINQ):
        if len(frame) < at + 4:
            return "[|vlan]"
        ethertype = int.from_bytes(frame[at + 2 : at + 4], "big")
        at += 4
    if ethertype == ethernet.ETHERTYPE_IPV4:
        return _ipv4(frame[at:], flows)
    if ethertype == ethernet.ETHERTYPE_IPV6:
        return _ipv6(frame[at:], flows)
    if ethertype == ethernet.ETHERTYPE_ARP:
        return _arp(frame[at:])
    ends = f"{format_mac(source)} > {format_mac(destination)}"
    if ethertype <= 1500:
        return f"{ends}, 802.3, length {ethertype}: LLC"
    return f"{ends}, ethertype Unknown ({ethertype:#06x}), length {len(frame)}: "


def _arp(data: bytes) -> str:
    length = len(data)
    if length < 8:
        return "ARP, [|arp]"
    hrd, pro, hln, pln, op = Struct("!HHBBH").unpack_from(data)
    if pro != ethernet.ETHERTYPE_IPV4 or pln != 4 or hln == 0:
        hardware = _ARP_HARDWARE.get(hrd, f"Unknown Hardware ({hrd})")
        protocol = f"Unknown Protocol ({pro:#06x})"
        if pro == ethernet.ETHERTYPE_IPV4:
            protocol = "IPv4"
        text = f"ARP, {hardware} (len {hln}), {protocol} (len {pln})"
        return f"{text}, length {length}"
    if length < 8 + 2 * (hln + pln):
        return "ARP, [|arp]"
    name = _ARP_OPS.get(op, f"Unknown ({op})")
    sha, at = data[8 : 8 + hln], 8 + hln
    spa, tha = data[at : at + 4], data[at + 4 : at + 4 + hln]
    tpa = data[at + 4 + hln :][:4]
    if op == arp.REQUEST:
        target = f" ({format_mac(tha)})" if any(tha) else ""
        what = f"who-has {format_ip(tpa)}{target} tell {format_ip(spa)}"
    elif op == arp.REPLY:
        what = f"{format_ip(spa)} is-at {format_mac(sha)}"
    elif op in (3, 8):
        what = f"who-is {format_mac(tha)} tell {format_mac(sha)}"
    elif op == 4:
        what = f"{format_mac(tha)} at {format_ip(tpa)}"
    elif op == 9:
        what = f"{format_mac(sha)} at {format_ip(spa)}"
    else:
        what = ""
    return f"ARP, {name} {what}, length {length}"


def _ipv4(data: bytes, flows: Flows | None) -> str:
    if not data or data[0] >> 4 != 4:
        wrong = "IP6, " if data and data[0] >> 4 == 6 else ""
        return f"{wrong}wrong link-layer encapsulation (invalid)"
    if len(data) < ipv4.HEADER_SIZE:
        return f"IP truncated-ip {len(data)}"
    size = (data[0] & 15) * 4
    total = int.from_bytes(data[2:4], "big")
    if size < ipv4.HEADER_SIZE:
        return f"IP bad-hlen {size}"
    line = "IP "
    if len(data) < total:
        line += f"truncated-ip - {total - len(data)} bytes missing! "
    if total < size:
        return f"{line}bad-len {total}"
    word, protocol = int.from_bytes(data[6:8], "big"), data[9]
    source, destination = data[12:16], data[16:20]
    if word & 0x1FFF:
        ends = f"{format_ip(source)} > {format_ip(destination)}"
        return f"{line}{ends}: ip-proto-{protocol}"
    more = bool(word >> 13 & ipv4.MF)
    payload = data[size:total]
    return line + _transport(
        source, destination, protocol, payload, total - size, more, flows
    )


def _ipv6(data: bytes, flows: Flows | None) -> str:
    if not data or data[0] >> 4 != 6:
        wrong = "IP, " if data and data[0] >> 4 == 4 else ""
        return f"{wrong}wrong link-layer encapsulation (invalid)"
    if len(data) < ipv6.HEADER_SIZE:
        return f"IP6 truncated-ip6 {len(data)}"
    length, protocol = int.from_bytes(data[4:6], "big"), data[6]
    line, available = "IP6 ", len(data) - ipv6.HEADER_SIZE
    if available < length:
        line += f"truncated-ip6 - {length - available} bytes missing!"
    payload = data[40 : 40 + length]
    return line + _transport(
        data[8:24], data[24:40], protocol, payload, length, False, flows
    )


def _transport(
    source: bytes,
    destination: bytes,
    protocol: int,
    data: bytes,
    length: int,
    more: bool,
    flows: Flows | None,
) -> str:
    """`data`: what there is of the IP payload; `length`: what its header says."""
    here, there = format_ip(source), format_ip(destination)
    if protocol in (ipv4.PROTO_TCP, ipv4.PROTO_UDP):
        name = "tcp" if protocol == ipv4.PROTO_TCP else "udp"
        if len(data) < 4:
            return f"{here} > {there}: [|{name}]"
        sport, dport = Struct("!HH").unpack_from(data)
        ends = f"{here}.{sport} > {there}.{dport}: "
        if name == "udp":
            return ends + _udp(data, length, more)
        return ends + _tcp(source, destination, data, length, flows)
    if protocol == ipv4.PROTO_ICMP and len(source) == 4:
        return f"{here} > {there}: {format_icmp(data, length)}"
    return f"{here} > {there}:  ip-proto-{protocol} {length}"


def _udp(data: bytes, length: int, more: bool) -> str:
    if length < udp.HEADER_SIZE:
        return f"truncated-udp {length}"
    if len(data) < udp.HEADER_SIZE:
        return "[|udp]"
    size = int.from_bytes(data[4:6], "big")
    if size < udp.HEADER_SIZE:
        return f"truncated-udplength {size}"
    if size > length and not more:
        return f"UDP, bad length {size - 8} > {length - 8}"
    return f"UDP, length {size - 8}"


def _tcp(
    source: bytes, destination: bytes, data: bytes, length: int, flows: Flows | None
) -> str:
    if len(data) < 13:
        return "[|tcp]"
    size = (data[12] >> 4) * 4
    if size < tcp.HEADER_SIZE:
        return f" tcp {length - size} [bad hdr length {size} - too short, < 20]"
    if len(data) < tcp.HEADER_SIZE:
        return "[|tcp]"
    _, _, seq, ack, _, flags, window, _, urgent = tcp.HEADER.unpack_from(data)
    header = tcp.TcpHeader(0, 0, seq, ack, size, flags, window, 0, urgent)
    line, edge = f"Flags [{tcp.format_flags(flags)}]", 0
    if flows is not None:
        seq, ack, edge = flows.relative(source, destination, data[:4], header)
    if size > length:
        return f"{line} [bad hdr length {size} - too long, > {length}]"
    length -= size
    if length or flags & (tcp.SYN | tcp.FIN | tcp.RST):
        line += f", seq {seq}"
        if length:
            line += f":{(seq + length) & _MASK}"
    if flags & tcp.ACK:
        line += f", ack {ack}"
    line += f", win {window}"
    if flags & tcp.URG:
        line += f", urg {urgent}"
    if size > tcp.HEADER_SIZE:
        options, complete = _options(data[tcp.HEADER_SIZE : size], edge)
        line += f", options [{options}"
        if not complete:
            return line
    return f"{line}, length {length}"


def _options(data: bytes, edge: int) -> tuple[str, bool]:
    """The text after the opening bracket, and whether tcpdump would go on after it."""
    shown: list[str] = []
    at = 0
    while at < len(data):
        kind = data[at]
        name = _TCP_OPTIONS.get(kind, f"unknown-{kind}")
        if kind in (OPT_END, OPT_NOP):
            shown.append(name)
            at += 1
            if kind == OPT_END:
                break
            continue
        size = data[at + 1] if at + 1 < len(data) else 0
        text = None
        if size >= 2 and at + size <= len(data):
            text = _option(kind, data[at + 2 :], size - 2, edge)
        if text is None:
            bad = "[bad opt]" + ("]" if shown else "")
            return ",".join([*shown, bad]), False
        shown.append(name + text)
        at += 2 + _OPTION_SIZES.get(kind, size - 2)
    return ",".join(shown) + "]", True


def _option(kind: int, rest: bytes, size: int, edge: int) -> str | None:
    """What follows an option's name; None where tcpdump gives up."""
    taken = _OPTION_SIZES.get(kind, size)
    if taken > len(rest):
        return None
    value = rest[:taken]
    text = ""
    if kind in (2, 3, 6, 7, 11, 12, 13):
        text = f" {int.from_bytes(value, 'big')}"
    elif kind == 8:
        text = " val {} ecr {}".format(*_PAIR.unpack(value))
    elif kind == 5:
        text = _sack(value, edge)
    elif kind == 34:
        text = " " + _fast_open(value)
    elif kind == 254 and size >= 2:
        magic = value[:2].hex()
        text = "-" + (_fast_open(value[2:]) if magic == "f989" else magic)
    elif kind == 254:
        return None
    elif kind == 28 and size == 2:
        timeout = int.from_bytes(value, "big")
        seconds = (timeout >> 1) * (60 if timeout & 1 else 1)
        text = f" {timeout:#x} {seconds}"
    elif kind == 19 and size == 16:
        text = f" can't check - {value.hex()}"
    elif kind != 4 and value:
        text = f" 0x{value.hex()}"
    return text if taken == size else f"{text}[len {size + 2}]"


def _sack(value: bytes, edge: int) -> str:
    if len(value) % 8:
        return " invalid sack"
    blocks = "".join(
        f"{{{(left - edge) & _MASK}:{(right - edge) & _MASK}}}"
        for left, right in _PAIR.iter_unpack(value)
    )
    return f" {len(value) // 8} {blocks}"


def _fast_open(cookie: bytes) -> str:
    if not cookie:
        return "cookiereq"
    if len(cookie) % 2 or not 4 <= len(cookie) <= 16:
        return " (invalid)"
    return f"cookie {cookie.hex()}"
