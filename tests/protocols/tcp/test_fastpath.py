"""When header prediction predicts. That it does the same is a property test."""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.protocols.tcp import fastpath
from sansio_net.wire.tcp import ACK, FIN, PSH, SYN, URG
from sansio_net.wire.tcp_options import build_tcp_options

from .dialogue import Talk


def predicted(talk: Talk, **changed: Any) -> bool:
    conn = talk.conn
    fields: dict[str, Any] = {
        "seq": conn.receiver.rcv_nxt % 2**32,
        "ack": conn.sender.snd_una % 2**32,
        "flags": ACK,
        "wnd": 65_535,
        "options": talk.peer_options(),
        "body": b"text",
        "cuts": 1,
    }
    fields.update(changed)
    return fastpath.predicted(conn, now=talk.now, **fields)


@pytest.mark.parametrize("stamps", [False, True])
def test_text_and_acks(stamps: bool) -> None:
    talk = Talk.active(stamps=stamps)
    assert predicted(talk)
    assert predicted(talk, flags=ACK | PSH)
    talk.events("DataReceived")
    assert talk.conn.recv(100) == b"texttext"
    talk.conn.send(b"answer")
    talk.us("P.")
    nxt = talk.conn.sender.snd_nxt % 2**32
    assert predicted(talk, ack=nxt, body=b"")
    assert talk.conn.info().send_queue == 0


@pytest.mark.parametrize("flag", [FIN, SYN, URG])
def test_other_flags(flag: int) -> None:
    assert not predicted(Talk.active(), flags=ACK | flag)


@pytest.mark.parametrize(
    "changed",
    [
        {"flags": PSH},
        {"seq": 5},
        {"wnd": 0},
        {"ack": 5},
        {"body": b""},
        {"body": bytes(10**6)},
        {"options": b"\1\1\1\1"},
    ],
)
def test_whatever_is_unusual(changed: dict[str, Any]) -> None:
    assert not predicted(Talk.active(), **changed)


def test_stamps_must_be_there_and_not_old() -> None:
    talk = Talk.active(stamps=True)
    old = build_tcp_options(ts_val=talk.peer_clock - 1, ts_ecr=0)
    for options in (b"", b"\1" * 12, old):
        assert not predicted(talk, options=options)


def test_a_moving_window_is_usual_a_shut_one_is_not() -> None:
    talk = Talk.active()
    assert predicted(talk, wnd=100)
    assert talk.conn.sender.snd_wnd == 100
    talk.peer(".", seq=5, ack=1, wnd=0)
    assert not predicted(talk, wnd=100)


def test_with_a_hole_or_an_early_fin() -> None:
    talk = Talk.active()
    talk.peer(".", seq=100, ack=1, data=b"early")
    assert not predicted(talk)
    talk = Talk.active()
    talk.peer("F.", seq=100, ack=1)
    assert not predicted(talk)


def test_in_recovery() -> None:
    talk = Talk.active(sack=False)
    talk.conn.send(bytes(5000))
    talk.all_said()
    for _ in range(3):
        talk.peer(".", seq=1, ack=1)
    assert not predicted(talk, ack=(talk.conn.sender.iss + 1001) % 2**32)
