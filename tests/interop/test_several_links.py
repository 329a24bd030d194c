"""One host of ours on several links at once: a TAP and a veth, VLANs of one device."""

from __future__ import annotations

from pathlib import Path

import pytest

from .lab import Host, Lab, assert_clean, tshark
from .lab6 import Radvd, section
from .vlan_port import access_port

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "nc.openbsd", "tcpdump", "tshark", "sysctl"),
]

MAC = "02:00:00:00:00:07"
SENT = "frame.packet_flags_direction == 2"
"""By us, in a recording: what comes in has checksums that a kernel left undone."""


def assert_talks(host: Host, *addresses: str, size: int = 3000) -> None:
    """Ping, also in fragments, and TCP and UDP with the kernel's programs."""
    for address in addresses:
        for words in (("-c", "2"), ("-c", "1", "-s", str(size))):
            said = host.run("ping", *words, "-i", "0.1", "-W", "5", address)
            assert " 0% packet loss" in said, said
        said = host.run("nc.openbsd", "-N", address, "7", stdin=b"over TCP\n")
        assert said == "over TCP\n"
        words = ("-u", "-w", "1", address, "7")
        assert host.run("nc.openbsd", *words, stdin=b"over UDP\n") == "over UDP\n"


def test_a_tap_and_a_veth_in_both_families(lab: Lab, tmp_path: Path) -> None:
    ours, other = lab.host("ours"), lab.host("other")
    lab.cable(ours, "wire", other, "eth0")
    ours.sysctl("net.ipv6.conf.wire.disable_ipv6", 1)
    other.ip("address add 10.2.0.1/24 dev eth0")
    other.ip("address add fd00:2::1/64 dev eth0 nodad")
    # behind the veth there is more, by the gateways
    other.ip("address add 192.0.2.1/32 dev lo")
    other.ip("address add 2001:db8::1/128 dev lo")
    path = tmp_path / "up.pcapng"
    up = ours.up(
        *("--echo", "7", "--pcap", str(path), "--control", str(tmp_path / "sock")),
        *("--link", "tap:tap0", "-a", "10.1.0.2/24", "-a", "fd00:1::2/64"),
        *("--host-address", "10.1.0.1/24", "--host-address", "fd00:1::1/64"),
        *("--link", "veth:wire", "-a", "10.2.0.2/24", "-a", "fd00:2::2/64"),
        *("--mac", MAC, "-g", "10.2.0.1", "-g", "fd00:2::1"),
    )
    capture = other.capture("eth0")
    assert_talks(ours, "10.1.0.2", "fd00:1::2")
    assert_talks(other, "10.2.0.2", "fd00:2::2")
    for source, address in (("192.0.2.1", "10.2.0.2"), ("2001:db8::1", "fd00:2::2")):
        said = other.run("ping", "-c", "1", "-W", "5", "-I", source, address)
        assert "1 received" in said
    # the links are links of one host, not one link
    said = other.run("ping", "-c", "1", "-W", "1", "fd00:1::2", check=False)
    assert "1 received" not in said
    talk = other.start("nc.openbsd", "10.2.0.2", "7")
    talk.write(b"x")
    talk.expect(b"x")
    said = ours.sansio("ss", "-tn", "--control", str(tmp_path / "sock"))
    said.wait()
    assert b"10.2.0.2:7" in said.output
    assert other.neighbour("10.2.0.2")["lladdr"] == MAC
    talk.stop()
    assert up.stop() == 0
    capture.assert_clean(f"eth.src == {MAC}")
    # both links are in the recording, each with its own frames
    for name, net in (("tap0", "10.1.0.0/24"), ("wire", "10.2.0.0/24")):
        here = f'frame.interface_name == "{name}"'
        assert tshark(path, f"{here} && ip.addr == {net}", "frame.number")
        assert not tshark(path, f"!({here}) && ip.dst == {net}", "frame.number")
    assert assert_clean(path, SENT)


