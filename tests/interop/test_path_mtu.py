"""A kernel's router with a smaller link behind it, and a kernel at its far end."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from .lab import HOST_IP, OUR_IP, OUR_MAC, Host, Lab, pattern, wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ss", "tcpdump", "tshark", "nc.openbsd"),
]

FAR_IP, ROUTER_IP = "10.9.0.2", "10.9.0.1"
SIZE = 2_000_000
LINK = ["--link", "tap:tap0", "-a", f"{OUR_IP}/16", "--mac", OUR_MAC]
LINK += ["--host-address", f"{HOST_IP}/16", "-g", HOST_IP]


@pytest.fixture(params=[1200, 576])
def mtu(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def far(lab: Lab, mtu: int) -> Host:
    """The host at the end; it says that it takes what its own link carries."""
    lab.router = router = lab.host("router")  # type: ignore[attr-defined]
    far = lab.host("far")
    lab.cable(router, "near", far, "eth0")
    router.ip(f"address add {ROUTER_IP}/24 dev near")
    router.ip(f"link set near mtu {mtu}")
    router.sysctl("net.ipv4.ip_forward", 1)
    far.ip(f"address add {FAR_IP}/24 dev eth0")
    far.ip(f"route add default via {ROUTER_IP} advmss 1460")
    return far


def router_of(far: Host) -> Host:
    router: Host = far.lab.router  # type: ignore[attr-defined]
    return router


def mute(router: Host) -> None:
    """The router says nothing any more: a black hole."""
    router.ip(f"rule add pref 1 iif lo to {OUR_IP} blackhole")


def send(far: Host, folder: Path, *options: str) -> dict[str, int]:
    """Our stack sends; the far kernel's copy must be the same. Our counters."""
    with (folder / "copy").open("wb"):
        pass
    server = far.start("nc.openbsd", "-l", "8888", stdout=folder / "copy")
    far.listening(8888)
    peer = ["--peer", f"{FAR_IP}:8888", "--size", str(SIZE), "--streams", "1"]
    station = router_of(far).station("send", *LINK, *peer, *options)
    assert station.wait(60) == 0
    server.wait(10)
    report = station.json()
    assert report["streams"][0]["error"] is None
    copied = (folder / "copy").read_bytes()
    assert hashlib.sha256(copied).digest() == hashlib.sha256(pattern(SIZE)).digest()
    counters: dict[str, int] = report["counters"]
    return counters


def test_the_router_says_it(far: Host, mtu: int, tmp_path: Path) -> None:
    capture = router_of(far).capture("near")
    counters = send(far, tmp_path)
    assert counters["tcp.pmtu_router"] == 1
    sizes = {int(size) for (size,) in capture.frames(f"ip.src == {OUR_IP}", "ip.len")}
    # the capture sees super-segments before they are cut
    assert sizes
    assert not capture.frames(f"ip.src == {OUR_IP} && ip.flags.df == 0", "ip.len")


def test_the_router_says_nothing(far: Host, tmp_path: Path) -> None:
    mute(router_of(far))
    counters = send(far, tmp_path, "--tcp", "plpmtud=blackhole")
    assert "tcp.pmtu_router" not in counters
    assert counters["tcp.pmtu_black_hole"] >= 1


def test_probing_from_the_start(far: Host, mtu: int, tmp_path: Path) -> None:
    mute(router_of(far))
    options = "plpmtud=on" if mtu > 1064 else "plpmtud=on,plpmtud_base=500"
    counters = send(far, tmp_path, "--tcp", options)
    # a fast transfer is over before the search is; it was never in the way
    assert counters["tcp.mtu_probes"] >= 1
    assert "tcp.pmtu_router" not in counters
    assert "tcp.pmtu_black_hole" not in counters


def test_without_df_the_router_cuts(far: Host, tmp_path: Path) -> None:
    capture = router_of(far).capture("near")
    counters = send(far, tmp_path, "--tcp", "pmtud=off")
    assert "tcp.pmtu_router" not in counters
    assert capture.frames(f"ip.src == {OUR_IP} && ip.flags.mf == 1", "ip.len")


def test_ss_says_what_was_found(far: Host, mtu: int, tmp_path: Path) -> None:
    """And as the kernel's `ss` says the same of the other end, in the same order."""
    path = str(tmp_path / "up.sock")
    router = router_of(far)
    router.up(*LINK, "--chargen", "19", "--control", path)
    client = far.start("nc.openbsd", OUR_IP, "19", stdout=Path("/dev/null"))

    def found() -> bool:
        said = router.run(
            "python3", "-m", "sansio_net", "ss", "--json", "--control", path
        )
        return any(row["info"]["pmtu"] == mtu for row in json.loads(said))

    wait_for(found, f"a path MTU of {mtu}")
    ours = router.run(
        "python3", "-m", "sansio_net", "ss", "-tin", "--control", path
    ).splitlines()[2]
    theirs = far.run("ss", "-Htin", "dst", OUR_IP).splitlines()[1]
    client.stop()
    assert f" pmtu:{mtu} " in ours
    assert f" mss:{mtu - 52} " in ours
    names = [word.partition(":")[0] for word in ours.split() if ":" in word]
    known = [word.partition(":")[0] for word in theirs.split() if ":" in word]
    common = [name for name in known if name in names]
    assert len(common) > 10
    assert [name for name in names if name in common] == common


def test_packet_too_big_of_icmpv6(lab: Lab, tmp_path: Path) -> None:
    """RFC 8201: the same where the family is IPv6."""
    path = str(tmp_path / "up.sock")
    router, far = lab.host("router"), lab.host("far")
    lab.cable(router, "near", far, "eth0")
    router.sysctl("net.ipv6.conf.all.forwarding", 1)
    router.ip("address add fd09::1/64 dev near nodad")
    router.ip("link set near mtu 1400")
    far.ip("address add fd09::2/64 dev eth0 nodad")
    far.ip("route add default via fd09::1 advmss 1440")
    link = ["--link", "tap:tap0", "-a", "fd01::2/64", "--mac", OUR_MAC]
    link += ["--host-address", "fd01::1/64", "-g", "fd01::1"]
    router.up(*link, "--chargen", "19", "--control", path)
    client = far.start("nc.openbsd", "fd01::2", "19", stdout=Path("/dev/null"))

    def found() -> bool:
        ask = ("python3", "-m", "sansio_net", "ss", "--json", "--control", path)
        return any(row["info"]["pmtu"] == 1400 for row in json.loads(router.run(*ask)))

    wait_for(found, "a path MTU of 1400")
    client.stop()
