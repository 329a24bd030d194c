"""Loss recovery never stalls: over any loss, reordering, duplication and reneging.

Virtual time. The peer is a model that keeps what arrives, may forget what it SACKed,
and answers every segment or every second. Each packet, either way, has a fate; when
the fates are used up all goes well, and what then stands still for three RTOs is lost.
"""

from __future__ import annotations

import heapq
from typing import Any

from hypothesis import example, given, note
from hypothesis import strategies as st

from sansio_net.units import MILLISECOND, SECOND
from tests.protocols.tcp.dialogue import Said, Talk

MS = MILLISECOND
MSS = 1000

FATES = ("pass", "pass", "pass", "lose", "lose", "late", "twice", "renege")

options = st.fixed_dictionaries(
    {
        "sack": st.booleans(),
        "stamps": st.booleans(),
        "rack": st.booleans(),
        "frto": st.booleans(),
        "tail_loss_probe": st.booleans(),
        "congestion": st.sampled_from(["reno", "cubic", "bbr"]),
        "gso_max": st.sampled_from([0, 65_535]),
    }
)


class Peer:
    """Everything that arrived beyond `nxt`, as ranges; the latest block is first."""

    def __init__(self) -> None:
        self.nxt = 1
        self.beyond: list[tuple[int, int]] = []
        self.twice: tuple[int, int] | None = None

    def take(self, start: int, end: int) -> None:
        known = end <= self.nxt or any(a <= start and end <= b for a, b in self.beyond)
        self.twice = (start, end) if known and start < end else None
        joined = start, end
        kept = []
        for one in self.beyond:
            if one[0] <= joined[1] and joined[0] <= one[1]:
                joined = min(one[0], joined[0]), max(one[1], joined[1])
            else:
                kept.append(one)
        self.beyond = [joined, *kept] if start < end else self.beyond
        self.beyond.sort(key=lambda one: one != joined)
        for one in sorted(self.beyond):
            if one[0] <= self.nxt:
                self.nxt = max(self.nxt, one[1])
        self.beyond = [one for one in self.beyond if one[0] > self.nxt]

    def blocks(self, most: int) -> list[tuple[int, int]]:
        blocks = self.beyond[:most]
        if self.twice is not None:
            blocks = [self.twice, *blocks][:most]
        return blocks


