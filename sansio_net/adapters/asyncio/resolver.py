"""dnspython's resolver over the NIC: sockets of the NIC, waits of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import dns.asyncresolver
import dns.exception
import dns.resolver
from dns._asyncbackend import Backend, DatagramSocket, StreamSocket
from dns.rdatatype import AAAA, A, RdataType

from sansio_net.adapters.names import DnsConfig, destination, unknown
from sansio_net.units import SECOND

from .ends import DatagramEnd, StreamEnd
from .nic import Nic

T = TypeVar("T")

PAYLOAD: Final = 1232
"""Of an answer by UDP: what is never fragmented (DNS flag day 2020; RFC 6891 6.2.5)."""


class DnsResolver:
    """Asks the servers of `config`; nothing is kept for later.

    A and AAAA are asked for at once. A server that cannot answer is an EAI_AGAIN, a
    name without an address EAI_NODATA, no name EAI_NONAME; a truncated answer is asked
    for again by TCP.
    """

    def __init__(self, nic: Nic, config: DnsConfig) -> None:
        self._config = config
        self._backend = _Backend(nic)
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = list(config.servers)
        resolver.timeout = config.timeout / SECOND
        resolver.lifetime = config.lifetime / SECOND
        resolver.use_edns(0, 0, PAYLOAD)
        self._resolver = resolver

    async def addresses(self, name: str, family: int) -> tuple[list[str], str]:
        """As `Nic.resolver` has it. Raises socket.gaierror."""
        kinds = [
            kind
            for kind, its_family in ((AAAA, socket.AF_INET6), (A, socket.AF_INET))
            if family in (0, its_family)
        ]
        # one name that failed says more than another that is not there
        failure = unknown()
        for candidate in self._config.candidates(name):
            answers = await asyncio.gather(*(self._ask(candidate, k) for k in kinds))
            found: list[str] = []
            canonical = ""
            for answer in answers:
                if not isinstance(answer, socket.gaierror):
                    found += [record.address for record in answer]
                    canonical = str(answer.canonical_name).rstrip(".")
            if found:
                return found, canonical
            for answer in answers:
                if isinstance(answer, socket.gaierror):
                    failure = max(failure, answer, key=_weight)
            if isinstance(failure, _TimedOut):
                break
        raise socket.gaierror(*failure.args)

    async def _ask(self, name: str, kind: RdataType) -> Any:
        """The answer, or what there is instead."""
        try:
            # its own clock is the world's, which a virtual loop has not
            async with asyncio.timeout(self._config.lifetime / SECOND):
                return await self._resolver.resolve(name, kind, backend=self._backend)
        except (TimeoutError, dns.resolver.LifetimeTimeout):
            return _TimedOut(socket.EAI_AGAIN, "Temporary failure in name resolution")
        except dns.resolver.NoNameservers:  # they refuse, or fail (RFC 1035 4.1.1)
            text = "Temporary failure in name resolution"
            return socket.gaierror(socket.EAI_AGAIN, text)
        except dns.resolver.NoAnswer:
            text = "No address associated with hostname"
            return socket.gaierror(socket.EAI_NODATA, text)
        except (dns.exception.DNSException, UnicodeError):  # NXDOMAIN, or no name
            return unknown()


class _TimedOut(socket.gaierror):
    """Nobody answered; nobody will for the next one."""


def _weight(error: socket.gaierror) -> int:
    order = (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_AGAIN)
    return 2 * order.index(error.errno or 0) + isinstance(error, _TimedOut)


class _Backend(Backend):
    """What dnspython asks a library of input and output for."""

    def __init__(self, nic: Nic) -> None:
        self._nic = nic

    def name(self) -> str:
        return "sansio_net"

    def datagram_connection_required(self) -> bool:
        return True  # so that a port where nobody listens is heard of at once

    async def make_socket(
        self,
        af: int,
        socktype: int,
        proto: int = 0,
        source: Any = None,
        destination: Any = None,
        timeout: float | None = None,
        ssl_context: Any = None,
        server_hostname: str | None = None,
    ) -> Any:
        if ssl_context is not None:
            raise NotImplementedError("DNS over TLS")
        if socktype == socket.SOCK_STREAM:
            opening = self._nic.open_stream(destination, source)
            conn = await self.wait_for(opening, timeout)
            return _Stream(af, StreamEnd(self._nic, conn))
        local = source or ("::" if af == socket.AF_INET6 else "0.0.0.0", 0)
        udp = self._nic.stack.udp_bind(local, peer=_peer(destination))
        return _Datagrams(af, DatagramEnd(self._nic, udp, af))

    async def sleep(self, interval: float) -> None:
        await asyncio.sleep(interval)

    async def wait_for(self, awaitable: Awaitable[T], timeout: float | None) -> T:
        return await _in_time(awaitable, timeout)


def _peer(address: Any) -> Any:
    return destination(address) if address is not None else None


async def _in_time(awaitable: Awaitable[T], timeout: float | None) -> T:
    try:
        return await asyncio.wait_for(awaitable, timeout)
    except TimeoutError:
        raise dns.exception.Timeout from None


class _Datagrams(DatagramSocket):
    def __init__(self, af: int, end: DatagramEnd) -> None:
        super().__init__(af, socket.SOCK_DGRAM)
        self._end = end

    async def sendto(self, what: bytes, destination: Any, timeout: float | None) -> int:
        await _in_time(self._end.deliver(what, None), timeout)
        return len(what)

    async def recvfrom(self, size: int, timeout: float | None) -> Any:
        return await _in_time(self._end.receive_from(size), timeout)

    async def close(self) -> None:
        self._end.close()

    async def getpeername(self) -> Any:
        return self._end.looks.getpeername()

    async def getsockname(self) -> Any:
        return self._end.looks.getsockname()


class _Stream(StreamSocket):
    def __init__(self, af: int, end: StreamEnd) -> None:
        super().__init__(af, socket.SOCK_STREAM)
        self._end = end

    async def sendall(self, what: bytes, timeout: float | None) -> None:
        await _in_time(self._end.send_all(what), timeout)

    async def recv(self, size: int, timeout: float | None) -> bytes:
        return await _in_time(self._end.receive(size), timeout)

    async def close(self) -> None:
        with contextlib.suppress(OSError):
            self._end.close()

    async def getpeername(self) -> Any:
        return self._end.looks.getpeername()

    async def getsockname(self) -> Any:
        return self._end.looks.getsockname()
