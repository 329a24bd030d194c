"""A forwarding stack: who gets what, with which TTL, and who is told why not."""

from __future__ import annotations

import pytest

from sansio_net import Capabilities, Entropy, Medium, Packet
from sansio_net.addresses import format_ip, pack_ip
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID
from sansio_net.stack import Stack, StackConfig, groups
from sansio_net.testing.craft import ip_packet, tcp_packet, udp_packet
from sansio_net.units import SECOND
from sansio_net.wire import icmp, icmpv6, ndp
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.icmpv6 import build_icmpv6
from sansio_net.wire.ipv4 import DF, MF, parse_ipv4
from sansio_net.wire.ipv6 import parse_ipv6
from sansio_net.wire.ipv6_extensions import build_options
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import ACK, PSH

from .crossroads import HOST_MACS, ROUTER_MACS, Crossroads, on_wire

FOUR = ("10.0.0.2", "10.1.0.2")
SIX = ("fd00:0::2", "fd00:1::2")
FAMILIES = pytest.mark.parametrize("ends", [FOUR, SIX], ids=["4", "6"])


def datagram(
    source: str, destination: str, data: bytes = b"hello", **fields: int
) -> bytes:
    return udp_packet((source, 1000), (destination, 2000), data, **fields)


def ttl_of(packet: bytes) -> int:
    return packet[8] if packet[0] >> 4 == 4 else packet[7]


def with_ttl(packet: bytes, ttl: int) -> bytes:
    """What a router makes of it."""
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes((ttl,)) + packet[8:]
    header = parse_ipv4(packet)
    return ip_packet(
        header.source,
        header.destination,
        header.protocol,
        packet[header.header_length :],
        ttl=ttl,
        tos=header.tos,
        identification=header.identification,
        flags=header.flags,
        fragment_offset=header.fragment_offset,
        options=header.options,
    )


def error(packet: bytes) -> tuple[str, str, int, int, bytes, bytes]:
    """From, to, type, code, rest and body of an ICMP message, checksum verified."""
    if packet[0] >> 4 == 4:
        four = parse_ipv4(packet)
        message = icmp.parse_icmp(packet, four.header_length)
        source, destination = four.source, four.destination
    else:
        six = parse_ipv6(packet)
        source, destination = six.source, six.destination
        end = len(packet)
        message = icmpv6.parse_icmpv6(packet, 40, end, source, destination)
    ends = format_ip(source), format_ip(destination)
    return *ends, message.type, message.code, message.rest, message.body


@FAMILIES
def test_a_datagram_is_passed_on_with_one_hop_less(ends: tuple[str, str]) -> None:
    at = Crossroads()
    sent = datagram(*ends, ttl=64)
    nothing, (frame,), nothing_either = at.send(0, sent)
    assert not nothing
    assert not nothing_either
    assert frame.head[:12] == HOST_MACS[1] + ROUTER_MACS[1]
    assert frame.join()[14:] == with_ttl(sent, 63)
    assert at.counted(f"ipv{4 if '.' in ends[0] else 6}.forwarded") == 1


@FAMILIES
def test_a_host_passes_nothing_on(ends: tuple[str, str]) -> None:
    at = Crossroads(StackConfig())
    assert at.send(0, datagram(*ends)) == [[], [], []]
    assert at.dropped("not_for_us") == 1


@FAMILIES
def test_the_last_hop(ends: tuple[str, str]) -> None:
    at = Crossroads()
    for ttl in (1, 0):
        sent = datagram(*ends, ttl=ttl)
        (answer,), nothing, _ = at.send(0, sent)
        assert not nothing
        (packet,) = on_wire([answer])
        source, to, kind, code, _, body = error(packet)
        router = "10.0.0.1" if "." in ends[0] else "fd00::1"
        assert (source, to) == (router, format_ip(pack_ip(ends[0])))
        expected = (11, 0) if "." in ends[0] else (3, 0)
        assert (kind, code) == expected
        assert body == sent
    assert at.dropped("ttl_exceeded") == 2


