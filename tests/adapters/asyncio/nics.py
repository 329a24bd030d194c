"""Two NICs of one loop on a link in memory; a certificate of our own."""

from __future__ import annotations

import asyncio
import atexit
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, TypeVar

from sansio_net.adapters.asyncio import Nic, VirtualLoop, open_nic
from sansio_net.drivers import memory_pair
from sansio_net.testing.link import Link
from sansio_net.units import SECOND

A, B = "10.0.0.1", "10.0.0.2"
HOSTS = {"a.test": [A], "b.test": [B]}

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run; an exception that a callback raised fails the test."""

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        told: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: told.append(context))
        async with asyncio.timeout(50):
            result = await main
        assert told == []
        return result

    return asyncio.run(watched())


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """As `run`, in virtual time: hours cost nothing, and every run is the same."""

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        told: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: told.append(context))
        result = await main()
        assert told == []
        return result

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(watched())


@asynccontextmanager
async def two_nics(
    close_timeout: int = SECOND // 5, **conditions: int | str
) -> AsyncIterator[tuple[Nic, Nic]]:
    link = Link(1, **conditions)
    ends = memory_pair(link)
    given: dict[str, Any] = {"hosts": HOSTS, "close_timeout": close_timeout}
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        given["clock"] = loop.clock
    async with (
        open_nic(ends[0], [f"{A}/24"], seed=b"a" * 32, **given) as one,
        open_nic(ends[1], [f"{B}/24"], seed=b"b" * 32, **given) as other,
    ):
        yield one, other


@cache
def certificate() -> tuple[Path, Path]:
    """Of b.test and its address, and its key; made by openssl."""
    folder = Path(mkdtemp(prefix="sansio-net-certificate-"))
    atexit.register(rmtree, folder)
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=b.test"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", f"subjectAltName=DNS:b.test,IP:{B}"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return cert, key


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate())
    return context


def client_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate()[0])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything back, then the end."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def finish(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()
