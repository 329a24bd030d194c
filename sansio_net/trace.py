"""What a machine thought: plain tuples ``(now, kind, ...)`` in a list, or None.

A machine's `trace` is None until somebody wants to know. Entries are plain values
(int, str, bytes, None), so that they pickle, compare and print the same everywhere;
tracing never changes an output (law 8). A Stack shares one list with all its parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from .addresses import format_ip, format_mac
from .units import SECOND, format_duration

TraceValue: TypeAlias = int | str | bytes | None
TraceEntry: TypeAlias = tuple[TraceValue, ...]
Trace: TypeAlias = list[TraceEntry]

KINDS: Final[dict[str, tuple[str, str]]] = {
    # TCP: of a connection, by its id
    "tcp.state": ("conn from to", "It enters another state (RFC 9293 3.3.2)"),
    "tcp.cwnd": ("conn cwnd ssthresh", "The congestion window, after an ACK or a loss"),
    "tcp.rtt": ("conn srtt rttvar rto", "A round trip was measured (RFC 6298)"),
    "tcp.rto": ("conn rto retransmits", "The retransmission timer ran out, so often"),
    "tcp.retransmit": ("conn seq size reason", "Text goes again, and why"),
    "tcp.recovery": (
        "conn from to cwnd ssthresh",
        "Loss recovery begins, changes or ends (Linux's words for its phases)",
    ),
    "tcp.undo": ("conn proof cwnd ssthresh", "Nothing had been lost, and this told"),
    "tcp.timer": ("conn timer", "A timer is due"),
    "tcp.probe": (
        "conn what size",
        "A probe of a silent peer, a shut window or the path's MTU",
    ),
    "tcp.pmtu": ("conn mtu reason", "The path's MTU is another, and who says so"),
    "tcp.ecn": ("conn what", "A mark is echoed, or a single segment waits (RFC 3168)"),
    "tcp.receive_buffer": ("conn size", "The receive buffer grew with the reader"),
    # UDP
    "udp-sent": ("sock dst size", "A datagram leaves"),
    "udp-queue-full": ("sock", "Its socket's reader is too slow"),
    # ICMP
    "icmp": ("nic src type code", "A message arrived"),
    "icmp6": ("nic src type code", "The same of ICMPv6"),
    "icmp-error": ("dst type code", "An error is sent"),
    "icmp6-error": ("dst type code", "The same of ICMPv6"),
    "echo-reply": ("sock src sequence", "A ping was answered"),
    # neighbours, addresses, routers
    "neighbour": ("ip from to", "A neighbour's state (RFC 4861 7.3.2)"),
    "neighbour-mac": ("ip mac", "It has another link-layer address"),
    "claim": ("ip state", "An address of ours: probing, ours, lost"),
    "arp-conflict": ("ip mac", "Somebody else uses our address (RFC 5227)"),
    "ndp-duplicate": ("ip mac", "Somebody else has it already (RFC 4862 5.4)"),
    "router": ("src lifetime", "A router advertises itself, for so long"),
    "group": ("group exclude", "What we hear of a multicast group changed"),
    # routing
    "forward": ("in out src dst size", "A packet for somebody else is passed on"),
    "gateway": ("nic ip what", "It does not answer: others come first; or it does"),
    "redirect": ("src dst ip", "A sender is told of a better first hop to there"),
    # switching
    "bridge": ("mac vlan port", "A bridge learned where an address is"),
    # fragments
    "reassembled": ("key size", "A datagram is whole"),
    "reassembly-dropped": ("key reason", "One never will be"),
    "reassembly-timeout": ("key", "Not all of its fragments came in time"),
    # raw sockets
    "raw-sent": ("sock dst size", "A raw socket's packet leaves"),
    "raw-queue-full": ("sock", "A raw socket's receive queue is full: dropped"),
    "frame-sent": ("sock size", "A frame socket's frame leaves"),
    "frame-queue-full": ("sock", "A frame socket's receive queue is full: dropped"),
    # testing/link.py
    "link": ("end number fate size", "What became of a packet on a simulated link"),
}
"""Every kind of entry: the names of its values, and what it says. A part of the program
that notes another kind adds it here; docs/trace.md is drawn from this."""

_TIMES: Final = frozenset(("srtt", "rttvar", "rto"))
_ADDRESSES: Final = frozenset(("ip", "src", "dst", "group"))


def format_entry(entry: TraceEntry) -> str:
    """One line: seconds, kind, ``name=value``; values without a name stand alone.

    >>> format_entry((1_500_000_000, "tcp.rto", 7, 400_000_000, 2))
    '1.500000000 tcp.rto conn=7 rto=400ms retransmits=2'
    """
    now, kind, *values = entry
    assert isinstance(now, int)
    names = KINDS[kind][0].split() if isinstance(kind, str) and kind in KINDS else []
    shown = [f"{now // SECOND}.{now % SECOND:09}", str(kind)]
    for n, value in enumerate(values):
        name = names[n] if n < len(names) else ""
        shown.append(f"{name}={_value(name, value)}" if name else _value(name, value))
    return " ".join(shown)


def _value(name: str, value: TraceValue) -> str:
    if isinstance(value, bytes):
        if name in _ADDRESSES and len(value) in (4, 16, 20):
            return format_ip(value[:16])  # of a link-local one without its interface
        return format_mac(value) if name == "mac" and len(value) == 6 else value.hex()
    if isinstance(value, int) and name in _TIMES:
        return format_duration(value)
    return str(value)


def format_trace(entries: Iterable[TraceEntry]) -> str:
    return "\n".join(map(format_entry, entries))