@FAMILIES
def test_no_route(ends: tuple[str, str]) -> None:
    at = Crossroads()
    nowhere = "203.0.113.1" if "." in ends[0] else "3000::1"
    (answer,), *_ = at.send(0, datagram(ends[0], nowhere))
    assert error(on_wire([answer])[0])[2:4] == ((3, 0) if "." in ends[0] else (1, 0))
    assert at.dropped("no_route") == 1


@FAMILIES
def test_a_neighbour_that_does_not_answer(ends: tuple[str, str]) -> None:
    """RFC 4861 7.2.2, RFC 1812 5.2.7.1: the source hears of each that waited."""
    at = Crossroads()
    nobody = ends[1][:-1] + "9"
    sent = [datagram(ends[0], nobody, bytes((n,))) for n in range(3)]
    at.send(0, *sent)
    out = at.wait(10 * SECOND)
    to_host = [one for one in on_wire(out[0]) if pack_ip(ends[0]) in one[16:40]]
    errors = [error(packet) for packet in to_host]
    expected = (3, 1) if "." in ends[0] else (1, 3)
    assert [one[2:4] for one in errors] == [expected] * 3
    assert [one[5] for one in errors] == [with_ttl(one, 63) for one in sent]
    assert at.dropped("neighbour_unreachable") == 3


def test_what_waits_for_a_neighbour_is_bounded() -> None:
    at = Crossroads()
    sent = [datagram(FOUR[0], "10.1.0.9", bytes(100)) for _ in range(300)]
    at.send(0, *sent)
    assert at.dropped("neighbour_queue_full") == 44


def test_a_blocked_interface_holds_a_bounded_queue() -> None:
    at = Crossroads(StackConfig(forward=True, output_queue=10))
    at.nics[1].transmit(at.now, 0)
    at.nics[0].receive([at.framed(0, datagram(*FOUR)) for _ in range(100)], at.now)
    assert len(at.nics[1].outbox) == 10
    assert at.dropped("output_queue_full") == 90


@pytest.mark.parametrize(
    ("source", "destination", "reason"),
    [
        ("0.0.0.0", "10.1.0.2", "forward_address"),
        ("10.0.0.2", "0.1.2.3", "forward_address"),
        ("10.0.0.2", "127.0.0.9", "forward_address"),
        ("10.0.0.2", "240.0.0.1", "forward_address"),
        ("127.0.0.1", "10.1.0.2", "ip_bad_source"),
        ("240.0.0.1", "10.1.0.2", "ip_bad_source"),
        ("224.0.0.9", "10.1.0.2", "ip_bad_source"),
        ("10.0.0.255", "10.1.0.2", "ip_bad_source"),
        ("10.1.0.1", "10.1.0.2", "ip_bad_source"),
        ("169.254.1.1", "10.1.0.2", "forward_scope"),
        ("10.0.0.2", "169.254.1.1", "forward_scope"),
        ("10.0.0.2", "10.1.0.255", "directed_broadcast"),
        ("10.0.0.2", "10.1.0.0", "directed_broadcast"),
        ("10.0.0.2", "239.1.2.3", "not_for_us"),
        ("::", "fd00:1::2", "forward_address"),
        ("fd00::2", "::", "forward_address"),
        ("fd00::2", "::1", "not_for_us"),
        ("::1", "fd00:1::2", "ip_bad_source"),
        ("ff02::1", "fd00:1::2", "ip_bad_source"),
        ("fe80::2", "fd00:1::2", "forward_scope"),
        ("fd00::2", "fe80::77", "forward_scope"),
        ("fd00::2", "ff0e::1", "not_for_us"),
    ],
)
def test_what_no_router_passes_on(source: str, destination: str, reason: str) -> None:
    at = Crossroads()
    out = at.send(0, datagram(source, destination))
    assert not out[1]
    assert not out[2]
    assert at.dropped(reason) == 1
    answers = [error(packet)[2:4] for packet in on_wire(out[0])]
    # RFC 4443 3.1: beyond the scope of its source; the others are not answered
    assert answers == ([(1, 2)] if source == "fe80::2" else [])


