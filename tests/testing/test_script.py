"""Script: TCP tests that read like a trace, and fail with both traces."""

from __future__ import annotations

import pytest

from sansio_net.errors import StateError
from sansio_net.protocols.tcp import State, TcpOptions
from sansio_net.testing import Script, ScriptError
from sansio_net.testing.script import parse_flags
from sansio_net.units import MILLISECOND, SECOND


def established(**options: int) -> Script:
    t = Script(options=TcpOptions(**options))  # type: ignore[arg-type]
    t.listen()
    t.peer("S", seq=0, win=65535, mss=1460)
    t.us("S.", seq=0, ack=1)
    t.peer(".", seq=1, ack=1)
    assert t.happened() == ["Accepted"]
    return t


def test_a_passive_open_and_a_transfer_each_way() -> None:
    t = established()
    t.peer("P.", data=b"question")
    t.us(".", ack=9)
    assert t.happened() == ["DataReceived"]
    assert t.conn.recv(100) == b"question"
    t.conn.send(b"answer")
    t.us("P.", seq=1, ack=9, data=b"answer", at=0)
    t.silent()
    t.peer("F.")
    t.us(".", ack=10)
    t.conn.close()
    t.us("F.", seq=7, ack=10)
    t.peer(".")
    assert t.happened() == ["EofReceived", "Closed"]


def test_an_active_open() -> None:
    t = Script()
    conn = t.connect()
    t.us("S", seq=0, mss=1460, sack_ok=True, length=0)
    assert conn is t.conn
    assert conn.state is State.SYN_SENT
    t.peer("S.", win=1000, mss=1000)
    t.us(".", seq=1, ack=1)
    assert t.happened() == ["Connected"]


def test_time_goes_on_and_the_timers_run() -> None:
    t = established(initial_rto=SECOND)
    t.conn.send(b"x")
    t.us("P.", seq=1, data=b"x")
    t.at(500 * MILLISECOND)
    assert t.elapsed == 500 * MILLISECOND
    t.us("P.", seq=1, data=b"x")  # the RTT was 0: the least RTO of 200 ms
    t.silent()
    t.peer(".", ack=2)
    t.wait(60 * SECOND)
    t.silent()


def test_numbers_below_the_start_are_negative() -> None:
    t = established(keepalive=True, keepalive_idle=10 * SECOND)
    t.at(10 * SECOND)
    t.us(".", seq=0, ack=1, at=10 * SECOND)
    assert Script._relative(5, 7) == -2
    assert Script._relative(2, (1 << 32) - 1) == 3


def test_sack_blocks_are_relative() -> None:
    t = Script()
    t.listen()
    t.peer("S", mss=1460, sack_ok=True)
    t.us("S.", sack_ok=True)
    t.peer(".")
    t.peer(".", seq=101, data=b"y" * 100)
    t.us(".", ack=1, sack=[(101, 201)])


def test_the_same_over_ipv6() -> None:
    t = Script(us="fd00::2/64", peer="fd00::1")
    t.listen()
    t.peer("S", mss=1440, wscale=7, ts=(1, 0))
    t.us("S.", mss=1440)
    t.peer(".", ts=(2, 0))
    assert t.happened() == ["Accepted"]


def test_a_wrong_expectation_names_all_differences_and_shows_both_traces() -> None:
    t = established()
    t.conn.send(b"hello")
    with pytest.raises(ScriptError) as caught:
        t.us(".", seq=2, ack=1, length=5, data=b"jello", at=1)
    text = str(caught.value)
    first, second, *rest = text.splitlines()
    assert first == (
        "flags P., not .; seq 1, not 2; data b'hello', not b'jello'; at 0, not 1"
    )
    assert second.startswith("in 0.000000000 us   IP 10.0.0.2.80 > 10.0.0.1.4000: ")
    assert any(" peer IP 10.0.0.1.4000 > 10.0.0.2.80: Flags [S]" in x for x in rest)
    assert any("Flags [P.], seq 1:6, ack 1" in line for line in rest)
    assert any(line.lstrip().startswith("| 0.000000000 tcp") for line in rest)


def test_missing_and_unexpected_segments() -> None:
    t = established()
    with pytest.raises(ScriptError, match="F\\.: nothing was sent"):
        t.us("F.")
    t.conn.send(b"x")
    with pytest.raises(ScriptError, match="silence was expected"):
        t.silent()


def test_misuse() -> None:
    t = Script()
    with pytest.raises(StateError):
        _ = t.conn
    t.at(SECOND)
    with pytest.raises(StateError):
        t.at(0)
    with pytest.raises(ValueError, match="'X'"):
        t.peer("X")


def test_flags() -> None:
    assert parse_flags("S.") == 0x12
    assert parse_flags("FSRP.UEW") == 0xFF
    assert parse_flags("none") == parse_flags("") == 0


def test_a_batch_arrives_together() -> None:
    t = established(quick_acks=0)
    t.peer(".", data=b"one", hold=True)
    t.silent()
    t.peer("P.", data=b"two")
    t.us(".", ack=7)
    assert t.happened() == ["DataReceived"]


def test_stamps_are_milliseconds_of_ours_and_the_peer_s_as_they_are() -> None:
    t = Script(stamps=True)
    t.peer_clock = 100
    t.connect()
    t.us("S", ts=(0, 0))
    t.wait(20 * MILLISECOND)
    t.peer("S.")
    t.us(".", ts=(20, 120))
    t.conn.send(b"x")
    t.us("P.", ts=True)
    t.peer("P.", data=b"y")
    t.wait(SECOND)
    with pytest.raises(ScriptError, match="ts"):
        t.us(".", ts=(0, 0))
    t = established()
    t.conn.send(b"x")
    t.us("P.", ts=False, ecn=0, urgent=0)


def test_a_router_speaks_of_what_was_seen() -> None:
    t = Script()
    t.connect()
    t.us("S")
    t.router(3, 3)
    assert t.happened() == ["ConnectionLost"]
    t = Script(us="fd00::2/64", peer="fd00::1")
    t.connect()
    t.us("S")
    t.router(1, 4)
    assert t.happened() == ["ConnectionLost"]


def test_everything_sent_can_be_taken_at_once() -> None:
    t = established()
    t.conn.send(bytes(3000))
    seen = t.sent()
    assert [t.relative(each) for each in seen] == [1, 1461, 2921]
    assert all(each.checksum_holds and each.ttl == 64 for each in seen)
    assert t.sent() == []
    t = Script(us="fd00::2/64", peer="fd00::1")
    t.connect()
    t.us("S")
    assert t.last is not None
    assert (t.last.kinds[0], t.last.ttl, t.last.tos) == (2, 64, 0)
    assert t.last.checksum_holds
