"""Clients of other people on the NIC, against real servers on the kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .lab import Host, Lab, pattern
from .library_clients import SIZE
from .library_servers import (
    make_ca,
    make_ssh_keys,
    postgres,
    start_nginx,
    start_peers,
    start_redis,
    start_sshd,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ss", "openssl", "ssh-keygen", "setpriv"),
    pytest.mark.programs("nginx", "sshd", "redis-server", "pg_ctlcluster"),
]

HOST = "10.0.0.1"


@pytest.fixture
def host(lab: Lab, tmp_path: Path) -> Host:
    """With the device before the NIC comes, so that servers can listen there."""
    host = lab.host("host")
    host.ip("tuntap add lib0 mode tap")
    host.ip(f"address add {HOST}/24 dev lib0")
    host.ip("link set lib0 up")
    make_ca(tmp_path, "peer.test", HOST)
    return host


def run_clients(host: Host, folder: Path, *names: str) -> None:
    module = "tests.interop.library_clients"
    clients = host.start(sys.executable, "-m", module, "nic", HOST, str(folder), *names)
    clients.wait(50)
    said = clients.output.decode()
    assert said.splitlines() == [f"{name} well" for name in names], said
    assert bytes(clients.errors) == b""


def test_web_and_shell(host: Host, tmp_path: Path) -> None:
    make_ssh_keys(tmp_path)
    start_nginx(host, tmp_path, HOST)
    (tmp_path / "site" / "file").write_bytes(pattern(SIZE))
    start_sshd(host, tmp_path, HOST)
    start_peers(host, tmp_path, "kernel")
    for port in (22, 443):
        host.listening(port)
    run_clients(
        *(host, tmp_path, "httpx", "aiohttp", "websockets", "aioquic", "asyncssh")
    )


def test_databases(host: Host, tmp_path: Path) -> None:
    with postgres(host, tmp_path, HOST):
        start_redis(host, tmp_path, HOST)
        for port in (5432, 6379):
            host.listening(port)
        run_clients(host, tmp_path, "redis", "asyncpg")
