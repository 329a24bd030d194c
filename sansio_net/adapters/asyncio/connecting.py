"""A connect under way, and several of them against each other (RFC 8305)."""

from __future__ import annotations

import asyncio
import functools
import itertools
from asyncio import staggered
from collections.abc import Sequence

from sansio_net.adapters.names import AddrInfo, destination
from sansio_net.adapters.sockets import Sockname
from sansio_net.addresses import SocketAddress
from sansio_net.errors import (
    AddressInUseError,
    AddressNotAvailableError,
    ConnectionAborted,
    SansioNetError,
)
from sansio_net.stack import Connected, Connection, ConnectionLost, Event, TcpOptions

from .driver import Driver


class Attempt:
    """Waits for what becomes of one connect."""

    def __init__(self, driver: Driver, conn: Connection) -> None:
        self._driver, self._conn = driver, conn
        self._outcome: asyncio.Future[None] = driver.loop.create_future()
        driver.own(conn, self)

    async def wait(self) -> Connection:
        """Raises the connection's error. Cancelled, it takes the connect back."""
        try:
            await self._outcome
        except BaseException:
            _take_back(self._driver, self._conn)
            raise
        return self._conn

    def handle(self, event: Event) -> None:
        """What comes after Connected is read off the connection by its transport."""
        if isinstance(event, Connected):
            if not self._outcome.done():
                self._outcome.set_result(None)
        elif isinstance(event, ConnectionLost):
            self._fail(event.error)

    def close(self) -> None:
        self.lose(ConnectionAborted("the NIC was closed"))

    def lose(self, error: SansioNetError) -> None:
        self._driver.forget(self._conn)
        self._conn.abort()
        self._fail(error)

    def _fail(self, error: SansioNetError) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)


def _take_back(driver: Driver, conn: Connection) -> None:
    driver.forget(conn)
    conn.abort()
    driver.wake()


def interleaved(infos: Sequence[AddrInfo], first: int) -> list[AddrInfo]:
    """Families in turn, after `first` + 1 of the first one's (RFC 8305 4)."""
    by_family: dict[int, list[AddrInfo]] = {}
    for info in infos:
        by_family.setdefault(info[0], []).append(info)
    lists = list(by_family.values())
    begin = lists[0][:first]
    lists[0] = lists[0][first:]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*lists))
    return begin + [info for info in turns if info is not None]


async def connect(
    driver: Driver,
    infos: Sequence[AddrInfo],
    locals_: Sequence[AddrInfo] | None,
    delay: float | None,
    options: TcpOptions,
    all_errors: bool,
) -> Connection:
    """The first that answers. delay: seconds after which the next one is tried too;
    None: only once it failed.

    Raises what `asyncio.loop.create_connection` would.
    """
    errors: list[OSError] = []
    won: list[Connection] = []
    attempt = functools.partial(_one, driver, locals_, options, errors, won)
    conn: Connection | None = None
    if delay is None:
        for info in infos:
            try:
                conn = await attempt(info)
                break
            except OSError:
                continue
    else:
        starts = (functools.partial(attempt, info) for info in infos)
        try:
            conn, _, _ = await staggered.staggered_race(starts, delay)
        finally:
            # two at once, or one while we were cancelled: nobody else knows of them
            for other in won:
                if other is not conn:
                    _take_back(driver, other)
    if conn is not None:
        return conn
    try:
        if all_errors:
            raise ExceptionGroup("create_connection failed", errors)
        if len({str(error) for error in errors}) == 1:
            raise errors[0]
        text = ", ".join(map(str, errors))
        raise OSError(f"Multiple exceptions: {text}")
    finally:
        errors.clear()  # a traceback holds the frame that holds them


async def _one(
    driver: Driver,
    locals_: Sequence[AddrInfo] | None,
    options: TcpOptions,
    errors: list[OSError],
    won: list[Connection],
    info: AddrInfo,
) -> Connection:
    try:
        local = _local(info, locals_)
        try:
            conn = await dial(driver, info[4], local, options)
        except (AddressInUseError, AddressNotAvailableError) as error:
            if local is None:
                raise
            text = f"error while attempting to bind on address {local!r}: "
            raise OSError(error.errno, text + str(error.strerror).lower()) from error
    except OSError as error:
        errors.append(error)
        raise
    won.append(conn)
    return conn


async def dial(
    driver: Driver,
    address: SocketAddress,
    local: SocketAddress | None,
    options: TcpOptions,
) -> Connection:
    """One connect, until it stands. Raises OSError."""
    try:
        conn = driver.stack.tcp_connect(
            destination(address), local=local, options=options
        )
    except SansioNetError as error:
        if isinstance(error, OSError):
            raise
        raise OSError(str(error)) from error
    driver.wake()
    return await Attempt(driver, conn).wait()


def _local(info: AddrInfo, locals_: Sequence[AddrInfo] | None) -> Sockname | None:
    if locals_ is None:
        return None
    for local in locals_:
        if local[0] == info[0]:
            return local[4]
    raise OSError(f"no matching local address with {info[0]!r} found")
