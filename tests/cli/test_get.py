from __future__ import annotations

import subprocess
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from sansio_net.adapters.asyncio import Nic
from sansio_net.cli.fetch import Failure, fetch, parse_url
from sansio_net.cli.get import parse_host

from .conftest import ROOT, Wire
from .conftest import run as run_command
from .http_kit import DATA, B, fetched, make_site, parse, run


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path)


def test_on_a_link_of_its_own(wire: Wire, site: Path, tmp_path: Path) -> None:
    """To a pipe; recorded; a reader that goes away."""
    wire.up("--http", f"80:{site}", "--echo", "7")
    record = tmp_path / "get.pcapng"
    command = wire.a("get", "--pcap", str(record), "--host", f"b.test={B}", "b.test/in")
    assert command.finish() == (0, "some words\n", "")
    assert b"GET /in HTTP/1.1\r\nHost: b.test" in record.read_bytes()

    command = wire.a("get", f"http://{B}/data")
    assert command.read(1000) == DATA[:1000]
    command.popen.stdout, pipe = None, command.popen.stdout
    assert pipe is not None
    pipe.close()
    status, _, err = command.finish_bytes()
    assert status == 23
    assert err == "get: (23) Failure writing output to destination: Broken pipe\n"

    assert wire.a("nc", B, "7").finish(b"and the rest of up\n")[:2] == (
        *(0, "and the rest of up\n"),
    )


def test_signals(wire: Wire, site: Path) -> None:
    up = wire.up("--http", f"80:{site}")
    for number, status in ((SIGINT, 130), (SIGTERM, 143)):
        command = wire.a("get", f"http://{B}/data")
        assert command.read(1)
        command.interrupt(number)
        code, _, err = command.finish_bytes()
        assert (code, err) == (status, "")

    # told to stop within an answer: the second signal does not wait for the reader
    command = wire.a("get", f"http://{B}/data")
    assert command.read(1) == DATA[:1]
    up.interrupt()
    up.interrupt(SIGTERM)
    assert up.finish() == (0, "", "")


def test_to_a_file(site: Path, tmp_path: Path) -> None:
    path = tmp_path / "out"

    async def client(nic: Nic) -> None:
        await fetched("-o", str(path), "http://B.test/data")

    run([(80, site)], client)
    assert path.read_bytes() == DATA


def test_what_it_prints(site: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    def printed() -> bytes:
        return capfdbinary.readouterr().out

    async def client(nic: Nic) -> None:
        await fetched(f"{B}/a.txt")
        assert printed() == b"some words\n"
        await fetched("-I", f"http://{B}/a.txt")
        head = printed().split(b"\r\n")
        assert head[0] == b"HTTP/1.1 200 OK"
        assert b"Content-Type: text/plain" in head
        assert b"Content-Length: 11" in head
        assert head[-2:] == [b"", b""]
        await fetched(f"{B}/sub")
        assert printed() == b"301: Moved Permanently"
        await fetched("-L", f"{B}/sub")
        assert printed() == b"<h1>sub</h1>"
        await fetched("-LI", f"{B}/sub")
        assert printed().count(b"HTTP/1.1 ") == 2
        await fetched(f"{B}/nope")
        assert printed() == b"404: Not Found"

    run([(80, site)], client)


FAILURES = [
    (["-f", f"{B}/nope"], 22, "The requested URL returned error: 404"),
    (["http://nope.test/"], 6, "Could not resolve host: nope.test"),
    ([f"http://{B}:81/"], 7, f"Failed to connect to {B} port 81: Connection refused"),
    (["http://192.0.2.1/"], 7, "Failed to connect to 192.0.2.1 port 80: Network is"),
    (["--connect-timeout", "0.2", "http://10.0.0.9"], 28, "Connection to 10.0.0.9"),
    (["-m", "0.2", "http://10.0.0.9/"], 28, "Operation timed out"),
    ([f"http://{B}:7/"], 8, "Weird server reply"),
    ([f"http://{B}:8/"], 52, "Empty reply from server"),
    ([f"http://{B}:9/"], 18, "transfer closed with outstanding data remaining"),
    ([f"http://{B}:10/"], 56, "Recv failure: Connection reset by peer"),
    (["-L", f"http://{B}:11/"], 47, "Maximum (50) redirects followed"),
    ([f"https://{B}:80/"], 35, "TLS connect error"),
    (["--cacert", "/dev/null", f"https://{B}/"], 77, "error setting certificate file"),
    (["-o", "/nowhere/x", f"{B}/a.txt"], 23, "/nowhere/x: No such file"),
    (["-o", "/dev/full", f"{B}/a.txt"], 23, "Failure writing output to destination"),
    (["ftp://10.0.0.2/"], 1, 'Protocol "ftp" not supported'),
    (["http://:80/"], 3, "URL rejected: http://:80/"),
]

ODD_ANSWERS = {
    7: b"GET / HTTP/1.1\r\n\r\n",
    8: b"",
    9: b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    10: b"HTTP/1.1 200",
    11: b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
}


def test_curl_s_exit_codes(site: Path) -> None:
    async def client(nic: Nic) -> None:
        for argv, status, message in FAILURES:
            with pytest.raises(Failure) as caught:
                await fetched(*argv)
            assert caught.value.status == status, argv
            assert str(caught.value).startswith(message)
            assert "\n" not in str(caught.value)

    run([(80, site)], client, ODD_ANSWERS)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("a.test", "a.test", None),
        ("http://[fd00::1]:8080/x?y=z", "fd00::1", 8080),
        ("HTTPS://A.test/", "a.test", None),
        ("http://[fe80::1%25tap0]/", "fe80::1%tap0", None),
        ("http://[fe80::1%tap0]:80/%25", "fe80::1%tap0", 80),
    ],
)
def test_urls(text: str, host: str, port: int | None) -> None:
    url = parse_url(text)
    assert (url.hostname, url.port) == (host, port)


@pytest.mark.parametrize("text", ["", "http://", "http://a:99999/", "http://[::1/"])
def test_urls_that_are_none(text: str) -> None:
    with pytest.raises(Failure) as caught:
        parse_url(text)
    assert caught.value.status == 3


def test_errors_are_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = 'get: (1) Protocol "gopher" not supported\n'
    for options, said in ((), line), (("-s",), ""), (("-sS",), line):
        assert fetch(parse(*options, "gopher://x/")) == 1
        assert capsys.readouterr() == ("", said)


def test_without_the_extra() -> None:
    program = (
        "import sys; sys.modules['aiohttp'] = None\n"
        "from sansio_net.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    link = ("--link", "fd:9", "-a", "10.0.0.1/24")
    for what, *argv in (
        ("get", "get", *link, B),
        ("--http", "up", *link, "--http", "80:/"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *argv],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
        )
        line = f'sansio-net: {what} needs aiohttp: pip install "sansio_net[http]"\n'
        assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_what_makes_no_sense() -> None:
    link = ("--link", "pcap:x", "-a", "10.0.0.1/24")
    status, _, err = run_command("get", *link, "http://a.test/")
    assert status == 2
    assert err == "sansio-net: get needs a link that is alive, and a capture is not\n"
    with pytest.raises(ArgumentTypeError, match=r"not NAME=ADDRESS: 'a.test'"):
        parse_host("a.test")
    assert parse_host("A.Test.=fe80::1%eth0") == ("a.test", "fe80::1%eth0")
