"""Options that no test of a part sets: each makes the difference that it promises."""

from __future__ import annotations

from sansio_net.protocols.tcp.timers import PACING
from sansio_net.units import MILLISECOND, MINUTE, SECOND

from .dialogue import Talk

MS = MILLISECOND


def test_min_mss() -> None:
    for least, sizes in ((48, [64] * 9 + [24]), (256, [256, 256, 88])):
        talk = Talk.active(mss=64, min_mss=least)
        talk.conn.send(bytes(600))
        assert [len(said.data) for said in talk.all_said()] == sizes


def test_max_rto() -> None:
    for most in (SECOND, 3 * SECOND):
        talk = Talk.active(initial_rto=SECOND, max_rto=most)
        talk.conn.send(b"text")
        talk.all_said()
        waited = []
        for _ in range(6):
            waited.append(talk.wait_timer("retransmit"))
            talk.all_said()
        assert waited == [min(200 * MS << n, most) for n in range(6)]


def test_synack_retries() -> None:
    for retries in (0, 2):
        talk = Talk.half_open(synack_retries=retries)
        talk.us("S.")
        for _ in range(retries):
            talk.wait_timer("retransmit")
            talk.us("S.")
        talk.wait_timer("retransmit")
        talk.silent()
        assert talk.conn.done


def test_stray_ack_interval() -> None:
    for interval, answered in ((2 * SECOND, [True, False, True]), (0, [True] * 3)):
        talk = Talk.active(stray_ack_interval=interval)
        seen = []
        for _ in range(3):
            talk.peer(".", seq=200_000, ack=1)
            seen.append(bool(talk.all_said()))
            talk.now += SECOND
        assert seen == answered


def test_pmtu_age() -> None:
    for age in (5 * MINUTE, 20 * MINUTE):
        talk = Talk.active(mss=1460, pmtu_age=age)
        talk.conn.send(bytes(1460))
        talk.all_said()
        talk.conn.path_mtu(1200, 1500, 20, talk.conn.sender.snd_una, talk.now)
        assert talk.conn.info().pmtu == 1200
        talk.all_said()
        talk.peer(".", seq=1, ack=1461)
        assert talk.wait_timer("path") == age
        assert talk.conn.info().pmtu == 1500


def test_pacing() -> None:
    for pacing in (False, True):
        talk = Talk.active(pacing=pacing)
        talk.conn.send(bytes(100_000))
        assert len(talk.all_said()) == 10  # the initial window is not paced
        talk.now += 100 * MS
        talk.peer(".", seq=1, ack=10_001)
        at_once = len(talk.all_said())
        assert (talk.conn.timers.at(PACING) is not None) == pacing
        assert at_once == 20 if not pacing else at_once <= 4
        while talk.conn.timers.at(PACING) is not None:
            talk.wait_timer("pacing")
            at_once += len(talk.all_said())
        # at twice the window in a round trip
        assert at_once == 20
        took = talk.now - SECOND - 100 * MS
        assert took == 0 if not pacing else 40 * MS <= took <= 50 * MS
