"""A NIC for threads and plain scripts, by the verbs of the `socket` module.

``with open_nic(...) as nic`` makes a stack on a link and drives it in one thread of its
own. The program's ordinary sockets go on beside it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from sansio_net.adapters.datagrams import make_endpoint
from sansio_net.adapters.links import plug
from sansio_net.adapters.names import AddrInfo, lookup, nameinfo
from sansio_net.drivers import Device
from sansio_net.stack import Interface, StackConfig
from sansio_net.units import SECOND

from .bridge import Bridge, BridgeSocket, bridged
from .driver import Driver
from .sockets import Socket

CLOSE_TIMEOUT: Final = 5 * SECOND
"""How long peers may take for what is queued and for their FINs, at the end."""

SETTLE_TIMEOUT: Final = 5 * SECOND
"""How long the link may take to say that our addresses are nobody else's."""

AF_INET: Final = socket.AF_INET
SOCK_STREAM: Final = socket.SOCK_STREAM

DEFAULT: Final = object()
"""The timeout that `socket.setdefaulttimeout` has set; so is any other that is neither
a number nor None, for `http.client` has an object of its own for it."""


class Nic:
    """What `open_nic` gives; closed by ``with`` or by `close`.

    hosts: addresses by name, lower case; may be changed at any time. stack, interface:
    what lies below; who calls their verbs does so ``with nic.lock`` and calls `wake`.
    """

    def __init__(
        self,
        driver: Driver,
        interface: Interface,
        hosts: Mapping[str, Sequence[str]] | None = None,
        close_timeout: int = CLOSE_TIMEOUT,
    ) -> None:
        self.driver = driver
        self.stack = driver.stack
        self.interface = interface
        self.hosts: dict[str, Sequence[str]] = dict(hosts or {})
        self._close_timeout = close_timeout
        self._bridges: dict[Bridge, None] = {}

    def __repr__(self) -> str:
        return f"<Nic {self.interface}>"

    def __enter__(self) -> Nic:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.driver.abort()

    def close(self) -> None:
        """Close everything in good order, for at most `close_timeout` ns; then abort.
        Threads that wait get ConnectionAbortedError; the NIC's own has ended.

        Raises what that thread died of, if it did.
        """
        for bridge in list(self._bridges):
            bridge.finish()
        self.driver.close(self._close_timeout, lambda: not self._bridges)
        if self.driver.failure is not None:
            raise self.driver.failure

    @property
    def lock(self) -> threading.Lock:
        """Of the stack and of all that is on it."""
        return self.driver.lock

    def wake(self) -> None:
        """A verb of the stack was called, under `lock`: let the thread act on it."""
        self.driver.wake()

    # -- names

    def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddrInfo]:
        """As `socket.getaddrinfo`: numbers and `hosts`. Raises socket.gaierror."""
        kind = family, type, proto, flags
        with self.lock:
            return lookup(self.stack, self.hosts, host, port, *kind)

    def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        """As `socket.getnameinfo`: by `hosts`, or the number again."""
        return nameinfo(self.hosts, sockaddr, flags)

    # -- sockets

    def socket(
        self,
        family: int = AF_INET,
        type: int = SOCK_STREAM,
        proto: int = 0,
    ) -> Socket:
        """As `socket.socket`: TCP and UDP over IPv4 and IPv6."""
        with self.lock:
            end = make_endpoint(self.driver, family, type, proto)
        return Socket(end, self.driver, self.hosts)

    def create_connection(
        self,
        address: tuple[str | None, int],
        timeout: Any = DEFAULT,
        source_address: tuple[str, int] | None = None,
        *,
        all_errors: bool = False,
    ) -> Socket:
        """As `socket.create_connection`: the addresses one after the other, each with
        the whole timeout.
        """
        host, port = address
        errors: list[Exception] = []
        for info in self.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
            made = self.socket(info[0])
            if timeout is None or isinstance(timeout, int | float):
                made.settimeout(timeout)
            try:
                if source_address is not None:
                    made.bind(source_address)
                made.connect(info[4])
            except OSError as error:
                made.close()
                errors.append(error)
            except BaseException:
                made.close()
                raise
            else:
                errors.clear()
                return made
        try:
            if all_errors:
                raise ExceptionGroup("create_connection failed", errors)
            raise errors[0]
        finally:
            errors.clear()  # a traceback holds the frame that holds them

    def create_server(
        self,
        address: tuple[str, int],
        *,
        family: int = AF_INET,
        backlog: int | None = None,
        dualstack_ipv6: bool = False,
    ) -> Socket:
        """As `socket.create_server`, without `reuse_port`."""
        made = self.socket(family)
        try:
            if family == socket.AF_INET6:
                only = not dualstack_ipv6
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
            made.bind(address)
            made.listen(128 if backlog is None else backlog)
        except BaseException:
            made.close()
            raise
        return made

    def listen_any(self, port: int = 0, *, backlog: int = 128) -> Socket:
        """A listener on every address, our own and others', and on every port unless
        one is given; `getsockname` of what it accepts is what the peer asked for.
        """
        made = self.socket(socket.AF_INET6)
        end = made._stream()
        try:
            with self.lock:
                end.bind(("::", port), transparent=True, any_port=not port)
                end.listen(backlog)
        except BaseException:
            made.close()
            raise
        return made

    # -- real descriptors

    def bridge(self, connection: Socket) -> BridgeSocket:
        """A real socket that carries a connection, which it takes over: for TLS by
        `ssl`, for selectors, for other processes. Its timeout is the connection's.
        """
        end = connection.give_up()
        with self.lock:
            made, bridge = bridged(self.driver, end, self._forget)
            self._bridges[bridge] = None
        made.settimeout(connection.gettimeout())
        return made

    def _forget(self, bridge: Bridge) -> None:
        self._bridges.pop(bridge, None)

    def socketpair_connection(
        self,
        address: tuple[str | None, int],
        timeout: Any = DEFAULT,
        source_address: tuple[str, int] | None = None,
    ) -> BridgeSocket:
        """`create_connection`, and a `bridge` to it."""
        return self.bridge(self.create_connection(address, timeout, source_address))


