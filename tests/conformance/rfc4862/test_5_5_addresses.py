"""RFC 4862 5.4 and 5.5: addresses checked, formed, renewed, deprecated, ended."""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.protocols.ndp.frames import ALL_NODES, frame, group_mac, solicited_node
from sansio_net.stack import AddressConflict
from sansio_net.stack.hops import find_hop
from sansio_net.units import HOUR, SECOND
from sansio_net.wire import icmpv6, ndp
from sansio_net.wire.ndp import INFINITE
from tests.conformance.requirements import requirement
from tests.stack.host6 import MAC, ROUTER, ROUTER_MAC, Host, advertisement, prefix

RFC = "RFC 4862"


def settled() -> Host:
    host = Host()
    host.wait(5 * SECOND)
    return host


def left(host: Host) -> int | None:
    """How long the one formed address is valid yet, in seconds."""
    assert host.nic.slaac is not None
    (one,) = host.nic.slaac.addresses()
    return None if one.valid_until is None else (one.valid_until - host.now) // SECOND


@requirement(RFC, "5.5.3-1", "Without the autonomous flag no address is formed")
@requirement(RFC, "5.5.3-2", "From the link-local prefix none is formed")
@requirement(RFC, "5.5.3-3", "Preferred longer than valid: it is ignored")
@requirement(RFC, "5.5.3-4", "Prefix and identifier of not 128 bits MUST be ignored")
@requirement(RFC, "5.5.3-5", "With a valid lifetime of 0 none is formed")
@pytest.mark.parametrize(
    "said",
    [
        prefix(autonomous=False),
        prefix(network=pack_ip("fe80::")),
        prefix(10, 20),
        prefix(length=63),
        prefix(length=96),
        prefix(length=0),
        prefix(0, 0),
    ],
)
def test_what_forms_none(said: ndp.PrefixInformation) -> None:
    host = settled()
    host.wait(3 * SECOND, advertisement(prefixes=(said,)))
    assert host.formed() == []
    host.wait(3 * SECOND, advertisement())
    assert len(host.formed()) == 1


@requirement(RFC, "5.5.3-6", "Within two hours nobody ends an address by its lifetime")
@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        (600, 900, 900),  # longer than what is left
        (600, 300, 600),  # less than two hours are left, and it is less: ignored
        (7201 * 2, 300, 7200),
        (7201 * 2, 7201, 7201),  # more than two hours
        (600, INFINITE, None),
        (INFINITE, 300, 7200),
        (INFINITE, 7200, 7200),
        (INFINITE, 7201, 7201),
        (600, 0, 600),
        (INFINITE, 0, 7200),
    ],
)
def test_two_hours(before: int, said: int, after: int | None) -> None:
    host = settled()
    host.wait(0, advertisement(before, 1))
    host.wait(0, advertisement(said, 0))
    assert left(host) == after


@requirement(RFC, "5.5.3-7", "The preferred lifetime is that of the advertisement")
@requirement(RFC, "5.5.4-1", "A deprecated address SHOULD NOT begin anything new")
@requirement(RFC, "5.5.4-2", "What is sent to a deprecated one MUST be accepted")
@requirement(RFC, "5.5.4-3", "It SHOULD go on in communication that exists")
def test_deprecated() -> None:
    host = settled()
    host.wait(3 * SECOND, advertisement())
    second = prefix(3600, 1800, pack_ip("2001:db8:2::"))
    host.wait(3 * SECOND, advertisement(prefixes=(second,)))
    first, other = (one.ip for one in host.nic.addresses if one.formed)
    there = pack_ip("2001:db8:1:7::7")  # nearer to the first
    hop = find_hop(host.stack, there)
    assert hop is not None
    assert hop.source == first
    connection = host.stack.tcp_connect(("2001:db8:1:7::7", 80))
    host.wait(0, advertisement(3600, 0))
    hop = find_hop(host.stack, there)
    assert hop is not None
    assert hop.source == other
    host.sent.clear()
    host.wait(3 * SECOND)
    assert connection.laddr == first
    syns = [one for _, one in host.sent if one[20] == 6]
    assert {one[22:38] for one in syns} == {first}
    ask = icmpv6.build_icmpv6(128, 0, bytes(4), b"x", ROUTER, first)
    host.wait(0, frame(ROUTER_MAC, MAC, ROUTER, first, ask).join())
    assert 129 in [message[0] for message in host.icmp()]


