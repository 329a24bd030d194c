from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sansio_net import __version__
from sansio_net.cli.main import describe, main
from sansio_net.wire.pcap import build_file_header

from .conftest import ROOT, Wire, run


def test_the_version_and_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--version"])
    assert raised.value.code == 0
    assert capsys.readouterr().out == f"sansio-net {__version__}\n"
    for argv in (
        ["--help"],
        ["up", "-h"],
        ["ping", "-h"],
        ["nc", "-h"],
        ["demo", "-h"],
    ):
        with pytest.raises(SystemExit) as raised:
            main(argv)
        assert raised.value.code == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["up", "--link", "nonsense"], "not a link: 'nonsense'"),
        (["up", "--link", "tap:t", "-a", "10.0.0.2"], "has no prefix length"),
        (["up", "--link", "tap:t", "-a", "10.0.0.256/24"], "10.0.0.256/24"),
        (["up", "--link", "tap:t", "-g", "gate"], "not an IP address: 'gate'"),
        (["up", "--link", "tap:t", "--mac", "02:00"], "not a MAC address"),
        (["up", "--link", "tap:t", "--mtu", "20"], "an MTU is 68 to 65535"),
        (["up", "--link", "tap:t", "--seed", "-1"], "not a seed"),
        (["up", "--link", "tap:t", "--echo", "http"], "not a port: 'http'"),
        (["ping", "-c", "0", "10.0.0.1"], "not a count"),
        (["ping", "-i", "0", "10.0.0.1"], "an interval is at least"),
        (["ping", "-s", "65508", "10.0.0.1"], "a size is 0 to 65507"),
        (["ping", "-W", "soon", "10.0.0.1"], "not a duration"),
        (["demo", "--loss", "much"], "not a fraction"),
        (["demo", "--size", "1G"], "a size is 1 to 64M"),
        (["demo", "--size", "0"], "a size is 1 to 64M"),
    ],
)
def test_usage_is_status_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(argv)
    assert raised.value.code == 2
    assert message in capsys.readouterr().err


def test_usage_that_argparse_cannot_see(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SANSIO_NET_LINK", raising=False)
    assert main(["up", "-a", "10.0.0.2/24"]) == 2
    assert capsys.readouterr().err.startswith("sansio-net: no link: give --link")


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("fd:987654", "sansio-net: fd:987654: Bad file descriptor\n"),
        ("tap:a/b", "sansio-net: not an interface name: 'a/b'\n"),
        ("pcap:/nowhere/at.all", "sansio-net: /nowhere/at.all: No such file or dire"),
    ],
)
def test_errors_are_one_clear_line_and_status_1(
    link: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", "--link", link, "-a", "10.0.0.2/24"]) == 1
    out, err = capsys.readouterr()
    assert err.startswith(message)
    assert (out, err.count("\n")) == ("", 1)


def test_an_extra_that_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pytun", None)
    assert main(["up", "--link", "tap:t", "-a", "10.0.0.2/24"]) == 1
    assert capsys.readouterr().err == (
        'sansio-net: TAP and TUN need python-pytun: pip install "sansio_net[tap]"\n'
    )


def test_a_bad_address_or_gateway_after_the_link_is_open(wire: Wire) -> None:
    for argv, message in (
        (["-a", "224.0.0.1/24"], "224.0.0.1 is not an address of one host"),
        (["-g", "192.0.2.1"], "eth0 does not reach 192.0.2.1"),
    ):
        status, out, err = wire.a("up", *argv).finish()
        assert (status, out, err) == (1, "", f"sansio-net: {message}\n")


def test_a_capture_as_a_link(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.write_bytes(build_file_header())
    status, out, err = run("up", "--link", f"pcap:{path}", "-a", "10.0.0.2/24")
    assert status == 0
    assert out.splitlines()[-1] == "ready"
    assert err in ("", "sansio-net: eth0: link down\n")


def test_a_recording_replays(wire: Wire, tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    up = wire.up("--echo", "7", "--pcap", str(path))
    assert wire.a("nc", "10.0.0.2", "7").finish(b"recorded\n")[:2] == (0, "recorded\n")
    up.interrupt()
    assert up.finish()[0] == 0
    # an ordinary capture for everyone else
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sansio_net", "up"),
            *("--link", f"pcap:{path}", "-a", "10.0.0.2/24"),
            *("--pcap", str(tmp_path / "again.pcapng")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.pcapng").stat().st_size > 500


def test_a_recording_that_cannot_be_written(wire: Wire) -> None:
    status, _, err = wire.a("up", "--pcap", "/nowhere/run.pcapng").finish()
    assert (status, err) == (
        1,
        "sansio-net: /nowhere/run.pcapng: No such file or directory\n",
    )


def test_nobody_reads_the_output() -> None:
    command = f"{sys.executable} -m sansio_net demo -w /dev/null --size 64k | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.startswith("Two stacks")
    assert done.stderr == ""


def test_errors_without_pythons_dressing() -> None:
    assert describe(OSError(98, "Address already in use")) == "Address already in use"
    assert describe(FileNotFoundError(2, "No such file", "x")) == "x: No such file"
    assert describe(ValueError("two\nlines")) == "two lines"
