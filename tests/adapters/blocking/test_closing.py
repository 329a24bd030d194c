"""Closed at any moment, a NIC lets every thread go, and keeps nothing."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from functools import partial

from hypothesis import example, given, settings
from hypothesis import strategies as st

from sansio_net.adapters.blocking import Nic
from sansio_net.units import MILLISECOND
from tests.adapters.asyncio.nics import client_context, server_context

from .nics import B, echo, start, two_nics, until
from .test_bridge import tls_echo


def plain(a: Nic) -> None:
    for _ in range(20):
        with a.create_connection((B, 7)) as sock:
            sock.sendall(b"x" * 1000)
            sock.recv(1000, socket.MSG_WAITALL)


def bulk(a: Nic) -> None:
    with a.create_connection((B, 9)) as sock:  # nobody reads there
        sock.sendall(bytes(10_000_000))


def bridged(a: Nic) -> None:
    with a.socketpair_connection((B, 9)) as sock:
        sock.sendall(bytes(10_000_000))


def listening(a: Nic) -> None:
    with a.create_server(("", 7)) as server:
        server.accept()


def datagrams(a: Nic) -> None:
    with a.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect((B, 7))
        for _ in range(100):
            sock.send(b"?")
        sock.settimeout(None)
        while True:
            try:
                sock.recv(1)
            except ConnectionRefusedError:
                pass


def encrypted(a: Nic, context: ssl.SSLContext) -> None:
    near = a.socketpair_connection(("b.test", 443))
    with context.wrap_socket(near, server_hostname="b.test") as tls:
        while True:
            tls.sendall(bytes(1000))
            if not tls.recv(1000):
                return


PROGRAMS: tuple[Callable[[Nic], None], ...] = (
    *(plain, bulk, bridged, listening, datagrams),
    partial(encrypted, context=client_context()),
)


@settings(max_examples=25, deadline=None)
@given(
    programs=st.lists(st.sampled_from(PROGRAMS), max_size=5),
    packets=st.integers(0, 60),
    by_force=st.booleans(),
)
@example(programs=[*PROGRAMS], packets=30, by_force=False)
@example(programs=[*PROGRAMS], packets=30, by_force=True)
def test_closed_at_any_moment(
    programs: list[Callable[[Nic], None]], packets: int, by_force: bool
) -> None:
    programs = [plain, *programs]  # that many packets there will be
    with two_nics(close_timeout=50 * MILLISECOND) as (a, b):
        servers = [b.create_server((B, port)) for port in (7, 9, 443)]
        start(echo, servers[0])
        start(tls_echo, b, servers[2], server_context())
        futures = [start(program, a) for program in programs]
        until(a, lambda: a.stack.counters()["eth0.tx_packets"] >= packets)
        if by_force:
            a.driver.abort()
        else:
            a.close()
        for future in futures:
            error = future.exception(10)
            assert error is None or isinstance(error, OSError), error
        assert a._bridges == {}
        assert a.driver._watched == {}
        assert len(a.driver.owners) == 0
        for server in servers:
            server.close()
