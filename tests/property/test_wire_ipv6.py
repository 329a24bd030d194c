"""Codecs of IPv6, neighbour discovery and groups: any bytes, any fields."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sansio_net.errors import WireError
from sansio_net.wire import icmp, icmpv6, igmp, ipv6, mld, ndp
from sansio_net.wire.groups import GroupQuery, GroupRecord, GroupReport
from sansio_net.wire.ipv6_extensions import (
    DESTINATION_OPTIONS,
    EXTENSIONS,
    FRAGMENT,
    HOP_BY_HOP,
    ROUTING,
    build_fragment,
    build_options,
    walk,
)

IP6 = st.binary(min_size=16, max_size=16)
IP4 = st.binary(min_size=4, max_size=4)
MAC = st.binary(min_size=6, max_size=6)
HOST = IP6.filter(lambda ip: ip[0] != 0xFF)
U8, U16 = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
PREFERENCE = st.sampled_from([ndp.HIGH, ndp.MEDIUM, ndp.LOW])
LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)

ADVERTISEMENTS = st.builds(
    ndp.RouterAdvertisement,
    hop_limit=U8,
    managed=st.booleans(),
    other=st.booleans(),
    preference=PREFERENCE,
    lifetime=U16,
    reachable_time=U32,
    retrans_time=U32,
    source_link=st.none() | MAC,
    mtu=st.none() | U32,
    prefixes=st.lists(
        st.builds(
            ndp.PrefixInformation, IP6, U8, st.booleans(), st.booleans(), U32, U32
        ),
        max_size=3,
    ).map(tuple),
    routes=st.lists(
        st.builds(ndp.RouteInformation, IP6, st.integers(65, 128), PREFERENCE, U32),
        max_size=3,
    ).map(tuple),
    dns_servers=st.lists(
        st.builds(
            ndp.DnsServers, U32, st.lists(IP6, min_size=1, max_size=3).map(tuple)
        ),
        max_size=2,
    ).map(tuple),
    dns_search=st.lists(
        st.builds(
            ndp.DnsSearchList,
            U32,
            st.lists(
                st.lists(LABEL, min_size=1, max_size=4).map(".".join),
                min_size=1,
                max_size=3,
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
)


@given(ADVERTISEMENTS, IP6, IP6)
def test_router_advertisements(
    message: ndp.RouterAdvertisement, source: bytes, destination: bytes
) -> None:
    made = ndp.build_router_advertisement(message, source, destination)
    read = icmpv6.parse_icmpv6(made, 0, len(made), source, destination)
    assert ndp.parse_ndp(read) == message


@given(HOST, st.none() | MAC, st.integers(0, 7), IP6, IP6)
def test_neighbour_messages(
    target: bytes, mac: bytes | None, flags: int, source: bytes, destination: bytes
) -> None:
    made = ndp.build_neighbour_advertisement(
        target, source, destination, mac, flags << 5
    )
    read = icmpv6.parse_icmpv6(made, 0, len(made), source, destination)
    assert ndp.parse_ndp(read) == ndp.NeighbourAdvertisement(
        target, bool(flags & 4), bool(flags & 2), bool(flags & 1), mac
    )


@given(
    st.sampled_from([130, 131, 132, 133, 134, 135, 136, 137, 143]),
    st.binary(min_size=4, max_size=4),
    st.binary(max_size=120),
)
def test_any_message(kind: int, rest: bytes, body: bytes) -> None:
    message = icmp.Icmp(kind, 0, rest, body)
    for parse in (ndp.parse_ndp, mld.parse_mld):
        try:
            parse(message)
        except WireError:
            continue


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    try:
        igmp.parse_igmp(data, 0, len(data), verify=False)
    except WireError:
        assert len(data) < 8 or data[0] in (igmp.QUERY, igmp.REPORT_V3)


RECORDS = st.lists(
    st.builds(GroupRecord, U8, IP4, st.lists(IP4, max_size=4).map(tuple)), max_size=4
)
RECORDS6 = st.lists(
    st.builds(GroupRecord, U8, IP6, st.lists(IP6, max_size=4).map(tuple)), max_size=4
)


@given(RECORDS, RECORDS6, IP6, IP6)
def test_reports(
    records: list[GroupRecord], records6: list[GroupRecord], src: bytes, dst: bytes
) -> None:
    made = igmp.build_report(records)
    assert igmp.parse_igmp(made, 0, len(made)) == GroupReport(3, tuple(records))
    made = mld.build_report(records6, src, dst)
    read = icmpv6.parse_icmpv6(made, 0, len(made), src, dst)
    assert mld.parse_mld(read) == GroupReport(2, tuple(records6))


@given(U32, st.lists(IP6, max_size=3), st.booleans(), st.integers(0, 7), U8)
def test_queries_never_say_more(
    wait: int, sources: list[bytes], suppress: bool, robustness: int, interval: int
) -> None:
    any_host = bytes(16)
    query = GroupQuery(2, any_host[:-1] + b"\1", wait, tuple(sources))
    query.suppress, query.robustness, query.interval = suppress, robustness, interval
    made = mld.build_query(query, any_host, any_host)
    read = mld.parse_mld(icmpv6.parse_icmpv6(made, 0, len(made), any_host, any_host))
    assert isinstance(read, GroupQuery)
    assert read.max_response <= wait
    assert read.interval <= interval
    assert (read.sources, read.suppress) == (query.sources, suppress)


HEADERS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([HOP_BY_HOP, DESTINATION_OPTIONS]),
            st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=9)), max_size=4),
        ),
        st.tuples(st.just(ROUTING), st.binary(min_size=6, max_size=6)),
        st.tuples(st.just(FRAGMENT), st.tuples(U16, st.booleans())),
    ),
    max_size=10,
)


@given(HEADERS, st.sampled_from([6, 17, 58, 59, 99]), st.binary(max_size=40), st.data())
def test_chains_of_any_shape(
    headers: list[tuple[int, object]], last: int, payload: bytes, data: st.DataObject
) -> None:
    """The walk ends, inside the packet, and only with WireErrors."""
    body = b""
    kinds = [kind for kind, _ in headers] + [last]
    for following, (kind, content) in zip(kinds[1:], headers, strict=True):
        if kind == FRAGMENT:
            assert isinstance(content, tuple)
            body += build_fragment(following, content[0] & 0xFFF8, content[1], 9)
        elif kind == ROUTING:
            assert isinstance(content, bytes)
            body += bytes((following, 0)) + content
        else:
            assert isinstance(content, list)
            body += build_options(following, content)
    body += payload
    packet = ipv6.build_ipv6(bytes(16), bytes(16), kinds[0], len(body)) + body
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(40, len(packet) - 1)) if body else 39
        byte = data.draw(st.binary(min_size=1, max_size=1))
        packet = packet[:at] + byte + packet[at + 1 :]
    try:
        chain = walk(packet, 0, len(packet))
    except WireError:
        return
    assert 40 <= chain.start <= len(packet)
    assert packet[chain.named_at] == chain.protocol
    assert chain.is_fragment or chain.protocol not in EXTENSIONS


@given(st.binary(min_size=40, max_size=200))
def test_a_quoted_packet_of_any_bytes(data: bytes) -> None:
    try:
        quoted = icmp.parse_quoted(b"\x60" + data)
    except WireError:
        return
    assert 40 <= quoted.header_length <= len(data) + 1 + 2048
