"""`sansio-net get` against nginx, curl against `sansio-net up --http`."""

from __future__ import annotations

from pathlib import Path

import pytest

from .lab import Host, Lab, pattern
from .library_servers import make_ca, start_nginx

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "curl", "nginx", "openssl", "dnsmasq"),
]

OURS, HOST = "10.0.0.2", "10.0.0.1"
LINK = ("--link", "tap:http0", "-a", f"{OURS}/24", "--host-address", f"{HOST}/24")
SIZE = 5_000_000


@pytest.fixture
def host(lab: Lab) -> Host:
    return lab.host("host")


@pytest.fixture
def nginx(host: Host, tmp_path: Path) -> Host:
    """Serves a file of pattern(SIZE), by a certificate of nginx.test."""
    # the device comes before the NIC, so that the kernel's side can listen
    host.ip("tuntap add http0 mode tap")
    host.ip(f"address add {HOST}/24 dev http0")
    host.ip("link set http0 up")
    make_ca(tmp_path, "nginx.test", HOST)
    start_nginx(host, tmp_path, HOST)
    (tmp_path / "site" / "file").write_bytes(pattern(SIZE))
    host.listening(443)
    return host


def get(host: Host, *argv: str) -> tuple[int, bytes, bytes]:
    """Status, output, errors."""
    named = ("--host", f"nginx.test={HOST}", "--host", f"other.test={HOST}")
    process = host.sansio("get", *LINK[:4], *named, *argv)
    status = process.wait(30, check=False)
    return status, bytes(process.output), bytes(process.errors)


def test_get_against_nginx(nginx: Host) -> None:
    assert get(nginx, "http://nginx.test/file") == (0, pattern(SIZE), b"")
    status, said, _ = get(nginx, "-m", "2", "http://nginx.test/slow")
    assert status == 28
    assert 0 < len(said) < SIZE
    # names by a server
    nginx.start(
        *("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv"),
        *("--no-hosts", "--user=root", "--pid-file=", "--local=/test/"),
        f"--host-record=named.test,{HOST}",
    )
    nginx.listening(53, "-lu")
    assert get(nginx, "--dns", HOST, "-I", "http://named.test/file")[0] == 0
    assert get(nginx, "--dns", HOST, "http://nobody.test/")[::2] == (
        *(6, b"get: (6) Could not resolve host: nobody.test\n"),
    )


def test_get_over_tls(nginx: Host, tmp_path: Path) -> None:
    """To a file, by a redirect; what is not trusted; and not caring."""
    path = tmp_path / "out"
    trusted = ("--cacert", f"{tmp_path}/ca.pem")
    argv = (*trusted, "-L", "-o", str(path), "https://nginx.test/moved")
    assert get(nginx, *argv) == (0, b"", b"")
    assert path.read_bytes() == pattern(SIZE)
    # a CA that nobody knows, a name that is another's
    for argv in (("https://nginx.test/file",), (*trusted, "https://other.test/file")):
        status, said, error = get(nginx, *argv)
        assert (status, said) == (60, b"")
        assert error.startswith(b"get: (60) SSL certificate problem: "), error
    assert get(nginx, "-k", "-f", "https://nginx.test/gone")[0] == 22


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
