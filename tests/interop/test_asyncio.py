"""asyncio programs on the NIC against curl and against asyncio on the kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.adapters.asyncio.nics import certificate

from .lab import ROOT, Host, Lab, pattern

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "curl", "openssl")]


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("host")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_curl_against_the_example(host: Host, scheme: str, tmp_path: Path) -> None:
    cert, key = map(str, certificate())
    example = str(ROOT / "examples" / "asyncio_http.py")
    server = host.start(sys.executable, example, cert, key)
    server.expect(b"serving on")
    url = f"{scheme}://10.0.0.2"
    curl = ("curl", "-fsS", "-m", "20", "--cacert", cert)
    assert host.run(*curl, f"{url}/").startswith("hello 10.0.0.1 port ")
    assert host.output(*curl, f"{url}/bytes/5000000") == bytes(5_000_000)
    (tmp_path / "file").write_bytes(data := pattern(3_000_000))
    sent = ("--data-binary", f"@{tmp_path}/file", "-H", "Expect:")
    assert host.output(*curl, *sent, f"{url}/") == data
    if scheme == "https":
        said = host.run("curl", "-sS", "-m", "20", f"{url}/", check=False)
        assert said == ""  # a certificate that nobody vouches for
    # who goes away in the middle
    host.output("curl", "-s", "-m", "0.1", f"{url}/bytes/1000000000", check=False)
    assert host.run(*curl, f"{url}/").startswith("hello")
    assert server.stop() == 0
    assert bytes(server.errors) == b""


def test_both_networks_in_one_program(host: Host) -> None:
    cert, key = map(str, certificate())
    program = (sys.executable, "-m", "tests.interop.asyncio_both", cert, key)
    assert host.run(*program, timeout=50) == "all well\n"


def test_a_slow_reader_holds_memory_flat(host: Host) -> None:
    """Of both roles; more and slower by hand: see slow_reader.py."""
    program = (sys.executable, "-m", "tests.interop.slow_reader", "6", "4")
    lines = host.run(*program, timeout=50).splitlines()
    assert len(lines) == 2
    for line in lines:
        resident = [int(word) for word in line.partition("KiB: ")[2].split(", ")]
        assert max(resident) - resident[0] < 2_000, line