def test_a_router_between_a_tap_and_a_veth(lab: Lab, tmp_path: Path) -> None:
    ours, other = lab.host("ours"), lab.host("other")
    lab.cable(ours, "wire", other, "eth0")
    ours.sysctl("net.ipv6.conf.wire.disable_ipv6", 1)
    for net, host, interface in ((1, ours, "tap0"), (2, other, "eth0")):
        if host is other:
            host.ip(f"address add 10.{net}.0.1/24 dev {interface}")
            host.ip(f"address add fd00:{net}::1/64 dev {interface} nodad")
            host.ip(f"route add default via 10.{net}.0.2")
            host.ip(f"-6 route add default via fd00:{net}::2")
    path = tmp_path / "up.pcapng"
    up = ours.up(
        *("--forward", "--pcap", str(path)),
        *("--link", "tap:tap0", "-a", "10.1.0.2/24", "-a", "fd00:1::2/64"),
        *("--host-address", "10.1.0.1/24", "--host-address", "fd00:1::1/64"),
        *("--link", "veth:wire", "-a", "10.2.0.2/24", "-a", "fd00:2::2/64"),
    )
    assert b"forwarding between the links\n" in up.output
    ours.ip("route add default via 10.1.0.2")
    ours.ip("-6 route add default via fd00:1::2")
    for here, there, net in ((ours, "10.2.0.1", 1), (other, "10.1.0.1", 2)):
        assert "1 received" in here.run("ping", "-c", "1", "-W", "5", there)
        said = here.run("ping", "-c", "1", "-t", "1", "-W", "5", there, check=False)
        assert f"From 10.{net}.0.2" in said
        assert "Time to live exceeded" in said
    for here, there, net in ((ours, "fd00:2::1", 1), (other, "fd00:1::1", 2)):
        assert "1 received" in here.run("ping", "-c", "1", "-W", "5", there)
        said = here.run("ping", "-c", "1", "-t", "1", "-W", "5", there, check=False)
        assert f"From fd00:{net}::2" in said
    for address in ("10.2.0.1", "fd00:2::1"):
        server = other.start("nc.openbsd", "-l", "-N", "-s", address, "-p", "9000")
        other.listening(9000)
        ours.run("nc.openbsd", "-N", address, "9000", stdin=b"over the router\n")
        server.expect(b"over the router\n")
        server.wait()
    assert up.stop() == 0
    assert assert_clean(path, SENT)


@pytest.mark.programs("radvd")
def test_a_router_gives_the_addresses_of_one_link(lab: Lab) -> None:
    host, other = lab.host("host"), lab.host("other")
    lab.cable(host, "wire", other, "eth0")
    host.sysctl("net.ipv6.conf.wire.disable_ipv6", 1)
    other.ip("address add fd00:2::1/64 dev eth0 nodad")
    other.ip("address add 2001:db8::1/128 dev lo")
    host.ip("tuntap add tap0 mode tap")
    host.ip("link set tap0 up")
    up = host.up(
        *("--echo", "7", "--link", "tap:tap0", "-a", "10.1.0.2/24"),
        *("--link", "veth:wire", "--slaac", "--mac", MAC),
    )
    assert f"asking routers on veth:wire, MAC {MAC}\n".encode() in up.output
    prefix = {"fd00:2::/64": "AdvValidLifetime 600; AdvPreferredLifetime 300;"}
    Radvd(other, section("eth0", lifetime=60, prefixes=prefix))
    up.expect(b"/64 on veth:wire\n")
    (line,) = (one for one in up.output.splitlines() if one.startswith(b"fd00:2:"))
    address = line.decode().partition("/")[0]
    words = ("-c", "1", "-W", "5", "-I", "2001:db8::1", address)
    assert "1 received" in other.run("ping", *words)  # by the route it gave
    said = other.run("nc.openbsd", "-N", address, "7", stdin=b"hello\n")
    assert said == "hello\n"
    assert up.stop() == 0