@requirement(RFC, "5.5.4-4", "An invalid address MUST NOT be used nor answered for")
def test_invalid() -> None:
    host = settled()
    host.wait(0, advertisement(20, 10))
    (ours,) = (one.ip for one in host.nic.addresses if one.formed)
    host.wait(21 * SECOND)
    hop = find_hop(host.stack, pack_ip("2001:db8:7::7"))
    assert hop is not None
    assert hop.source != ours
    host.sent.clear()
    ask = icmpv6.build_icmpv6(128, 0, bytes(4), b"x", ROUTER, ours)
    host.wait(0, frame(ROUTER_MAC, MAC, ROUTER, ours, ask).join())
    assert host.sent == []


@requirement(RFC, "5.4-1", "Every unicast address MUST be checked before it is ours")
@requirement(RFC, "5.4.2-1", "Its groups MUST be joined before it is asked for")
@requirement(RFC, "5.4.2-2", "An advertised address SHOULD be asked for after a delay")
@requirement(RFC, "5.4-2", "Each address SHOULD be checked, whatever its identifier")
def test_checked_first() -> None:
    host = Host()
    host.wait(5 * SECOND)
    host.sent.clear()
    began = host.now
    host.wait(5 * SECOND, advertisement())
    (ours,) = (one.ip for one in host.nic.addresses if one.formed)
    asked = [
        (at, one)
        for at, one in host.sent
        if one[20] == 58 and one[54] == 135 and one[62:78] == ours
    ]
    ((at, probe),) = asked
    assert (probe[22:38], probe[38:54]) == (bytes(16), solicited_node(ours))
    assert began < at <= began + SECOND
    reports = [sent for sent, one in host.sent if one[20] == 0]
    assert reports
    assert reports[0] <= at


@requirement(RFC, "5.4.3-1", "A node MUST NOT answer for a tentative address")
@requirement(RFC, "5.4.5-1", "A duplicate MUST NOT be ours, and SHOULD be reported")
@requirement(RFC, "5.4.4-1", "An advertisement for it makes it a duplicate")
@pytest.mark.parametrize("kind", ["solicitation", "advertisement"])
def test_duplicates(kind: str) -> None:
    host = settled()
    host.wait(0, advertisement())
    (ours,) = (one.ip for one in host.nic.addresses if one.formed)
    group = solicited_node(ours)
    host.sent.clear()
    # somebody resolves it: no answer, and no duplicate
    body = ndp.build_neighbour_solicitation(ours, ROUTER, group, ROUTER_MAC)
    host.wait(0, frame(ROUTER_MAC, group_mac(group), ROUTER, group, body).join())
    assert 136 not in [message[0] for message in host.icmp()]
    assert [one.ip for one in host.nic.addresses if one.formed] == [ours]
    if kind == "solicitation":
        body = ndp.build_neighbour_solicitation(ours, bytes(16), group, None)
        taken = frame(ROUTER_MAC, group_mac(group), bytes(16), group, body)
    else:
        body = ndp.build_neighbour_advertisement(ours, ours, ALL_NODES, ROUTER_MAC, 0)
        taken = frame(ROUTER_MAC, group_mac(ALL_NODES), ours, ALL_NODES, body)
    host.wait(0, taken.join())
    assert ours not in [one.ip for one in host.nic.addresses]
    assert any(isinstance(one, AddressConflict) for one in host.events)


@requirement(RFC, "5.3-1", "Every interface forms a link-local address")
@requirement(RFC, "5.5-1", "Forming global addresses SHOULD be configurable")
def test_link_local_first() -> None:
    host = settled()
    (ours,) = host.addresses()
    assert ours.startswith("fe80::")
    host.nic.add_address("2001:db8:9::9/64")
    host.wait(3 * HOUR)
    assert host.formed() == []
