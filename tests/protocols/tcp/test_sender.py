from __future__ import annotations

from sansio_net.protocols.tcp.sender import Sender


def sender(wnd: int = 10_000, limit: int = 20_000) -> Sender:
    made = Sender(limit)
    made.start(0)
    made.snd_nxt = 1
    made.acknowledge(1)
    made.mss = 1000
    made.set_window(0, 1, wnd)
    return made


def test_what_was_queued_before_the_number_keeps_its_place() -> None:
    made = Sender(100)
    made.write(b"abc")
    made.start(5000)
    assert made.queue_end == 5004
    assert (made.unsent, made.queued) == (3, 3)
    made.snd_nxt = 5001
    made.acknowledge(5001)
    assert b"".join(made.parts(5002, 9)) == b"bc"


def test_small_pieces_are_joined() -> None:
    made = sender()
    for _ in range(100):
        made.write(b"0123456789")
    assert made.queue is not None
    assert made.queue.n_chunks == 1


def test_a_short_write() -> None:
    made = sender(limit=5)
    assert made.write(b"abc") == 3
    assert not made.short_send
    assert made.write(b"def") == 2
    assert made.short_send
    assert made.space == 0
    assert not made.space_is_worth_telling()
    made.snd_nxt = 6
    made.acknowledge(3)
    assert made.space_is_worth_telling()


def test_whole_segments_and_the_rest() -> None:
    made = sender()
    made.write(bytes(2500))
    assert made.sendable(10_000, False) == 2500
    made.small_end = 2  # something short is in flight
    assert made.sendable(10_000, False) == 2000
    assert made.sendable(10_000, True) == 2500
    assert made.sendable(1999, True) == 1000
    assert made.cwnd_limited
    assert made.sendable(999, True) == 0
    assert made.sendable(-5, True) == 0


def test_a_fin_lets_the_rest_go() -> None:
    made = sender()
    made.write(b"tail")
    made.small_end = 2
    assert made.sendable(10_000, False) == 0
    made.fin = True
    assert made.sendable(10_000, False) == 4


def test_silly_windows() -> None:
    made = sender(wnd=1200)
    made.set_window(1, 1, 500)
    made.write(bytes(900))
    assert made.sendable(10_000, False) == 0
    assert made.stuck
    assert made.probe_size() == 500
    made.set_window(2, 1, 600)  # half of the largest ever seen
    assert made.sendable(10_000, False) == 600
    made.set_window(3, 1, 0)
    assert made.sendable(10_000, False) == 0
    assert made.probe_size() == 1


def test_a_window_that_shrank_below_what_is_in_flight() -> None:
    made = sender()
    made.write(bytes(5000))
    made.snd_nxt += 3000
    made.set_window(1, 1, 1000)
    assert made.sendable(10_000, True) == 0


def test_windows_from_the_past() -> None:
    made = sender(wnd=100)
    assert made.set_window(5, 1, 200)
    assert not made.set_window(4, 1, 300)
    assert not made.set_window(5, 0, 300)
    assert made.snd_wnd == 200
    assert not made.set_window(5, 1, 200)
    assert made.max_snd_wnd == 200


def test_acknowledging_text_and_fin() -> None:
    made = sender()
    made.write(b"abcdef")
    made.fin = True
    made.snd_nxt = made.queue_end + 1
    assert made.fin_sent
    assert made.acknowledge(4) == 3
    assert made.queued == 3
    assert b"".join(made.parts(4, 2)) == b"de"
    assert made.acknowledge(8) == 4
    assert made.queue is None
    assert made.fin_acked
    assert made.in_flight == 0
