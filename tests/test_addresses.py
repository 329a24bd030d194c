"""Addresses: text at the edge, packed bytes inside."""

from __future__ import annotations

from ipaddress import (
    IPv4Interface,
    IPv6Interface,
    ip_address,
    ip_interface,
    ip_network,
)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net.addresses import (
    Endpoints,
    directed_broadcast,
    format_endpoint,
    format_ip,
    format_mac,
    is_loopback,
    is_multicast,
    is_unicast,
    is_unspecified,
    mask_ip,
    pack_endpoint,
    pack_interface,
    pack_ip,
    pack_mac,
    pack_network,
)

ips = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16))


@given(ips)
def test_text_and_back(ip: bytes) -> None:
    assert format_ip(ip) == str(ip_address(ip))
    assert pack_ip(format_ip(ip)) == pack_ip(ip) == pack_ip(ip_address(ip)) == ip


@pytest.mark.parametrize("wrong", ["", "10.0.0", "10.0.0.256", "x", b"", b"12345"])
def test_no_ip(wrong: str | bytes) -> None:
    with pytest.raises(ValueError):
        pack_ip(wrong)


@given(st.binary(min_size=6, max_size=6))
def test_macs_and_back(mac: bytes) -> None:
    assert pack_mac(format_mac(mac)) == pack_mac(mac) == mac
    assert pack_mac(mac.hex("-").upper()) == mac


def test_short_forms_of_a_mac() -> None:
    assert pack_mac("2:0:0:a:b:c") == bytes((2, 0, 0, 10, 11, 12))


@pytest.mark.parametrize(
    "wrong",
    ["", "1:2:3:4:5", "1:2:3:4:5:6:7", "g:0:0:0:0:0", "001:2:3:4:5:6", b"12345"],
)
def test_no_mac(wrong: str | bytes) -> None:
    with pytest.raises(ValueError, match="not a MAC address"):
        pack_mac(wrong)


def test_endpoints() -> None:
    assert pack_endpoint(("10.0.0.1", 80)) == (bytes((10, 0, 0, 1)), 80)
    assert pack_endpoint(("", 0)) == (b"", 0)
    assert pack_endpoint(("::1", 7, 0, 0)) == (bytes(15) + b"\x01", 7)
    assert format_endpoint(bytes((10, 0, 0, 1)), 80) == ("10.0.0.1", 80)
    assert format_endpoint(b"", 80) == ("", 80)


@pytest.mark.parametrize(
    "wrong",
    [("10.0.0.1", 65536), ("10.0.0.1", -1), ("10.0.0.1",), (1, 2), ("a", "b"), ()],
)
def test_no_endpoint(wrong: tuple[str | int, ...]) -> None:
    with pytest.raises(ValueError):
        pack_endpoint(wrong)


def test_interfaces_and_networks() -> None:
    packed = bytes((10, 0, 0, 2))
    assert pack_interface("10.0.0.2/24") == (packed, 24)
    assert pack_interface(IPv4Interface("10.0.0.2/24")) == (packed, 24)
    assert pack_interface("10.0.0.2") == (packed, 32)
    assert pack_interface(IPv6Interface("fd00::2/64"))[1] == 64
    assert pack_network("10.0.0.0/8") == (bytes((10, 0, 0, 0)), 8)
    with pytest.raises(ValueError):
        pack_network("10.0.0.1/8")


@given(ips, st.data())
def test_masks_are_those_of_ipaddress(ip: bytes, data: st.DataObject) -> None:
    prefixlen = data.draw(st.integers(0, len(ip) * 8))
    network = ip_network((ip, prefixlen), strict=False)
    assert mask_ip(ip, prefixlen) == network.network_address.packed
    broadcast = directed_broadcast(ip, prefixlen)
    if len(ip) == 16 or prefixlen >= 31:
        assert broadcast is None
    else:
        assert broadcast == network.broadcast_address.packed


@given(ips)
def test_kinds_are_those_of_ipaddress(ip: bytes) -> None:
    address = ip_address(ip)
    assert is_multicast(ip) == address.is_multicast
    assert is_loopback(ip) == address.is_loopback
    assert is_unspecified(ip) == address.is_unspecified


@pytest.mark.parametrize(
    ("text", "unicast"),
    [
        ("10.0.0.1", True),
        ("127.0.0.1", True),
        ("223.255.255.255", True),
        ("0.0.0.0", False),
        ("0.1.2.3", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("fe80::1", True),
        ("::1", True),
        ("::", False),
        ("ff02::1", False),
    ],
)
def test_unicast(text: str, unicast: bool) -> None:
    assert is_unicast(pack_ip(text)) == unicast


def test_interface_text_is_that_of_ipaddress() -> None:
    packed, prefixlen = pack_interface("192.0.2.7/29")
    assert f"{format_ip(packed)}/{prefixlen}" == str(ip_interface("192.0.2.7/29"))


def test_endpoints_are_remembered_both_ways_and_bounded() -> None:
    endpoints = Endpoints(limit=8)
    for n in range(100):
        packed = bytes((10, 0, 0, n)), n + 1
        named = endpoints.format(*packed)
        assert named == format_endpoint(*packed)
        assert endpoints.pack(named) == packed
        assert endpoints.format(*packed) is named
        assert endpoints.pack(("fd00::1", n, 0, 0)) == pack_endpoint(("fd00::1", n))
        assert len(endpoints) <= 8
    assert endpoints.pack(["10.0.0.1", 5]) == (b"\n\0\0\1", 5)
    for bad in ((["10.0.0.1"], 5), ("10.0.0.1",), ("10.0.0.1", 70000), ("x", 1)):
        with pytest.raises(ValueError, match=r"address|port"):
            endpoints.pack(bad)  # type: ignore[arg-type]


class Named:
    """Two interfaces, as a stack knows them."""

    def index(self, name: str) -> int:
        if name not in ("eth0", "eth1"):
            raise ValueError(f"no such interface: {name}")
        return 2 if name == "eth0" else 3

    def name(self, index: int) -> str:
        return {2: "eth0", 3: "eth1"}.get(index, str(index))

    def default(self, ip: bytes, nic: str | None) -> int:
        return self.index(nic) if nic is not None else 0


def test_zones_are_named_both_ways() -> None:
    endpoints = Endpoints(zones=Named())
    for text in ("fe80::1%eth0", "fe80::1%eth1", "fe80::1%7", "ff02::1%eth1"):
        packed = endpoints.pack((text, 80))
        assert len(packed[0]) == 20
        assert endpoints.format(*packed) == (text, 80)
        assert endpoints.format_ip(packed[0]) == text
        assert endpoints.pack_ip(packed[0]) == packed[0]
    assert endpoints.pack(("fe80::1", 80), "eth1") == endpoints.pack(("fe80::1%3", 80))
    assert endpoints.pack(("fe80::1", 80), "eth0") == endpoints.pack(("fe80::1%2", 80))
    assert endpoints.pack(("ff02::1", 80))[0] == pack_ip("ff02::1")
    assert endpoints.pack_ip("fd00::1") == pack_ip("fd00::1")
    with pytest.raises(ValueError, match="any link"):
        endpoints.pack(("fe80::1", 80))
    with pytest.raises(ValueError, match="no such interface"):
        endpoints.pack(("fe80::1%eth9", 80))
    with pytest.raises(ValueError, match="scope id"):
        endpoints.pack(("fe80::1", 80, 0, -1))
