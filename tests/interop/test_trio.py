"""trio programs on the NIC against curl, a web server and trio on the kernel."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from .lab import ROOT, Host, Lab, pattern

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "curl", "ss")]


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("host")


def test_curl_against_the_example(host: Host, tmp_path: Path) -> None:
    server = host.start(sys.executable, str(ROOT / "examples" / "trio_http.py"))
    server.expect(b"serving on")
    url = "http://10.0.0.2"
    curl = ("curl", "-fsS", "-m", "20")
    # two requests on one connection
    said = host.run(*curl, "-w", "%{num_connects}", f"{url}/", f"{url}/")
    assert said.count("hello 10.0.0.1 port ") == 2
    assert said.endswith("0")
    assert host.output(*curl, f"{url}/bytes/5000000") == bytes(5_000_000)
    (tmp_path / "file").write_bytes(data := pattern(3_000_000))
    sent = ("--data-binary", f"@{tmp_path}/file", "-H", "Expect:")
    assert host.output(*curl, *sent, f"{url}/") == data
    # who goes away in the middle
    host.output("curl", "-s", "-m", "0.1", f"{url}/bytes/1000000000", check=False)
    assert host.run(*curl, f"{url}/").startswith("hello")
    assert server.stop() == 0
    assert bytes(server.errors) == b""


def test_clients_and_both_networks_in_one_run(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data := pattern(3_000_000))
    host.start(*(sys.executable, "-m", "http.server", "8000", "-d", str(tmp_path)))
    host.listening(8000)
    program = (sys.executable, "-W", "error", "-m", "tests.interop.trio_clients")
    digest = hashlib.sha256(data).hexdigest()
    url = "http://host.test:8000/file"
    assert host.run(*program, url, digest, timeout=50) == "all well\n"
