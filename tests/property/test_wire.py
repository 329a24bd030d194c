"""What holds for any bytes and any fields: round trips, and errors of one kind only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sansio_net.errors import WireError
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID, Medium, Packet
from sansio_net.wire import (
    arp,
    checksum,
    ethernet,
    icmp,
    ip,
    ipv4,
    ipv6,
    tcp,
    tcp_options,
    udp,
    vnet,
)
from sansio_net.wire.pcap import PcapReader, build_file_header, build_record
from sansio_net.wire.pcapng import PcapngReader
from sansio_net.wire.pcapng_write import (
    build_block,
    build_interface,
    build_packet,
    build_section,
)
from sansio_net.wire.records import Option, PacketRecord
from sansio_net.wire.segment import flatten
from sansio_net.wire.summary import Flows, summary
from tests.wire.naive import naive_pseudo, naive_sum, transport_sum

U8 = st.integers(0, 0xFF)
U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
IP4 = st.binary(min_size=4, max_size=4)
IP6 = st.binary(min_size=16, max_size=16)
MAC = st.binary(min_size=6, max_size=6)
ADDRESSES = st.one_of(st.tuples(IP4, IP4), st.tuples(IP6, IP6))
PAYLOAD = st.binary(max_size=100)


@given(data=st.binary(max_size=200), initial=U16)
@example(data=b"\xff\xff", initial=0)
@example(data=b"\xff\xff\xff\xff", initial=0xFFFF)
@example(data=b"\xff", initial=0x00FF)
def test_sums(data: bytes, initial: int) -> None:
    expected = naive_sum(initial.to_bytes(2, "big") + data)
    assert checksum.ones_sum(data, initial) == expected
    assert checksum.ones_sum(memoryview(data), initial) == expected
    assert checksum.checksum(data, initial) == 0xFFFF ^ expected


@given(a=st.binary(max_size=60), b=st.binary(max_size=60))
def test_sums_of_pieces(a: bytes, b: bytes) -> None:
    a += bytes(len(a) % 2)
    whole = checksum.ones_sum(a + b)
    assert checksum.ones_sum(b, checksum.ones_sum(a)) == whole
    assert checksum.add(checksum.ones_sum(a), checksum.ones_sum(b)) == whole


@given(ends=ADDRESSES, protocol=U8, length=U16)
def test_pseudo_headers(ends: tuple[bytes, bytes], protocol: int, length: int) -> None:
    expected = naive_sum(naive_pseudo(*ends, protocol, length))
    assert checksum.pseudo_sum(*ends, protocol, length) == expected
    assert checksum.add(checksum.pseudo_base(*ends, protocol), length) == expected


@given(words=st.lists(U16, min_size=2, max_size=20), new=U16, index=st.integers(0, 19))
@example(words=[0xFFFF, 0], new=0, index=0)
@example(words=[0, 0xFFFF], new=0xFFFF, index=0)
@example(words=[1, 0xFFFE], new=0, index=0)
def test_updated_checksums_verify(words: list[int], new: int, index: int) -> None:
    """RFC 1624: the updated field is as good as one computed anew."""
    index %= len(words)
    data = b"".join(word.to_bytes(2, "big") for word in words)
    field = checksum.checksum(data)
    old, words[index] = words[index], new
    data = b"".join(word.to_bytes(2, "big") for word in words)
    updated = checksum.update(field, old, new)
    total = naive_sum(data + updated.to_bytes(2, "big"))
    assert total == 0xFFFF or (not any(words) and total == 0)
    if any(words) and updated not in (0, 0xFFFF):
        assert updated == checksum.checksum(data)


@given(
    destination=MAC,
    source=MAC,
    ethertype=st.integers(0x0600, 0xFFFF).filter(lambda n: n not in (0x8100, 0x88A8)),
    vlan=st.lists(U16, max_size=3).map(tuple),
    rest=PAYLOAD,
)
def test_ethernet(
    destination: bytes,
    source: bytes,
    ethertype: int,
    vlan: tuple[int, ...],
    rest: bytes,
) -> None:
    header = ethernet.build_ethernet(destination, source, ethertype, vlan)
    parsed = ethernet.parse_ethernet(header + rest)
    size = 14 + 4 * len(vlan)
    assert len(header) == size
    assert parsed == ethernet.EthernetHeader(destination, source, ethertype, vlan, size)


@given(op=U16, sha=MAC, spa=IP4, tha=MAC, tpa=IP4)
def test_arp(op: int, sha: bytes, spa: bytes, tha: bytes, tpa: bytes) -> None:
    packet = arp.build_arp(op, sha, spa, tha, tpa)
    assert arp.parse_arp(packet) == arp.Arp(op, sha, spa, tha, tpa)


@given(
    ends=st.tuples(IP4, IP4),
    protocol=U8,
    payload=PAYLOAD,
    ttl=U8,
    tos=U8,
    identification=U16,
    flags=st.integers(0, 7),
    units=st.integers(0, 0x1FFF),
    options=st.binary(max_size=40),
)
def test_ipv4(
    ends: tuple[bytes, bytes],
    protocol: int,
    payload: bytes,
    ttl: int,
    tos: int,
    identification: int,
    flags: int,
    units: int,
    options: bytes,
) -> None:
    header = ipv4.build_ipv4(
        *ends,
        protocol,
        len(payload),
        ttl=ttl,
        tos=tos,
        identification=identification,
        flags=flags,
        fragment_offset=units * 8,
        options=options,
    )
    assert naive_sum(header) == 0xFFFF
    parsed = ipv4.parse_ipv4(header + payload)
    assert (parsed.source, parsed.destination) == ends
    assert (parsed.protocol, parsed.ttl, parsed.tos) == (protocol, ttl, tos)
    assert (parsed.identification, parsed.flags) == (identification, flags)
    assert parsed.fragment_offset == units * 8
    assert parsed.payload_length == len(payload)
    assert parsed.options == options + bytes(-len(options) % 4)


@given(
    ends=st.tuples(IP6, IP6),
    next_header=U8,
    payload=PAYLOAD,
    hop_limit=U8,
    traffic_class=U8,
    flow_label=st.integers(0, 0xFFFFF),
)
def test_ipv6(
    ends: tuple[bytes, bytes],
    next_header: int,
    payload: bytes,
    hop_limit: int,
    traffic_class: int,
    flow_label: int,
) -> None:
    header = ipv6.build_ipv6(
        *ends,
        next_header,
        len(payload),
        hop_limit=hop_limit,
        traffic_class=traffic_class,
        flow_label=flow_label,
    )
    assert ipv6.parse_ipv6(header + payload) == ipv6.Ipv6Header(
        *ends, next_header, hop_limit, traffic_class, flow_label, len(payload)
    )


@given(ports=st.tuples(U16, U16), payload=PAYLOAD, check=U16)
def test_udp(ports: tuple[int, int], payload: bytes, check: int) -> None:
    header = udp.build_udp(*ports, len(payload), check)
    expected = udp.UdpHeader(*ports, 8 + len(payload), check)
    assert udp.parse_udp(header + payload) == expected


@given(
    ports=st.tuples(U16, U16),
    numbers=st.tuples(U32, U32),
    flags=U8,
    rest=st.tuples(U16, U16, U16),
    options=st.binary(max_size=40).map(lambda o: o + bytes(-len(o) % 4)),
)
def test_tcp(
    ports: tuple[int, int],
    numbers: tuple[int, int],
    flags: int,
    rest: tuple[int, int, int],
    options: bytes,
) -> None:
    window, check, urgent = rest
    header = tcp.build_tcp(
        *ports, *numbers, flags, window, checksum=check, urgent=urgent, options=options
    )
    size = 20 + len(options)
    assert tcp.parse_tcp(header) == tcp.TcpHeader(
        *ports, *numbers, size, flags, window, check, urgent, options
    )


KNOWN_KINDS = (0, 1, 2, 3, 4, 5, 8)


@given(
    options=st.builds(
        tcp_options.SegmentOptions,
        mss=st.none() | U16,
        wscale=st.none() | U8,
        sack_permitted=st.booleans(),
        sack=st.lists(st.tuples(U32, U32), max_size=2).map(tuple),
        unknown=st.lists(
            st.tuples(
                U8.filter(lambda kind: kind not in KNOWN_KINDS), st.binary(max_size=3)
            ),
            max_size=1,
        ).map(tuple),
    ),
    stamps=st.none() | st.tuples(U32, U32),
)
def test_tcp_options(
    options: tcp_options.SegmentOptions, stamps: tuple[int, int] | None
) -> None:
    if stamps is not None and len(options.sack) < 2:
        options.ts_val, options.ts_ecr = stamps
    try:
        data = tcp_options.build_tcp_options(**asdict(options))
    except WireError:
        return  # more than 40 bytes
    assert len(data) % 4 == 0
    assert tcp_options.parse_tcp_options(data) == options


@given(kind=U8, code=U8, rest=IP4, body=PAYLOAD)
def test_icmp(kind: int, code: int, rest: bytes, body: bytes) -> None:
    message = icmp.build_icmp(kind, code, rest, body)
    assert naive_sum(message) == 0xFFFF
    parsed = icmp.parse_icmp(message)
    assert (parsed.type, parsed.code, parsed.rest, parsed.body) == (
        kind,
        code,
        rest,
        body,
    )


PARSERS: list[Callable[[bytes], object]] = [
    ethernet.parse_ethernet,
    arp.parse_arp,
    ipv4.parse_ipv4,
    lambda data: ipv4.parse_ipv4(data, verify=False),
    ipv4.parse_options,
    ipv6.parse_ipv6,
    udp.parse_udp,
    tcp.parse_tcp,
    icmp.parse_icmp,
    lambda data: icmp.parse_icmp(data, verify=False),
    icmp.parse_quoted,
    vnet.parse_vnet,
    lambda data: ip.ip_unwrap(Packet(data)),
    lambda data: flatten(Packet(data, gso_size=7)),
    lambda data: flatten(Packet(data, (), 0, 7, CSUM_PARTIAL, 34, 6)),
    lambda data: flatten(Packet(data, (), 14, 7, CSUM_PARTIAL, 34, 16)),
    lambda data: flatten(Packet(data, (), 0, 0, CSUM_PARTIAL, 34, 16)),
    lambda data: flatten(vnet.parse_vnet(data)),
]

HINTS = st.sampled_from(
    [
        b"\x45\0",
        b"\x46\0",
        b"\x60\0",
        b"\x08\0",
        b"\x08\x06",
        b"\x81\0",
        b"\x11",
        b"\x06",
    ]
)
BYTES = st.one_of(
    st.binary(max_size=120),
    st.lists(HINTS | st.binary(max_size=9), max_size=20).map(b"".join),
)


@pytest.mark.parametrize("parse", PARSERS)
@given(data=BYTES)
def test_bytes_raise_wire_errors_only(
    parse: Callable[[bytes], object], data: bytes
) -> None:
    try:
        parse(data)
    except WireError:
        pass


@given(data=BYTES)
def test_what_never_raises(data: bytes) -> None:
    tcp_options.parse_tcp_options(data)
    flows = Flows()
    for medium in Medium:
        assert "\n" not in summary(data, medium, flows)
        assert summary(data, medium, original_size=len(data) + 5)


TRUTH = st.sampled_from(["tcp", "udp"])


@given(
    ends=ADDRESSES,
    kind=TRUTH,
    payload=st.binary(max_size=400),
    gso_size=st.integers(1, 150),
    seq=U32,
    identification=U16,
    flags=U8,
    link=st.sampled_from([0, 14, 18, 22]),
    csum=st.sampled_from([CSUM_NONE, CSUM_PARTIAL, CSUM_VALID]),
    options=st.integers(0, 10),
    parts=st.integers(1, 5),
    told=st.booleans(),
)
def test_cuts_carry_the_payload_and_verify(
    ends: tuple[bytes, bytes],
    kind: str,
    payload: bytes,
    gso_size: int,
    seq: int,
    identification: int,
    flags: int,
    link: int,
    csum: int,
    options: int,
    parts: int,
    told: bool,
) -> None:
    """Each cut is a packet of its own, and all of them are what was sent."""
    v4, is_tcp = len(ends[0]) == 4, kind == "tcp"
    protocol = 6 if is_tcp else 17
    header = udp.build_udp(5, 6, len(payload))
    if is_tcp:
        header = tcp.build_tcp(5, 6, seq, 8, flags, 9, options=b"\1" * 4 * options)
    size = len(header) + len(payload)
    field = 16 if is_tcp else 6
    check = checksum.pseudo_sum(*ends, protocol, size)
    if csum != CSUM_PARTIAL:
        check = checksum.checksum(header + payload, check) or 0xFFFF
    header = header[:field] + check.to_bytes(2, "big") + header[field + 2 :]
    if v4:
        network = ipv4.build_ipv4(*ends, protocol, size, identification=identification)
    else:
        network = ipv6.build_ipv6(*ends, protocol, size)
    ether = b""
    if link:
        ethertype = 0x0800 if v4 else 0x86DD
        vlan = (1,) * ((link - 14) // 4)
        ether = ethernet.build_ethernet(b"\x46" * 6, b"\x02" * 6, ethertype, vlan)
    start = link + len(network)
    step = len(payload) // parts + 1
    body = [memoryview(payload)[at : at + step] for at in range(0, len(payload), step)]
    packet = Packet(ether + network + header, body, link if told else 0, gso_size, csum)
    if csum == CSUM_PARTIAL:
        packet.csum_start, packet.csum_offset = start, field
    frames = flatten(packet)
    assert len(frames) == max(1, -(-len(payload) // gso_size))
    got = b""
    for index, frame in enumerate(frames):
        assert frame[:link] == ether
        transport = frame[start:]
        assert transport_sum(*ends, protocol, transport) == 0xFFFF
        data = transport[len(header) :]
        assert len(data) == gso_size or frame is frames[-1]
        if v4:
            parsed = ipv4.parse_ipv4(frame, link)
            assert parsed.identification == (identification + index) & 0xFFFF
            assert parsed.total_length == len(frame) - link
        else:
            assert ipv6.parse_ipv6(frame, link).payload_length == len(transport)
        if is_tcp:
            cut = tcp.parse_tcp(transport)
            assert cut.seq == (seq + len(got)) & 0xFFFFFFFF
            expected = flags
            if frame is not frames[-1]:
                expected &= ~(tcp.FIN | tcp.PSH)
            if index:
                expected &= ~tcp.CWR
            assert cut.flags == expected
        else:
            assert udp.parse_udp(transport).length == len(transport)
            assert transport[6:8] != b"\0\0"
        got += data
    assert got == payload


@given(
    frames=st.lists(st.tuples(st.integers(0, 2**62), PAYLOAD), max_size=5),
    order=st.sampled_from(["little", "big"]),
    steps=st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_pcap_round_trip(
    frames: list[tuple[int, bytes]], order: str, steps: list[int]
) -> None:
    frames = [(stamp % (2**32 * 10**9), data) for stamp, data in frames]
    file = build_file_header(byte_order=order) + b"".join(
        build_record(stamp, data, byte_order=order) for stamp, data in frames
    )
    reader, records, at = PcapReader(), list[PacketRecord](), 0
    while at < len(file):
        step = steps[at % len(steps)]
        records += reader.feed(file[at : at + step])
        at += step
    reader.finish()
    assert [(record.stamp, record.data) for record in records] == frames


@given(
    frames=st.lists(
        st.tuples(st.integers(0, 2**63), PAYLOAD, st.text(max_size=9), U32), max_size=4
    ),
    options=st.lists(
        st.builds(Option, st.integers(5, 2000), st.binary(max_size=9))
        | st.builds(
            Option,
            st.sampled_from([2988, 2989, 19372, 19373]),
            st.binary(max_size=9),
            U32,
        ),
        max_size=3,
    ),
    order=st.sampled_from(["little", "big"]),
    step=st.integers(1, 200),
)
def test_pcapng_round_trip(
    frames: list[tuple[int, bytes, str, int]],
    options: list[Option],
    order: str,
    step: int,
) -> None:
    file = build_section(byte_order=order) + build_interface(byte_order=order)
    for stamp, data, comment, flags in frames:
        file += build_packet(
            0,
            stamp,
            data,
            comment=comment,
            flags=flags,
            options=options,
            byte_order=order,
        )
    reader, records = PcapngReader(), list[PacketRecord]()
    for at in range(0, len(file), step):
        found = reader.feed(file[at : at + step])
        records += [record for record in found if isinstance(record, PacketRecord)]
    reader.finish()
    assert [(r.stamp, r.data, r.comment, r.flags) for r in records] == frames
    for record in records:
        kept = [option for option in record.options if option.code not in (1, 2)]
        assert kept == options


BLOCK_TYPES = st.sampled_from(
    [1, 2, 3, 4, 5, 6, 10, 0xBAD, 0x40000BAD, 0x0A0D0D0A, 0x77]
)


@given(blocks=st.lists(st.tuples(BLOCK_TYPES, st.binary(max_size=60)), max_size=5))
def test_pcapng_blocks_of_any_content(blocks: list[tuple[int, bytes]]) -> None:
    file = build_section() + build_interface()
    file += b"".join(build_block(kind, body) for kind, body in blocks)
    reader = PcapngReader()
    try:
        assert len(reader.feed(file)) >= 2
        reader.feed(b"")
        reader.finish()
    except WireError:
        pass


@pytest.mark.parametrize("reader_type", [PcapReader, PcapngReader])
@given(
    start=st.sampled_from([b"", build_file_header(), build_section()]),
    rest=st.binary(max_size=200),
)
def test_files_of_any_content(
    reader_type: type[PcapReader | PcapngReader], start: bytes, rest: bytes
) -> None:
    reader = reader_type()
    try:
        reader.feed(start + rest)
        reader.finish()
    except WireError:
        pass
