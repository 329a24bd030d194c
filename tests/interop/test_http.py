"""`sansio-net get` against nginx, curl against `sansio-net up --http`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import Host, Lab, pattern
from .library_servers import make_ca, start_nginx

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "curl", "nginx", "openssl")]

OURS, HOST = "10.0.0.2", "10.0.0.1"
LINK = ("--link", "tap:http0", "-a", f"{OURS}/24", "--host-address", f"{HOST}/24")
SIZE = 5_000_000


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("host")


@pytest.fixture
def tap(host: Host) -> Callable[[], None]:
    """Makes the device before the NIC does, so that the kernel's side can listen."""

    def make() -> None:
        host.ip("tuntap add http0 mode tap")
        host.ip(f"address add {HOST}/24 dev http0")
        host.ip("link set http0 up")

    return make


def test_get_against_nginx(host: Host, tap: Callable[[], None], tmp_path: Path) -> None:
    tap()
    ca = make_ca(tmp_path, "nginx.test", HOST)
    start_nginx(host, tmp_path, HOST)
    (tmp_path / "site" / "file").write_bytes(data := pattern(SIZE))
    host.listening(443)
    link = (*LINK[:4], "--host", f"nginx.test={HOST}")

    def get(*argv: str) -> tuple[int, bytes, bytes]:
        process = host.sansio("get", *link, *argv)
        status = process.wait(30, check=False)
        return status, bytes(process.output), bytes(process.errors)

    assert get("http://nginx.test/file") == (0, data, b"")
    # over TLS, to a file, by a redirect
    path = tmp_path / "out"
    trusted = ("--cacert", str(ca))
    argv = (*trusted, "-L", "-o", str(path), "https://nginx.test/moved")
    assert get(*argv) == (0, b"", b"")
    assert path.read_bytes() == data
    status, said, _ = get(*trusted, "-I", f"https://{HOST}/file")
    assert (status, said[:15]) == (0, b"HTTP/1.1 200 OK")
    assert f"Content-Length: {SIZE}".encode() in said
    # a CA that nobody knows, a name that is another's, and not caring
    other = ("--host", f"other.test={HOST}", *trusted, "https://other.test/file")
    for argv in (("https://nginx.test/file",), other):
        status, said, error = get(*argv)
        assert (status, said) == (60, b"")
        assert error.startswith(b"get: (60) SSL certificate problem: "), error
    assert get("-k", "-f", "https://nginx.test/gone")[0] == 22
    # the limits of time
    status, said, _ = get("-m", "0.5", "http://nginx.test/slow")
    assert status == 28
    assert 0 < len(said) < SIZE


def test_curl_against_up(host: Host, tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "sub").mkdir(parents=True)
    (site / "file").write_bytes(data := pattern(SIZE))
    (site / "sub" / "page.html").write_text("<p>words")
    up = host.up(*LINK, "--http", f"80:{site}", "--echo", "7")
    curl = ("curl", "-fsS", "-m", "20")
    assert host.output(*curl, f"http://{OURS}/file") == data
    assert host.run(*curl, f"http://{OURS}/sub/page.html") == "<p>words"
    said = host.run(*curl, "-L", f"http://{OURS}/sub")
    assert '<a href="./page.html">' in said
    # a download that is continued
    path = tmp_path / "part"
    path.write_bytes(data[:2_000_000])
    host.run(*curl, "-C", "-", "-o", str(path), f"http://{OURS}/file")
    assert path.read_bytes() == data
    parallel = [
        word
        for n in range(8)
        for word in ("-o", f"{tmp_path}/{n}", f"http://{OURS}/file")
    ]
    host.run(*curl, "-Z", *parallel)
    assert all((tmp_path / str(n)).read_bytes() == data for n in range(8))
    out = ("--path-as-is", f"http://{OURS}/../../../etc/passwd")
    said = host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *out)
    assert said == "404"
    head = host.run(*curl, "-I", f"http://{OURS}/sub/page.html")
    assert "Content-Type: text/html\r\n" in head
    # what up serves besides goes on
    assert host.output("nc.openbsd", "-N", OURS, "7", stdin=b"echo\n") == b"echo\n"
    assert up.stop() == 0
    assert bytes(up.errors) == b""
