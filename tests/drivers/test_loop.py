from __future__ import annotations

import os
import selectors
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from sansio_net.drivers.loop import HOT_TURNS, LINGER, ROUNDS, Loop, arrivals, run, turn
from sansio_net.errors import DeviceGone, StateError
from sansio_net.packet import Packet

from .fakes import FakeDevice, FakeNic, FakeStack, SocketDevice

Log = list[object]


class Net:
    """Two interfaces on fake devices."""

    def __init__(self) -> None:
        self.log: Log = []
        self.stack = FakeStack(self.log)
        self.nics = [FakeNic(name, self.log, self.stack) for name in ("a", "b")]
        self.fakes = [FakeDevice(nic.name, self.log) for nic in self.nics]
        self.devices = dict(zip(self.nics, self.fakes, strict=True))
        self.events: list[str] = []

    def app(self, events: list[str], now: int) -> None:
        self.events += events
        self.log.append(("app", *events))

    def turn(self, now: int = 1) -> bool:
        arrived = arrivals(self.devices, [], now)
        return turn(self.stack, self.devices, arrived, now, self.app)


def counter() -> Callable[[], int]:
    times = iter(range(1, 1_000_000))
    return lambda: next(times)


def test_a_turn_is_law_6_in_its_order() -> None:
    net = Net()
    net.fakes[0].inbox.append(b"frame")
    net.fakes[1].news = False
    net.nics[0].to_send = 1
    net.stack.rounds.append(["first"])
    assert not net.turn(7)
    assert net.log == [
        ("b", "carrier", False),
        ("a", "receive", [b"frame"]),
        ("timeout", 7),
        ("app", "first"),
        ("app", "b down"),
        ("a", "transmit", 64),
        ("a", "send", 1),
        ("b", "transmit", 64),
    ]


def test_transmit_is_asked_until_it_gives_fewer_than_asked() -> None:
    net = Net()
    net.nics[0].to_send = 130
    net.turn()
    assert [entry for entry in net.log if entry[0] == "a"] == [
        ("a", "transmit", 64),
        ("a", "send", 64),
        ("a", "transmit", 64),
        ("a", "send", 64),
        ("a", "transmit", 64),
        ("a", "send", 2),
    ]


def test_without_room_transmit_is_asked_once_with_0() -> None:
    net = Net()
    net.fakes[0].space = 0
    net.nics[0].to_send = 5
    net.turn()
    assert ("a", "transmit", 0) in net.log
    assert net.nics[0].to_send == 5


def test_events_are_drained_in_at_most_16_rounds() -> None:
    net = Net()
    net.stack.rounds.extend([str(n)] for n in range(20))
    net.turn()
    assert len(net.events) == ROUNDS
    assert net.stack.next_timeout() == 0


def test_the_app_ends_the_loop() -> None:
    net = Net()
    net.stack.rounds.append(["end"])
    assert turn(net.stack, net.devices, [], 1, lambda events, now: True)


@pytest.mark.parametrize("method", ["link", "receive", "room", "send"])
def test_a_device_that_went_away_is_taken_out_and_reported(method: str) -> None:
    net = Net()
    net.nics[0].to_send = net.nics[1].to_send = 1
    net.fakes[0].inbox.append(b"x")
    net.fakes[0].fails = method
    lost: list[tuple[str, str]] = []

    def gone(nic: FakeNic, error: DeviceGone) -> None:
        lost.append((nic.name, str(error)))

    arrived = arrivals(net.devices, [], 1, gone)
    turn(net.stack, net.devices, arrived, 1, net.app, gone)
    assert lost == [("a", f"a in {method}")]
    assert list(net.devices) == [net.nics[1]]
    assert ("a", "carrier", False) in net.log
    assert ("b", "send", 1) in net.log  # the other one goes on
    assert net.fakes[0].closed