def test_a_link_broadcast_is_not_passed_on() -> None:
    """RFC 1812 5.3.4: else every router on the link would multiply it."""
    at = Crossroads()
    for to in (b"\xff" * 6, b"\x01\x00\x5e\x00\x00\x05"):
        out = at.frames(0, at.framed(0, datagram(*FOUR), to))
        assert out == [[], [], []]
    assert at.dropped("forward_link_group") == 2


def test_another_station_s_frame_is_not_passed_on() -> None:
    at = Crossroads()
    at.frames(0, at.framed(0, datagram(*FOUR), HOST_MACS[2]))
    assert at.dropped("other_host") == 1


@FAMILIES
def test_a_router_is_a_weak_host(ends: tuple[str, str]) -> None:
    """It answers at each of its addresses, but not at another link's link-local."""
    at = Crossroads()
    if "." in ends[0]:
        echo = ip_packet(ends[0], "10.1.0.1", 1, icmp.build_icmp(8, 0, bytes(4), b"x"))
    else:
        there = pack_ip("fd00:1::1")
        body = build_icmpv6(128, 0, bytes(4), b"x", pack_ip(ends[0]), there)
        echo = ip_packet(ends[0], there, 58, body)
    (answer,), *_ = at.send(0, echo)
    assert error(on_wire([answer])[0])[2] in (0, 129)
    local = next(one for one in at.nics[1].addresses if one.ip[0] == 0xFE).ip
    out = at.send(0, datagram("fd00::2", format_ip(local)))
    assert out == [[], [], []]
    assert at.dropped("forward_scope") == 1


# sizes


@FAMILIES
def test_too_big_for_the_next_link(ends: tuple[str, str]) -> None:
    at = Crossroads(mtus=(1500, 1300, 1500))
    flags = {"flags": DF} if "." in ends[0] else {}
    udp = datagram(*ends, bytes(1400))
    sent = ip_packet(*ends, 17, udp[20 if flags else 40 :], **flags)
    (answer,), nothing, _ = at.send(0, sent)
    assert not nothing
    _, _, kind, code, rest, body = error(on_wire([answer])[0])
    assert (kind, code) == ((3, 4) if flags else (2, 0))
    assert int.from_bytes(rest, "big") == 1300
    quoted = with_ttl(sent, 63)
    assert body == quoted[: len(body)]
    assert at.dropped("packet_too_big") == 1


def test_fragments_where_they_are_allowed() -> None:
    at = Crossroads(mtus=(1500, 600, 1500))
    udp = datagram(*FOUR, bytes(range(256)) * 5)[20:]
    whole = ip_packet(*FOUR, 17, udp, identification=7)
    _, frames, _ = at.send(0, whole)
    pieces = on_wire(frames)
    assert all(len(piece) <= 600 for piece in pieces)
    headers = [parse_ipv4(piece) for piece in pieces]
    assert {header.identification for header in headers} == {7}
    assert {header.ttl for header in headers} == {63}
    assert [bool(header.flags & MF) for header in headers] == [True, True, False]
    joined = {h.fragment_offset: p[20:] for h, p in zip(headers, pieces, strict=True)}
    assert b"".join(joined[offset] for offset in sorted(joined)) == whole[20:]
    assert at.counted("fragmented") == 1
    assert at.counted("ipv4.forwarded") == 1


def test_a_fragment_is_cut_into_fragments_of_the_same_datagram() -> None:
    at = Crossroads(mtus=(1500, 600, 1500))
    payload = bytes(range(200)) * 5
    sent = ip_packet(
        *FOUR, 17, payload, identification=9, flags=MF, fragment_offset=1480
    )
    _, frames, _ = at.send(0, sent)
    headers = [parse_ipv4(piece) for piece in on_wire(frames)]
    assert [one.fragment_offset for one in headers] == [1480, 1480 + 576]
    assert all(one.flags == MF for one in headers)
    assert b"".join(piece[20:] for piece in on_wire(frames)) == payload


def test_a_fragment_beyond_64_kb_is_not_cut() -> None:
    at = Crossroads(mtus=(1500, 600, 1500))
    sent = ip_packet(*FOUR, 17, bytes(1000), fragment_offset=65528)
    assert at.send(0, sent) == [[], [], []]
    assert at.dropped("fragment_malformed") == 1


# IPv6 options


