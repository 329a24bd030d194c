from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from sansio_net.wire.pcapng import PcapngReader
from sansio_net.wire.records import PacketRecord

from .conftest import B, Command, Wire, run


def test_says_what_it_offers_and_when_it_is_ready(wire: Wire) -> None:
    up = wire.b("up", "--echo", "7", "--echo", "8888", "--chargen", "19")
    lines = up.expect("ready")
    assert lines[0].startswith(f"{B}/24 on fd:")
    assert ", MAC " in lines[0]
    assert lines[1:] == [
        "echo on port 7, TCP and UDP",
        "echo on port 8888, TCP and UDP",
        "chargen on port 19, TCP and UDP",
        "ready",
    ]


def test_a_given_mac_and_several_addresses(wire: Wire) -> None:
    up = wire.b("up", "-a", "10.0.1.2/24", "--mac", "02:00:00:00:00:07")
    lines = up.expect("ready")
    assert [line.partition(" on ")[0] for line in lines[:2]] == [
        f"{B}/24",
        "10.0.1.2/24",
    ]
    assert lines[0].endswith(", MAC 02:00:00:00:00:07")
    status, out, _ = wire.a("ping", "-c", "1", B).finish()
    assert status == 0, out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_told_to_stop_ends_with_0(wire: Wire, number: int) -> None:
    up = wire.up("--echo", "7")
    client = wire.a("nc", B, "7")
    client.type(b"hello\n")
    assert client.read(6) == b"hello\n"
    up.interrupt(number)
    # the connection is closed, not torn down: the client sees its end
    assert client.finish(b"")[0] == 0
    assert up.finish() == (0, "", "")


def test_a_second_signal_ends_at_once(wire: Wire) -> None:
    up = wire.up("--discard", "9")
    client = wire.a("nc", B, "9")
    client.type(b"x")
    # the client keeps its side open
    up.interrupt()
    up.interrupt()
    assert up.finish()[0] == 0


def test_ports_in_use_are_one_line(wire: Wire) -> None:
    status, out, err = wire.b("up", "--echo", "7", "--discard", "7").finish()
    assert (status, out) == (1, "")
    assert err == "sansio-net: Address already in use\n"


def test_the_other_side_goes_away(wire: Wire) -> None:
    up = wire.up()
    wire.ends[0].close()
    status, _, err = up.finish()
    assert status == 1
    assert "link down" in err
    assert " is gone" in err.splitlines()[-1]


def test_tun_by_descriptor(wire: Wire) -> None:
    up = wire.b("up", words=",tun")
    assert ", MAC " not in up.expect("ready")[0]
    status, out, _ = wire.a("ping", "-c", "2", "-i", "0.01", B, words=",tun").finish()
    assert status == 0
    assert "2 received" in out


def test_the_seed_warns_and_decides(wire: Wire) -> None:
    up = wire.b("up", "--seed", "7")
    up.expect("ready")
    up.interrupt()
    status, _, err = up.finish()
    assert status == 0
    assert err == "sansio-net: --seed makes keys and sequence numbers predictable\n"


def test_chargen_and_udp(wire: Wire) -> None:
    wire.up("--chargen", "19", "--echo", "7", "--discard", "9")
    client = wire.a("nc", "-u", "-w", "0.3", B, "7")
    client.type(b"datagram\n")
    status, out, _ = client.finish(b"")
    assert (status, out) == (0, "datagram\n")
    client = wire.a("nc", "-u", "-w", "0.3", B, "9")
    status, out, _ = client.finish(b"lost\n")
    assert (status, out) == (0, "")
    client = wire.a("nc", B, "19")
    assert client.read(148).decode().splitlines() == [
        "".join(map(chr, range(0x20, 0x20 + 72))),
        "".join(map(chr, range(0x21, 0x21 + 72))),
    ]
    client.interrupt()
    assert client.finish()[0] == 130


def test_one_of_several_links_goes_away(wire: Wire, other_wire: Wire) -> None:
    fds = [one.ends[1].fileno() for one in (wire, other_wire)]
    words = ["--echo", "7", "--link", f"fd:{fds[0]}", "-a", f"{B}/24"]
    words += ["--link", f"fd:{fds[1]},tun", "-a", "10.1.0.2/24"]
    up = Command(["up", *words], tuple(fds), subprocess.DEVNULL)
    wire.commands.append(up)
    up.expect("ready")
    other_wire.ends[0].close()
    assert up.popen.stderr is not None
    assert up.popen.stderr.readline() == b"sansio-net: eth1: link down\n"
    client = wire.a("nc", B, "7")
    client.type(b"hello\n")
    assert client.read(6) == b"hello\n"
    assert client.finish(b"")[0] == 0
    up.interrupt()
    assert up.finish()[0] == 0


def test_several_links_of_one_host(
    wire: Wire, other_wire: Wire, tmp_path: Path
) -> None:
    """Each with its own addresses, both in `ss` and in the capture."""
    control, capture = tmp_path / "up.sock", tmp_path / "up.pcapng"
    fds = [one.ends[1].fileno() for one in (wire, other_wire)]
    words = ["--echo", "7", "--control", str(control), "--pcap", str(capture)]
    words += ["--link", f"fd:{fds[0]}", "-a", f"{B}/24", "-a", "fd00::2/64"]
    words += ["--link", f"fd:{fds[1]},tun", "-a", "10.1.0.2/24"]
    up = Command(["up", *words], tuple(fds), subprocess.DEVNULL)
    wire.commands.append(up)
    lines = up.expect("ready")
    assert [line.partition(",")[0] for line in lines[:3]] == [
        f"{B}/24 on fd:{fds[0]}",
        f"fd00::2/64 on fd:{fds[0]}",
        f"10.1.0.2/24 on fd:{fds[1]}",
    ]
    one = wire.a("nc", B, "7")
    fd = other_wire.ends[0].fileno()
    link = ["--link", f"fd:{fd},tun", "-a", "10.1.0.1/24"]
    two = Command(["nc", *link, "10.1.0.2", "7"], (fd,), subprocess.PIPE)
    wire.commands.append(two)
    for client, words_ in ((one, b"hello\n"), (two, b"again\n")):
        client.type(words_)
        assert client.read(6) == words_
    status, out, err = run("ss", "-tn", "--control", str(control))
    assert (status, err) == (0, "")
    rows = sorted(row.split()[-2] for row in out.splitlines()[1:])
    assert rows == [f"{B}:7", "10.1.0.2:7"]
    for client in (one, two):
        assert client.finish(b"")[0] == 0
    up.interrupt()
    assert up.finish()[0] == 0
    reader = PcapngReader()
    records = reader.feed(capture.read_bytes())
    recorded = {one.interface.name for one in records if isinstance(one, PacketRecord)}
    assert recorded == {"eth0", "eth1"}
