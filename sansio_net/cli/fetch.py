"""The work of `get`: aiohttp's client on the NIC, and curl's exit codes."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import aiohttp

from sansio_net import __version__
from sansio_net.stack import Event, LinkDown, LinkUp
from sansio_net.units import SECOND

from .asyncio_loop import make_loop, network
from .errors import OK, TERMINATED
from .session import CLOSE_TIMEOUT, warn
from .streams import PIPE_SIZE

UNSUPPORTED: Final = 1
MALFORMED: Final = 3
NO_NAME: Final = 6
NO_CONNECTION: Final = 7
WEIRD_REPLY: Final = 8
PARTIAL: Final = 18
HTTP_ERROR: Final = 22
WRITE_ERROR: Final = 23
TIMED_OUT: Final = 28
TLS_ERROR: Final = 35
REDIRECTS: Final = 47
NOTHING: Final = 52
RECEIVE_ERROR: Final = 56
CERTIFICATE: Final = 60
BAD_CA: Final = 77
"""As in curl's manual, EXIT CODES."""

MAX_REDIRECTS: Final = 50
SHOWN_EVERY: Final = 0.2
"""Seconds between two states of the progress."""

BUFFER: Final = 256 * 1024
"""Bytes of the body that are read ahead of who writes them: half of what is held."""