def test_arrivals_asks_who_is_ready_readable_or_due_in_order() -> None:
    net = Net()
    first, second = net.nics
    assert arrivals(net.devices, [], 5) == []
    net.fakes[1].inbox.append(b"1")
    net.fakes[0].inbox.append(b"0")
    assert [nic.name for nic, _ in arrivals(net.devices, [second], 5)] == ["a", "b"]
    net.fakes[0].due = 6
    arrivals(net.devices, [], 5)
    assert net.fakes[0].due == 6  # not asked yet
    arrivals(net.devices, [], 6)
    assert net.fakes[0].due is None
    assert first.name == "a"


class RealNet:
    """One interface, or more, on devices with descriptors."""

    def __init__(self, n: int = 1) -> None:
        self.log: Log = []
        self.stack = FakeStack(self.log)
        self.nics = [FakeNic(f"n{i}", self.log, self.stack) for i in range(n)]
        self.fakes = [SocketDevice(nic.name, self.log) for nic in self.nics]
        self.devices = dict(zip(self.nics, self.fakes, strict=True))

    def loop(self, **options: object) -> Loop[FakeNic, str]:
        return Loop(self.stack, self.devices, **options)  # type: ignore[arg-type]

    def close(self) -> None:
        for device in self.fakes:
            device.close()


@pytest.fixture
def real() -> Iterator[RealNet]:
    net = RealNet()
    yield net
    net.close()


def ignore(events: list[str], now: int) -> None:
    pass


def test_a_frame_wakes_the_loop(real: RealNet) -> None:
    with real.loop() as loop:

        def once(nic_log: Log = real.log) -> None:
            real.fakes[0].peer.send(b"hello")

        timer = threading.Timer(0.01, once)
        timer.start()
        # the frame is the event of this fake
        receive = real.nics[0].receive

        def receive_and_stop(items: object, now: int) -> None:
            receive(items, now)  # type: ignore[arg-type]
            loop.stop()

        real.nics[0].receive = receive_and_stop  # type: ignore[assignment]
        loop.run(ignore)
        timer.join()
    assert ("n0", "receive", [b"hello"]) in real.log


def test_wake_from_another_thread_makes_a_turn(real: RealNet) -> None:
    with real.loop() as loop:

        def later() -> None:
            real.stack.rounds.append(["from outside"])
            loop.wake()

        thread = threading.Timer(0.01, later)
        thread.start()
        seen: list[str] = []

        def app(events: list[str], now: int) -> bool:
            seen.extend(events)
            return True

        loop.run(app)
        thread.join()
    assert seen == ["from outside"]


def test_wake_never_blocks_nor_raises(real: RealNet) -> None:
    with real.loop() as loop:
        for _ in range(100_000):
            loop.wake()
        loop.call_at(0, lambda now: loop.stop())
        loop.run(ignore)
    loop.wake()


def test_stop_before_run_is_not_lost(real: RealNet) -> None:
    with real.loop() as loop:
        loop.stop()
        loop.run(ignore)
    assert len([entry for entry in real.log if entry[0] == "timeout"]) == 1


def test_the_clock_is_read_once_a_turn(real: RealNet) -> None:
    calls: list[int] = []

    def clock() -> int:
        calls.append(len(calls) + 1)
        return calls[-1]

    real.stack.rounds.extend([] for _ in range(3))
    with real.loop(clock=clock) as loop:
        loop.call_at(3, lambda now: loop.stop())
        loop.run(ignore)
    assert calls == [1, 2, 3]
    assert [entry for entry in real.log if entry[0] == "timeout"] == [
        ("timeout", 1),
        ("timeout", 2),
        ("timeout", 3),
    ]


def test_timers_run_in_order_at_their_time_before_the_turn(real: RealNet) -> None:
    called: list[tuple[str, int]] = []
    with real.loop(wait=lambda until: None, clock=counter()) as loop:
        loop.call_at(3, lambda now: called.append(("late", now)))
        loop.call_at(2, lambda now: called.append(("first", now)))
        loop.call_at(2, lambda now: called.append(("second", now)))
        loop.call_at(2, lambda now: called.append(("never", now))).cancel()
        loop.call_at(4, lambda now: loop.stop())
        loop.run(ignore)
    assert called == [("first", 2), ("second", 2), ("late", 3)]