@pytest.mark.parametrize(
    ("kind", "passes", "answer"),
    [
        (0x1E, True, None),
        (0x5E, False, None),
        (0x9E, False, (4, 2)),
        (0xDE, False, (4, 2)),
    ],
)
def test_hop_by_hop_options(
    kind: int, passes: bool, answer: tuple[int, int] | None
) -> None:
    """RFC 8200 4.2: the two highest bits say what to do with an unknown one."""
    at = Crossroads()
    udp = datagram(*SIX)[40:]
    sent = ip_packet(*SIX, 0, build_options(17, [(kind, b"abcd")]) + udp)
    out = at.send(0, sent)
    assert bool(out[1]) is passes
    if answer is None:
        assert not out[0]
    else:
        found = error(on_wire(out[0])[0])
        assert found[2:4] == answer
        assert int.from_bytes(found[4], "big") == 42
    # what is for the destination alone is nobody else's
    sent = ip_packet(*SIX, 60, build_options(17, [(kind, b"abcd")]) + udp)
    assert at.send(0, sent)[1]


# redirects


def test_a_redirect_v4() -> None:
    at = Crossroads()
    sent = datagram("10.2.0.3", "192.0.2.9")
    *_, (advice, passed) = at.send(2, sent)
    if advice.join()[14 + 9] != 1:
        advice, passed = passed, advice
    assert on_wire([passed]) == [with_ttl(sent, 63)]
    assert advice.join()[14 + 9] == 1
    source, to, kind, code, rest, body = error(on_wire([advice])[0])
    assert (source, to, kind, code) == ("10.2.0.1", "10.2.0.3", 5, 1)
    assert format_ip(rest) == "10.2.0.2"
    assert body == sent
    assert at.counted("redirects_sent") == 1


def test_a_redirect_v6() -> None:
    """RFC 4861 8.2, as the host at the other end would judge it."""
    at = Crossroads()
    sent = datagram("fd00:2::2", "2001:db8::9")
    packets = on_wire(at.send(2, sent)[2])
    assert with_ttl(sent, 63) in packets
    (packet,) = (one for one in packets if one[6] == 58)
    header = parse_ipv6(packet)
    own = next(one for one in at.nics[2].addresses if one.ip[0] == 0xFE).ip
    assert header.hop_limit == 255
    assert header.source == own
    message = icmpv6.parse_icmpv6(
        packet, 40, len(packet), header.source, header.destination
    )
    found = ndp.parse_ndp(message)
    assert isinstance(found, ndp.Redirect)
    assert found.target == pack_ip("fe80::2")
    assert found.destination == pack_ip("2001:db8::9")
    assert found.target_link == HOST_MACS[2]
    assert found.redirected[: len(sent)] == sent


@pytest.mark.parametrize(
    "ends", [("10.2.0.3", "192.0.2.9"), ("fd00:2::2", "2001:db8::9")]
)
def test_redirects_are_limited_and_optional(ends: tuple[str, str]) -> None:
    at = Crossroads()
    for _ in range(50):
        at.send(2, datagram(*ends))
    assert at.counted("redirects_sent") == 6
    at.wait(1 * SECOND)
    at.send(2, datagram(*ends))
    assert at.counted("redirects_sent") == 7
    silent = Crossroads(StackConfig(forward=True, send_redirects=False))
    assert len(silent.send(2, datagram(*ends))[2]) == 1


def test_no_redirect_to_a_stranger() -> None:
    """RFC 1812 5.2.7.2: only one who is on the next hop's subnet can use it."""
    at = Crossroads()
    assert len(at.send(2, datagram("10.0.0.2", "192.0.2.9"))[2]) == 1
    assert len(at.send(2, datagram("2001:db9::1", "2001:db8::9"))[2]) == 1
    assert not at.counted("redirects_sent")


# a router's own manners


def test_it_says_that_it_is_a_router_and_ignores_redirects() -> None:
    at = Crossroads()
    nic = at.nics[0]
    assert nic.ndp is not None
    assert nic.ndp.is_router
    quoted = datagram("10.0.0.1", "192.0.2.9")
    advice = icmp.build_icmp(5, 1, pack_ip("10.2.0.3"), quoted)
    at.send(2, ip_packet("10.2.0.2", "10.2.0.1", 1, advice))
    assert not at.stack.redirects
    assert at.dropped("icmp_not_concerning") == 1