def vlan_host(lab: Lab, ours: Host, wire: str, *vlans: int) -> Host:
    """A kernel on VLANs at the far end of a cable."""
    host = lab.host("vlan")
    lab.cable(ours, wire, host, "eth0")
    ours.sysctl(f"net.ipv6.conf.{wire}.disable_ipv6", 1)
    access_port(host, "eth0", *vlans)
    number = vlans[-1]
    host.ip(f"address add 10.0.{number}.1/24 dev eth0")
    host.ip(f"address add fd00:{number}::1/64 dev eth0 nodad")
    return host


@pytest.mark.parametrize("vlans", [(7,), (100, 7)], ids=["tag", "stacked"])
def test_a_kernel_host_on_a_vlan(lab: Lab, vlans: tuple[int, ...]) -> None:
    ours = lab.host("ours", ipv6=False)
    host = vlan_host(lab, ours, "wire", *vlans)
    if len(vlans) > 1:
        # the host's IP does not know of the tags: no room for two beyond its MTU
        host.ip("route change 10.0.7.0/24 dev eth0 mtu lock 1492")
        host.ip("-6 route add fd00:7::2/128 dev eth0 mtu 1492")
    words = ".".join(map(str, vlans))
    up = ours.up(
        *("--link", f"veth:wire,vlan={words}", "-a", "10.0.7.2/24"),
        *("-a", "fd00:7::2/64", "--mac", MAC, "--echo", "7"),
    )
    capture = ours.capture("wire")
    assert_talks(host, "10.0.7.2", "fd00:7::2")
    data = bytes(range(256)) * 1000
    words_ = ("nc.openbsd", "-N", "10.0.7.2", "7")
    assert host.output(*words_, stdin=data) == data
    assert up.stop() == 0
    sent = capture.frames(f"eth.src == {MAC}", "eth.type", "vlan.id", "ieee8021ad.id")
    expected = [["0x8100", "7", ""]] if len(vlans) == 1 else [["0x88a8", "7", "100"]]
    assert {tuple(one) for one in sent} == {tuple(one) for one in expected}
    assert capture.frames("vlan.id == 7 && icmpv6", "frame.number")
    capture.assert_clean(f"eth.src == {MAC}")


@pytest.mark.parametrize("vlans", [(7,), (100, 7)], ids=["tag", "stacked"])
@pytest.mark.parametrize("kind", ["veth", "tap"])
def test_super_segments_with_tags(lab: Lab, kind: str, vlans: tuple[int, ...]) -> None:
    """The kernel cuts what we send, and hands over what it has not cut."""
    ours = lab.host("ours")
    words = ["--vlan", ".".join(map(str, vlans)), "--offload", "full", "--mac", MAC]
    if kind == "veth":
        host = vlan_host(lab, ours, "wire", *vlans)
        words += ["--link", "veth:wire"]
        interface = "eth0"
    else:
        host, interface = ours, "tap0"
        ours.ip("tuntap add tap0 mode tap vnet_hdr")
        ours.ip("link set tap0 up")
        access_port(ours, "tap0", *vlans)
        ours.ip("address add 10.0.7.1/24 dev tap0")
        ours.ip("address add fd00:7::1/64 dev tap0 nodad")
        words += ["--link", "tap:tap0"]
    if len(vlans) > 1:
        host.ip(f"route change 10.0.7.0/24 dev {interface} mtu lock 1492")
        host.ip(f"-6 route add fd00:7::2/128 dev {interface} mtu 1492")
    station = ours.station("echo", *words, "-a", "10.0.7.2/24", "-a", "fd00:7::2/64")
    capture = host.capture(interface, "not arp")
    data = bytes(range(256)) * 8000
    for address in ("10.0.7.2", "fd00:7::2"):
        words_ = ("nc.openbsd", "-N", address, "8888")
        assert host.output(*words_, stdin=data) == data
    station.stop()
    counters = station.json()["counters"]
    assert "drop.tcp_bad_checksum" not in counters
    assert "drop.vlan" not in counters
    sizes = capture.frames(f"eth.src == {MAC} && tcp.len > 3000", "tcp.len")
    assert sizes, "nothing came whole"