def test_a_timer_that_starts_itself_again_cannot_hold_the_loop(real: RealNet) -> None:
    called: list[int] = []
    with real.loop(wait=lambda until: None, clock=counter()) as loop:

        def again(now: int) -> None:
            called.append(now)
            loop.call_at(now, again)

        def cancel(now: int) -> None:
            later.cancel()

        loop.call_at(1, again)
        loop.call_at(2, cancel)
        later = loop.call_at(2, lambda now: called.append(-now))
        loop.call_at(4, lambda now: loop.stop())
        loop.run(ignore)
    assert called == [1, 2, 3, 4]


def test_cancelled_timers_are_not_held_till_their_time(real: RealNet) -> None:
    with real.loop(clock=counter()) as loop:
        for n in range(10_000):
            loop.call_at(10**18 + n, lambda now: None).cancel()
        assert len(loop._timers) < 200


def test_a_cancelled_timer_does_not_wake(real: RealNet) -> None:
    waits: list[int | None] = []
    with real.loop(wait=waits.append, clock=counter()) as loop:
        loop.call_at(5, lambda now: None).cancel()
        loop.call_at(9, lambda now: loop.stop())
        loop.run(ignore)
    assert waits == [9] * 8


def test_the_wait_ends_at_the_earliest_of_all(real: RealNet) -> None:
    waits: list[int | None] = []
    real.stack.due = 400
    with real.loop(wait=waits.append, clock=counter()) as loop:
        real.fakes[0].due = 300
        loop.call_at(2, lambda now: loop.stop())
        loop.run(ignore)
        real.stack.due = 200
        loop.call_at(4, lambda now: loop.stop())
        loop.run(ignore)
    assert waits == [2, 4]


def test_watched_descriptors_call_back(real: RealNet) -> None:
    reader, writer = os.pipe()
    seen: list[bytes] = []
    with real.loop() as loop:

        def on_readable(now: int) -> None:
            seen.append(os.read(reader, 100))
            loop.unwatch(reader)
            loop.unwatch(reader)
            loop.watch(writer, lambda now: loop.stop(), write=True)

        loop.watch(reader, on_readable)
        with pytest.raises(StateError):
            loop.watch(reader, on_readable)
        with pytest.raises(StateError):
            loop.watch(real.fakes[0].fileno() or 0, on_readable)
        os.write(writer, b"typed")
        loop.run(ignore)
    assert seen == [b"typed"]
    os.close(reader)
    os.close(writer)


