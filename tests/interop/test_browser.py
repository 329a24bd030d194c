"""A real browser, headless, against a server on the NIC."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.adapters.asyncio.nics import certificate

from .lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "chromium")]

MEGABYTES = int(os.environ.get("SANSIO_NET_BROWSER_MEGABYTES", "8"))
"""By hand: 100, and the test prints how long they took."""

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-dev-shm-usage", "--no-proxy-server"),
    "--ignore-certificate-errors",  # nobody vouches for it
)


@pytest.mark.parametrize(
    ("program", "scheme", "version"),
    [("uvicorn", "http", "http/1.1"), ("hypercorn", "https", "h2")],
)
def test_a_page_a_websocket_and_both_directions(
    lab: Lab, tmp_path: Path, program: str, scheme: str, version: str
) -> None:
    # without IPv6's addresses, which come later: the browser gives up what is under way
    # when the host's addresses change (ERR_NETWORK_CHANGED)
    host = lab.host("host", ipv6=False)
    argv = ("-m", "tests.interop.browser_server", program, str(MEGABYTES))
    server = host.start(sys.executable, *argv, *map(str, certificate()))
    server.expect(b"ready\n")
    # with a port for debugging it stays, also once the page is loaded
    profile = (f"--user-data-dir={tmp_path}/profile", "--remote-debugging-port=0")
    browser = host.start("chromium", *OPTIONS, *profile, f"{scheme}://10.0.0.2/")
    try:
        server.expect(b"result ", timeout=50)
        server.expect(b"}\n")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{browser}") from None
    line = server.output.partition(b"result ")[2].splitlines()[0]
    found = json.loads(line)
    print(found.pop("down_ms"), found.pop("up_ms"))
    moved = {"size": MEGABYTES << 20, "wrong": 0}
    assert found == {
        "version": version,
        "failed": [],
        "images": 60,
        "scripts": 20,
        "styles": 20,
        "socket": True,
        "download": moved,
        "upload": moved,
    }
    browser.popen.terminate()
    browser.wait(check=False)
    assert server.stop() == 0
    assert bytes(server.errors) == b""