def test_it_joins_the_routers_groups() -> None:
    at = Crossroads()
    out = at.wait(5 * SECOND)
    for group in ("224.0.0.2", "ff02::2", "ff05::2"):
        packed = pack_ip(group)
        for nic, packets in zip(at.nics, out, strict=True):
            assert groups.hears(nic, packed, packed)
            assert any(packed in packet.join()[54:] for packet in packets) or any(
                packed in packet.join()[34:] for packet in packets
            )


# the check of sources


@pytest.mark.parametrize(
    ("source", "n", "strict", "loose"),
    [
        ("10.0.0.2", 0, True, True),
        ("10.0.0.2", 1, False, True),
        ("192.0.2.7", 2, True, True),
        ("192.0.2.7", 0, False, True),
        ("203.0.113.1", 0, False, False),
        ("fd00::2", 0, True, True),
        ("fd00::2", 2, False, True),
        ("3000::1", 2, False, False),
    ],
)
def test_the_ingress_check(source: str, n: int, strict: bool, loose: bool) -> None:
    """RFC 3704 2.2, 2.4."""
    other = 1 if n != 1 else 2
    to = f"10.{other}.0.2" if "." in source else f"fd00:{other}::2"
    for mode, passes in (("off", True), ("strict", strict), ("loose", loose)):
        at = Crossroads(StackConfig(forward=True, rp_filter=mode))  # type: ignore[arg-type]
        out = at.send(n, datagram(source, to))
        assert len(out[other]) == passes, mode
        assert at.dropped("reverse_path") == (not passes)


def test_neighbours_are_found_under_the_check() -> None:
    """A link-local source is where it is."""
    at = Crossroads(StackConfig(forward=True, rp_filter="strict"))
    own = next(one for one in at.nics[0].addresses if one.ip[0] == 0xFE).ip
    them = pack_ip("fe80::77")
    body = ndp.build_neighbour_solicitation(own, them, own, HOST_MACS[0])
    out = at.send(0, ip_packet(them, own, 58, body, ttl=255))
    assert any(packet[6] == 58 and packet[40] == 136 for packet in on_wire(out[0]))
    assert not at.dropped("reverse_path")


def test_two_paths_that_are_equally_good() -> None:
    """RFC 3704 2.3: what came by either is feasible."""
    at = Crossroads(StackConfig(forward=True, rp_filter="strict"))
    at.stack.add_route("192.0.2.0/24", via="10.0.0.2")
    for n in (0, 2):
        assert at.send(n, datagram("192.0.2.7", "10.1.0.2"))[1]
    assert not at.dropped("reverse_path")


def test_the_trace_tells_the_way() -> None:
    at = Crossroads()
    at.send(0, datagram(*FOUR))
    assert at.stack.trace is not None
    assert (
        at.now,
        "forward",
        "eth0",
        "eth1",
        pack_ip(FOUR[0]),
        pack_ip(FOUR[1]),
        33,
    ) in at.stack.trace


# IPv4 options


def optioned(options: bytes) -> bytes:
    return ip_packet(*FOUR, 17, datagram(*FOUR)[20:], options=options)


def test_the_route_is_recorded() -> None:
    """RFC 1812 4.2.2.1 (d): by the address that leads on, and with a right checksum."""
    at = Crossroads()
    sent = optioned(bytes((7, 11, 4)) + bytes(8))
    _, frames, _ = at.send(0, sent)
    header = parse_ipv4(on_wire(frames)[0])
    assert header.options == bytes((7, 11, 8)) + pack_ip("10.1.0.1") + bytes(5)
    assert header.ttl == 63
    full = optioned(bytes((7, 7, 8)) + bytes(4))
    assert parse_ipv4(on_wire(at.send(0, full)[1])[0]).options == full[20:28]


