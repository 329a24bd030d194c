"""Connections against each other, against anything, and against themselves.

The channel of this file loses, repeats and reorders; its clock is virtual. The Stack
has its own such test; this one knows no Stack, so what fails here is TCP's.
"""

from __future__ import annotations

import copy
from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from sansio_net.errors import SansioNetError
from sansio_net.packet import Packet
from sansio_net.protocols.tcp import (
    Accepted,
    Connection,
    Listener,
    State,
    TcpOptions,
    arrival,
)
from sansio_net.protocols.tcp.timers import PROBE, RETRANSMIT
from sansio_net.units import MILLISECOND, SECOND

from .conversation import PlannedIsn
from .inside import variables

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
GONE_WITHIN = 16 * 120 * SECOND + 2 * 60 * SECOND
"""R2: 15 retransmissions and the last wait, none above 120 s; FIN-WAIT-2; TIME-WAIT."""


def check(conn: Connection, now: int) -> None:
    """What holds between any two calls."""
    sender, receiver, recovery = conn.sender, conn.receiver, conn.recovery
    assert sender.snd_una <= sender.snd_nxt <= sender.queue_end + 1
    assert receiver.last_ack_sent <= receiver.rcv_nxt <= receiver.rcv_adv + 1
    assert sender.queued <= conn.options.send_buffer
    # what is not read fits the buffer: a window was never promised in vain
    assert receiver.pending <= conn.options.receive_buffer
    if receiver.reorder is not None:
        assert receiver.reorder.ranges()[0][0] > receiver.rcv_nxt
        assert receiver.reorder.end <= receiver.rcv_adv
        assert receiver.reorder.n_chunks <= 2 * conn.options.reorder_segments
    if not conn.done:
        assert recovery.lost >= 0
        assert sender.snd_nxt - sender.snd_una >= recovery.lost
        if conn.established:
            assert conn.congestion.cwnd >= sender.mss
        if sender.in_flight:
            # a connection never waits without an end
            assert (conn.timers.at(RETRANSMIT) is None) != (
                conn.timers.at(PROBE) is None
            )
    else:
        assert conn.deadline() is None
        assert sender.queue is None


class End:
    """An application: what it sent, what it got, what it was told."""

    def __init__(self, conn: Connection | None) -> None:
        self.conn = conn
        self.sent = b""
        self.got = b""
        self.eof = False
        self.told: list[str] = []
        self.finished_sending = False
        self.gone = False  # close or abort was called

    def hear(self, event: object) -> None:
        kind = type(event).__name__
        last = ("Closed", "ConnectionLost")
        assert not any(name in last for name in self.told), (self.told, kind)
        if kind in last:
            self.told.append(kind)
            return
        if kind in ("Accepted", "Connected", "EofReceived"):
            assert kind not in self.told
            assert kind != "EofReceived" or len(self.told) >= 1
            self.told.append(kind)
        if kind == "DataReceived":
            assert "EofReceived" not in self.told

    @property
    def over(self) -> bool:
        return any(name in ("Closed", "ConnectionLost") for name in self.told)

    def read(self, limit: int) -> None:
        conn = self.conn
        if conn is None or self.gone or self.eof:
            return
        try:
            data = conn.recv(limit)
        except SansioNetError:
            assert self.over
            return
        if data == b"":
            self.eof = True
        elif data is not None:
            self.got += data


