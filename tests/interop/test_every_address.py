"""Any-address sockets against kernel programs: on a TUN, on a TAP, in both families."""

from __future__ import annotations

import sys

import pytest

from .lab import ROOT, Host, Lab, Process

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "curl", "nc.openbsd", "tcpdump", "tshark"),
]

NETS = ("198.51.100.0/24", "2001:db8::/32")


def example(host: Host) -> Process:
    """Everything for the documentation's addresses goes into its TUN."""
    process = host.start(sys.executable, str(ROOT / "examples" / "every_address.py"))
    process.expect(b"every address answers")
    for net in NETS:
        host.ip(f"route add {net} dev every0")
    return process


def test_the_example_on_a_tun(lab: Lab) -> None:
    host = lab.host("host")
    process = example(host)
    capture = host.capture("every0")
    for where, host_, port in (
        ("198.51.100.7", "198.51.100.7", 80),
        ("198.51.100.7", "198.51.100.7", 8443),
        ("10.64.0.2", "10.64.0.2", 80),
        ("[2001:db8::7]", "2001:db8::7", 80),
        ("[2001:db8:1::7]", "2001:db8:1::7", 65535),
    ):
        said = host.run("curl", "-gsS", "-m", "10", f"http://{where}:{port}/")
        assert said == f"this is {host_} port {port}\n"
    for address in ("198.51.100.9", "2001:db8::9"):
        # the kernel's socket is connected: an answer from elsewhere would be lost
        words = ("-u", "-w", "1", address, "9999")
        assert host.run("nc.openbsd", *words, stdin=b"hello\n") == "HELLO\n"
        said = host.run("ping", "-c", "1", "-W", "5", address)
        assert "1 received" in said
    said = host.run("ping", "-c", "1", "-s", "4000", "-W", "5", "198.51.100.9")
    assert "1 received" in said
    assert b"asked for 2001:db8:1::7 port 65535\n" in process.output
    assert process.stop() == 0
    for net in NETS:
        family = "ipv6" if ":" in net else "ip"
        assert capture.frames(f"{family}.src == {net}", "frame.number")
    assert not capture.frames("_ws.malformed")  # the sums are left to the kernel


def test_on_a_tap_by_a_route(lab: Lab) -> None:
    """The kernel sends what it has for the net to our address, and resolves that
    alone: ARP and ND are not asked about the others, nor would they answer."""
    host = lab.host("host")
    station = host.station(
        "echo",
        *("--link", "tap:tap0", "-a", "10.64.0.2/24", "-a", "fd00:64::2/64"),
        *("--host-address", "10.64.0.1/24", "--transparent", "--port", "0"),
    )
    host.ip("address add fd00:64::1/64 dev tap0 nodad")
    host.ip("route add 198.51.100.0/24 via 10.64.0.2")
    host.ip("route add 2001:db8::/32 via fd00:64::2")
    capture = host.capture("tap0")
    data = bytes(range(256)) * 2000
    for address in ("198.51.100.7", "2001:db8::7", "10.64.0.2"):
        for port in ("80", "7"):
            said = host.output("nc.openbsd", "-N", address, port, stdin=data)
            assert said == data
    # not routed, but asked for on the link
    host.ip("route add 203.0.113.0/24 dev tap0")
    said = host.run("ping", "-c", "1", "-W", "1", "203.0.113.1", check=False)
    assert "1 received" not in said
    assert station.stop() == 0
    answers = capture.frames("arp.opcode == 2", "arp.src.proto_ipv4")
    assert {one[0] for one in answers} <= {"10.64.0.2", "10.64.0.1"}
    capture.assert_clean("ip.src == 198.51.100.0/24 || ipv6.src == 2001:db8::/32")


def test_a_closed_port_of_every_address(lab: Lab) -> None:
    """One port alone is transparent: others are refused in the name of the asked."""
    host = lab.host("host")
    station = host.station(
        "echo",
        *("--link", "tun:tun0", "-a", "10.64.0.2/24", "-a", "fd00:64::2/64"),
        *("--host-address", "10.64.0.1/24", "--transparent", "--port", "80"),
    )
    host.ip("address add fd00:64::1/64 dev tun0 nodad")
    for net in NETS:
        host.ip(f"route add {net} dev tun0")
    for address in ("198.51.100.7", "2001:db8::7"):
        said = host.output("nc.openbsd", "-N", address, "80", stdin=b"hello")
        assert said == b"hello"
        words = ("-v", "-w", "5", address, "81")
        refused = host.start("nc.openbsd", *words)
        assert refused.wait(check=False) == 1
        refused.expect(b"Connection refused", errors=True)
    assert station.stop() == 0


def test_a_router_that_answers_for_one_port_of_everybody(lab: Lab) -> None:
    """What it does not want passes through it, both ways, and is answered by whom it
    was sent to."""
    near, far = lab.host("near"), lab.host("far")
    lab.cable(near, "wire", far, "eth0")
    near.sysctl("net.ipv6.conf.wire.disable_ipv6", 1)
    far.ip("address add 10.2.0.1/24 dev eth0")
    far.ip("address add fd00:2::1/64 dev eth0 nodad")
    far.ip("route add default via 10.2.0.2")
    far.ip("-6 route add default via fd00:2::2")
    words = ("-m", "tests.interop.interceptor", "tap0", "wire")
    router = near.start(sys.executable, *words)
    router.expect(b"ready\n")
    near.ip("route add default via 10.1.0.2")
    near.ip("-6 route add default via fd00:1::2")
    for address in ("10.2.0.1", "fd00:2::1"):
        said = near.run("nc.openbsd", address, "80", stdin=b"hello\n")
        assert said == f"intercepted {address}\n"
        for port in ("80", "81"):
            server = far.start("nc.openbsd", "-l", "-N", "-s", address, "-p", port)
            far.listening(int(port))
            if port == "81":
                near.run("nc.openbsd", "-N", address, port, stdin=b"passed on\n")
                server.expect(b"passed on\n")
                server.wait()
            else:
                said = near.run("nc.openbsd", address, port, stdin=b"hello\n")
                assert said == f"intercepted {address}\n"
                server.close()
        assert "1 received" in near.run("ping", "-c", "1", "-W", "5", address)
    # from the other side nobody is in between
    server = near.start("nc.openbsd", "-l", "-N", "-s", "10.1.0.1", "-p", "80")
    near.listening(80)
    far.run("nc.openbsd", "-N", "10.1.0.1", "80", stdin=b"passed on\n")
    server.expect(b"passed on\n")
    router.stop()
    assert int(router.output.splitlines()[-1]) > 10
