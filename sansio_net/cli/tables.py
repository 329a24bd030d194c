"""The sockets of a stack as rows: what `sansio-net ss` is told.

Names of states and kinds are iproute2's; queues and addresses as `ss` counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from typing import Final, TypeAlias

from sansio_net.addresses import format_endpoint
from sansio_net.protocols.tcp import (
    Connection,
    Listener,
    State,
    TcpInfo,
    TimeWaitRecord,
)
from sansio_net.protocols.tcp.info import format_info
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import Stack

Row: TypeAlias = dict[str, object]
Maker: TypeAlias = Callable[[int], Row | None]
"""Makes a row at a time; None: the socket is gone by now."""

KINDS: Final = ("udp", "tcp")
STATES: Final = {State.ESTABLISHED: "ESTAB", State.SYN_RECEIVED: "SYN-RECV"}
CONNECTED: Final = "connected"
LISTENING: Final = "listening"
ALL: Final = "all"

_AGES: Final = ("last_data_sent", "last_data_recv", "last_ack_recv")


def makers(stack: Stack, kinds: list[str], states: str, info: bool) -> Iterator[Maker]:
    """The rows that were asked for, UDP before TCP, by age; each made when it is its
    turn: a stack may have many.

    `states`: "connected" leaves out what listens, begins or lingers, as ss does.
    """
    sockets, connections = stack.sockets(), stack.connections()
    if "udp" in kinds:
        for socket in sockets:
            if isinstance(socket, UdpSocket) and _wanted(states, socket.peer is None):
                yield partial(udp_row, socket)
    if "tcp" not in kinds:
        return
    if states != CONNECTED:
        waiting = _waiting(connections)
        for socket in sockets:
            if isinstance(socket, Listener):
                yield partial(listener_row, socket, waiting.get(socket.id, 0))
    if states != LISTENING:
        for conn in connections:
            if states == ALL or conn.state is not State.SYN_RECEIVED:
                yield partial(connection_row, conn, info)
    if states == ALL:
        for record in stack.time_wait.records():
            yield partial(time_wait_row, record)


def _waiting(connections: list[Connection]) -> dict[int, int]:
    """How many connections of a listener stand and were not taken over."""
    waiting: dict[int, int] = {}
    for conn in connections:
        if conn.in_backlog and conn.established and conn.listener is not None:
            waiting[conn.listener.id] = waiting.get(conn.listener.id, 0) + 1
    return waiting


def _wanted(states: str, listens: bool) -> bool:
    return states == ALL or listens == (states == LISTENING)


def make_row(
    netid: str,
    state: str,
    recv_q: int,
    send_q: int,
    local: tuple[str, int],
    peer: tuple[str, int] | None,
    nic: str | None,
) -> Row:
    """`peer` None: anybody. `nic`: the interface that it is bound to."""
    return {
        "netid": netid,
        "state": state,
        "recv_q": recv_q,
        "send_q": send_q,
        "local": {"address": local[0], "port": local[1]},
        "peer": None if peer is None else {"address": peer[0], "port": peer[1]},
        "interface": nic,
    }


def udp_row(socket: UdpSocket, now: int) -> Row | None:
    if socket.closed:
        return None
    state = "UNCONN" if socket.peer is None else "ESTAB"
    local, peer = socket.local, socket.peer
    return make_row("udp", state, socket.pending, 0, local, peer, socket.nic)


def listener_row(listener: Listener, waiting: int, now: int) -> Row:
    """Its queues are those waiting to be taken over, and how many may."""
    sizes = waiting, listener.backlog
    return make_row("tcp", "LISTEN", *sizes, listener.local, None, listener.nic)


def connection_row(conn: Connection, wants_info: bool, now: int) -> Row | None:
    if conn.done:
        return None
    state = STATES.get(conn.state, conn.state.value)
    info = conn.info()
    queues = info.receive_queue, info.send_queue
    row = make_row("tcp", state, *queues, conn.local, conn.peer, None)
    if wants_info:
        row["info"] = info_row(info, now)
        row["words"] = format_info(info, now)
        row["numbers"] = format_info(info, now, numeric=True)
    return row


def time_wait_row(record: TimeWaitRecord, now: int) -> Row:
    local = format_endpoint(record.laddr, record.lport)
    peer = format_endpoint(record.raddr, record.rport)
    return make_row("tcp", "TIME-WAIT", 0, 0, local, peer, None)


def info_row(info: TcpInfo, now: int) -> Row:
    """Fields of TcpInfo, with ages in ns for points in time; None: never."""
    row: Row = {field.name: getattr(info, field.name) for field in fields(info)}
    row["state"] = info.state.value
    for name in _AGES:
        at = getattr(info, name)
        row[name] = now - at if at else None
    return row
