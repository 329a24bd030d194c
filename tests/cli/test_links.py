from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

import pytest

from sansio_net.addresses import format_mac, pack_ip
from sansio_net.cli.errors import UsageError
from sansio_net.cli.linkname import BUSY_POLL, parse_link
from sansio_net.cli.links import (
    ENVIRONMENT,
    _add_default_route,
    add_link_options,
    check_link_options,
    default_mac,
    neighbour_address,
    parse_address,
)
from sansio_net.drivers import Offload
from sansio_net.packet import Medium
from sansio_net.stack import Stack


def parse(*argv: str) -> Namespace:
    parser = ArgumentParser(exit_on_error=False)
    add_link_options(parser, slaac=True)
    args = parser.parse_args(argv)
    check_link_options(args)
    return args


@pytest.mark.parametrize(
    ("text", "kind", "name", "medium", "vnet"),
    [
        ("tap:tap0", "tap", "tap0", Medium.ETHERNET, False),
        ("tun:tun0", "tun", "tun0", Medium.IP, False),
        ("veth:new_eth0", "veth", "new_eth0", Medium.ETHERNET, False),
        ("fd:3", "fd", "3", Medium.ETHERNET, False),
        ("fd:3,tun", "fd", "3", Medium.IP, False),
        ("fd:3,tap,vnet", "fd", "3", Medium.ETHERNET, True),
        ("pcap:/tmp/a,b:c", "pcap", "/tmp/a,b:c", Medium.ETHERNET, False),
    ],
)
def test_the_forms_of_a_link(
    text: str, kind: str, name: str, medium: Medium, vnet: bool
) -> None:
    link = parse_link(text)
    assert (link.kind, link.name, link.medium, link.vnet) == (kind, name, medium, vnet)
    assert link.text == text


def test_offload_is_part_of_the_link() -> None:
    assert parse_link("tap:t").offload is Offload.FULL
    link = parse_link("veth:v,offload=checksum,vlan=7")
    assert (link.name, link.offload, link.vlans) == ("v", Offload.CHECKSUM, (7,))
    assert parse_link("tun:t,offload=none").offload is Offload.NONE
    for text in ("tap:t,offload=half", "tap:t,vnet", "veth:v,"):
        with pytest.raises(ArgumentTypeError, match=r"offload=none\|checksum\|full"):
            parse_link(text)


def test_busy_polling_is_part_of_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_link("tap:t").busy_poll == 0
    link = parse_link("tap:t,busy_poll=50us,offload=none,vlan=7")
    assert (link.busy_poll, link.offload, link.vlans) == (50_000, Offload.NONE, (7,))
    assert parse_link("fd:3,tun,busy_poll=1ms").busy_poll == 1_000_000
    for text in ("tap:t,busy_poll=", "fd:3,busy_poll=soon", "veth:v,busy_poll=50"):
        with pytest.raises(ArgumentTypeError, match="busy_poll="):
            parse_link(text)
    monkeypatch.setenv(BUSY_POLL, "20us")
    for text in ("veth:v", "fd:3"):
        assert parse_link(text).busy_poll == 20_000
    assert parse_link("tap:t,busy_poll=0").busy_poll == 0  # its own word is stronger
    monkeypatch.setenv(BUSY_POLL, "2s")
    with pytest.raises(ArgumentTypeError, match="at most 1s"):
        parse_link("tap:t")


def test_a_vlan_is_part_of_the_link() -> None:
    link = parse_link("veth:v,vlan=7")
    assert (link.device, link.vlans) == ("veth:v", (7,))
    link = parse_link("fd:3,tap,vnet,vlan=100.7")
    assert (link.device, link.vnet, link.vlans) == ("fd:3", True, (100, 7))
    assert parse_link("pcap:/a,vlan=b,vlan=4094").name == "/a,vlan=b"
    for text, message in (
        ("tap:t,vlan=", "not a VLAN"),
        ("tap:t,vlan=x", "not a VLAN"),
        ("tap:t,vlan=7.", "not a VLAN"),
        ("tap:t,vlan=0", "1 to 4094"),
        ("tap:t,vlan=7.4095", "1 to 4094"),
        ("tun:t,vlan=7", "a TUN has no VLANs"),
        ("tap:,vlan=7", "not a link"),
    ):
        with pytest.raises(ArgumentTypeError, match=message):
            parse_link(text)