class Conversation(RuleBasedStateMachine):
    """Two applications, two connections, and a channel that does what it likes."""

    @initialize(
        iss=st.tuples(*[st.integers(-5000, 5000)] * 2),
        buffers=st.tuples(*[st.sampled_from([2048, 5000, 70_000])] * 4),
        flags=st.tuples(*[st.booleans()] * 6),
        gso=st.sampled_from([0, 0, 65_535]),
        mtus=st.tuples(*[st.sampled_from([1500, 576])] * 2),
    )
    def begin(
        self,
        iss: tuple[int, int],
        buffers: tuple[int, ...],
        flags: tuple[bool, ...],
        gso: int,
        mtus: tuple[int, int],
    ) -> None:
        self.now = SECOND
        self.wire: deque[Packet] = deque()
        both = {
            "timestamps": flags[0],
            "sack": flags[1],
            "window_scale": flags[2],
            "initial_window": 3,
        }
        opts = TcpOptions(
            send_buffer=buffers[0], receive_buffer=buffers[1], nodelay=flags[3], **both
        )
        self.client = End(
            Connection(
                A,
                4000,
                B,
                80,
                isn=PlannedIsn(iss[0]),
                options=opts,
                gso_max=gso,
                mtu=mtus[0],
            )
        )
        self.server = End(None)
        opts = TcpOptions(
            send_buffer=buffers[2], receive_buffer=buffers[3], nodelay=flags[4], **both
        )
        self.listener = Listener(B, 80, isn=PlannedIsn(iss[1]), options=opts)
        assert self.client.conn is not None
        self.client.conn.connect()
        self.mute = False
        self.settle()

    # Machinery

    def machines(self) -> list[Connection | Listener]:
        found: list[Connection | Listener] = [self.listener]
        for end in (self.client, self.server):
            if end.conn is not None:
                found.append(end.conn)
        return found

    def settle(self) -> None:
        """Events to the applications, segments to the wire; time does not pass."""
        for _ in range(100):
            quiet = True
            for machine in self.machines():
                for event in machine.events():
                    quiet = False
                    if isinstance(event, Accepted):
                        self.server.conn = event.conn
                    end = self.client if event.conn is self.client.conn else self.server
                    end.hear(event)
            for machine in self.machines():
                packets = machine.transmit(self.now, 7)
                quiet = quiet and not packets
                if not self.mute:
                    self.wire.extend(packets)
            if quiet:
                break
        else:
            raise AssertionError("never quiet")
        for machine in self.machines():
            due = machine.next_timeout()
            assert due is None or due > self.now, (machine, due)

    def deliver(self, packet: Packet) -> None:
        assert packet.info is not None
        to: Connection | Listener = self.listener
        if packet.info.dst == A:
            assert self.client.conn is not None
            to = self.client.conn
        elif self.server.conn is not None:
            to = self.server.conn
        to.receive([packet], self.now)

    def advance(self, delay: int) -> None:
        self.now += delay
        for machine in self.machines():
            machine.handle_timeout(self.now)
        self.settle()

    # The channel

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), batch=st.integers(1, 8))
    def arrive(self, data: st.DataObject, batch: int) -> None:
        for _ in range(min(batch, len(self.wire))):
            self.deliver(self.wire.popleft())
        self.settle()

    @precondition(lambda self: self.wire)
    @rule(index=st.integers(0, 50))
    def overtake(self, index: int) -> None:
        index %= len(self.wire)
        packet = self.wire[index]
        del self.wire[index]
        self.deliver(packet)
        self.settle()

    @precondition(lambda self: self.wire)
    @rule(index=st.integers(0, 50))
    def lose(self, index: int) -> None:
        del self.wire[index % len(self.wire)]

    @precondition(lambda self: self.wire)
    @rule(index=st.integers(0, 50))
    def repeat(self, index: int) -> None:
        self.wire.append(copy.deepcopy(self.wire[index % len(self.wire)]))

    @rule()
    def cut(self) -> None:
        """The link goes down, or comes back."""
        self.mute = not self.mute
        self.wire.clear()

    @rule(delay=st.sampled_from([MILLISECOND, 50 * MILLISECOND, 700 * MILLISECOND]))
    def time_passes(self, delay: int) -> None:
        self.advance(delay)

    @rule()
    def timer_runs_out(self) -> None:
        due = [machine.next_timeout() for machine in self.machines()]
        later = [at for at in due if at is not None]
        if later:
            self.advance(max(0, min(later) - self.now))

    # The applications

    ends = st.booleans()

    def end(self, server: bool) -> End:
        return self.server if server else self.client

    @rule(server=ends, size=st.sampled_from([1, 100, 1460, 5000, 100_000]))
    def send(self, server: bool, size: int) -> None:
        end = self.end(server)
        if end.conn is None or end.finished_sending:
            return
        start = len(end.sent) % 251
        text = (bytes(range(251)) * (size // 251 + 2))[start : start + size]
        try:
            taken = end.conn.send(text)
        except SansioNetError:
            assert end.over or end.conn.state is State.CLOSED
            return
        end.sent += text[:taken]
        self.settle()

    @rule(server=ends, limit=st.sampled_from([1, 1000, 1 << 20]))
    def read(self, server: bool, limit: int) -> None:
        self.end(server).read(limit)
        self.settle()

    @rule(server=ends)
    def shutdown(self, server: bool) -> None:
        end = self.end(server)
        if end.conn is not None and not end.over and not end.gone:
            end.conn.shutdown()
            end.finished_sending = True
            self.settle()

    @precondition(lambda self: self.now > 2 * SECOND)
    @rule(server=ends, abort=st.booleans())
    def leave(self, server: bool, abort: bool) -> None:
        end = self.end(server)
        if end.conn is None:
            return
        end.gone = end.finished_sending = True
        (end.conn.abort if abort else end.conn.close)()
        self.settle()

    # What must hold

    @invariant()
    def text_is_what_was_sent(self) -> None:
        if not hasattr(self, "client"):
            return
        for mine, other in (
            (self.client, self.server),
            (self.server, self.client),
        ):
            assert mine.got == other.sent[: len(mine.got)]
            if mine.eof:
                assert mine.got == other.sent
                assert other.finished_sending

    @invariant()
    def connections_are_sound(self) -> None:
        if hasattr(self, "client"):
            for end in (self.client, self.server):
                if end.conn is not None:
                    check(end.conn, self.now)

    def teardown(self) -> None:
        """Once both have left, both are gone in time, whatever the link does."""
        if not hasattr(self, "client"):
            return
        limit = self.now + GONE_WITHIN
        for _ in range(3000):
            for end in (self.client, self.server):
                if end.conn is not None and not end.gone:
                    end.conn.close()
                    end.gone = True
            self.settle()
            if all(
                end.conn is None or end.conn.state is State.CLOSED
                for end in (self.client, self.server)
            ):
                break
            if self.wire:
                self.now += MILLISECOND
                batch, self.wire = self.wire, deque()
                for packet in batch:
                    self.deliver(packet)
                self.advance(0)
            else:
                self.timer_runs_out()
        else:
            raise AssertionError("it never ends")
        assert self.now < limit


TestConversation = Conversation.TestCase
TestConversation.settings = settings(stateful_step_count=40)


# Anything may arrive ----------------------------------------------------------------


nearby = st.one_of(
    st.sampled_from([1, -1, 100, 200, -100]), st.integers(-(2**31), 2**31)
)
ODD: dict[str, st.SearchStrategy[Any]] = {
    "seq": st.one_of(st.just(100), nearby),
    "ack": nearby,
    "flags": st.one_of(
        st.sampled_from([0x11, 0x02, 0x12, 0x04, 0x30, 0x00]),
        st.integers(0, 0xFF),
    ),
    "wnd": st.one_of(st.sampled_from([0, 100, 2000]), st.integers(0, 0xFFFF)),
    "urgent": st.integers(0, 0xFFFF),
    "size": st.sampled_from([3000, 9000]),
    "options": st.one_of(st.sampled_from(["old", "none"]), st.binary(max_size=40)),
    "after": st.sampled_from([SECOND, 200 * SECOND]),
    "verb": st.sampled_from(["shutdown", "close", "abort"]),
    "emit": st.integers(0, 2),
}
odd_names = st.sampled_from(["seq", "seq", "seq", "flags", *sorted(ODD)])


@st.composite
def segments(draw: st.DrawFn) -> dict[str, Any]:
    """What comes next, mostly as it should be, with up to two things that are odd."""
    what: dict[str, Any] = {
        "seq": 0,
        "ack": draw(st.sampled_from([0, 0, None])),  # None: nothing new
        "flags": draw(st.sampled_from([0x10, 0x18])),
        "wnd": 500,
        "urgent": 0,
        "size": draw(st.sampled_from([0, 1, 100, 1448])),
        "cuts": draw(st.sampled_from([1, 1, 2])),
        "options": "stamp",
        "after": draw(st.sampled_from([0, 0, MILLISECOND, 50 * MILLISECOND])),
        "verb": draw(st.sampled_from(["", "", "send", "send", "read"])),
        "emit": 9,
    }
    if draw(st.booleans()):
        for name in draw(st.lists(odd_names, min_size=1, max_size=2)):
            what[name] = draw(ODD[name])
    return what


def standing(opening: str, stamps: bool, iss: int, gso: int) -> Connection:
    """A connection in its first state, with a peer that begins at 1000 below 2^32."""
    options = TcpOptions(
        timestamps=stamps,
        receive_buffer=8192,
        reorder_segments=4,
        send_buffer=8192,
        quick_acks=1,
    )
    if opening == "passive":
        listener = Listener(A, 4000, isn=PlannedIsn(iss), options=options)
        offer = bytes((1, 1, 8, 10)) + bytes(8) if stamps else b""
        child = listener.segment_arrives(
            B, 80, A, 2**32 - 1000, 0, 2, 500, offer, b"", SECOND
        )
        assert isinstance(child, Connection)
        child.attach(None, None)
        conn = child
    else:
        conn = Connection(A, 4000, B, 80, isn=PlannedIsn(iss), options=options)
        conn.connect()
    conn.path_changed(1500, gso)
    conn.transmit(SECOND)
    if opening == "active":
        offer = bytes((1, 1, 8, 10)) + bytes(8) if stamps else b""
        conn.segment_arrives(
            2**32 - 1000, (iss + 1) % 2**32, 0x12, 500, 0, offer, b"", SECOND
        )
        conn.transmit(SECOND)
        assert conn.state is State.ESTABLISHED
    return conn


def step(conn: Connection, what: dict[str, Any], now: int, slow: bool) -> list[object]:
    """One verb, one segment and some output; returns all that could be seen."""
    seen: list[object] = []
    receiver, sender = conn.receiver, conn.sender
    verb = what["verb"]
    try:
        if verb == "send":
            seen.append(conn.send(bytes(700)))
        elif verb == "read":
            seen.append(conn.recv(5000))
        elif verb == "shutdown":
            conn.shutdown()
        elif verb == "close":
            conn.close()
        elif verb == "abort":
            conn.abort()
    except SansioNetError as error:
        seen.append(str(error))
    options = what["options"]
    if options == "stamp" and (conn.agreed is None or not conn.agreed.timestamps):
        options = b""
    if not isinstance(options, bytes):
        ts_val = (receiver.ts_recent + (1 if options == "stamp" else -5)) % 2**32
        stamp = ts_val.to_bytes(4, "big") + bytes(4)
        options = b"" if options == "none" else bytes((1, 1, 8, 10)) + stamp
    seq = (receiver.rcv_nxt + what["seq"]) % 2**32
    newest = sender.snd_una if what["ack"] is None else sender.snd_nxt + what["ack"]
    ack = newest % 2**32
    body = bytes(what["size"])
    fields = seq, ack, what["flags"], what["wnd"], what["urgent"], options, body
    conn.handle_timeout(now)
    if slow:
        conn.clock = now
        arrival.segment_arrives(conn, *fields, now, what["cuts"])
    else:
        conn.segment_arrives(*fields, now, what["cuts"])
    out: list[object] = []
    conn.drain(out)  # type: ignore[arg-type]
    seen += [type(event).__name__ for event in out]
    for packet in conn.transmit(now, what["emit"]):
        seen.append((packet.join(), packet.gso_size))
    return seen


openings = st.sampled_from(["active", "active", "passive", "connect"])


@given(
    openings,
    st.booleans(),
    st.integers(2**32 - 2000, 2**32 + 100),
    st.sampled_from([0, 65_535]),
    st.lists(segments(), min_size=10, max_size=40),
)
@settings(max_examples=200)
def test_anything_may_arrive(
    opening: str, stamps: bool, iss: int, gso: int, history: list[dict[str, Any]]
) -> None:
    """Nothing raises, all invariants hold, and both paths do the same."""
    quick = standing(opening, stamps, iss, gso)
    slow = standing(opening, stamps, iss, gso)
    now = SECOND
    for what in history:
        now += what["after"]
        assert step(quick, what, now, slow=False) == step(slow, what, now, slow=True)
        assert variables(quick) == variables(slow)
        check_anything(quick)
    # and it ends, too: nobody answers any more
    quick.close()
    for _ in range(200):
        if quick.done:
            break
        quick.transmit(now)
        quick.events()
        due = quick.next_timeout()
        assert due is not None
        now = max(now, due)
        quick.handle_timeout(now)
    assert quick.done


def check_anything(conn: Connection) -> None:
    sender, receiver = conn.sender, conn.receiver
    assert sender.snd_una <= sender.snd_nxt <= sender.queue_end + 1
    assert receiver.pending <= conn.options.receive_buffer
    if receiver.reorder is not None:
        assert receiver.reorder.size > 0
        assert receiver.reorder.n_chunks <= 2 * conn.options.reorder_segments + 1
    if sender.in_flight and not conn.done:
        assert conn.timers.at(RETRANSMIT) is not None
