"""A real browser, headless, against a server on the NIC."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from .lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "chromium")]

MEGABYTES = int(os.environ.get("SANSIO_NET_BROWSER_MEGABYTES", "8"))
"""By hand: 100, and the test prints how long they took."""

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-dev-shm-usage", "--no-proxy-server"),
)


def test_a_page_a_websocket_and_both_directions(lab: Lab, tmp_path: Path) -> None:
    host = lab.host("host")
    module = "tests.interop.browser_server"
    server = host.start(sys.executable, "-m", module, str(MEGABYTES))
    server.expect(b"ready\n")
    # with a port for debugging it stays, also once the page is loaded
    profile = (f"--user-data-dir={tmp_path}/profile", "--remote-debugging-port=0")
    browser = host.start("chromium", *OPTIONS, *profile, "http://10.0.0.2/")
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