def test_the_time_is_recorded() -> None:
    at = Crossroads()
    _, frames, _ = at.send(0, optioned(bytes((68, 12, 5, 1)) + bytes(8)))
    options = parse_ipv4(on_wire(frames)[0]).options
    assert options[:8] == bytes((68, 12, 13, 1)) + pack_ip("10.1.0.1")
    assert int.from_bytes(options[8:], "big") == 1 << 31 | 1000


def test_an_option_that_lies_is_answered() -> None:
    at = Crossroads()
    sent = optioned(bytes((7, 11, 1)) + bytes(8))
    (answer,), nothing, _ = at.send(0, sent)
    assert not nothing
    _, _, kind, code, rest, body = error(on_wire([answer])[0])
    assert (kind, code, rest[0]) == (12, 0, 22)
    assert body == sent


def test_source_routes_are_refused_and_strangers_pass() -> None:
    at = Crossroads()
    for kind in (131, 137):
        out = at.send(0, optioned(bytes((kind, 7, 4)) + pack_ip("10.2.0.2")))
        assert out == [[], [], []]
    assert at.dropped("ip_source_route") == 2
    for options in (bytes((0x88, 4, 1, 2)), bytes((148, 4, 0, 0))):
        _, frames, _ = at.send(0, optioned(options))
        assert parse_ipv4(on_wire(frames)[0]).options == options


# what devices say


def test_an_error_quotes_what_the_wire_would_have_carried() -> None:
    """Of a super-segment its first cut, and every checksum complete."""
    at = Crossroads()
    ends = (FOUR[0], 1), (FOUR[1], 2)
    whole = tcp_packet(*ends, payload=bytes(4000), ttl=1, flags=ACK | PSH)
    base = pseudo_sum(whole[12:16], whole[16:20], 6, len(whole) - 20)
    partial = whole[:36] + base.to_bytes(2, "big") + whole[38:]
    for gso in (0, 1000):
        packet = Packet(partial, (), 0, gso, CSUM_PARTIAL, 20, 16)
        expected = flatten(Packet(partial, (), 0, gso, CSUM_PARTIAL, 20, 16))[0]
        (answer,), *_ = at.send(0, packet)
        body = error(on_wire([answer])[0])[5]
        assert expected.startswith(body)
        assert len(body) == 548


def test_what_a_device_vouches_for_is_completed_where_we_can() -> None:
    """CSUM_VALID may be a checksum that nobody ever computed, but not of a fragment,
    of ICMP, or where its sender left it out."""
    at = Crossroads()
    none = datagram(*FOUR)
    none = none[:26] + bytes(2) + none[28:]
    echo = ip_packet(*FOUR, 1, icmp.build_icmp(8, 0, bytes(4), b"x"))
    piece = ip_packet(*FOUR, 17, bytes(16), flags=MF)
    longer = ip_packet(*FOUR, 17, datagram(*FOUR)[20:] + b"behind")
    for sent in (none, echo, piece, longer):
        _, (packet,), _ = at.send(0, Packet(sent, csum=CSUM_VALID))
        assert packet.csum == CSUM_NONE
        assert packet.join()[14 + 20 :] == sent[20:]
    empty = datagram(*FOUR)
    empty = empty[:26] + b"\x12\x34" + empty[28:]
    _, frames, _ = at.send(0, Packet(empty, csum=CSUM_VALID))
    assert on_wire(frames) == [with_ttl(datagram(*FOUR), 63)]


def test_metadata_that_lies_is_dropped() -> None:
    at = Crossroads()
    tcp = tcp_packet((FOUR[0], 1), (FOUR[1], 2), payload=bytes(3000))
    echo = ip_packet(*FOUR, 1, icmp.build_icmp(8, 0, bytes(4), bytes(3000)))
    broken = tcp[:-1] + b"\1"
    lies = [
        Packet(tcp, csum=CSUM_PARTIAL, csum_start=3000, csum_offset=60),
        Packet(tcp, csum=CSUM_PARTIAL, csum_start=4, csum_offset=16),
        Packet(echo, gso_size=1000),
        Packet(broken, gso_size=1000),
        Packet(
            tcp[:20] + bytes(3020), gso_size=1000, csum=CSUM_PARTIAL, csum_start=3030
        ),
    ]
    six = datagram(*SIX, bytes(3000))
    lies.append(
        Packet(six, gso_size=900, csum=CSUM_PARTIAL, csum_start=20, csum_offset=6)
    )
    for n, lie in enumerate(lies, 1):
        assert at.send(0, lie) == [[], [], []]
        assert at.dropped("device_metadata") == n
    # more cuts than any queue holds
    at.send(0, Packet(tcp, gso_size=1, csum=CSUM_VALID))
    assert at.dropped("output_queue_full") == 1


