"""What the way in and the way out ask of the tables: adopt, settle, forget, tell.

A connection is settled after everything that may have moved its deadline or ended it:
once a batch on the way in, once a visit on the way out.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from sansio_net.addresses import is_loopback
from sansio_net.counters import DropReason
from sansio_net.errors import (
    ConnectionAborted,
    Unreachable,
)
from sansio_net.protocols.tcp import Connection

from .hops import find_hop

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack


def connection_key(laddr: bytes, lport: int, raddr: bytes, rport: int) -> bytes:
    """The addresses and ports as they lie in an inbound segment."""
    return raddr + laddr + rport.to_bytes(2, "big") + lport.to_bytes(2, "big")


def adopt(stack: Stack, connection: Connection, key: bytes, nic: Interface) -> bool:
    """Take a listener's new child into the tables; False when they are full."""
    if len(stack.connection_table) >= stack.config.max_connections:
        stack.tally.drop(DropReason.TCP_BACKLOG_FULL)
        if connection.listener is not None:
            connection.listener.child_gone(connection)
        return False
    connection.id = stack.next_id()
    connection.nic = nic
    stack.connection_table[key] = connection
    hop = find_hop(stack, connection.raddr)
    out = hop.nic if hop is not None else nic
    # what it already wants to send hangs in its own queue: bring it to the interface's
    connection.attach(out.ready, stack.notified)
    connection.path_changed(out.mtu, out.capabilities.gso_max)
    connection.hop = hop
    return True


def settle_batch(stack: Stack) -> None:
    """At the end of a received batch."""
    touched = stack.touched
    if touched:
        last = None
        for connection in touched:
            if connection is not last:
                settle_connection(stack, connection)
                last = connection
        touched.clear()


def settle_connection(stack: Stack, connection: Connection) -> None:
    if connection.done:
        forget_connection(stack, connection)
    else:
        stack.deadlines.arm(connection)


def forget_connection(stack: Stack, connection: Connection) -> None:
    """Take a connection that is done out of the tables; harmless to repeat.

    A last ACK or RST still leaves: it hangs in its interface's ready queue till then.
    """
    stack.deadlines.disarm(connection)
    key = connection_key(
        connection.laddr, connection.lport, connection.raddr, connection.rport
    )
    if stack.connection_table.get(key) is not connection:
        return
    del stack.connection_table[key]
    if connection.time_wait is not None:
        stack.time_wait.add(key, connection.time_wait)
        stack.deadlines.arm(stack.time_wait)
    if connection.listener is not None:
        connection.listener.child_gone(connection)


def route_connection(stack: Stack, connection: Connection, now: int) -> None:
    """Look the way out up again, after routes or addresses changed."""
    hop = None
    if connection.laddr in stack.own or is_loopback(connection.laddr):
        hop = find_hop(stack, connection.raddr)
    connection.hop = hop
    if hop is None:
        connection.queued = False
        connection.unreachable(Unreachable(code=errno.ENETUNREACH), now)
        return
    connection.path_changed(hop.nic.mtu, hop.nic.capabilities.gso_max)


def interface_gone(stack: Stack, nic: Interface) -> None:
    for connection in list(stack.connection_table.values()):
        if connection.nic is nic:
            connection.finish(ConnectionAborted("its interface was removed"))
            connection.queued = False
            forget_connection(stack, connection)
