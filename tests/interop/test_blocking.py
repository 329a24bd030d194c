"""Blocking sockets on the NIC against curl, and servers of web, mail and files."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from tests.adapters.asyncio.nics import certificate

from .lab import ROOT, Host, Lab, pattern

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "curl", "openssl", "ss")]

PROGRAM = (sys.executable, "-W", "error", "-m", "tests.interop.blocking_programs")

MAIL = """
import asyncio, sys
from aiosmtpd.smtp import SMTP

class Handler:
    async def handle_DATA(self, server, session, envelope):
        print(envelope.mail_from, envelope.rcpt_tos, flush=True)
        print(envelope.content.decode(), flush=True)
        return "250 OK"

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler()), "10.0.0.1", 2525)
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("host")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_curl_against_threads(host: Host, scheme: str, tmp_path: Path) -> None:
    cert, key = map(str, certificate())
    example = str(ROOT / "examples" / "blocking_http.py")
    server = host.start(sys.executable, example, cert, key)
    server.expect(b"serving on")
    url = f"{scheme}://10.0.0.2"
    curl = ("curl", "-fsS", "-m", "20", "--cacert", cert)
    # two requests on one connection
    said = host.run(*curl, "-w", "%{num_connects}", f"{url}/", f"{url}/")
    assert said.count("hello 10.0.0.1 port ") == 2
    assert said.endswith("0")
    (tmp_path / "file").write_bytes(data := pattern(3_000_000))
    sent = ("--data-binary", f"@{tmp_path}/file", "-H", "Expect:")
    assert host.output(*curl, *sent, f"{url}/") == data
    assert server.stop() == 0
    assert bytes(server.errors) == b""


def test_http_client_against_a_web_server(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data := pattern(3_000_000))
    host.start(*(sys.executable, "-m", "http.server", "8000", "-d", str(tmp_path)))
    host.listening(8000)
    digest = hashlib.sha256(data).hexdigest()
    url = "http://host.test:8000/file"
    assert host.run(*PROGRAM, "clients", url, digest, timeout=50) == "all well\n"


def test_smtplib_and_ftplib(host: Host, tmp_path: Path) -> None:
    program = tmp_path / "mail.py"
    program.write_text(MAIL)
    folder = tmp_path / "files"
    folder.mkdir()
    # the address is the NIC's: it stays when the program has gone
    host.run("ip", "tuntap", "add", "lab0", "mode", "tap")
    host.run("ip", "addr", "add", "10.0.0.1/24", "dev", "lab0")
    host.run("ip", "link", "set", "lab0", "up")
    mail = host.start(sys.executable, str(program))
    ftpd = ("-m", "pyftpdlib", "-i", "10.0.0.1", "-p", "2121", "-w", "-d", str(folder))
    host.start(sys.executable, *ftpd, "-u", "user", "-P", "password")
    host.listening(2525)
    host.listening(2121)
    assert host.run(*PROGRAM, "mail", "2525", timeout=50) == "all well\n"
    mail.expect(b"a@x.test ['b@x.test']")
    mail.expect(b"by NIC")
    assert host.run(*PROGRAM, "files", "2121", timeout=50) == "all well\n"
    assert (folder / "file").read_bytes() == pattern(3_000_000)


def test_both_networks_in_one_program(host: Host) -> None:
    assert host.run(*PROGRAM, "both", timeout=50) == "all well\n"
