"""The ICMP part of a summary line.

RFC 792; the words are tcpdump's.
"""

from __future__ import annotations

from typing import Final

from sansio_net.addresses import format_ip

from . import icmp, ipv4

_NAMES: Final = {
    icmp.SOURCE_QUENCH: "source quench",
    icmp.ROUTER_SOLICITATION: "router solicitation",
    icmp.INFORMATION_REQUEST: "information request",
    icmp.INFORMATION_REPLY: "information reply",
    icmp.MASK_REQUEST: "address mask request",
}
_UNREACHABLE: Final = {
    icmp.NET_UNREACHABLE: "net {} unreachable",
    icmp.HOST_UNREACHABLE: "host {} unreachable",
    icmp.SOURCE_ROUTE_FAILED: "{} unreachable - source route failed",
    icmp.NET_UNKNOWN: "net {} unreachable - unknown",
    icmp.HOST_UNKNOWN: "host {} unreachable - unknown",
    icmp.HOST_ISOLATED: "{} unreachable - source host isolated",
    icmp.NET_PROHIBITED: "net {} unreachable - admin prohibited",
    icmp.HOST_PROHIBITED: "host {} unreachable - admin prohibited",
    icmp.NET_UNREACHABLE_TOS: "net {} unreachable - tos prohibited",
    icmp.HOST_UNREACHABLE_TOS: "host {} unreachable - tos prohibited",
    icmp.COMMUNICATION_PROHIBITED: "host {} unreachable - admin prohibited filter",
    icmp.PRECEDENCE_VIOLATION: "host {} unreachable - host precedence violation",
    icmp.PRECEDENCE_CUTOFF: "host {} unreachable - precedence cutoff",
}
_REDIRECT: Final = {
    icmp.REDIRECT_NET: "redirect {} to net {}",
    icmp.REDIRECT_HOST: "redirect {} to host {}",
    icmp.REDIRECT_NET_TOS: "redirect-tos {} to net {}",
    icmp.REDIRECT_HOST_TOS: "redirect-tos {} to host {}",
}
_EXCEEDED: Final = {
    icmp.TTL_EXCEEDED: "time exceeded in-transit",
    icmp.REASSEMBLY_EXCEEDED: "ip reassembly time exceeded",
}
_SIZES: Final = {
    icmp.ECHO_REQUEST: 8,
    icmp.ECHO_REPLY: 8,
    icmp.UNREACHABLE: 28,
    icmp.REDIRECT: 28,
    icmp.TIME_EXCEEDED: 28,
    icmp.MASK_REPLY: 12,
    icmp.TIMESTAMP_REQUEST: 8,
    icmp.TIMESTAMP_REPLY: 20,
}
"""Bytes that tcpdump wants to see of a type before it says anything."""

_TRUNCATED: Final = " [|icmp]"


def format_icmp(data: bytes, length: int) -> str:
    """``"ICMP echo request, id 1, seq 2, length 64"`` for an IP payload."""
    text = _message(data) if len(data) >= 2 else None
    return _TRUNCATED if text is None else f"ICMP {text}, length {length}"


def _message(data: bytes) -> str | None:
    """None where the message is cut too short to say."""
    kind, code = data[0], data[1]
    if len(data) < _SIZES.get(kind, 2):
        return None
    first, second = (int.from_bytes(data[at : at + 2], "big") for at in (4, 6))
    if kind in (icmp.ECHO_REQUEST, icmp.ECHO_REPLY):
        name = "request" if kind == icmp.ECHO_REQUEST else "reply"
        return f"echo {name}, id {first}, seq {second}"
    if kind == icmp.UNREACHABLE:
        return _unreachable(code, second, data[8:])
    if kind == icmp.REDIRECT:
        text = _REDIRECT.get(code, f"redirect-#{code} {{}} to {{}}")
        return text.format(format_ip(data[24:28]), format_ip(data[4:8]))
    if kind == icmp.TIME_EXCEEDED:
        return _EXCEEDED.get(code, f"time exceeded-#{code}")
    if kind == icmp.PARAMETER_PROBLEM:
        if code:
            return f"parameter problem - code {code}"
        if len(data) < 5:
            return None
        return f"parameter problem - octet {data[4]}"
    if kind == icmp.MASK_REPLY:
        return f"address mask is 0x{data[8:12].hex()}"
    if kind == icmp.TIMESTAMP_REQUEST:
        return f"time stamp query id {first} seq {second}"
    if kind == icmp.TIMESTAMP_REPLY:
        return _timestamp_reply(data, first, second)
    return _NAMES.get(kind, f"type-#{kind}")


def _unreachable(code: int, mtu: int, quoted: bytes) -> str | None:
    destination = format_ip(quoted[16:20])
    protocol = quoted[9]
    if code == icmp.PROTOCOL_UNREACHABLE:
        return f"{destination} protocol {protocol} unreachable"
    if code == icmp.PORT_UNREACHABLE:
        start = (quoted[0] & 15) * 4
        if len(quoted) < start + 4:
            return None
        port = int.from_bytes(quoted[start + 2 : start + 4], "big")
        if protocol == ipv4.PROTO_TCP:
            return f"{destination} tcp port {port} unreachable"
        if protocol == ipv4.PROTO_UDP:
            return f"{destination} udp port {port} unreachable"
        return f"{destination} protocol {protocol} port {port} unreachable"
    if code == icmp.FRAGMENTATION_NEEDED:
        size = f" (mtu {mtu})" if mtu else ""
        return f"{destination} unreachable - need to frag{size}"
    text = _UNREACHABLE.get(code, f"{{}} unreachable - #{code}")
    return text.format(destination)


def _timestamp_reply(data: bytes, identifier: int, sequence: int) -> str:
    times = []
    for at in (8, 12, 16):
        value = int.from_bytes(data[at : at + 4], "big")
        seconds, ms = divmod(value, 1000)
        hours, seconds = divmod(seconds, 3600)
        times.append(f"{hours:02}:{seconds // 60:02}:{seconds % 60:02}.{ms:03}")
    org, recv, xmit = times
    text = f"time stamp reply id {identifier} seq {sequence}"
    return f"{text}: org {org}, recv {recv}, xmit {xmit}"