# what Linux did better


def test_the_routers_of_a_subnet_are_one_of_us() -> None:
    """RFC 4291 2.6.1; answered from an address of one node (RFC 4443 4.2, 2.2)."""
    at = Crossroads()
    ends = pack_ip("fd00::2"), pack_ip("fd00:1::")
    asked = build_icmpv6(icmpv6.ECHO_REQUEST, 0, bytes(4), b"who", *ends)
    (reply,), nothing, _ = at.send(0, ip_packet(*ends, 58, asked))
    assert not nothing
    assert error(on_wire([reply])[0])[:3] == ("fd00::1", "fd00::2", 129)
    (answer,), *_ = at.send(0, datagram("fd00::2", "fd00:1::"))
    assert error(on_wire([answer])[0])[:4] == ("fd00::1", "fd00::2", 1, 4)


def test_no_error_for_the_routers_of_a_subnet() -> None:
    """RFC 4443 2.4 (e.6)"""
    at = Crossroads()
    assert at.send(0, datagram("fd00::", "3000::1")) == [[], [], []]


def test_a_wrong_option_before_the_last_hop() -> None:
    """RFC 1812 5.2.1.1 (3), 5.2.1.2 (7)"""
    at = Crossroads()
    sent = ip_packet(*FOUR, 17, bytes(8), ttl=1, options=bytes((7, 7, 3)) + bytes(5))
    (answer,), *_ = at.send(0, sent)
    assert error(on_wire([answer])[0])[2:4] == (12, 0)


def test_a_link_local_sender_whose_packet_stays_on_its_link() -> None:
    """RFC 4291 2.5.6: it must not leave it; RFC 4443 3.1 code 0 without a way."""
    at = Crossroads()
    (answer,), *_ = at.send(0, datagram("fe80::2", "3000::1"))
    assert error(on_wire([answer])[0])[2:4] == (1, 0)
    (answer,), *_ = at.send(0, datagram("fe80::2", "fd00:1::2"))
    assert error(on_wire([answer])[0])[2:4] == (1, 2)


def test_between_a_tun_and_an_ethernet() -> None:
    """Where there is no link header there is no neighbour to find, and no redirect."""
    stack = Stack(StackConfig(forward=True), Entropy.of(1).bytes(32))
    able = Capabilities(medium=Medium.IP, checksum=True, gso_max=65535)
    tun = stack.add_interface("tun0", addresses=["10.8.0.1/24"], capabilities=able)
    eth = stack.add_interface("eth0", addresses=["10.9.0.1/24"])
    assert eth.arp is not None
    eth.arp.add_static("10.9.0.2", HOST_MACS[0])
    for nic in (tun, eth):
        nic.transmit(SECOND)
    sent = tcp_packet(("10.8.0.2", 1), ("10.9.0.2", 2), payload=bytes(3000))
    base = pseudo_sum(sent[12:16], sent[16:20], 6, len(sent) - 20)
    partial = sent[:36] + base.to_bytes(2, "big") + sent[38:]
    tun.receive([Packet(partial, (), 0, 1000, CSUM_PARTIAL, 20, 16)], SECOND)
    frames = [packet for packet in eth.transmit(SECOND) if packet.head[12] == 8]
    cuts = flatten(Packet(partial, (), 0, 1000, CSUM_PARTIAL, 20, 16))
    assert on_wire(frames) == [with_ttl(cut, 63) for cut in cuts]
    back = tcp_packet(("10.9.0.2", 2), ("10.8.0.2", 1), payload=bytes(3000))
    base = pseudo_sum(back[12:16], back[16:20], 6, len(back) - 20)
    partial = back[:36] + base.to_bytes(2, "big") + back[38:]
    link = ROUTER_MACS[0] + HOST_MACS[0] + b"\x08\0"
    frame = Packet(eth.mac + link[6:] + partial, (), 0, 1000, CSUM_PARTIAL, 14 + 20, 16)
    eth.receive([frame], SECOND)
    (packet,) = tun.transmit(SECOND)
    assert (packet.gso_size, packet.csum_start, packet.offset) == (1000, 20, 0)
    # and from one end of the same TUN to the other
    tun.receive([datagram("10.8.0.2", "10.8.0.3")], SECOND)
    assert len(tun.transmit(SECOND)) == 1
    assert "redirects_sent" not in stack.counters()


