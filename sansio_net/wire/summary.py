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
from .tcp_options import OPT_END, OPT_NOP, OPT_SACK

_ARP_OPS: Final = {
    1: "Request",
    2: "Reply",
    3: "Reverse Request",
    4: "Reverse Reply",
    8: "Inverse Request",
    9: "Inverse Reply",
    10: "NACK Reply",
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
    13: "",
    19: "md5",
    20: "scps",
    28: "uto",
    29: "tcp-ao",
    30: "mptcp",
    34: "tfo",
    254: "exp",
}
_OPTION_SIZES: Final = {
    2: 2,
    3: 1,
    4: 0,
    6: 4,
    7: 4,
    8: 8,
    11: 4,
    12: 4,
    13: 4,
    19: 16,
    20: 2,
    28: 2,
}
"""Bytes of data that tcpdump reads of an option, whatever its length says."""

_ARP_START: Final = Struct("!HHBBH")
_PORTS: Final = Struct("!HH")
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
    frame: bytes,
    medium: Medium = Medium.ETHERNET,
    flows: Flows | None = None,
    original_size: int | None = None,
) -> str:
    """tcpdump's line for `frame`, without the time.

    Sequence numbers are absolute (`tcpdump -S`) unless `flows` is given and kept from
    frame to frame. original_size: bytes on the wire, where the capture kept fewer.
    """
    length = len(frame) if original_size is None else original_size
    if medium == Medium.IP:
        if frame and frame[0] >> 4 == 6:
            return _ipv6(frame, length, flows)
        return _ipv4(frame, length, flows)
    if len(frame) < ethernet.HEADER_SIZE:
        return " [|ether]"
    destination, source, ethertype = ethernet.HEADER.unpack_from(frame)
    at = ethernet.HEADER_SIZE
    while ethertype in (ethernet.ETHERTYPE_VLAN, ethernet.ETHERTYPE_QINQ):
        if len(frame) < at + 4:
            return " [|vlan]"
        ethertype = int.from_bytes(frame[at + 2 : at + 4], "big")
        at += 4
    if ethertype == ethernet.ETHERTYPE_IPV4:
        return _ipv4(frame[at:], length - at, flows)
    if ethertype == ethernet.ETHERTYPE_IPV6:
        return _ipv6(frame[at:], length - at, flows)
    if ethertype == ethernet.ETHERTYPE_ARP:
        return _arp(frame[at:], length - at)
    ends = f"{format_mac(source)} > {format_mac(destination)}"
    if ethertype <= 1500:
        return f"{ends}, 802.3, length {ethertype}: LLC"
    return f"{ends}, ethertype Unknown ({ethertype:#06x}), length {length}: "


def _arp(data: bytes, length: int) -> str:
    if len(data) < 8:
        return " [|arp]"
    hrd, pro, hln, pln, op = _ARP_START.unpack_from(data)
    if len(data) < 8 + 2 * (hln + pln):
        return " [|arp]"
    if pro != ethernet.ETHERTYPE_IPV4 or pln != 4 or hln == 0:
        hardware = _ARP_HARDWARE.get(hrd, f"Unknown Hardware ({hrd})")
        protocol = f"Unknown Protocol ({pro:#06x})"
        if pro == ethernet.ETHERTYPE_IPV4:
            protocol = "IPv4"
        text = f"ARP, {hardware} (len {hln}), {protocol} (len {pln})"
        return f"{text}, length {length}"
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
        return f"ARP, {name} "  # tcpdump dumps what follows
    return f"ARP, {name} {what}, length {length}"


def _ipv4(data: bytes, length: int, flows: Flows | None) -> str:
    if data and data[0] >> 4 != 4:
        return _wrong_version(data[0] >> 4)
    if len(data) < ipv4.HEADER_SIZE:
        if len(data) < length:
            return "IP  [|ip]" if data else " [|ip]"
        return f"IP truncated-ip {length}"
    size = (data[0] & 15) * 4
    total = int.from_bytes(data[2:4], "big")
    if size < ipv4.HEADER_SIZE:
        return f"IP bad-hlen {size}"
    line = "IP "
    if length < total:
        line += f"truncated-ip - {total - length} bytes missing! "
    if total < size:
        return f"{line}bad-len {total}"
    word, protocol = int.from_bytes(data[6:8], "big"), data[9]
    source, destination = data[12:16], data[16:20]
    if word & 0x1FFF:
        ends = f"{format_ip(source)} > {format_ip(destination)}"
        return f"{line}{ends}: ip-proto-{protocol}"
    if len(data) < size:
        left = f" [remaining caplen({len(data)}) < header length({size})] [|ip]"
        if protocol in (ipv4.PROTO_TCP, ipv4.PROTO_UDP):
            return line + left
        return f"{line}{format_ip(source)} > {format_ip(destination)}: {left}"
    more = bool(word >> 13 & ipv4.MF)
    payload = data[size:total]
    return line + _transport(
        source, destination, protocol, payload, total - size, more, flows
    )


def _ipv6(data: bytes, length: int, flows: Flows | None) -> str:
    if data and data[0] >> 4 != 6:
        return _wrong_version(data[0] >> 4)
    if len(data) < ipv6.HEADER_SIZE:
        cut = len(data) < length
        return " [|ip6]" if cut else f"IP6 truncated-ip6 {length}"
    size, protocol = int.from_bytes(data[4:6], "big"), data[6]
    line, available = "IP6 ", length - ipv6.HEADER_SIZE
    if available < size:
        line += f"truncated-ip6 - {size - available} bytes missing!"
    payload = data[40 : 40 + size]
    return line + _transport(
        data[8:24], data[24:40], protocol, payload, size, False, flows
    )


