"""Ethernet + IPv4 + TCP, parsed and built by `sansio_net.wire` and by struct code that
somebody wrote by hand for exactly these three headers. Both verify and make both
checksums; both give the fields and the payload, or the frame's bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from struct import Struct
from typing import Final

from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.ethernet import ETHERTYPE_IPV4, build_ethernet, parse_ethernet
from sansio_net.wire.ipv4 import build_ipv4, parse_ipv4
from sansio_net.wire.tcp import build_tcp, parse_tcp

TARGET: Final = 1.3
ROUNDS: Final = 15
A_ROUND: Final = 2_000
PAYLOADS: Final = (1460, 0)

MACS: Final = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
ADDRESSES: Final = b"\x0a\0\0\x01", b"\x0a\0\0\x02"

Fields = tuple[bytes, bytes, int, bytes, bytes, int, int, int, int, int, int, bytes]
"""MACs, ethertype, addresses, ports, seq, ack, flags, window, payload."""


def parse(frame: bytes) -> Fields:
    ether = parse_ethernet(frame)
    ip = parse_ipv4(frame, ether.size)
    start = ether.size + ip.header_length
    end = ether.size + ip.total_length
    tcp = parse_tcp(frame, start, end)
    pseudo = pseudo_sum(ip.source, ip.destination, 6, end - start)
    if checksum(frame[start:end], pseudo):
        raise ValueError("TCP checksum")
    return (
        *(ether.destination, ether.source, ether.ethertype),
        *(ip.source, ip.destination),
        *(tcp.source_port, tcp.destination_port, tcp.seq, tcp.ack),
        *(tcp.flags, tcp.window, frame[start + tcp.data_offset : end]),
    )


def build(fields: Fields) -> bytes:
    (dst, src, ethertype, saddr, daddr, sport, dport, seq, ack, flags, wnd, body) = (
        fields
    )
    size = 20 + len(body)
    bare = build_tcp(sport, dport, seq, ack, flags, wnd)
    sum_ = checksum(bare + body, pseudo_sum(saddr, daddr, 6, size))
    ether, ip = build_ethernet(dst, src, ethertype), build_ipv4(saddr, daddr, 6, size)
    return b"".join((ether, ip, bare[:16], sum_.to_bytes(2, "big"), bare[18:], body))


_ETHERNET = Struct("!6s6sH")
_IPV4 = Struct("!BBHHHBBH4s4s")
_TCP = Struct("!HHIIBBHHH")


def parse_by_hand(frame: bytes) -> Fields:
    if len(frame) < 54:
        raise ValueError("cut short")
    dst, src, ethertype = _ETHERNET.unpack_from(frame)
    if ethertype != 0x0800:
        raise ValueError("not IPv4")
    first, _, total, _, _, _, protocol, _, saddr, daddr = _IPV4.unpack_from(frame, 14)
    start = 14 + (first & 15) * 4
    end = 14 + total
    if first >> 4 != 4 or start < 34 or end > len(frame) or protocol != 6:
        raise ValueError("not an IPv4 header before TCP's")
    if int.from_bytes(frame[14:start], "big") % 0xFFFF:
        raise ValueError("IPv4 checksum")
    if end - start < 20:
        raise ValueError("cut short")
    sport, dport, seq, ack, offset, flags, wnd, _, _ = _TCP.unpack_from(frame, start)
    body = start + (offset >> 4) * 4
    if body < start + 20 or body > end:
        raise ValueError("TCP data offset")
    n = int.from_bytes(frame[start:end], "big")
    if (end - start) & 1:
        n <<= 8
    pseudo = int.from_bytes(frame[26:34], "big") + 6 + end - start
    if (n + pseudo) % 0xFFFF:
        raise ValueError("TCP checksum")
    return (
        *(dst, src, ethertype, saddr, daddr),
        *(sport, dport, seq, ack, flags, wnd, frame[body:end]),
    )


def build_by_hand(fields: Fields) -> bytes:
    (dst, src, ethertype, saddr, daddr, sport, dport, seq, ack, flags, wnd, body) = (
        fields
    )
    size = 20 + len(body)
    tcp = _TCP.pack(sport, dport, seq, ack, 0x50, flags, wnd, 0, 0) + body
    n = int.from_bytes(tcp, "big")
    if size & 1:
        n <<= 8
    n += int.from_bytes(saddr + daddr, "big") + 6 + size
    tcp = _TCP.pack(sport, dport, seq, ack, 0x50, flags, wnd, 0xFFFF ^ n % 0xFFFF, 0)
    ip = _IPV4.pack(0x45, 0, 20 + size, 0, 0, 64, 6, 0, saddr, daddr)
    n = 0xFFFF ^ int.from_bytes(ip, "big") % 0xFFFF
    ip = _IPV4.pack(0x45, 0, 20 + size, 0, 0, 64, 6, n, saddr, daddr)
    return _ETHERNET.pack(dst, src, ethertype) + ip + tcp + body


def example(payload: int) -> Fields:
    body = bytes(i * 7 & 0xFF for i in range(payload))
    return (*MACS, ETHERTYPE_IPV4, *ADDRESSES, 49152, 80, 1 << 31, 7, 0x18, 502, body)


def cost(run: Callable[[], object]) -> float:
    start = time.process_time_ns()
    for _ in range(A_ROUND):
        run()
    return (time.process_time_ns() - start) / A_ROUND


def compare(what: str, payload: int) -> tuple[float, float]:
    """Nanoseconds a packet, the codecs' and by hand; the least of rounds in turn."""
    fields = example(payload)
    frame = build(fields)
    runs: tuple[Callable[[], object], ...]
    if what == "parse":
        runs = (lambda: parse(frame), lambda: parse_by_hand(frame))
    else:
        runs = (lambda: build(fields), lambda: build_by_hand(fields))
    rounds = [[cost(run) for run in runs] for _ in range(ROUNDS)]
    ours, by_hand = (min(costs) for costs in zip(*rounds, strict=True))
    return ours, by_hand
