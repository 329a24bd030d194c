"""URGENT/11: the urgent pointer (CVE-2019-12255, -12260, -12261, -12263), 2019.

Elsewhere: in VxWorks an urgent pointer of 0, or one set before the connection stood,
underflowed a length and overflowed the application's buffer; WinNuke (CVE-1999-0153)
stopped Windows with urgent data in 1997.

Here: urgent text stays in line (RFC 6093): the pointer is a number for the application,
never a length: whatever it says, exactly the bytes in sequence are read.
"""

from __future__ import annotations

import pytest

from .arena import Arena, Peer

POINTERS = (0, 1, 2, 4, 5, 6, 100, 0x7FFF, 0x8000, 0xFFFF)


@pytest.fixture
def peer() -> Peer:
    arena = Arena()
    arena.listen()
    return Peer(arena, isn=2**32 - 3).connect()


@pytest.mark.parametrize("pointer", POINTERS)
def test_a_pointer_anywhere(peer: Peer, pointer: int) -> None:
    """CVE-2019-12255: a pointer of 0; and those beside the text it came with."""
    peer.say("PU.", data=b"hello", urgent=pointer)
    conn = peer.conn
    assert 0 <= conn.urgent <= 0xFFFF
    assert conn.recv(2) == b"he"
    assert conn.recv(100) == b"llo"
    assert conn.recv(100) is None
    assert conn.urgent == max(0, pointer - 5)


@pytest.mark.parametrize("pointer", POINTERS)
def test_on_what_was_read_long_ago(peer: Peer, pointer: int) -> None:
    """CVE-2019-12263: a pointer that moves back while text is being read."""
    peer.say("P.", data=bytes(1000))
    assert peer.conn.recv(10_000) == bytes(1000)
    peer.say("U.", 1, data=b"old", urgent=pointer)
    peer.say("U.", 501, data=bytes(500) + b"new", urgent=pointer)
    assert peer.conn.recv(10_000) == b"new"
    assert peer.conn.urgent >= 0


@pytest.mark.parametrize("pointer", POINTERS)
@pytest.mark.parametrize("flags", ["SU", "SPU", "SFU"])
def test_on_a_syn(flags: str, pointer: int) -> None:
    """CVE-2019-12261: a pointer before there is a sequence to point into."""
    arena = Arena()
    arena.listen()
    peer = Peer(arena)
    peer.say(flags, 0, data=b"xyz", urgent=pointer, mss=1460)
    peer.next = 1
    peer.say(".")
    peer.say("P.", data=b"text")
    conn = arena.accepted[0]
    assert conn.recv(100) == b"text"
    assert conn.urgent == 0


@pytest.mark.parametrize("pointer", POINTERS)
def test_on_a_syn_ack(pointer: int) -> None:
    """CVE-2019-12261: when we are the one who connects."""
    arena = Arena()
    conn = arena.stack.tcp_connect(("10.0.0.1", 80))
    peer = Peer(arena, port=80, to_port=conn.lport)
    (syn,) = peer.mine(arena.turn())
    assert syn.flags == "S"
    peer.say("SU.", 0, data=b"early", urgent=pointer, mss=1460)
    got = conn.recv(100)
    assert got == b"early"
    assert conn.urgent == max(0, pointer - 5)


@pytest.mark.parametrize("size", range(2, 40))
def test_a_malformed_authentication_option(size: int) -> None:
    """CVE-2019-12260: TCP-AO's length was subtracted without a look."""
    for kind in (19, 29):
        arena = Arena()
        arena.listen()
        peer = Peer(arena)
        raw = (bytes((kind, size)) + bytes(36))[:36]
        answers = peer.say("S", 0, raw=raw + b"\0" * (-len(raw) % 4))
        assert [one.flags for one in answers] == ["S."]


def test_only_urgent_for_ever(peer: Peer) -> None:
    """WinNuke and its loops: text and nothing but urgent; all of it is in line."""
    for n in range(200):
        peer.say("U.", data=b"boom", urgent=(n * 331) & 0xFFFF)
    got = peer.conn.recv(10_000)
    assert got == b"boom" * 200
    assert peer.conn.urgent <= 0xFFFF
