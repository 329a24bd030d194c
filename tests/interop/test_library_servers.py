"""Servers of other people on the NIC, against real clients on the kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .lab import Host, Lab, Process, pattern
from .library_clients import SIZE
from .library_servers import make_ca, make_ssh_keys, start_peers

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ss", "openssl", "ssh-keygen", "ssh", "sftp", "scp"),
    pytest.mark.programs("curl", "h2load"),
]

OURS, HOST = "10.0.0.2", "10.0.0.1"


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("host")


@pytest.fixture
def peers(host: Host, tmp_path: Path) -> Process:
    make_ca(tmp_path, "peer.test", OURS)
    make_ssh_keys(tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "file").write_bytes(pattern(SIZE))
    return start_peers(host, tmp_path, "nic")


def test_http2_by_hypercorn(host: Host, peers: Process, tmp_path: Path) -> None:
    url = f"https://{OURS}:8443"
    curl = ("curl", "-fsS", "-m", "20", "--cacert", f"{tmp_path}/ca.pem", "--http2")
    assert host.run(*curl, "-w", "%{http_version}", f"{url}/") == "2\n2"
    assert host.output(*curl, f"{url}/3000000") == bytes(3_000_000)
    (tmp_path / "data").write_bytes(data := pattern(3_000_000))
    sent = ("--data-binary", f"@{tmp_path}/data")
    assert host.output(*curl, *sent, f"{url}/") == data
    # 100 streams at once on each of 4 connections
    load = ("-n", "2000", "-c", "4", "-m", "100", "--connect-to", f"{OURS}:8443")
    said = host.run("h2load", *load, f"{url}/100", timeout=50)
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
    assert "status codes: 2000 2xx, 0 3xx, 0 4xx, 0 5xx" in said, said
    peers.stop()
    assert bytes(peers.errors) == b""


def test_ssh_by_asyncssh(host: Host, peers: Process, tmp_path: Path) -> None:
    options = ("-F", "none", "-i", f"{tmp_path}/user_key", "-o", "BatchMode=yes")
    options += ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    data = pattern(3_000_000)
    ssh = host.start("ssh", *options, f"root@{OURS}", "cat")
    (tmp_path / "file").write_bytes(data)
    got = host.start("ssh", *options, f"root@{OURS}", "cat", stdin=tmp_path / "file")
    assert got.wait(20, check=False) == 3
    assert bytes(got.output) == data
    # the other session was open all the while
    ssh.write(b"words\n")
    ssh.expect(b"words\n")
    ssh.end_input()
    assert ssh.wait(check=False) == 3
    there, back = f"{tmp_path}/there", tmp_path / "back"
    # asyncssh's SFTP server ends without a status, which OpenSSH takes for a failure
    there_is = (f"{tmp_path}/file", f"root@{OURS}:{there}")
    host.run("scp", "-q", *options, *there_is, check=False)
    commands = f"get {there} {back}\nquit\n".encode()
    host.run("sftp", "-q", *options, f"root@{OURS}", stdin=commands, check=False)
    assert back.read_bytes() == data
    peers.stop()
    assert bytes(peers.errors) == b""


def test_websockets_and_quic(host: Host, peers: Process, tmp_path: Path) -> None:
    module = "tests.interop.library_clients"
    names = ("websockets", "aioquic")
    argv = (sys.executable, "-m", module, "kernel", OURS, str(tmp_path), *names)
    assert host.run(*argv, timeout=50) == "websockets well\naioquic well\n"
    peers.stop()
    assert bytes(peers.errors) == b""