class Path:
    """A connection, its peer, and what happens between them."""

    def __init__(self, size: int, fates: list[str], every: int, **chosen: Any) -> None:
        self.sack = chosen["sack"]
        self.talk = Talk.active(wnd=65_535, **chosen)
        self.peer = Peer()
        self.fates = fates[::-1]
        self.every = every  # segments to an ACK, if nothing is unusual
        self.held = 0
        self.under_way: list[tuple[int, int, tuple[Any, ...]]] = []
        self.serial = 0
        self.size = size
        self.written = 0
        self.stamp = 0
        self.progress_at = self.talk.now
        self.rto = self.talk.conn.rtt.rto
        self.una = self.talk.conn.sender.snd_una

    def carry(self, *what: Any) -> None:
        fate = self.fates.pop() if self.fates else "pass"
        if fate == "renege":
            self.peer.beyond = []
        if fate == "lose":
            return
        delay = 50 * MS if fate == "late" else 10 * MS
        for _ in range(2 if fate == "twice" else 1):
            self.serial += 1
            at = self.talk.now + delay
            heapq.heappush(self.under_way, (at, self.serial, what))

    def send(self) -> None:
        talk = self.talk
        conn = talk.conn
        if self.written < self.size:
            self.written += conn.send(bytes(self.size - self.written))
        while (said := talk.said()) is not None:
            self.cut(said)

    def cut(self, said: Said) -> None:
        step = said.packet.gso_size or len(said.data)
        for at in range(0, len(said.data), step or 1):
            start = said.seq + at
            end = min(start + step, said.seq + len(said.data))
            self.carry("text", start, end, said.options.ts_val)

    def arrives(self, what: tuple[Any, ...]) -> None:
        if what[0] == "text":
            _, start, end, stamp = what
            before = self.peer.nxt
            self.peer.take(start, end)
            if start <= before and stamp is not None:
                self.stamp = stamp
            self.held += 1
            unusual = self.peer.beyond or self.peer.twice or start != before
            if unusual or self.held >= self.every:
                self.answer()
            else:
                self.serial += 1
                at = self.talk.now + 40 * MS
                heapq.heappush(self.under_way, (at, self.serial, ("timer",)))
        elif what[0] == "timer":
            if self.held:
                self.answer()
        else:
            _, ack, blocks, stamp = what
            more: dict[str, Any] = {"sack": blocks} if blocks and self.sack else {}
            if self.talk.stamps:
                self.talk.peer_clock += 1
                more.update(ts_val=self.talk.peer_clock, ts_ecr=stamp)
            self.talk.peer(".", seq=1, ack=ack, **more)

    def answer(self) -> None:
        self.held = 0
        blocks = self.peer.blocks(3 if self.talk.stamps else 4)
        self.carry("ack", self.peer.nxt, blocks, self.stamp)

    def step(self) -> None:
        talk = self.talk
        due = talk.conn.deadline()
        times = [due] if due is not None else []
        if self.under_way:
            times.append(self.under_way[0][0])
        assert times, "nothing will ever happen again"
        talk.now = max(talk.now, min(times))
        while self.under_way and self.under_way[0][0] <= talk.now:
            self.arrives(heapq.heappop(self.under_way)[2])
        talk.conn.handle_timeout(talk.now)
        self.send()
        self.check()

    def check(self) -> None:
        conn, now = self.talk.conn, self.talk.now
        assert not conn.done
        sender, board = conn.sender, conn.recovery.scoreboard
        if board is not None:
            assert 0 <= board.waiting <= board.lost <= sender.in_flight - board.sacked
            assert 0 <= board.retransmitted <= sender.in_flight
            flight = sender.in_flight - board.sacked - board.lost
            assert flight + board.retransmitted >= 0
        if sender.snd_una != self.una or self.fates:
            self.una = sender.snd_una
            self.progress_at = now
            self.rto = conn.rtt.rto
        self.rto = max(self.rto, conn.rtt.rto)
        assert now - self.progress_at <= 3 * self.rto, (now, self.rto)


@example(  # a pacing timer was left when everything had been acknowledged
    size=14_001,
    fates=[
        *("lose", "lose", "pass", "pass", "pass", "pass", "lose", "lose", "lose"),
        *("lose", "pass", "pass", "pass", "pass", "late", "pass", "renege", "lose"),
    ],
    every=1,
    chosen={
        **dict.fromkeys(("sack", "stamps", "rack", "frto", "tail_loss_probe"), False),
        "congestion": "bbr",
        "gso_max": 0,
    },
)
@given(
    size=st.integers(1, 60_000),
    fates=st.lists(st.sampled_from(FATES), max_size=200),
    every=st.integers(1, 2),
    chosen=options,
)
def test_never_a_stall(
    size: int, fates: list[str], every: int, chosen: dict[str, Any]
) -> None:
    path = Path(size, fates, every, **chosen)
    try:
        path.send()
        for _ in range(20_000):
            if path.peer.nxt == size + 1 and not path.talk.conn.sender.in_flight:
                break
            path.step()
        else:
            raise AssertionError("it takes too long")
        conn = path.talk.conn
        assert conn.deadline() is None
        assert conn.sender.queue is None
    except BaseException:
        note("\n".join(map(str, path.talk.trace[-60:])))
        raise


def test_the_oracle_sees_a_stall() -> None:
    path = Path(5000, ["lose"] * 3, 1, **{**_PLAIN, "sack": True})
    path.send()
    path.talk.conn.timers.set(0, 100 * SECOND)
    try:
        for _ in range(100):
            path.step()
    except AssertionError:
        return
    raise AssertionError("not noticed")


_PLAIN = {"stamps": False, "congestion": "reno", "gso_max": 0}
