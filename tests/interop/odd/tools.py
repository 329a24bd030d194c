"""The scene of the odd packets, dice to make them with, and headers that may lie.

`craft` builds what is right; here every field may be said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import pack
from typing import TypeVar

from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.entropy import Entropy
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.ethernet import build_ethernet

OUR_MAC = pack_mac("02:00:00:00:00:02")
PEER_MAC = pack_mac("02:00:00:00:00:01")
BROADCAST_MAC = b"\xff" * 6

OUR4, OUR6, OUR_LL = map(pack_ip, ("10.9.0.2", "fd09::2", "fe80::2"))
PEER4, PEER6, PEER_LL = map(pack_ip, ("10.9.0.77", "fd09::77", "fe80::77"))
GATE4, GATE6 = map(pack_ip, ("10.9.0.1", "fd09::1"))
FAR4, FAR6 = map(pack_ip, ("192.0.2.7", "2001:db8::7"))

TCP_PORT, UDP_PORT = 80, 53
"""What listens at both; nothing else does."""

T = TypeVar("T")


class Dice:
    """What one odd packet is made of; `port` and `ident` are its own, so that what a
    host remembers of one has nothing to do with the next.
    """

    def __init__(self, seed: int, index: int, purpose: str = "odd") -> None:
        self._entropy = Entropy.of(seed).child(f"{purpose}.{index}")
        self.serial = serial = seed * 7919 + index
        self.port = 1024 + serial % 60000
        self.ident = 1 + serial % 65000

    def pick(self, options: Sequence[T]) -> T:
        return options[self._entropy.below(len(options))]

    def number(self, least: int, most: int) -> int:
        return least + self._entropy.below(most - least + 1)

    def bytes(self, n: int) -> bytes:
        return self._entropy.bytes(n)


@dataclass(frozen=True, slots=True)
class Odd:
    """label: all that decides about the answers. frames: sent one after the other.
    seq, ack: of a TCP segment in them.
    """

    label: str
    frames: tuple[bytes, ...]
    seq: int = 1000
    ack: int = 0


Maker = Callable[[Dice], Odd]

Answer = tuple[int, bytes]
"""A frame, and the number of the link that it left by."""


def frame(packet: bytes, mac: bytes = OUR_MAC, ethertype: int | None = None) -> bytes:
    if ethertype is None:
        ethertype = 0x86DD if packet[:1] and packet[0] >> 4 == 6 else 0x0800
    return (build_ethernet(mac, PEER_MAC, ethertype) + packet).ljust(60, b"\0")


def group_mac(group: bytes) -> bytes:
    if len(group) == 16:
        return b"\x33\x33" + group[12:]
    return b"\x01\x00\x5e" + bytes((group[1] & 0x7F,)) + group[2:]


def ip4(
    payload: bytes,
    protocol: int,
    src: bytes = PEER4,
    dst: bytes = OUR4,
    *,
    version: int = 4,
    ihl: int | None = None,
    total: int | None = None,
    ident: int = 1,
    word: int = 0,
    ttl: int = 64,
    tos: int = 0,
    options: bytes = b"",
    wrong_by: int = 0,
) -> bytes:
    """`word`: flags and offset; `wrong_by` is added to the right checksum."""
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4 if ihl is None else ihl
    size = 20 + len(options) + len(payload) if total is None else total
    fields = (version << 4 | words, tos, size, ident, word, ttl, protocol)
    bare = pack("!BBHHHBBH4s4s", *fields, 0, src, dst) + options
    summed = (bare + payload)[: words * 4]  # what the receiver will take for it
    check = (checksum(summed) + wrong_by) & 0xFFFF
    return pack("!BBHHHBBH4s4s", *fields, check, src, dst) + options + payload


def ip6(
    payload: bytes,
    protocol: int,
    src: bytes = PEER6,
    dst: bytes = OUR6,
    *,
    version: int = 6,
    length: int | None = None,
    hops: int = 64,
    label: int = 0,
) -> bytes:
    """`label`: traffic class and flow label."""
    size = len(payload) if length is None else length
    return (
        pack("!IHBB", version << 28 | label, size, protocol, hops) + src + dst + payload
    )


def icmp4(
    kind: int, code: int = 0, rest: bytes = bytes(4), body: bytes = b"", wrong: int = 0
) -> bytes:
    bare = pack("!BBH4s", kind, code, 0, rest) + body
    return pack("!BBH4s", kind, code, checksum(bare) ^ wrong, rest) + body


def icmp6(
    kind: int,
    code: int = 0,
    rest: bytes = bytes(4),
    body: bytes = b"",
    *,
    src: bytes = PEER6,
    dst: bytes = OUR6,
    wrong: int = 0,
) -> bytes:
    bare = pack("!BBH4s", kind, code, 0, rest) + body
    check = checksum(bare, pseudo_sum(src, dst, 58, len(bare)))
    return pack("!BBH4s", kind, code, check ^ wrong, rest) + body


def udp(
    sport: int,
    dport: int,
    data: bytes,
    src: bytes,
    dst: bytes,
    *,
    length: int | None = None,
    check: int | None = None,
) -> bytes:
    size = 8 + len(data) if length is None else length
    bare = pack("!HHHH", sport, dport, size, 0) + data
    if check is None:
        check = checksum(bare, pseudo_sum(src, dst, 17, len(bare))) or 0xFFFF
    return pack("!HHHH", sport, dport, size, check) + data


def tcp(
    sport: int,
    dport: int,
    flags: int,
    src: bytes,
    dst: bytes,
    *,
    seq: int = 1000,
    ack: int = 0,
    offset: int | None = None,
    reserved: int = 0,
    window: int = 1024,
    urgent: int = 0,
    options: bytes = b"",
    data: bytes = b"",
    wrong: int = 0,
) -> bytes:
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4 if offset is None else offset
    start = pack(
        "!HHIIBBH", sport, dport, seq, ack, words << 4 | reserved, flags, window
    )
    rest = pack("!H", urgent) + options + data
    bare = start + b"\0\0" + rest
    check = checksum(bare, pseudo_sum(src, dst, 6, len(bare))) ^ wrong
    return start + pack("!H", check) + rest


def upper(
    dice: Dice, src: bytes, dst: bytes, data: bytes | None = None
) -> tuple[str, int, bytes]:
    """A transport that asks for an answer: its name, protocol and bytes."""
    name = dice.pick(UPPERS)
    return (name, *named_upper(name, dice.port, src, dst, data))


UPPERS = (
    *("echo", "UDP to a closed port", "UDP to an open port", "SYN to a closed port"),
    *("SYN to an open port", "protocol 253", "an answer to nothing"),
)


def named_upper(
    name: str, port: int, src: bytes, dst: bytes, data: bytes | None = None
) -> tuple[int, bytes]:
    data = b"oddities" if data is None else data
    rest = pack("!HH", port, 1)
    if name in ("echo", "an answer to nothing"):
        if len(dst) == 4:
            return 1, icmp4(8 if name == "echo" else 0, 0, rest, data)
        kind = 128 if name == "echo" else 129
        return 58, icmp6(kind, 0, rest, data, src=src, dst=dst)
    if name == "UDP to a closed port":
        return 17, udp(port, 9, data, src, dst)
    if name == "UDP to an open port":
        return 17, udp(port, UDP_PORT, data, src, dst)
    if name == "SYN to a closed port":
        return 6, tcp(port, 9, 2, src, dst)
    if name == "SYN to an open port":
        return 6, tcp(port, TCP_PORT, 2, src, dst)
    return 253, data