def test_options_belong_to_the_link_before_them() -> None:
    one, two, three = parse(
        *("--link", "tap:t", "-a", "10.0.0.2/24", "-a", "fd00::2/64", "--mtu", "1400"),
        *("-g", "10.0.0.1", "-g", "fd00::1", "--host-address", "10.0.0.1/24"),
        *("--seed", "7", "--link", "veth:v", "--mac", "02:00:00:00:00:01", "--slaac"),
        *("--link", "tap:t,vlan=7", "-a", "10.0.7.2/24", "--link-local"),
    ).links
    assert one.addresses == ["10.0.0.2/24", "fd00::2/64"]
    assert one.gateways == ["10.0.0.1", "fd00::1"]
    assert (one.host_addresses, one.mtu) == (["10.0.0.1/24"], 1400)
    assert (one.mac, one.slaac, two.slaac, two.mtu) == (None, False, True, None)
    assert two.mac == bytes((2, 0, 0, 0, 0, 1))
    assert (two.addresses, two.gateways) == ([], [])
    assert three.addresses == ["10.0.7.2/24"]
    assert (one.link_local, three.link_local) == (False, True)


def test_an_option_before_the_first_link_is_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (("-a", "10.0.0.2/24"), ("--slaac",), ("--mtu", "1500")):
        with pytest.raises(SystemExit) as raised:
            parse("--seed", "7", *words, "--link", "tap:t", "-a", "10.0.0.3/24")
        assert raised.value.code == 2
        said = capsys.readouterr().err
        assert f"{words[0]} says something of the --link before it" in said


@pytest.mark.parametrize(
    "text", ["", "tap0", "tap:", "ppp:0", "fd:x", "fd:-1", "fd:3,ppp", "fd:²"]
)
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="use tap:NAME"):
        parse_link(text)


def test_the_environment_names_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "tun:tun7")
    assert parse("-a", "10.0.0.2/24").links[0].name.text == "tun:tun7"
    # an option is stronger
    (options,) = parse("--link", "tap:t", "-a", "10.0.0.2/24").links
    assert options.name.text == "tap:t"
    monkeypatch.setenv(ENVIRONMENT, "nonsense")
    with pytest.raises(UsageError, match=ENVIRONMENT):
        parse("-a", "10.0.0.2/24")
    monkeypatch.delenv(ENVIRONMENT)
    with pytest.raises(UsageError, match="no link"):
        parse("-a", "10.0.0.2/24")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--link", "tap:t"], "no address"),
        (
            ["--link", "veth:v", "-a", "10.0.0.2/24", "--host-address", "10.0.0.1/24"],
            "--host-address is for tap and tun, not veth",
        ),
        (
            ["--link", "tun:t", "-a", "10.0.0.2/24", "--mac", "02:00:00:00:00:01"],
            "tun:t has no MAC addresses",
        ),
        (["--link", "tun:t", "--slaac"], "--slaac needs Ethernet, and tun:t is a TUN"),
        (["--link", "tun:t", "--link-local"], "--link-local needs Ethernet"),
        (
            ["--link", "tap:t", "-a", "10.0.0.2/24", "--link", "tap:u"],
            "no address on tap:u: give -a",
        ),
        (["--link", "tap:t", "--slaac", "--link", "tap:t", "--slaac"], "there twice"),
        (
            [*("--link", "pcap:f", "-a", "10.0.0.2/24"), "--link", "tap:t", "--slaac"],
            "a capture is replayed alone",
        ),
    ],
)
def test_options_that_do_not_go_together(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(*argv)


def test_the_default_mac_is_local_unicast_and_the_same_on_every_run() -> None:
    mac = default_mac("tap:tap0", "10.0.0.2/24")
    assert format_mac(mac) == "f2:e1:18:8b:f1:b6"
    assert mac[0] & 3 == 2
    assert default_mac("tap:tap1", "10.0.0.2/24") != mac
    assert default_mac("tap:tap0", "10.0.0.3/24") != mac


@pytest.mark.parametrize(
    ("ours", "prefixlen", "theirs"),
    [
        ((10, 0, 0, 2), 24, "10.0.0.1/24"),
        ((10, 0, 0, 1), 24, "10.0.0.2/24"),
        ((172, 17, 0, 253), 16, "172.17.0.1/16"),
        ((10, 0, 0, 0), 31, "10.0.0.1/31"),
        ((10, 0, 0, 1), 31, "10.0.0.0/31"),
        ((10, 0, 0, 1), 32, "PEER/32"),
        ((0xFD, *[0] * 14, 1), 64, "fd00::2/64"),
    ],
)
def test_the_hosts_address_is_another_one_of_the_subnet(
    ours: tuple[int, ...], prefixlen: int, theirs: str
) -> None:
    assert neighbour_address(bytes(ours), prefixlen) == theirs


def test_a_gateway_may_name_its_zone() -> None:
    """As `up -g fe80::1%tap0`."""
    assert parse_address("fe80::1%tap0") == "fe80::1%tap0"
    stack = Stack(seed=bytes(32))
    nic = stack.add_interface("tap0", addresses=["fe80::2/64"])
    _add_default_route(stack, "fe80::1%tap0", nic)
    route = stack.routes.lookup(pack_ip("2001:db8::1"))
    assert str(route) == "default via fe80::1 dev tap0"
