"""Hypothesis strategies: addresses, packets of every protocol, broken ones, links.

The only module of the package that imports hypothesis, and nothing imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from hypothesis import strategies as st

from sansio_net.entropy import Entropy
from sansio_net.protocols.tcp.congestion import CONTROLLERS
from sansio_net.protocols.tcp.options import (
    BOUNDS,
    CHOICES,
    TcpOptions,
)
from sansio_net.units import KIB, MILLISECOND, MINUTE, SECOND
from sansio_net.wire.arp import build_arp
from sansio_net.wire.ethernet import ETHERTYPE_ARP, build_ethernet
from sansio_net.wire.ipv4 import DF, MF, PROTO_ICMP, PROTO_TCP, PROTO_UDP

from .craft import icmp_packet, ip_packet, tcp_packet, udp_packet
from .damage import wreck
from .link import Conditions

Endpoint = tuple[bytes, int]

ports = st.integers(0, 0xFFFF)
"""Any port, also 0."""

numbers32 = st.one_of(
    st.integers(0, 0xFFFF_FFFF),
    st.integers(-3, 3).map(lambda n: n % (1 << 32)),
    st.integers(-3, 3).map(lambda n: (1 << 31) + n),
)
"""Sequence numbers, with those at the edges of the space more often."""

macs = st.one_of(
    st.binary(min_size=6, max_size=6),
    st.sampled_from([bytes(6), b"\xff" * 6, b"\x01\0\x5e\0\0\x01"]),
)


def ips(version: int = 4) -> st.SearchStrategy[bytes]:
    """Any address, with the special ones more often."""
    if version == 6:
        special6 = [bytes(16), bytes(15) + b"\x01", b"\xff" + bytes(15)]
        return st.one_of(st.binary(min_size=16, max_size=16), st.sampled_from(special6))
    special = (0, 0xFFFFFFFF, 0x7F000001, 0xE0000001, 0x0A0000FF, 0xA9FE0101)
    return st.one_of(
        st.binary(min_size=4, max_size=4),
        st.sampled_from([n.to_bytes(4, "big") for n in special]),
    )


@st.composite
def tcp_packets(
    draw: st.DrawFn,
    sources: st.SearchStrategy[Endpoint],
    destinations: st.SearchStrategy[Endpoint],
    seqs: st.SearchStrategy[int] = numbers32,
    max_size: int = 100,
) -> bytes:
    """A TCP segment with a right checksum: any flags, numbers, options."""
    options = draw(st.binary(max_size=40))
    return tcp_packet(
        draw(sources),
        draw(destinations),
        seq=draw(seqs),
        ack=draw(seqs),
        flags=draw(st.integers(0, 0xFF)),
        window=draw(st.integers(0, 0xFFFF)),
        urgent=draw(st.integers(0, 0xFFFF)),
        options=options[: len(options) // 4 * 4],
        payload=draw(st.binary(max_size=max_size)),
    )


@st.composite
def udp_packets(
    draw: st.DrawFn,
    sources: st.SearchStrategy[Endpoint],
    destinations: st.SearchStrategy[Endpoint],
) -> bytes:
    return udp_packet(draw(sources), draw(destinations), draw(st.binary(max_size=200)))


@st.composite
def icmp_packets(
    draw: st.DrawFn,
    source: st.SearchStrategy[bytes],
    destination: st.SearchStrategy[bytes],
    quoted: st.SearchStrategy[bytes] | None = None,
) -> bytes:
    """An ICMP message with a right checksum; errors quote one of `quoted`."""
    kind = draw(
        st.one_of(st.sampled_from([0, 3, 4, 5, 8, 11, 12]), st.integers(0, 255))
    )
    body = draw(st.binary(max_size=100) if quoted is None else quoted)
    cut = draw(st.integers(0, len(body)))
    return icmp_packet(
        draw(source),
        draw(destination),
        kind,
        draw(st.integers(0, 16)),
        rest=draw(st.binary(min_size=4, max_size=4)),
        body=body[:cut] if draw(st.booleans()) else body,
    )


@st.composite
def fragments(
    draw: st.DrawFn,
    source: st.SearchStrategy[bytes],
    destination: st.SearchStrategy[bytes],
) -> bytes:
    """A piece of an IPv4 datagram; few identifications, so that pieces meet."""
    return ip_packet(
        draw(source),
        draw(destination),
        draw(st.sampled_from([PROTO_ICMP, PROTO_TCP, PROTO_UDP, 99])),
        draw(st.binary(max_size=64)),
        identification=draw(st.integers(0, 3)),
        flags=draw(st.sampled_from([MF, 0, DF | MF])),
        fragment_offset=draw(st.one_of(st.integers(0, 8), st.just(0x1FFF))) * 8,
        options=draw(st.binary(max_size=12)),
    )


@st.composite
def arp_frames(
    draw: st.DrawFn,
    mac: st.SearchStrategy[bytes] = macs,
    ip: st.SearchStrategy[bytes] | None = None,
) -> bytes:
    ip = ips() if ip is None else ip
    op = draw(st.one_of(st.sampled_from([1, 2]), st.integers(0, 0xFFFF)))
    body = build_arp(op, draw(mac), draw(ip), draw(mac), draw(ip))
    return build_ethernet(draw(mac), draw(mac), ETHERTYPE_ARP) + body


@st.composite
def broken(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """What `whole` gives after a bad wire: cut, stretched, bits flipped."""
    data = draw(whole)
    entropy = Entropy.of(draw(st.integers(0, 1 << 32)))
    for _ in range(draw(st.integers(1, 3))):
        data = wreck(data, entropy)
    return data


def packets(
    source: bytes, destination: bytes, known_ports: Sequence[int] = (80, 53)
) -> st.SearchStrategy[bytes]:
    """IPv4 packets that reach far into a host at `destination`: right, then broken."""
    known = st.sampled_from(list(known_ports))
    ends = st.tuples(st.just(source), known), st.tuples(st.just(destination), known)
    src, dst = st.just(source), st.just(destination)
    transport = st.one_of(tcp_packets(*ends), udp_packets(*ends))
    right = st.one_of(
        transport,
        tcp_packets(
            st.tuples(st.one_of(src, ips()), ports),
            st.tuples(st.one_of(dst, ips()), ports),
        ),
        icmp_packets(src, dst, transport),
        icmp_packets(st.one_of(src, ips()), st.one_of(dst, ips())),
        fragments(src, dst),
    )
    return st.one_of(right, broken(right), st.binary(max_size=100))


@st.composite
def framed(draw: st.DrawFn, inner: st.SearchStrategy[bytes], mac: bytes) -> bytes:
    """IP packets in Ethernet frames, mostly to `mac`."""
    destination = draw(st.one_of(st.just(mac), st.just(b"\xff" * 6), macs))
    ethertype = draw(st.sampled_from([0x0800, 0x0800, 0x0800, 0x86DD, 0x0806]))
    vlan = draw(st.sampled_from([(), (), (0,), (5,), (0, 7)]))
    header = build_ethernet(destination, draw(macs), ethertype, vlan)
    return (header + draw(inner)).ljust(draw(st.sampled_from([0, 60])), b"\0")


def frames(
    source: bytes, destination: bytes, mac: bytes, known_ports: Sequence[int] = (80, 53)
) -> st.SearchStrategy[bytes]:
    """Frames for an Ethernet host: ARP, IP, and anything at all."""
    arp = arp_frames(
        st.one_of(macs, st.just(mac)),
        st.one_of(ips(), st.sampled_from([source, destination])),
    )
    return st.one_of(
        framed(packets(source, destination, known_ports), mac),
        arp,
        broken(arp),
        st.binary(max_size=80),
    )


def seeds() -> st.SearchStrategy[int]:
    return st.integers(0, (1 << 64) - 1)


@st.composite
def conditions(
    draw: st.DrawFn,
    *,
    max_loss: int = 200_000,
    max_latency: int = 200 * MILLISECOND,
) -> Conditions:
    """A bad network that loses no more than `max_loss` parts per million."""
    chance = st.one_of(st.just(0), st.integers(0, max_loss))
    return Conditions.of(
        latency=draw(st.integers(0, max_latency)),
        jitter=draw(st.one_of(st.just(0), st.integers(0, max_latency))),
        loss=draw(chance),
        reordering=draw(chance),
        reordering_delay=draw(st.integers(0, max_latency)),
        reordering_segments=draw(st.sampled_from([0, 0, 1, 3, 10])),
        duplication=draw(chance),
        rate=draw(st.sampled_from([0, 0, 10**6, 10**8])),
    )


_SHORT: Final = {
    "initial_rto": (10 * MILLISECOND, 3 * SECOND),
    "min_rto": (10 * MILLISECOND, 3 * SECOND),
    "max_rto": (SECOND, 20 * SECOND),
    "send_buffer": (2 * KIB, 256 * KIB),
    "receive_buffer": (2 * KIB, 256 * KIB),
    "keepalive_idle": (SECOND, 60 * SECOND),
    "keepalive_interval": (SECOND, 60 * SECOND),
    "fin_wait_2": (0, MINUTE),
    "time_wait": (0, MINUTE),
    "user_timeout": (SECOND, MINUTE),
    "retries2": (1, 8),
    "syn_retries": (0, 5),
    "synack_retries": (0, 5),
    "challenge_interval": (1, MINUTE),
    "pmtu_age": (5 * MINUTE, 10 * MINUTE),
}
"""Where a test has no time for all that `BOUNDS` allow."""

_PATIENT: Final[dict[str, Any]] = {
    "retries2": 255,
    "syn_retries": 127,
    "synack_retries": 127,
    "user_timeout": None,
    "orphan_timeout": 24 * 3600 * SECOND,
    "zero_window_timeout": None,
    "keepalive_probes": 127,
    "fin_wait_2": 3600 * SECOND,
    "time_wait": MINUTE,
    "max_half_open": 16,
}
"""Of an end that never gives up."""


@st.composite
def tcp_options(
    draw: st.DrawFn, patient: bool = False, fixed: Mapping[str, Any] | None = None
) -> TcpOptions:
    """Every option of a connection, as anybody may set it, but for those `fixed`.

    `patient`: none that makes it give up. The defaults come often, so that not all is
    odd at once.
    """
    given = {**(_PATIENT if patient else {}), **(fixed or {})}
    chosen: dict[str, Any] = {}
    for each in fields(TcpOptions):
        name = each.name
        value = given[name] if name in given else draw(_option(name, each.default))
        chosen[name] = value
    times = ("min_rto", "initial_rto", "max_rto")
    ordered = sorted(chosen[name] for name in times)
    chosen.update(zip(times, ordered, strict=True))
    return TcpOptions(**chosen)


def _option(name: str, default: Any) -> st.SearchStrategy[Any]:
    if name == "congestion":
        return st.sampled_from(sorted(CONTROLLERS))
    if name in CHOICES:
        return st.sampled_from(CHOICES[name])
    if isinstance(default, bool):
        return st.booleans()
    bound = BOUNDS[name]
    least, most = _SHORT.get(name, (bound.least, bound.most))
    if name == "tos":
        return st.integers(least >> 2, most >> 2).map(lambda dscp: dscp << 2)
    numbers = st.one_of(
        st.integers(least, min(most, least + 16)), st.integers(least, most)
    )
    usual = st.just(default)
    return st.one_of(usual, usual, numbers)