class Failure(Exception):
    """What ends it, with curl's code."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def fetch(args: Namespace) -> int:
    """The exit status."""
    try:
        url = parse_url(args.url)
        tls = tls_context(args)
        with asyncio.Runner(loop_factory=lambda: make_loop(args)) as runner:
            return runner.run(on_the_nic(args, url, tls))
    except Failure as failure:
        if not args.silent or args.show_error:
            print(f"get: ({failure.status}) {failure}", file=sys.stderr, flush=True)
        return failure.status


def parse_url(text: str) -> SplitResult:
    """Without a scheme it is http. Raises Failure."""
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        has_place = bool(url.hostname) and url.port != 0
    except ValueError:
        has_place = False
    if not has_place or any(one.isspace() for one in text):
        raise Failure(MALFORMED, f"URL rejected: {text}")
    if url.scheme not in ("http", "https"):
        raise Failure(UNSUPPORTED, f'Protocol "{url.scheme}" not supported')
    # RFC 6874 2: a zone is written fe80::1%25tap0; most write %tap0
    return url._replace(netloc=url.netloc.replace("%25", "%"))


def tls_context(args: Namespace) -> ssl.SSLContext:
    """Raises Failure."""
    cafile = None if args.cacert is None else str(args.cacert)
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:  # an SSLError is one
        text = f"error setting certificate file: {cafile}: {error.strerror}"
        raise Failure(BAD_CA, text) from None
    context.set_alpn_protocols(["http/1.1"])
    if args.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def hear(events: list[Event], now: int) -> None:
    for event in events:
        if isinstance(event, LinkDown):
            warn(f"{event.nic.name}: link down")
        elif isinstance(event, LinkUp):
            warn(f"{event.nic.name}: link up")


async def on_the_nic(args: Namespace, url: SplitResult, tls: ssl.SSLContext) -> int:
    """Raises Failure."""
    hosts: dict[str, list[str]] = {}
    for name, address in args.hosts:
        hosts.setdefault(name, []).append(address)
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel, "TERM")
    try:
        async with network(args, hosts, hear, CLOSE_TIMEOUT):
            await exchange(args, url, tls)
    except asyncio.CancelledError as error:
        if error.args != ("TERM",):
            raise  # Ctrl-C
        return TERMINATED
    return OK


async def exchange(args: Namespace, url: SplitResult, tls: ssl.SSLContext) -> None:
    """Raises Failure."""
    connector = aiohttp.TCPConnector(
        ssl=tls,
        # by the loop, which is the NIC's; another resolver would ask the host's servers
        resolver=aiohttp.ThreadedResolver(),
    )
    timeout = aiohttp.ClientTimeout(connect=seconds(args.connect_timeout))
    try:
        async with (
            asyncio.timeout(seconds(args.max_time)),
            aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                headers={"User-Agent": f"sansio-net/{__version__}", "Accept": "*/*"},
                skip_auto_headers=["Accept-Encoding"],
                auto_decompress=False,
                read_bufsize=BUFFER,
            ) as session,
            session.request(
                "HEAD" if args.head else "GET",
                url.geturl(),
                allow_redirects=args.location,
                max_redirects=MAX_REDIRECTS,
            ) as response,
        ):
            await take(args, response)
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise failure(error, url) from error


def seconds(duration: int | None) -> float | None:
    return None if duration is None else duration / SECOND


def failure(error: Exception, url: SplitResult) -> Failure:
    """An exception of aiohttp's, of TLS's or of the NIC's in curl's words."""
    place = f"{url.hostname} port {url.port or (443 if url.scheme == 'https' else 80)}"
    cause = getattr(error, "os_error", None) or error
    words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    status, text = RECEIVE_ERROR, f"Recv failure: {words}"
    match error:
        case aiohttp.ClientConnectorCertificateError():
            status = CERTIFICATE
            text = f"SSL certificate problem: {error.certificate_error}"
        case aiohttp.ClientConnectorSSLError():
            status, text = TLS_ERROR, f"TLS connect error: {cause}"
        case aiohttp.ClientConnectorDNSError():
            status, text = NO_NAME, f"Could not resolve host: {error.host}"
        case aiohttp.ClientConnectorError() if not isinstance(cause, TimeoutError):
            status, text = NO_CONNECTION, f"Failed to connect to {place}: {words}"
        case aiohttp.ServerTimeoutError() | aiohttp.ClientConnectorError():
            status, text = TIMED_OUT, f"Connection to {place} timed out"
        case TimeoutError():
            status, text = TIMED_OUT, "Operation timed out"
        case aiohttp.NonHttpUrlClientError():
            status, text = UNSUPPORTED, f"Protocol not supported: {error}"
        case aiohttp.InvalidURL():
            status, text = MALFORMED, f"URL rejected: {error}"
        case aiohttp.TooManyRedirects():
            status = REDIRECTS
            text = f"Maximum ({MAX_REDIRECTS}) redirects followed"
        case aiohttp.ClientPayloadError():
            status, text = PARTIAL, "transfer closed with outstanding data remaining"
        case aiohttp.ServerDisconnectedError():
            status, text = NOTHING, "Empty reply from server"
        case aiohttp.ClientResponseError():
            what = error.message.partition("\n")[0]
            status, text = WEIRD_REPLY, f"Weird server reply: {what}"
    return Failure(status, text)


async def take(args: Namespace, response: aiohttp.ClientResponse) -> None:
    """The answer to where it belongs, in constant memory. Raises Failure."""
    if args.fail and response.status >= 400:
        text = f"The requested URL returned error: {response.status}"
        raise Failure(HTTP_ERROR, text)
    with Sink(args.output) as sink:
        if args.head:
            for one in (*response.history, response):
                await sink.write(head_of(one))
            return
        progress = Progress(args, sink, response.content_length)
        async for data in response.content.iter_any():
            await sink.write(data)
            progress.add(len(data))
        progress.end()


def head_of(response: aiohttp.ClientResponse) -> bytes:
    version = response.version or aiohttp.HttpVersion11
    status = f"{response.status} {response.reason}"
    first = f"HTTP/{version.major}.{version.minor} {status}"
    lines = [first.encode(errors="surrogateescape")]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Sink:
    """A file, or standard output, which is never waited for but by the loop."""

    def __init__(self, path: Path | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd, self._is_ours = 1, False
        if path is not None and str(path) != "-":
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                self._fd, self._is_ours = os.open(path, flags, 0o666), True
            except OSError as error:
                raise Failure(WRITE_ERROR, f"{path}: {error.strerror}") from None
        self.is_terminal = os.isatty(self._fd)
        self._waits = True

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_ours:
            os.close(self._fd)

    async def write(self, data: bytes) -> None:
        """Raises Failure."""
        rest = memoryview(data)
        try:
            while rest:
                limit = len(rest)
                if self._waits and await self._writable():
                    # a pipe that is writable takes this much at once (PIPE_BUF)
                    limit = PIPE_SIZE
                try:
                    rest = rest[os.write(self._fd, rest[:limit]) :]
                except BlockingIOError:
                    pass
        except OSError as error:
            text = f"Failure writing output to destination: {error.strerror}"
            raise Failure(WRITE_ERROR, text) from None

    async def _writable(self) -> bool:
        """Wait; False for a regular file, or the like, which always is."""
        ready = self._loop.create_future()
        try:
            self._loop.add_writer(self._fd, _set, ready)
        except PermissionError:
            self._waits = False
            return False
        try:
            await ready
        finally:
            self._loop.remove_writer(self._fd)
        return True


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Progress:
    """A line on a terminal, unless the body goes to one."""

    def __init__(self, args: Namespace, sink: Sink, total: int | None) -> None:
        self._is_shown = (
            not args.silent and sys.stderr.isatty() and not sink.is_terminal
        )
        self._total = total
        self._got = 0
        self._began = self._shown = time.monotonic()

    def add(self, size: int) -> None:
        self._got += size
        now = time.monotonic()
        if self._is_shown and now - self._shown >= SHOWN_EVERY:
            self._shown = now
            self._show(now)

    def end(self) -> None:
        if self._is_shown:
            self._show(time.monotonic())
            print(file=sys.stderr, flush=True)

    def _show(self, now: float) -> None:
        of = "" if self._total is None else f" of {self._total / 1e6:.1f}"
        rate = self._got / 1e6 / max(now - self._began, 1e-3)
        line = f"\r{self._got / 1e6:.1f}{of} MB, {rate:.1f} MB/s  "
        print(line, end="", file=sys.stderr, flush=True)
