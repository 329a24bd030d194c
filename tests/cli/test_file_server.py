"""`up --http`, by what it says to requests written by hand."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path

import pytest
from aiohttp import web

from sansio_net.adapters.asyncio import Nic
from sansio_net.cli.file_server import find, listing
from sansio_net.cli.up import parse_place

from .conftest import Wire
from .http_kit import DATA, B, make_site, run


async def ask(nic: Nic, request: str, port: int = 80) -> tuple[str, str, bytes]:
    """The status line, the headers and the body of the answer."""
    reader, writer = await nic.open_connection(B, port)
    writer.write(f"{request}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, _, headers = head.decode().partition("\r\n")
    return status, headers, body


def test_no_way_out(tmp_path: Path) -> None:
    async def client(nic: Nic) -> None:
        for path in (
            *("/../secret", "/sub/../../secret", "/%2e%2e/secret", "/..%2fsecret"),
            *("//../secret", "/out", "/%2e%2e%2fsecret", "/a.txt%00", "/..\\secret"),
            *("/sub/..//../secret", f"/{tmp_path}/secret", "/%2Fetc/passwd", "*"),
        ):
            status, _, body = await ask(nic, f"GET {path} HTTP/1.1")
            assert status.split()[1] in ("400", "404"), path
            assert b"secret\n" not in body
        assert (await ask(nic, "GET /in HTTP/1.1"))[::2] == (
            *("HTTP/1.1 200 OK", b"some words\n"),
        )

    run([(80, make_site(tmp_path))], client)


def test_ranges_conditions_and_methods(tmp_path: Path) -> None:
    async def client(nic: Nic) -> None:
        async def expect(request: str, status: str, body: bytes | None = None) -> str:
            got, headers, data = await ask(nic, request)
            assert got.startswith(f"HTTP/1.1 {status}")
            assert body is None or data == body
            return headers

        part = "GET /data HTTP/1.1\r\nRange: bytes=1000000-2000009"
        await expect(part, "206 Partial Content", DATA[1_000_000:2_000_010])
        end = "GET /a.txt HTTP/1.1\r\nRange: bytes=-3"
        headers = await expect(end, "206 Partial Content", b"ds\n")
        assert "Content-Range: bytes 8-10/11" in headers
        beyond = "GET /a.txt HTTP/1.1\r\nRange: bytes=100-"
        await expect(beyond, "416 ")  # in other words on Python 3.13
        later = "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT"
        await expect(f"GET /a.txt HTTP/1.1\r\n{later}", "304 Not Modified", b"")
        headers = await expect("HEAD /data HTTP/1.1", "200 OK", b"")
        assert "Content-Length: 3000000" in headers
        assert "Content-Type: application/octet-stream" in headers
        await expect("PUT /a.txt HTTP/1.1", "405 Method Not Allowed")
        await expect("GET /data HTTP/1.1", "200 OK", DATA)

    run([(80, make_site(tmp_path))], client)


def test_folders(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    (site / "<b>&#?.txt").touch()

    async def client(nic: Nic) -> None:
        page = (await ask(nic, "GET / HTTP/1.1"))[2].decode()
        assert '<a href="./%3Cb%3E%26%23%3F.txt">&lt;b&gt;&amp;#?.txt</a>' in page
        assert page.index("sub/") < page.index("a.txt")
        assert "../" not in page
        name = "/%3Cb%3E%26%23%3F.txt"
        assert (await ask(nic, f"GET {name} HTTP/1.1"))[0] == "HTTP/1.1 200 OK"
        moved = await ask(nic, "GET //sub HTTP/1.1")
        assert moved[0] == "HTTP/1.1 301 Moved Permanently"
        assert "Location: ./sub/" in moved[1]
        index = b"<h1>sub</h1>"
        assert (await ask(nic, "GET /sub/ HTTP/1.1"))[2] == index
        # another folder on another port
        assert (await ask(nic, "GET / HTTP/1.1", 8080))[2] == index

    run([(80, site), (8080, site / "sub")], client)
    assert '<a href="./../">../</a>' in listing(site, "/x/")


def test_find(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "up").symlink_to("..")
    assert find(tmp_path, "/a") == find(tmp_path, "//./a") == tmp_path / "a"
    for path in ("/b", "/loop", "/up", "/..", "/up/x", "/a/b", "/\0", "/" + "n" * 300):
        with pytest.raises(web.HTTPNotFound):
            find(tmp_path, path)


def test_what_is_no_place(wire: Wire, tmp_path: Path) -> None:
    place = ("--http", f"80:{tmp_path}")
    status, _, err = wire.b("up", "--echo", "80", *place).finish()
    assert (status, err) == (2, "sansio-net: port 80 is there twice\n")
    for text, message in (
        ("80", "not PORT:DIR: '80'"),
        ("80:/nowhere", "not a directory: /nowhere"),
        (f"x:{tmp_path}", "not a port: 'x'"),
    ):
        with pytest.raises(ArgumentTypeError, match=f"^{message}$"):
            parse_place(text)
