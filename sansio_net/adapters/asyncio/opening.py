"""`open_nic`: a stack on a link, driven by the running loop.

``async with open_nic(...) as nic`` makes one; what the loop does with the kernel's
network, `nic` does with this one, under the same names and signatures. The program's
ordinary sockets go on beside it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from sansio_net.adapters.links import open_device
from sansio_net.adapters.names import DnsConfig
from sansio_net.drivers import Device
from sansio_net.errors import MissingExtraError
from sansio_net.stack import Stack, StackConfig
from sansio_net.units import SECOND

from .driver import Driver
from .nic import Nic, Resolver

CLOSE_TIMEOUT: Final = 5 * SECOND
"""How long peers may take for what is queued and for their FINs, at the end."""

SETTLE_TIMEOUT: Final = 5 * SECOND
"""How long the link may take to say that our addresses are nobody else's."""


@asynccontextmanager
async def open_nic(
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
    dns: Sequence[str] | DnsConfig = (),
    config: StackConfig | None = None,
    seed: bytes | None = None,
    clock: Callable[[], int] = time.monotonic_ns,
    close_timeout: int = CLOSE_TIMEOUT,
) -> AsyncIterator[Nic]:
    """A stack on `link`, driven by the running loop.

    link: ``"tap:tap0"``, ``"tun:tun0"``, ``"veth:eth1"``, or a device, which is closed
    in the end. addresses: ``"10.0.0.2/24"``. gateway: default routes. host_address: the
    other side's, of a TAP or TUN. hosts: addresses by name. dns: servers that
    are asked for other names, over the NIC (extra ``dns``); nobody by default. seed: 32
    bytes of the system's by default; clock: nanoseconds. The block begins when the
    addresses are usable, IPv6's after duplicate detection: up to two seconds. On the
    way out everything that is open is closed, for at most `close_timeout` ns; then
    aborted.

    Raises DeviceError, MissingExtraError, ValueError, Unreachable.
    """
    device = (
        open_device(link, mtu, host_address, mac) if isinstance(link, str) else link
    )
    try:
        stack = Stack(config, seed if seed is not None else os.urandom(32))
        interface = stack.add_interface(
            mac=mac,
            addresses=addresses,
            mtu=mtu,
            capabilities=device.capabilities,
            slaac=slaac,
            link_local=link_local,
        )
        for via in [gateway] if isinstance(gateway, str) else gateway:
            stack.add_route("default", via=via, nic=interface)
        driver = Driver(stack, {interface: device}, asyncio.get_running_loop(), clock)
        driver.start()
    except BaseException:
        device.close()
        raise
    try:
        await driver.settle(interface, SETTLE_TIMEOUT)
        nic = Nic(driver, interface, hosts)
        if dns:
            nic.resolver = resolver_of(nic, dns)
        yield nic
    finally:
        await driver.close(close_timeout)


def resolver_of(nic: Nic, dns: Sequence[str] | DnsConfig) -> Resolver:
    """dnspython's, over the NIC. Raises MissingExtraError, ValueError."""
    try:
        from .resolver import DnsResolver
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "dns":
            raise
        raise MissingExtraError(
            'asking for names needs dnspython: pip install "sansio_net[dns]"'
        ) from None
    config = dns if isinstance(dns, DnsConfig) else DnsConfig(servers=dns)
    return DnsResolver(nic, config)
