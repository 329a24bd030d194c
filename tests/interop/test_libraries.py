"""Servers and clients of other people on the NIC, against programs on the kernel."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.adapters.asyncio.nics import certificate

from .lab import Host, Lab, pattern

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "curl", "openssl", "ss", "wrk"),
]

PROGRAM = (sys.executable, "-m", "tests.interop.asyncio_libraries")


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("host")


@pytest.mark.parametrize("library", ["uvicorn", "aiohttp"])
def test_curl_against_a_server_on_the_nic(
    host: Host, library: str, tmp_path: Path
) -> None:
    for path in certificate():
        shutil.copy(path, tmp_path)
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    (tmp_path / "file").write_bytes(data := pattern(3_000_000))
    server = host.start(*PROGRAM, library, cert, key)
    server.expect(b"ready\n")
    for scheme in ("http", "https"):
        curl = ("curl", "-fsS", "-m", "20", "--cacert", cert)
        url = f"{scheme}://10.0.0.2"
        assert host.run(*curl, f"{url}/").startswith("hello ")
        # two requests on one connection
        said = host.run(*curl, "-w", "%{num_connects}", f"{url}/", f"{url}/")
        assert said.count("hello") == 2
        assert said.endswith("0")
        sent = ("--data-binary", f"@{tmp_path}/file")
        assert host.output(*curl, *sent, f"{url}/") == data
        if library == "aiohttp":
            assert host.output(*curl, f"{url}/file") == data
    server.stop()
    assert bytes(server.errors) == b""


def test_a_hundred_connections_at_once(host: Host) -> None:
    """wrk says nothing of errors where there were none."""
    cert, key = map(str, certificate())
    server = host.start(*PROGRAM, "uvicorn", cert, key)
    server.expect(b"ready\n")
    for url in ("http://10.0.0.2/", "https://10.0.0.2/"):
        said = host.run("wrk", "-t", "2", "-c", "100", "-d", "2s", url)
        assert "Socket errors" not in said, said
        assert "Non-2xx" not in said, said
        served = re.search(r"(\d+) requests in", said)
        assert served is not None
        assert int(served[1]) >= 100, said
    server.stop()
    assert bytes(server.errors) == b""


def test_clients_on_the_nic_against_a_server_on_the_kernel(
    host: Host, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(data := pattern(3_000_000))
    host.start(
        *(sys.executable, "-m", "http.server", "8000", "-d", str(tmp_path)),
    )
    host.listening(8000)
    said = host.run(*PROGRAM, "clients", "http://host.test:8000/file")
    digest = hashlib.sha256(data).hexdigest()
    assert said == f"httpx {digest}\naiohttp {digest}\n"
