"""Packets, and `Buffer` against bytes that do the same."""

from __future__ import annotations

import copy
import pickle

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sansio_net import Packet
from sansio_net.packet import (
    COPY_BELOW,
    CSUM_PARTIAL,
    CSUM_VALID,
    Buffer,
    Chunk,
    PacketInfo,
    received_chunk,
)

chunks = st.one_of(
    st.binary(max_size=20),
    st.integers(0, 2000).map(lambda n: bytes(i & 0xFF for i in range(n))),
)
amounts = st.one_of(st.integers(0, 50), st.integers(0, 5000))


def joined(parts: list[Chunk]) -> bytes:
    return b"".join(parts)


class BufferAndBytes(RuleBasedStateMachine):
    """Whatever is done to a Buffer is done to a string of bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = Buffer()
        self.model = b""

    @rule(data=chunks, viewed=st.booleans())
    def append(self, data: bytes, viewed: bool) -> None:
        self.buffer.append(memoryview(data) if viewed else data)
        self.model += data

    @rule(data=chunks, below=st.sampled_from([1, 100, 2048]))
    def coalesce(self, data: bytes, below: int) -> None:
        before, tail = self.buffer.n_chunks, len(data)
        self.buffer.coalesce(data, below)
        self.model += data
        assert self.buffer.n_chunks <= before + 1
        if tail >= below and data:
            assert self.buffer.n_chunks == before + 1

    @rule(offset=amounts, size=amounts, limit=st.sampled_from([1, 2, 64]))
    def peek(self, offset: int, size: int, limit: int) -> None:
        parts = self.buffer.peek(offset, size, limit)
        got, expected = joined(parts), self.model[offset : offset + size]
        assert len(parts) <= limit
        assert expected.startswith(got)
        assert got == expected or len(parts) == limit
        assert all(len(part) for part in parts)

    @rule(step=st.integers(1, 1500))
    def walk(self, step: int) -> None:
        """Forward, as a sender does: the cursor is used."""
        got, at = b"", 0
        while part := joined(self.buffer.peek(at, step)):
            got += part
            at += len(part)
        assert got == self.model

    @rule(size=amounts)
    def discard(self, size: int) -> None:
        self.buffer.discard(size)
        self.model = self.model[size:]

    @rule(limit=amounts)
    def take(self, limit: int) -> None:
        assert self.buffer.take(limit) == self.model[:limit]
        self.model = self.model[limit:]

    @rule()
    def take_chunks(self) -> None:
        assert joined(self.buffer.take_chunks()) == self.model
        self.model = b""

    @rule()
    def clear(self) -> None:
        self.buffer.clear()
        self.model = b""

    @rule(deep=st.booleans())
    def go_on_with_a_copy(self, deep: bool) -> None:
        if deep:
            self.buffer = copy.deepcopy(self.buffer)
        else:
            self.buffer = pickle.loads(pickle.dumps(self.buffer))

    @invariant()
    def the_same(self) -> None:
        buffer = self.buffer
        assert len(buffer) == buffer.size == len(self.model)
        assert bool(buffer) == bool(self.model)
        assert joined(list(buffer)) == self.model
        assert buffer.pinned >= len(buffer)


TestBuffer = BufferAndBytes.TestCase


def test_a_buffer_made_of_chunks() -> None:
    buffer = Buffer([b"ab", b"", memoryview(b"cd")])
    assert (buffer.n_chunks, joined(list(buffer))) == (2, b"abcd")


def test_pinned_counts_the_whole_object_under_a_view() -> None:
    frame = bytes(1000)
    buffer = Buffer([memoryview(frame)[:600], b"xy"])
    assert (buffer.size, buffer.pinned) == (602, 1002)
    assert pickle.loads(pickle.dumps(buffer)).pinned == 602


def test_appending_keeps_references() -> None:
    data = bytes(1000)
    buffer = Buffer([data])
    assert next(iter(buffer)) is data
    (part,) = buffer.peek(100, 800)
    assert isinstance(part, memoryview)
    assert part.obj is data
    assert buffer.take(5000) is data


@given(st.integers(0, 3000), st.data())
def test_a_received_payload_is_copied_or_viewed(size: int, data: st.DataObject) -> None:
    frame = bytes(i & 0xFF for i in range(size))
    start = data.draw(st.integers(0, size))
    end = data.draw(st.integers(start, size))
    chunk = received_chunk(frame, start, end)
    assert bytes(chunk) == frame[start:end]
    if isinstance(chunk, memoryview):
        assert end - start >= COPY_BELOW
        assert (end - start) * 2 >= size
        assert chunk.obj is frame
    else:
        assert end - start < COPY_BELOW or (end - start) * 2 < size


def test_a_packet_is_head_and_parts() -> None:
    packet = Packet(b"head", (b"one", memoryview(b"two")), 2, gso_size=3)
    assert len(packet) == 10
    assert packet.join() == b"headonetwo"
    assert Packet(b"head").join() == b"head"
    assert repr(packet) == "<Packet 10 bytes at 2 gso=3>"


def test_received_is_all_head() -> None:
    packet = Packet.received(b"frame", CSUM_VALID)
    assert (packet.head, packet.body, packet.offset) == (b"frame", (), 0)
    assert (packet.gso_size, packet.csum, packet.info) == (0, CSUM_VALID, None)


FIELDS = ("offset", "gso_size", "csum", "csum_start", "csum_offset", "info")


def test_copies_keep_everything_and_hold_bytes() -> None:
    info = PacketInfo(b"1234", b"5678", tos=3, reason="why")
    packet = Packet(b"head", (memoryview(b"body"),), 1, 2, CSUM_PARTIAL, 3, 16, info)
    for twin in (copy.deepcopy(packet), pickle.loads(pickle.dumps(packet))):
        assert twin.join() == packet.join()
        assert [getattr(twin, f) for f in FIELDS] == [
            getattr(packet, f) for f in FIELDS
        ]
        assert all(isinstance(part, bytes) for part in twin.body)
    whole = packet.joined()
    assert (whole.head, whole.body) == (b"headbody", ())
    assert [getattr(whole, f) for f in FIELDS] == [getattr(packet, f) for f in FIELDS]
