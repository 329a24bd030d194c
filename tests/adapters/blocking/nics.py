"""Two NICs, each with a thread of its own, on a link in memory."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from sansio_net.adapters.blocking import BridgeSocket, Nic, Socket, open_nic
from sansio_net.drivers import memory_pair
from sansio_net.testing.link import Link
from sansio_net.units import SECOND

A, B = "10.0.0.1", "10.0.0.2"
HOSTS = {"a.test": [A], "b.test": [B]}

T = TypeVar("T")


@contextmanager
def two_nics(
    close_timeout: int = SECOND, **conditions: int | str
) -> Iterator[tuple[Nic, Nic]]:
    ends = memory_pair(Link(1, **conditions))
    opened = partial(open_nic, hosts=HOSTS, close_timeout=close_timeout)
    with (
        opened(ends[0], [f"{A}/24"], seed=b"a" * 32) as one,
        opened(ends[1], [f"{B}/24"], seed=b"b" * 32) as other,
    ):
        yield one, other
    assert not one.driver.thread.is_alive()
    assert not other.driver.thread.is_alive()


def start(call: Callable[..., T], *args: Any) -> Future[T]:
    """In a thread; what it returned, or raised."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def until(nic: Nic, condition: Callable[[], bool]) -> None:
    """Wait for what the NIC's thread makes so."""
    deadline = time.monotonic() + 30
    while True:
        with nic.lock:
            if condition():
                return
        assert time.monotonic() < deadline
        time.sleep(0.001)


def waiting(sock: Socket) -> None:
    """Wait until a thread waits on it."""
    until_waits = sock._changed._waiters  # type: ignore[attr-defined]
    deadline = time.monotonic() + 30
    while not until_waits:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def fill(nic: Nic, sock: Socket | BridgeSocket) -> int:
    """Send until nobody takes any more, there or on the way: how much that was."""
    sent = 0
    (conn,) = nic.stack.connections()
    while True:
        try:
            sent += sock.send(bytes(50_000), socket.MSG_DONTWAIT)
        except BlockingIOError:
            with nic.lock:
                # less than a segment: that is not sent for its own sake
                if conn.sender.snd_wnd < 1460 and not conn.sender.in_flight:
                    return sent
            time.sleep(0.001)


def pair(a: Nic, b: Nic) -> tuple[Socket, Socket]:
    """A connection from A to B."""
    with b.create_server((B, 0)) as server:
        client = a.create_connection(server.getsockname())
        served, _ = server.accept()
    return client, served


def echo(server: Socket) -> None:
    """Serves until the listener is closed; everything back, then the end."""

    def serve(sock: Socket) -> None:
        with sock:
            try:
                while data := sock.recv(65536):
                    sock.sendall(data)
            except OSError:
                pass

    while True:
        try:
            sock, _ = server.accept()
        except OSError:
            return
        start(serve, sock)