def test_a_host_on_another_vlan_is_not_heard(lab: Lab) -> None:
    """Nor is one without a tag, by an interface that has one, or the reverse."""
    ours = lab.host("ours", ipv6=False)
    host = vlan_host(lab, ours, "wire", 8)
    host.ip("address add 10.0.7.1/24 dev eth0")
    for words in ("veth:wire,vlan=7", "veth:wire", "veth:wire,vlan=7.8"):
        up = ours.up("--link", words, "-a", "10.0.7.2/24", "--mac", MAC)
        said = host.run("ping", "-c", "1", "-W", "1", "10.0.7.2", check=False)
        assert " 0 received" in said
        assert host.neighbour("10.0.7.2").get("lladdr") is None
        assert up.stop() == 0


def test_several_vlans_of_one_device(lab: Lab, tmp_path: Path) -> None:
    """A bridge that knows nothing of tags carries all of them on one cable to us."""
    ours = lab.host("ours", ipv6=False)
    ours.ip("link add bridge0 type bridge")
    ours.ip("link set bridge0 up")
    hosts = {n: vlan_host(lab, ours, f"port{n}", n) for n in (7, 8)}
    plain = lab.host("plain")
    lab.cable(ours, "port0", plain, "eth0")
    plain.ip("address add 10.0.0.1/24 dev eth0")
    ours.ip("link add wire type veth peer name trunk")
    for port in ("port7", "port8", "port0", "trunk"):
        ours.ip(f"link set {port} up")
        ours.ip(f"link set {port} master bridge0")
    ours.ip("link set wire up")
    path = tmp_path / "up.pcapng"
    up = ours.up(
        *("--echo", "7", "--pcap", str(path)),
        *("--link", "veth:wire,vlan=7", "-a", "10.0.7.2/24", "-a", "fd00:7::2/64"),
        *("--link", "veth:wire,vlan=8", "-a", "10.0.8.2/24", "-a", "fd00:8::2/64"),
        *("--link", "veth:wire", "-a", "10.0.0.2/24"),
    )
    for number, host in hosts.items():
        assert_talks(host, f"10.0.{number}.2", f"fd00:{number}::2")
    assert_talks(plain, "10.0.0.2")
    assert up.stop() == 0
    for name, tags in (("wire.7", {"7"}), ("wire.8", {"8"}), ("wire", {""})):
        seen = tshark(path, f'frame.interface_name == "{name}"', "vlan.id")
        assert {one[0] for one in seen} == tags
    assert assert_clean(path, SENT)


def test_a_vlan_on_a_tap(lab: Lab) -> None:
    """There the tag comes and goes in the frame: the host's side puts it on."""
    host = lab.host("host")
    host.ip("tuntap add tap0 mode tap")
    host.ip("link set tap0 up")
    access_port(host, "tap0", 7)
    host.ip("address add 10.0.7.1/24 dev tap0")
    host.ip("address add fd00:7::1/64 dev tap0 nodad")
    up = host.up(
        *("--link", "tap:tap0,vlan=7", "-a", "10.0.7.2/24", "-a", "fd00:7::2/64"),
        *("--link", "tap:tap0,vlan=8", "-a", "10.0.7.3/24"),
        *("--echo", "7"),
    )
    capture = host.capture("tap0")
    assert_talks(host, "10.0.7.2", "fd00:7::2")
    said = host.run("ping", "-c", "1", "-W", "1", "10.0.7.3", check=False)
    assert " 0 received" in said
    assert up.stop() == 0
    assert capture.frames("vlan.id == 7 && arp.opcode == 2", "frame.number")
    capture.assert_clean("vlan.id == 7")
