"""Names over the NIC: dnspython's resolver against dnsmasq, over a TAP."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from .lab import Host, Lab, Process

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "dnsmasq", "ss")]

MANY = [f"10.9.0.{n}" for n in range(1, 121)]
"""Too many for a datagram."""

EXPECTED = {
    "both.test": ["both.test", "10.0.0.1", "fd00::1"],
    "four.test.": ["four.test", "10.0.0.1"],
    "alias.test": ["both.test", "10.0.0.1", "fd00::1"],
    "further.test": ["both.test", "10.0.0.1", "fd00::1"],
    "many.test": ["many.test", *sorted(MANY)],
    "www": ["www.lab.test", "10.0.0.7"],  # by search
    "text.test": socket.EAI_NODATA,
    "nobody.test": socket.EAI_NONAME,
    "elsewhere.example": socket.EAI_AGAIN,  # refused: nobody to forward it to
    "-" * 64 + ".test": socket.EAI_NONAME,
    "10.0.0.9": ["10.0.0.9", "10.0.0.9"],
    "of IPv4": ["both.test", "10.0.0.1"],
    "of IPv6": ["both.test", "fd00::1"],
}


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("host")


def dnsmasq(host: Host, folder: Path) -> Process:
    lines = [f"{address} many.test" for address in MANY]
    (folder / "hosts").write_text("\n".join(lines) + "\n")
    process = host.start(
        *("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv"),
        *(
            "--no-hosts",
            "--user=root",
            "--pid-file=",
            "--local=/test/",
            "--log-queries",
        ),
        f"--addn-hosts={folder}/hosts",
        "--host-record=both.test,10.0.0.1,fd00::1",
        "--host-record=four.test,10.0.0.1",
        "--host-record=www.lab.test,10.0.0.7",
        *("--cname=alias.test,both.test", "--cname=further.test,alias.test"),
        "--txt-record=text.test,hello",
    )
    host.listening(53, "-lu")
    return process


def looked_up(host: Host, *servers: str) -> dict[str, object]:
    names = [name for name in EXPECTED if not name.startswith("of ")]
    program = (sys.executable, "-m", "tests.interop.asyncio_names")
    said = host.run(*program, json.dumps(servers), *names, timeout=50)
    result: dict[str, object] = json.loads(said)
    return result


def test_dnsmasq_is_asked(host: Host, tmp_path: Path) -> None:
    server = dnsmasq(host, tmp_path)
    # the first one is not there: the other answers for it
    assert looked_up(host, "10.0.0.99", "10.0.0.1") == EXPECTED
    server.stop()
    log = server.errors.decode()
    for kind in ("A", "AAAA"):
        assert f"query[{kind}] www.nowhere.test from 10.0.0.2" in log
        assert f"query[{kind}] many.test from 10.0.0.2" in log
    assert "localhost" not in log