def open_nic(
    link: str | Device,
    addresses: Sequence[str] = (),
    *,
    gateway: str | Sequence[str] = (),
    mac: str | bytes | None = None,
    mtu: int | None = None,
    slaac: bool = False,
    link_local: bool = False,
    host_address: str | None = None,
    hosts: Mapping[str, Sequence[str]] | None = None,
    config: StackConfig | None = None,
    seed: bytes | None = None,
    clock: Callable[[], int] = time.monotonic_ns,
    close_timeout: int = CLOSE_TIMEOUT,
) -> Nic:
    """A stack on `link`, driven by a thread of its own: use it in a ``with``.

    link: ``"tap:tap0"``, ``"tun:tun0"``, ``"veth:eth1"``, or a device, which is closed
    in the end. addresses: ``"10.0.0.2/24"``. gateway: default routes. host_address: the
    other side's, of a TAP or TUN. hosts: addresses by name. seed: 32 bytes of the
    system's by default; clock: nanoseconds. It returns when the addresses are usable,
    IPv6's after duplicate detection: up to two seconds. A ``with`` that is left in good
    order closes everything that is open, for at most `close_timeout` ns; one that is
    left by an exception resets everything at once.

    Raises DeviceError, ValueError, Unreachable.
    """
    stack, interface, device = plug(
        *(link, addresses),
        gateway=gateway,
        mac=mac,
        mtu=mtu,
        slaac=slaac,
        link_local=link_local,
        host_address=host_address,
        config=config,
        seed=seed,
    )
    driver = Driver(stack, interface, device, clock)
    driver.start()
    try:
        driver.settle(SETTLE_TIMEOUT)
    except BaseException:
        driver.abort()
        raise
    return Nic(driver, interface, hosts, close_timeout)
