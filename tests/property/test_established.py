"""The shortcut of connections decides nothing: without it, all is the same."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sansio_net import Capabilities, Medium, Packet
from sansio_net.addresses import format_mac
from sansio_net.entropy import Entropy
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID, PacketInfo
from sansio_net.protocols.tcp import Connection, TcpOptions
from sansio_net.stack import Stack, established
from sansio_net.stack.events import DataReceived
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.segment import flatten

pytestmark = pytest.mark.interpreted("replaces functions of modules")

HOSTS = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fd00::1", "fd00::2")}
SIZES = (0, 1, 64, 600, 1300)


def host(n: int, medium: Medium) -> Stack:
    stack = Stack(seed=Entropy.of(n).bytes(32))
    stack.add_interface(
        addresses=[f"10.0.0.{n}/24", f"fd00::{n}/64"],
        capabilities=Capabilities(medium=medium),
        dad=False,
    )
    return stack


def met(
    family: int, medium: Medium, buffer: int | None = None
) -> tuple[Stack, Stack, Connection]:
    """A server, a client, and its connection."""
    stacks = client, server = host(1, medium), host(2, medium)
    nics = [stack.interfaces()[1] for stack in stacks]
    if medium is Medium.ETHERNET:
        for mine, other, name in ((0, 1, HOSTS[family][1]), (1, 0, HOSTS[family][0])):
            cache = nics[mine].arp if family == 4 else nics[mine].ndp
            assert cache is not None
            cache.add_static(name, format_mac(nics[other].mac))
    server.tcp_listen(("", 80), options=TcpOptions(receive_buffer=buffer))
    conn = client.tcp_connect((HOSTS[family][1], 80))
    now = SECOND
    for _ in range(6):
        for source, target in ((client, server), (server, client)):
            source.handle_timeout(now)
            source.events()
            packets = source.transmit(now)
            target.receive([f for p in packets for f in flatten(p)], now)
        now += MILLISECOND
    assert server.connections()
    return server, client, conn


@cache
def conversation(family: int, medium: Medium) -> tuple[bytes, dict[int, bytes]]:
    """A server with a connection, pickled so that nothing of it lives on, and the next
    frame for it, with so much text."""
    server, client, conn = met(family, medium)
    frames = {}
    for size in SIZES:
        one = deepcopy(client)
        twin = one.connection(conn.id)
        if size:
            twin.send(bytes(range(1, 251)) * 6)
            twin.set(nodelay=True)
            twin.sender.mss = size
        else:
            twin.shutdown()
        frames[size] = flatten(one.transmit(2 * SECOND)[0])[0]
    return pickle.dumps(server), frames


@contextmanager
def no_shortcut() -> Iterator[None]:
    with (
        mock.patch.object(established, "takes", return_value=False),
        mock.patch.object(established, "takes6", return_value=False),
    ):
        yield


def seen(server: Stack, *packets: Packet) -> list[object]:
    """All that can be seen of a turn."""
    now = 2 * SECOND
    server.receive(packets, now)
    server.handle_timeout(now)
    said: list[object] = []
    for event in server.events():
        said.append(type(event).__name__)
        if isinstance(event, DataReceived):
            said.append(event.conn.recv(1 << 20))
    said.append([packet.join() for packet in server.transmit(now)])
    return [*said, server.counters(), server.next_timeout()]


def repaired(frame: bytes, at: int, sum_too: bool) -> bytes:
    """IPv4's header checksum is right again, and TCP's if `sum_too`."""
    data = bytearray(frame)
    is_v4 = frame[at] >> 4 == 4
    if is_v4:
        data[at + 10 : at + 12] = bytes(2)
        check = checksum(bytes(data[at : at + 20]))
        data[at + 10 : at + 12] = check.to_bytes(2, "big")
    if sum_too:
        start, addresses = (at + 20, at + 12) if is_v4 else (at + 40, at + 8)
        size = 4 if is_v4 else 16
        pair = bytes(data[addresses : addresses + 2 * size])
        data[start + 16 : start + 18] = bytes(2)
        base = pseudo_sum(pair[:size], pair[size:], 6, len(data) - start)
        check = checksum(bytes(data[start:]), base)
        data[start + 16 : start + 18] = check.to_bytes(2, "big")
    return bytes(data)


changes = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 255)), max_size=2)


@given(
    st.sampled_from((4, 6)),
    st.sampled_from(Medium),
    st.sampled_from(SIZES),
    changes,
    st.integers(-70, 20),
    st.sampled_from((CSUM_NONE, CSUM_VALID, CSUM_PARTIAL)),
    st.sampled_from((0, 0, 0, 1, 500)),
    st.booleans(),
    st.sampled_from((None, None, 0, 7)),
)
@example(4, Medium.ETHERNET, 64, [], 0, CSUM_NONE, 0, True, None)
@example(6, Medium.ETHERNET, 64, [], 0, CSUM_NONE, 0, True, None)
@example(4, Medium.ETHERNET, 0, [], 18, CSUM_NONE, 0, True, None)
@example(4, Medium.ETHERNET, 64, [(70, 1)], 0, CSUM_NONE, 0, False, None)
@example(6, Medium.IP, 600, [(70, 1)], 0, CSUM_NONE, 0, False, None)
@example(4, Medium.ETHERNET, 64, [(20, 0x20)], 0, CSUM_VALID, 0, True, None)
@example(4, Medium.ETHERNET, 64, [(14, 3)], 0, CSUM_VALID, 0, True, None)
@example(4, Medium.ETHERNET, 64, [(46, 0xF0)], 0, CSUM_VALID, 0, True, None)
@example(4, Medium.ETHERNET, 64, [(5, 4)], 0, CSUM_VALID, 0, True, None)
@example(4, Medium.ETHERNET, 64, [(33, 1)], 0, CSUM_VALID, 0, True, None)
@example(4, Medium.ETHERNET, 64, [], 0, CSUM_NONE, 0, True, 7)
def test_a_segment_of_a_connection_is_judged_as_any_other(
    family: int,
    medium: Medium,
    size: int,
    changes: list[tuple[int, int]],
    longer: int,
    csum: int,
    gso_size: int,
    sum_too: bool,
    vlan: int | None,
) -> None:
    server, frames = conversation(family, medium)
    at = 14 if medium is Medium.ETHERNET else 0
    frame = frames[size]
    frame = frame[:longer] if longer < 0 else frame
    data = bytearray(frame)
    for place, mask in changes:
        if place < len(data):
            data[place] ^= mask
    frame = bytes(data)
    if len(frame) >= at + 60:
        frame = repaired(frame, at, sum_too)
    info = None if vlan is None else PacketInfo(vlan=vlan)
    frame += bytes(max(longer, 0))
    packet = Packet(frame, (), 0, gso_size, csum, at + 20, 16, info)
    quick, slow = pickle.loads(server), pickle.loads(server)
    mine = seen(quick, packet)
    with no_shortcut():
        other = seen(slow, deepcopy(packet))
    assert mine == other


@cache
def transfer(buffer: int | None) -> tuple[bytes, list[bytes]]:
    """A server with a connection, pickled, and the next frames for it: five full ones,
    one that is not, with the FIN. `buffer`: of a server whose window the client
    oversteps."""
    server, client, conn = met(4, Medium.ETHERNET, buffer)
    conn.set(nodelay=True)
    conn.sender.mss, conn.sender.snd_wnd = 800, 1 << 16
    conn.send(bytes(range(250)) * 17)
    conn.shutdown()
    frames = [f for p in client.transmit(2 * SECOND) for f in flatten(p)]
    assert len(frames) == 6
    return pickle.dumps(server), frames


def whole(server: Stack, packets: list[Packet]) -> list[object]:
    """A turn, and another one when whatever waits has had its time."""
    (conn,) = server.connections()
    said = seen(server, *packets)
    known = conn.info()
    server.handle_timeout(3 * SECOND)
    events = [type(event).__name__ for event in server.events()]
    answers = [packet.join() for packet in server.transmit(3 * SECOND)]
    return [said, known, events, answers, server.next_timeout()]


PLACES = (5, 15, 20, 21, 22, 41, 45, 46, 47, 49, 50, 53, 57, 61, 100)
"""Where a frame that follows may differ: headers, stamps and text."""

Change = tuple[tuple[int, int], ...]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.just(()) | st.tuples(st.tuples(st.sampled_from(PLACES), st.just(1))),
            st.sampled_from((CSUM_NONE, CSUM_NONE, CSUM_VALID)),
            st.booleans(),
        ),
        max_size=12,
    )
    | st.lists(st.integers(0, 5), max_size=8).map(
        lambda places: [(n, (), CSUM_NONE, True) for n in sorted(places)]
    ),
    st.sampled_from((None, 3000)),
)
@example([(n, (), CSUM_NONE, True) for n in range(6)], None)
@example([(n, (), CSUM_NONE, True) for n in range(6)], 3000)
@example([(0, (), CSUM_NONE, True), (1, ((5, 1),), CSUM_NONE, True)], None)
@example([(n, (), CSUM_NONE, True) for n in (0, 1, 1, 2, 4, 5)], None)
@example([(0, (), CSUM_NONE, True), (1, ((70, 1),), CSUM_NONE, False)], None)
@example([(0, (), CSUM_NONE, True), (1, ((24, 1),), CSUM_VALID, False)], None)
@example([(0, (), CSUM_NONE, True), (1, ((49, 1),), CSUM_NONE, True)], None)
@example([(0, (), CSUM_NONE, True), (1, ((45, 1),), CSUM_NONE, True)], None)
@example([(0, (), CSUM_NONE, True), (1, ((15, 3),), CSUM_NONE, True)], None)
@example([(0, (), CSUM_NONE, True), (1, ((57, 1),), CSUM_NONE, True)], None)
def test_segments_that_follow_on_are_one(
    segments: list[tuple[int, Change, int, bool]], buffer: int | None
) -> None:
    """What a batch of them does is what each of them would do."""
    server, frames = transfer(buffer)
    packets = []
    for n, changes, csum, right in segments:
        data = bytearray(frames[n])
        for place, mask in changes:
            data[place] ^= mask
        frame = repaired(bytes(data), 14, True) if right else bytes(data)
        packets.append(Packet(frame, (), 0, 0, csum, 34, 16))
    quick, slow = pickle.loads(server), pickle.loads(server)
    mine = whole(quick, packets)
    with mock.patch.object(established.Run, "begins", return_value=False):
        other = whole(slow, deepcopy(packets))
    assert mine == other


def test_a_batch_is_one() -> None:
    server, frames = transfer(None)
    arrived: list[int] = []
    with mock.patch.object(
        Connection, "segment_arrives", lambda *args: arrived.append(args[9])
    ):
        seen(pickle.loads(server), *map(Packet, frames))
    assert arrived == [5, 1]


def test_the_shortcut_is_taken() -> None:
    for family in HOSTS:
        for medium in Medium:
            server, frames = conversation(family, medium)
            name = "takes" if family == 4 else "takes6"
            takes: Any = getattr(established, name)
            taken: list[bool] = []
            with mock.patch.object(
                established, name, lambda *a, t=takes, n=taken: n.append(t(*a)) or n[-1]
            ):
                said = seen(pickle.loads(server), Packet(frames[64]))
            assert taken == [True]
            assert said[0] == "DataReceived"
