"""`get` and the file server in one process, on two NICs of one loop."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from sansio_net.adapters.asyncio import NetworkLoop, Nic, open_nic
from sansio_net.cli import get
from sansio_net.cli.fetch import exchange, parse_url, tls_context
from sansio_net.cli.file_server import serving
from sansio_net.drivers import memory_pair
from sansio_net.testing.link import Link
from sansio_net.units import SECOND

A, B = "10.0.0.1", "10.0.0.2"
DATA = Random(2).randbytes(3_000_000)

Client = Callable[[Nic], Coroutine[Any, Any, None]]


def make_site(folder: Path) -> Path:
    """Some files, and links that lead out and do not."""
    site = folder / "site"
    (site / "sub").mkdir(parents=True)
    (folder / "secret").write_text("secret\n")
    (site / "a.txt").write_text("some words\n")
    (site / "sub" / "index.html").write_text("<h1>sub</h1>")
    (site / "data").write_bytes(DATA)
    (site / "out").symlink_to(folder / "secret")
    (site / "in").symlink_to("a.txt")
    return site


def run(
    places: Sequence[tuple[int, Path]],
    client: Client,
    odd: Mapping[int, bytes] | None = None,
) -> None:
    """`client(nic)` while another NIC serves the places; the loop's network is its.

    odd: what is answered on other ports, whatever was asked; on 10, before a reset.
    """

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NetworkLoop)
        ends = memory_pair(Link(1))
        given: dict[str, Any] = {"close_timeout": SECOND // 5}
        async with (
            asyncio.timeout(50),
            open_nic(ends[0], [f"{A}/24"], hosts={"b.test": [B]}, **given) as ours,
            open_nic(ends[1], [f"{B}/24"], **given) as theirs,
        ):
            loop.use(theirs)
            async with serving(places):
                for port, answer in (odd or {}).items():
                    await theirs.start_server(oddly(answer, port == 10), B, port)
                loop.use(ours)
                await client(ours)
                loop.use(None)

    with asyncio.Runner(loop_factory=NetworkLoop) as runner:
        runner.run(main())


def oddly(answer: bytes, resets: bool) -> Any:
    async def serve(reader: Any, writer: Any) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if resets:
            await asyncio.sleep(0.05)
            writer.transport.reset()
        writer.close()

    return serve


async def fetched(*argv: str) -> None:
    """`get` in this loop. Raises Failure."""
    args = parse(*argv)
    await exchange(args, parse_url(args.url), tls_context(args))


def parse(*argv: str) -> Namespace:
    parser = ArgumentParser()
    get.add_parser(parser.add_subparsers())
    return parser.parse_args(["get", *argv])
