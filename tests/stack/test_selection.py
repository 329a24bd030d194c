"""Address selection: the examples of RFC 6724 10, and what a stack makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest

from sansio_net import Entropy
from sansio_net.addresses import format_ip, pack_ip
from sansio_net.stack import Stack, StackConfig
from sansio_net.stack.hops import find_hop
from sansio_net.stack.interface import Address, Interface
from sansio_net.stack.selection import (
    DEFAULT_POLICY,
    GLOBAL,
    LINK_LOCAL,
    SITE_LOCAL,
    PolicyRow,
    PolicyTable,
    Prospect,
    choose_source,
    scope,
    sort_prospects,
)

NIC: Interface = Stack(seed=bytes(32)).lo
DEPRECATED, TEMPORARY = "!", "~"


def ours(*texts: str) -> list[tuple[Interface, Address]]:
    """``"fe80::1"``; with ``!`` deprecated, with ``~`` temporary. /64 as the RFC has
    it, and /24."""
    made = []
    for text in texts:
        ip = pack_ip(text.rstrip("!~"))
        address = Address(ip, 64 if len(ip) == 16 else 24)
        address.deprecated = DEPRECATED in text
        address.temporary = TEMPORARY in text
        made.append((NIC, address))
    return made


def chosen(destination: str, *candidates: str, temporary: bool = True) -> str:
    packed, policy = pack_ip(destination), PolicyTable(DEFAULT_POLICY)
    best = choose_source(packed, packed, NIC, ours(*candidates), policy, temporary)
    return format_ip(best.ip) if best is not None else "none"


def ordered(
    policy: PolicyTable, candidates: list[str], destinations: list[str]
) -> list[tuple[str, str]]:
    prospects = []
    for one in destinations:
        packed = pack_ip(one)
        best = choose_source(packed, packed, NIC, ours(*candidates), policy, True)
        prospects.append(Prospect(packed, best))
    in_order = [prospects[place] for place in sort_prospects(prospects, policy)]
    return [
        (format_ip(one.destination), format_ip(one.source.ip) if one.source else "none")
        for one in in_order
    ]


@pytest.mark.parametrize(
    ("destination", "candidates", "result"),
    [
        # RFC 6724 10.1; the sixth example is about home addresses
        ("2001:db8:1::1", "2001:db8:3::1 fe80::1", "2001:db8:3::1"),
        ("ff05::1", "2001:db8:3::1 fe80::1", "2001:db8:3::1"),
        ("2001:db8:1::1", "2001:db8:1::1! 2001:db8:2::1", "2001:db8:1::1"),
        ("fe80::1", "fe80::2! 2001:db8:1::1", "fe80::2"),
        ("2001:db8:1::1", "2001:db8:1::2 2001:db8:3::2", "2001:db8:1::2"),
        (
            "2002:c633:6401::1",
            "2002:c633:6401::d5e3:7953:13eb:22e8~ 2001:db8:1::2",
            "2002:c633:6401::d5e3:7953:13eb:22e8",
        ),
        (
            "2001:db8:1::d5e3:0:0:1",
            "2001:db8:1::2 2001:db8:1::d5e3:7953:13eb:22e8~",
            "2001:db8:1::d5e3:7953:13eb:22e8",
        ),
        # 10.6
        ("ff00::1", "2001:db8:1::1 fd11:1111:1111:1::1", "2001:db8:1::1"),
        # rules one by one
        ("2001:db8:1::1", "fe80::1 2001:db8:2::1!", "2001:db8:2::1"),
        ("2001:db8:1::1", "2001:db8:1::2! 2001:db8:2::1", "2001:db8:2::1"),
        ("ff02::1", "2001:db8:1::2 fe80::1", "fe80::1"),
        ("2001:db8:1::1", "10.0.0.1", "none"),
        # common prefixes end where ours does: the first wins
        ("2001:db8:1::2:1", "2001:db8:1::1 2001:db8:1::2:2", "2001:db8:1::1"),
        # IPv4
        ("10.0.1.9", "10.0.0.1 10.0.1.1", "10.0.1.1"),
        ("192.0.2.1", "169.254.1.1 10.0.0.1", "10.0.0.1"),
        ("169.254.9.9", "10.0.0.1 169.254.1.1", "169.254.1.1"),
    ],
)
def test_sources(destination: str, candidates: str, result: str) -> None:
    if result != "none":
        result = format_ip(pack_ip(result))
    assert chosen(destination, *candidates.split()) == result
    if "2:2" not in candidates:
        assert chosen(destination, *reversed(candidates.split())) == result


def test_public_addresses_may_be_preferred() -> None:
    """RFC 6724 5, rule 7"""
    candidates = "2001:db8:1::2", "2001:db8:1::3~"
    assert chosen("2001:db8:1::1", *candidates) == "2001:db8:1::3"
    assert chosen("2001:db8:1::1", *candidates, temporary=False) == "2001:db8:1::2"


def policy_with(*rows: PolicyRow, without: str = "") -> tuple[PolicyRow, ...]:
    return (*(row for row in DEFAULT_POLICY if row[0] != without), *rows)


IPV4_FIRST = policy_with(("::ffff:0:0/96", 100, 4), without="::ffff:0:0/96")
LINK_LOCAL_LAST = policy_with(("fe80::/10", 33, 1))
SITES = policy_with(("2001:db8:1aaa::/48", 43, 6), ("2001:db8:1bbb::/48", 43, 6))
ULA = policy_with(("fd11:1111:1111::/48", 45, 14))
SIX_TO_FOUR = policy_with(("2002:c633:6401::/48", 45, 14))

TWO_ISPS = "2001:db8:1aaa::a 2001:db8:70aa::a fe80::a"
TWO_ULAS = "2001:db8:1::1 fd11:1111:1111:1::1"


@pytest.mark.parametrize(
    ("policy", "candidates", "result"),
    [
        # RFC 6724 10.2: in the order of the result, with the source of each
        (
            DEFAULT_POLICY,
            "2001:db8:1::2 fe80::1 169.254.13.78",
            "2001:db8:1::1 2001:db8:1::2, 198.51.100.121 169.254.13.78",
        ),
        (
            DEFAULT_POLICY,
            "fe80::1 198.51.100.117",
            "198.51.100.121 198.51.100.117, 2001:db8:1::1 fe80::1",
        ),
        (
            DEFAULT_POLICY,
            "2001:db8:1::2 fe80::1 10.1.2.4",
            "2001:db8:1::1 2001:db8:1::2, 10.1.2.3 10.1.2.4",
        ),
        (
            DEFAULT_POLICY,
            "2001:db8:1::2 fe80::2",
            "fe80::1 fe80::2, 2001:db8:1::1 2001:db8:1::2",
        ),
        (
            DEFAULT_POLICY,
            "2001:db8:1::2 fe80::2!",
            "2001:db8:1::1 2001:db8:1::2, fe80::1 fe80::2",
        ),
        (
            DEFAULT_POLICY,
            "2001:db8:1::2 2001:db8:3f44::2 fe80::2",
            "2001:db8:1::1 2001:db8:1::2, 2001:db8:3ffe::1 2001:db8:3f44::2",
        ),
        (
            DEFAULT_POLICY,
            "2002:c633:6401::2 fe80::2",
            "2002:c633:6401::1 2002:c633:6401::2, 2001:db8:1::1 2002:c633:6401::2",
        ),
        (
            DEFAULT_POLICY,
            "2002:c633:6401::2 2001:db8:1::2 fe80::2",
            "2001:db8:1::1 2001:db8:1::2, 2002:c633:6401::1 2002:c633:6401::2",
        ),
        # 10.3
        (
            IPV4_FIRST,
            "2001:db8::2 fe80::1 169.254.13.78",
            "2001:db8::1 2001:db8::2, 198.51.100.121 169.254.13.78",
        ),
        (
            IPV4_FIRST,
            "fe80::1 198.51.100.117",
            "198.51.100.121 198.51.100.117, 2001:db8::1 fe80::1",
        ),
        (
            IPV4_FIRST,
            "2001:db8::2 fe80::1 10.1.2.4",
            "10.1.2.3 10.1.2.4, 2001:db8::1 2001:db8::2",
        ),
        # 10.4
        (
            LINK_LOCAL_LAST,
            "2001:db8::2 fe80::2",
            "2001:db8::1 2001:db8::2, fe80::1 fe80::2",
        ),
        (
            LINK_LOCAL_LAST,
            "2001:db8::2! fe80::2",
            "fe80::1 fe80::2, 2001:db8::1 2001:db8::2",
        ),
        # 10.5
        (
            DEFAULT_POLICY,
            TWO_ISPS,
            "2001:db8:70bb::b 2001:db8:70aa::a, 2001:db8:1bbb::b 2001:db8:1aaa::a",
        ),
        (
            DEFAULT_POLICY,
            TWO_ISPS,
            "2001:db8:1ccc::c 2001:db8:1aaa::a, 2001:db8:6ccc::c 2001:db8:70aa::a",
        ),
        (
            SITES,
            TWO_ISPS,
            "2001:db8:1bbb::b 2001:db8:1aaa::a, 2001:db8:70bb::b 2001:db8:70aa::a",
        ),
        (
            SITES,
            TWO_ISPS,
            "2001:db8:6ccc::c 2001:db8:70aa::a, 2001:db8:1ccc::c 2001:db8:70aa::a",
        ),
        # 10.6
        (
            DEFAULT_POLICY,
            TWO_ULAS,
            "2001:db8:2::2 2001:db8:1::1, fd22:2222:2222:2::2 fd11:1111:1111:1::1",
        ),
        (
            ULA,
            TWO_ULAS,
            "2001:db8:2::2 2001:db8:1::1, fd22:2222:2222:2::2 fd11:1111:1111:1::1",
        ),
        (
            ULA,
            TWO_ULAS,
            "fd11:1111:1111:2::2 fd11:1111:1111:1::1, 2001:db8:2::2 2001:db8:1::1",
        ),
        # 10.7
        (
            DEFAULT_POLICY,
            "2002:c633:6401::2 10.1.2.3",
            "203.0.113.1 10.1.2.3, 2001:db8:1::1 2002:c633:6401::2",
        ),
        (
            SIX_TO_FOUR,
            "2002:c633:6401:1::1 10.1.2.3",
            "2002:c633:6401:2::2 2002:c633:6401:1::1, 203.0.113.1 10.1.2.3",
        ),
    ],
)
def test_destinations(
    policy: tuple[PolicyRow, ...], candidates: str, result: str
) -> None:
    wanted = [tuple(pair.split()) for pair in result.split(", ")]
    table = PolicyTable(policy)
    for destinations in permutations([destination for destination, _ in wanted]):
        assert ordered(table, candidates.split(), destinations) == wanted


def permutations(two: list[str]) -> Iterator[list[str]]:
    yield two
    yield two[::-1]


def test_scopes() -> None:
    known = {
        "fe80::1": LINK_LOCAL,
        "::1": LINK_LOCAL,
        "127.0.0.1": LINK_LOCAL,
        "169.254.0.1": LINK_LOCAL,
        "fec0::1": SITE_LOCAL,
        "ff05::1": SITE_LOCAL,
        "ff08::1": 8,
        "10.0.0.1": GLOBAL,
        "fd00::1": GLOBAL,
        "2001:db8::1": GLOBAL,
    }
    assert {text: scope(pack_ip(text)) for text in known} == known


# -- a stack


def dual(config: StackConfig | None = None) -> Stack:
    stack = Stack(config, Entropy.of(1).bytes(32))
    stack.add_interface(
        addresses=["10.0.0.2/24", "10.1.0.2/24", "2001:db8::2/64"], dad=False
    )
    stack.add_route("default", via="10.1.0.1")
    stack.add_route("::/0", via="2001:db8::1")
    return stack


def source(stack: Stack, destination: str) -> str:
    hop = find_hop(stack, pack_ip(destination))
    assert hop is not None
    return format_ip(hop.source) if hop.source else "none"


def test_the_subnet_of_the_gateway_counts_for_ipv4() -> None:
    """RFC 1122 3.3.4.3"""
    stack = dual()
    assert source(stack, "192.0.2.1") == "10.1.0.2"
    assert source(stack, "10.0.0.7") == "10.0.0.2"
    assert source(stack, "10.0.0.2") == "10.0.0.2"


def test_a_deprecated_address_is_avoided_from_then_on() -> None:
    stack = dual()
    nic = stack.interface("eth0")
    nic.add_address("2001:db8::3/64", probe=False)
    assert source(stack, "2001:db8:9::1") == "2001:db8::2"
    nic.local[pack_ip("2001:db8::2")].deprecated = True
    stack.routes.version += 1
    assert source(stack, "2001:db8:9::1") == "2001:db8::3"


def test_a_route_names_the_source() -> None:
    stack = dual()
    stack.add_route("198.51.100.0/24", via="10.1.0.1", source="10.0.0.2")
    assert source(stack, "198.51.100.1") == "10.0.0.2"
    stack.interface("eth0").remove_address("10.0.0.2")
    assert source(stack, "198.51.100.1") == "10.1.0.2"


def test_a_weak_host_lends_its_other_addresses() -> None:
    for weak, expected in ((False, "none"), (True, "10.0.0.2")):
        stack = dual(StackConfig(weak_host=weak))
        other = stack.add_interface()
        stack.add_route("198.51.100.0/24", nic=other)
        assert source(stack, "198.51.100.1") == expected


def test_destinations_of_a_stack_keep_their_form() -> None:
    stack = dual()
    six, four = ("2001:db8:9::1", 80, 0, 0), ("192.0.2.1", 80)
    assert stack.sort_destinations([four, six]) == [six, four]
    address = IPv6Address("2001:db8:9::1")
    assert stack.sort_destinations(["192.0.2.1", address]) == [address, "192.0.2.1"]
    stack.remove_route("::/0")
    assert stack.sort_destinations([six, four]) == [four, six]  # rule 1
    assert stack.sort_destinations(["127.0.0.9", "::1"]) == ["::1", "127.0.0.9"]
    with pytest.raises(ValueError, match="example"):
        stack.sort_destinations(["example.org"])


def test_the_policy_is_configured() -> None:
    stack = dual(StackConfig(address_policy=IPV4_FIRST))
    assert stack.sort_destinations(["2001:db8:9::1", "192.0.2.1"])[0] == "192.0.2.1"
    with pytest.raises(ValueError, match="host bits"):
        Stack(StackConfig(address_policy=(("fe80::1/10", 1, 1),)), bytes(32))