def test_a_regular_file_is_always_readable(
    real: RealNet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("input") / "file"
    path.write_bytes(b"content")
    with path.open("rb") as file, real.loop() as loop:
        loop.watch(file.fileno(), lambda now: loop.stop())
        loop.run(ignore)


def test_a_hot_device_does_not_starve_the_others() -> None:
    net = RealNet(2)
    net.fakes[0].hot = True
    net.fakes[0].receive = lambda now: [Packet(b"more")]  # type: ignore[method-assign]
    net.fakes[1].peer.send(b"waiting")
    with net.loop() as loop:
        turns: list[int] = []
        arrived: list[int] = []

        def receive(items: object, now: int) -> None:
            arrived.append(len(turns))
            loop.stop()

        def handle_timeout(now: int) -> None:
            turns.append(now)

        net.nics[1].receive = receive  # type: ignore[assignment, method-assign]
        net.stack.handle_timeout = handle_timeout  # type: ignore[method-assign]
        loop.run(ignore)
    assert arrived == [HOT_TURNS + 1]
    net.close()


def test_a_read_that_finds_nothing_is_no_turn(real: RealNet) -> None:
    real.fakes[0].peer.send(b"request")
    reads: list[int] = []
    receive = real.fakes[0].receive

    def expecting(now: int) -> list[Packet]:
        packets = receive(now)
        reads.append(len(packets))
        real.fakes[0].hot = bool(packets)
        return packets

    real.fakes[0].receive = expecting  # type: ignore[method-assign]
    with real.loop(clock=counter()) as loop:
        loop.call_at(4, lambda now: loop.stop())
        loop.run(ignore)
    assert reads == [1, 0]
    # the first one, that of the frame, and that of the timer
    turns = [entry for entry in real.log if entry[0] == "timeout"]  # type: ignore[index]
    assert turns == [("timeout", 1), ("timeout", 2), ("timeout", 4)]


def test_verbs_of_a_timer_before_such_a_read_have_their_turn(real: RealNet) -> None:
    real.fakes[0].peer.send(b"request")
    receive = real.fakes[0].receive

    def expecting(now: int) -> list[Packet]:
        packets = receive(now)
        real.fakes[0].hot = bool(packets)
        return packets

    def verb(now: int) -> None:
        real.stack.rounds.append([f"at {now}"])

    real.fakes[0].receive = expecting  # type: ignore[method-assign]
    seen: list[str] = []

    def app(events: list[str], now: int) -> bool:
        seen.extend(events)
        return True

    with real.loop(clock=counter()) as loop:
        loop.call_at(3, verb)  # when the second read finds nothing
        loop.run(app)
    assert seen == ["at 3"]


def test_it_asks_a_few_times_before_it_sleeps_where_frames_came(
    real: RealNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float | None] = []
    peer = real.fakes[0].peer

    class Counting(selectors.PollSelector):
        def select(self, timeout: float | None = None) -> Any:
            asked.append(timeout)
            if timeout is None and len(asked) > 1:
                loop.stop()  # else it would sleep for ever
            return super().select(timeout)

    monkeypatch.setattr(selectors, "PollSelector", Counting)
    peer.send(b"request")
    with real.loop() as loop:
        loop.run(ignore)
        assert asked == [None, *[0] * LINGER, None]
        loop.call_at(0, lambda now: None)
        loop.run(ignore)
        assert asked[LINGER + 2 :] == [None]  # for a timer nobody lingers


def test_busy_polling_asks_again_instead_of_sleeping(
    real: RealNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float | None] = []
    peer = real.fakes[0].peer

    class Counting(selectors.PollSelector):
        def select(self, timeout: float | None = None) -> Any:
            asked.append(timeout)
            if len(asked) == 5:
                peer.send(b"second")  # nobody sleeps: it is found all the same
            return super().select(timeout)

    monkeypatch.setattr(selectors, "PollSelector", Counting)
    peer.send(b"first")
    with real.loop(busy_poll=10**15) as loop:
        arrived: list[bytes] = []

        def receive(items: Sequence[Packet], now: int) -> None:
            arrived.extend(item.head for item in items)
            if b"second" in arrived:
                loop.stop()

        real.nics[0].receive = receive  # type: ignore[method-assign]
        loop.run(ignore)
    assert arrived == [b"first", b"second"]
    assert asked == [None, 0, 0, 0, 0]
    # one turn at first and one for each frame, none while it only asked
    assert len([entry for entry in real.log if entry[0] == "timeout"]) == 3


def test_the_loss_of_the_last_device_ends_the_loop(real: RealNet) -> None:
    seen: list[str] = []
    lost: list[str] = []

    def app(events: list[str], now: int) -> None:
        seen.extend(events)

    real.fakes[0].fails = "receive"
    real.fakes[0].peer.send(b"x")
    with (
        real.loop(gone=lambda nic, error: lost.append(nic.name)) as loop,
        pytest.raises(DeviceGone, match="n0 in receive"),
    ):
        loop.run(app)
    assert seen == ["n0 down"]
    assert lost == ["n0"]
    assert real.devices  # the caller's own dict is left alone


def test_the_loss_in_transmit_is_seen_by_the_app(real: RealNet) -> None:
    seen: list[str] = []

    def app(events: list[str], now: int) -> None:
        seen.extend(events)

    real.fakes[0].fails = "room"
    with real.loop() as loop, pytest.raises(DeviceGone):
        loop.run(app)
    assert seen == ["n0 down"]


def test_run_is_the_loop_without_handles(real: RealNet) -> None:
    real.stack.rounds.append(["go"])
    run(real.stack, real.devices, counter(), lambda events, now: True)
    assert ("timeout", 1) in real.log