def _wrong_version(version: int) -> str:
    if version in (4, 6):
        name = "IP" if version == 4 else "IP6"
        return f"{name}, wrong link-layer encapsulation (invalid)"
    return f"IP{version} (invalid)"


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
        is_tcp = protocol == ipv4.PROTO_TCP
        if len(data) < 4:
            return f"{here} > {there}: {'[|tcp]' if is_tcp else ' [|udp]'}"
        sport, dport = _PORTS.unpack_from(data)
        ends = f"{here}.{sport} > {there}.{dport}: "
        if is_tcp:
            return ends + _tcp(source, destination, data, length, flows)
        return ends + _udp(data, length, more)
    if protocol == ipv4.PROTO_ICMP and len(source) == 4:
        return f"{here} > {there}: {format_icmp(data, length)}"
    return f"{here} > {there}:  ip-proto-{protocol} {length}"


def _udp(data: bytes, length: int, more: bool) -> str:
    if length < udp.HEADER_SIZE:
        return f"truncated-udp {length}"
    if len(data) < 6:
        return " [|udp]"
    size = int.from_bytes(data[4:6], "big")
    if size < udp.HEADER_SIZE:
        return f"truncated-udplength {size}"
    if len(data) < udp.HEADER_SIZE:
        return " [|udp]"
    if size > length and not more:
        return f"UDP, bad length {size - 8} > {length - 8}"
    return f"UDP, length {size - 8}"


def _tcp(
    source: bytes, destination: bytes, data: bytes, length: int, flows: Flows | None
) -> str:
    if len(data) < tcp.HEADER_SIZE:
        return " [|tcp]"
    size = (data[12] >> 4) * 4
    if size < tcp.HEADER_SIZE:
        return f" tcp {length - size} [bad hdr length {size} - too short, < 20]"
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
        options, complete = _options(
            data[tcp.HEADER_SIZE :], size - tcp.HEADER_SIZE, edge
        )
        line += f", options [{options}"
        if not complete:
            return line
    return f"{line}, length {length}"


class _BadOption(Exception):
    """An option leaves the header."""


class _CutOption(Exception):
    """An option leaves what was captured: what tcpdump still shows of it."""


def _options(data: bytes, total: int, edge: int) -> tuple[str, bool]:
    """The text after the opening bracket, and whether tcpdump would go on after it.

    total: bytes of options that the header has; `data` is all that there is from
    their start on.
    """
    text, separator, at = "", "", 0
    try:
        while at < total:
            text += separator
            kind = _octet(data, at)
            name = _TCP_OPTIONS.get(kind, f"unknown-{kind}")
            if kind in (OPT_END, OPT_NOP):
                text += name
                at += 1
                if kind == OPT_END:
                    break
            else:
                size = _octet(data, at + 1)
                if size < 2 or at + size > total:
                    raise _BadOption
                text += name
                taken = _OPTION_SIZES.get(kind, size - 2)
                at += 2
                if at + taken > total:
                    raise _BadOption
                if at + taken > len(data):
                    some = _sack(data[at:], edge, taken) if kind == OPT_SACK else ""
                    raise _CutOption(f"{some} [|tcp]" + (">" if separator else ""))
                text += _option(kind, data[at : at + taken], edge)
                if taken != size - 2:
                    text += f"[len {size}]"
                at += taken
            separator = ","
    except _BadOption:
        return text + "[bad opt]" + ("]" if separator else ""), False
    except _CutOption as cut:
        return text + str(cut), False
    return text + "]", True


def _octet(data: bytes, at: int) -> int:
    if at >= len(data):
        raise _CutOption(" [|tcp]")
    return data[at]


def _option(kind: int, value: bytes, edge: int) -> str:
    """What follows an option's name."""
    if kind in (2, 3, 6, 7, 11, 12, 13):
        return f" {int.from_bytes(value, 'big')}"
    if kind == 8:
        return " val {} ecr {}".format(*_PAIR.unpack(value))
    if kind == OPT_SACK:
        return _sack(value, edge, len(value))
    if kind == 34:
        return " " + _fast_open(value)
    if kind == 254:
        if len(value) < 2:
            raise _BadOption
        magic = value[:2].hex()
        return "-tfo" + _fast_open(value[2:]) if magic == "f989" else f"-{magic}"
    if kind == 20:
        return f" cap {value[0]:02x} id {value[1]}"
    if kind == 28:
        timeout = int.from_bytes(value, "big")
        seconds = (timeout >> 1) * (60 if timeout & 1 else 1)
        return f" {timeout:#x} {seconds}"
    if kind == 19:
        return f" shared secret not supplied with -M, can't check - {value.hex()}"
    return f" 0x{value.hex()}" if value else ""


def _sack(value: bytes, edge: int, size: int) -> str:
    """The blocks that `value` has of the option's `size` bytes."""
    if size % 8:
        return " invalid sack"
    blocks = "".join(
        f"{{{(left - edge) & _MASK}:{(right - edge) & _MASK}}}"
        for left, right in _PAIR.iter_unpack(value[: len(value) & ~7])
    )
    return f" {size // 8} {blocks}"


def _fast_open(cookie: bytes) -> str:
    if not cookie:
        return " cookiereq"
    if len(cookie) % 2 or not 4 <= len(cookie) <= 16:
        return " (invalid)"
    return f" cookie {cookie.hex()}"
