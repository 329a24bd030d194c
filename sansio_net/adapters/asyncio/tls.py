"""TLS on our transports: asyncio's own protocol, and all that is private about it.

`asyncio.sslproto.SSLProtocol` has had the same constructor since Python 3.11. Its
`connection_made` begins the handshake, `_app_transport` is what the application gets,
and it calls `_force_close` of the transport below.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from dataclasses import dataclass
from typing import Any


def context_of(given: ssl.SSLContext | bool | None) -> ssl.SSLContext | None:
    """The context of an ``ssl=`` argument of a client: True is the default one."""
    if given is None or given is False:
        return None
    if given is True:
        return ssl.create_default_context()
    if not isinstance(given, ssl.SSLContext):
        raise TypeError(f"ssl argument must be an SSLContext or a bool, not {given!r}")
    return given


@dataclass(slots=True)
class Tls:
    """What connections are wrapped in; the timeouts are asyncio's, in seconds."""

    context: ssl.SSLContext
    handshake_timeout: float | None = None
    shutdown_timeout: float | None = None

    def wrap(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        call_connection_made: bool = True,
    ) -> tuple[asyncio.BaseProtocol, asyncio.Transport]:
        """What the transport below talks to, and the transport for `protocol`."""
        make: Any = sslproto.SSLProtocol  # typeshed's types are narrower than the code
        wrapped = make(
            *(loop, protocol, self.context, waiter, server_side, server_hostname),
            call_connection_made=call_connection_made,
            ssl_handshake_timeout=self.handshake_timeout,
            ssl_shutdown_timeout=self.shutdown_timeout,
        )
        return wrapped, wrapped._app_transport


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    encryption: Tls,
    *,
    server_side: bool,
    server_hostname: str | None,
) -> asyncio.Transport:
    """As `loop.start_tls`, which is fine as well but for loops that know only their own
    transports (uvloop).
    """
    if not isinstance(encryption.context, ssl.SSLContext):
        raise TypeError(f"not an SSLContext: {encryption.context!r}")
    if not getattr(transport, "_start_tls_compatible", False):
        raise TypeError(f"{transport!r} does not support start_tls()")
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    wrapped, app_transport = encryption.wrap(
        *(loop, protocol, waiter),
        server_side=server_side,
        server_hostname=server_hostname,
        call_connection_made=False,
    )
    # nothing may reach the new protocol before its connection_made
    transport.pause_reading()
    transport.set_protocol(wrapped)
    protocol_below: Any = wrapped
    begin = loop.call_soon(protocol_below.connection_made, transport)
    resume = loop.call_soon(transport.resume_reading)
    try:
        await waiter
    except BaseException:
        transport.close()
        begin.cancel()
        resume.cancel()
        raise
    return app_transport
