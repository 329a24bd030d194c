"""What the way in and the way out ask of the tables: adopt, settle, forget, tell.

A connection is settled after everything that may have moved its deadline or ended it;
one that segments came for or left from, once a turn: at its end, when the next deadline
is asked for, the deadline is what it will be.
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
from sansio_net.protocols.tcp import Connection, Listener

from .hops import Hop, find_hop, may_send, on_link

if TYPE_CHECKING:
    from .interface import Interface
    from .sockets import Sender
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
    connection.orphans = stack.orphans
    stack.connection_table[key] = connection
    listener = connection.listener
    bound = nic if listener is not None and listener.nic is not None else None
    hop = find_hop(stack, connection.raddr, bound)
    out = hop.nic if hop is not None else nic
    # what it already wants to send hangs in its own queue: bring it to the interface's
    connection.attach(out.ready, stack.notified)
    mtu = hop.mtu if hop is not None else nic.mtu_for(connection.raddr)
    known = stack.paths.mtu(connection.raddr)
    if known or out is not nic or mtu != connection.link_mtu:
        connection.path_changed(mtu, out.capabilities.gso_max, known)
    connection.hop = hop
    # thousands of connections have few addresses between them
    own = nic.local.get(connection.laddr)
    if own is not None:
        connection.laddr = own.known_as
    if hop is not None and hop.next_hop == connection.raddr:
        connection.raddr = hop.next_hop
    return True


def touch(stack: Stack, connection: Connection) -> None:
    """A segment came for it, or it spoke: to be settled."""
    if connection.done:
        forget_connection(stack, connection)
    else:
        stack.deadlines.touched[connection.id] = connection


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
    stack.deadlines.touched.pop(connection.id, None)
    if connection.queued and is_over(connection):
        _unpark(connection)
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


def is_over(connection: Connection) -> bool:
    """Is it done, with not even a last ACK or RST to send?"""
    return connection.done and not connection.owed and not connection.receiver.ack_now


def park(nic: Interface, next_hop: bytes, connection: Connection) -> None:
    """It waits for a neighbour; `queued` all the while."""
    nic.parked.setdefault(next_hop, {})[connection.id] = connection


def _unpark(connection: Connection) -> None:
    hop = connection.hop
    waiting = hop.nic.parked.get(hop.next_hop) if hop is not None else None
    if waiting is not None and waiting.pop(connection.id, None) is not None:
        connection.queued = False
        if not waiting:
            del hop.nic.parked[hop.next_hop]


def is_transparent(connection: Connection) -> bool:
    """May its address be somebody else's?"""
    return connection.listener is not None and connection.listener.transparent


def is_stale(stack: Stack, hop: Hop | None) -> bool:
    return hop is None or hop.version != stack.routes.version


def route_connection(stack: Stack, connection: Connection) -> Hop | None:
    """Look the way out up again, after routes or addresses changed.

    Without one the old hop stays, to be looked up again; it knows what interface was
    asked for.
    """
    old: Hop | None = connection.hop
    hop = None
    foreign = is_transparent(connection)
    if foreign or connection.laddr in stack.own or is_loopback(connection.laddr):
        hop = find_hop(stack, connection.raddr, old.bound if old is not None else None)
        if hop is not None and not may_send(stack, hop, connection.laddr, foreign):
            hop = None
        elif hop is not None:
            hop = on_link(stack, hop, connection.raddr, connection.laddr)
    if hop is None:
        return None
    connection.hop = hop
    nic = hop.nic
    if old is None or (old.nic, old.next_hop, old.mtu) != (nic, hop.next_hop, hop.mtu):
        # on the same path, what routers said of its MTU still holds
        stack.paths.forget(connection.raddr)
        connection.path_changed(hop.mtu, nic.capabilities.gso_max)
    return hop


def note_path(stack: Stack, connection: Connection, now: int) -> None:
    """What it has just learned of its path, others will want to know."""
    path = connection.path
    if path is not None and path.news:
        path.news = False
        stack.paths.learn(connection.raddr, connection.mtu, now)
        stack.deadlines.arm(stack.paths)


def no_way(stack: Stack, connection: Connection, now: int) -> None:
    """There is no route: it does not wait for one."""
    connection.queued = False
    connection.unreachable(Unreachable(code=errno.ENETUNREACH), now)
    settle_connection(stack, connection)


def interface_gone(stack: Stack, nic: Interface) -> None:
    """End its connections; who only waited there goes on elsewhere."""
    stack.deadlines.disarm(nic)
    nic.discard_output()
    for connection in list(stack.connection_table.values()):
        if connection.nic is nic:
            connection.finish(ConnectionAborted("its interface was removed"))
            forget_connection(stack, connection)
    waiting: list[Sender] = list(nic.ready)
    for parked in nic.parked.values():
        waiting += parked.values()
    # `lo` is always served: from there each finds its way
    ready = stack.lo.ready
    for sender in (*waiting, *stack.connections(), *stack.sockets()):
        if not isinstance(sender, Listener) and sender.ready is nic.ready:
            sender.ready = ready
    for sender in waiting:
        if isinstance(sender, Connection) and is_over(sender):
            sender.queued = False
        else:
            ready.append(sender)
    nic.ready.clear()
    nic.parked.clear()