@FAMILIES
def test_a_route_that_leads_nowhere(ends: tuple[str, str]) -> None:
    """Over `lo`: what is not ours ends there."""
    at = Crossroads()
    four = "." in ends[0]
    name = "198.51.100.0/24" if four else "2001:db9::/32"
    at.stack.add_route(name, nic=at.stack.lo)
    to = "198.51.100.1" if four else "2001:db9::1"
    (answer,), *_ = at.send(0, datagram(ends[0], to))
    assert error(on_wire([answer])[0])[2:4] == ((3, 0) if four else (1, 0))
    assert at.dropped("no_route") == 1


@FAMILIES
def test_the_next_link_is_down(ends: tuple[str, str]) -> None:
    at = Crossroads()
    at.nics[1].carrier(False)
    (answer,), *_ = at.send(0, datagram(*ends))
    assert error(on_wire([answer])[0])[2:4] == ((3, 1) if "." in ends[0] else (1, 3))
    assert at.dropped("link_down") == 1


def test_no_redirect_between_two_subnets_of_one_link() -> None:
    """The sender could not reach that next hop (RFC 1812 5.2.7.2)."""
    at = Crossroads()
    at.nics[2].add_address("10.5.0.1/24")
    at.turn()
    assert len(at.send(2, datagram("10.5.0.9", "192.0.2.9"))[2]) == 1
    assert not at.counted("redirects_sent")


def test_an_error_comes_from_where_it_can_be_answered() -> None:
    """A link with nothing but link-local addresses borrows (RFC 1812 4.3.2.4)."""
    at = Crossroads()
    nic = at.nics[2]
    nic.remove_address("fd00:2::1/64")
    stranger = "2001:db8::5"
    *_, packets = at.send(2, datagram(stranger, "fd00:1::2", ttl=1))
    (answer,) = (one for one in on_wire(packets) if one[24:40] == pack_ip(stranger))
    assert error(answer)[0] == "fd00::1"


def test_the_largest_super_segment_of_a_device_counts_the_frame() -> None:
    for room, n in ((3054, 1), (3053, 4)):
        able = Capabilities(checksum=True, gso_max=room)
        at = Crossroads(capabilities=(None, able, None))
        whole = tcp_packet((FOUR[0], 1), (FOUR[1], 2), payload=bytes(3000))
        base = pseudo_sum(whole[12:16], whole[16:20], 6, len(whole) - 20)
        partial = whole[:36] + base.to_bytes(2, "big") + whole[38:]
        out = at.send(0, Packet(partial, (), 0, 800, CSUM_PARTIAL, 20, 16))
        assert len(out[1]) == n


def test_an_error_leaves_by_an_interface_without_an_address() -> None:
    at = Crossroads()
    at.nics[0].remove_address("10.0.0.1/24")
    at.stack.add_route("10.0.0.0/24", nic=at.nics[0])
    (answer,), *_ = at.send(0, datagram(*FOUR, ttl=1))
    assert error(on_wire([answer])[0])[0] == "10.1.0.1"


@FAMILIES
def test_errors_are_limited(ends: tuple[str, str]) -> None:
    """By sender, as those of a host (RFC 1812 4.3.2.8, RFC 4443 2.4 (f))."""
    at = Crossroads()
    sent = 0
    for _ in range(50):
        sent += len(at.send(0, datagram(*ends, ttl=1))[0])
    assert sent == 6
    assert at.dropped("ttl_exceeded") == 50
    assert at.dropped("icmp_rate_limited") == 44
