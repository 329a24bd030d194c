"""Windows shrunk, shut, or both by turns (RFC 2525 lists such ends), 1999.

Elsewhere: a window withdrawn below what was in flight made senders compute negative
sizes, loop, or stall for ever once the update that opens it again was lost.

Here: RFC 9293 SHLD-15 to 17: nothing new beyond the window, what was sent goes again at
its left edge, probes go on, and everything arrives when it opens.
"""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.units import MINUTE, SECOND

from .arena import Arena, Peer


def in_flight(window: int, **options: Any) -> Peer:
    arena = Arena(**options)
    arena.listen()
    peer = Peer(arena).connect(win=window, mss=1000)
    peer.conn.send(bytes(range(250)) * 400)
    peer.wait(0)
    return peer


@pytest.mark.parametrize("window", [0, 1, 500, 1000, 2999])
def test_withdrawn_below_what_is_in_flight(window: int) -> None:
    peer = in_flight(10_000)
    assert peer.heard == 10_001
    # one segment arrived, and the window is suddenly gone
    said = peer.say(".", 1, 1001, win=window)
    assert not [one for one in said if one.seq >= 10_001]
    for _ in range(20):
        for one in peer.wait(10 * SECOND):
            # nothing that was never sent, but for a probe
            assert one.seq + len(one.data) <= 10_002
            assert len(one.data) <= 1000
    assert not peer.conn.done
    finish(peer, 1001)


def finish(peer: Peer, acked: int) -> None:
    """The window opens, and an honest receiver gets everything."""
    text = bytes(range(250)) * 400
    have = bytearray(text[: acked - 1])
    said = peer.say(".", 1, 1 + len(have), win=20_000)
    for _ in range(500):
        for one in said:
            if one.seq - 1 <= len(have) < one.seq - 1 + len(one.data):
                have += one.data[len(have) - (one.seq - 1) :]
        if len(have) == len(text):
            break
        said = peer.say(".", 1, 1 + len(have), win=20_000)
        said += peer.wait(SECOND)
    assert bytes(have) == text


def test_open_and_shut_by_turns() -> None:
    peer = in_flight(5000)
    arena = peer.arena
    before = arena.sent
    for n in range(1000):
        peer.say(".", 1, 1, win=0 if n % 2 else 5000)
    # an update without progress earns no more than the probe it answers
    assert arena.sent - before < 100
    finish(peer, 1)


def test_the_update_that_was_lost() -> None:
    """The persist timer is there for it: a probe within a minute."""
    peer = in_flight(1000)
    peer.say(".", 1, 1001, win=0)
    probes = [one for one in peer.wait(MINUTE) if one.data]
    assert probes
    assert all(len(one.data) == 1 for one in probes)
    finish(peer, 1001)


def test_a_window_from_the_past_is_not_believed() -> None:
    """RFC 9293 3.10.7.4: SND.WL1 and SND.WL2 keep old segments out."""
    peer = in_flight(5000)
    peer.say("P.", data=b"newer", win=8000, ack=1001)
    known = peer.conn.info().snd_wnd
    peer.say(".", 1, 1, win=0)
    assert peer.conn.info().snd_wnd == known == 8000


def test_scaled_windows_have_an_end() -> None:
    """RFC 7323 2.3: no shift above 14, whatever the SYN says; no window above 1 GiB."""
    for shift in (14, 15, 31, 255):
        arena = Arena()
        arena.listen()
        peer = Peer(arena).connect(wscale=shift)
        assert peer.conn.info().snd_wscale == 14
        assert peer.conn.info().snd_wnd == 65535 << 14
