from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

import pytest

from sansio_net.addresses import format_mac
from sansio_net.cli.errors import UsageError
from sansio_net.cli.links import (
    ENVIRONMENT,
    add_link_options,
    check_link_options,
    default_mac,
    neighbour_address,
    parse_link,
)
from sansio_net.packet import Medium


def parse(*argv: str) -> Namespace:
    parser = ArgumentParser(exit_on_error=False)
    add_link_options(parser)
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


@pytest.mark.parametrize(
    "text", ["", "tap0", "tap:", "ppp:0", "fd:x", "fd:-1", "fd:3,ppp", "fd:²"]
)
def test_what_is_no_link(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="use tap:NAME"):
        parse_link(text)


def test_the_environment_names_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "tun:tun7")
    assert parse("-a", "10.0.0.2/24").link.text == "tun:tun7"
    # an option is stronger
    assert parse("--link", "tap:t", "-a", "10.0.0.2/24").link.text == "tap:t"
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
