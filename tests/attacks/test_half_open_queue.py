"""A listener's queue held by half-open or silent clients (Naptha, CVE-2000-1039), 2000.

Elsewhere: clients that began or finished handshakes and then did nothing at all kept
slots of the listener's queue, or the connections behind it, for hours.

Here: a half-open connection lives a minute; one more than `max_half_open` is a cookie;
one that is established waits for the application, `backlog` at most; and a real client
gets in during all of it.
"""

from __future__ import annotations

from sansio_net.units import MINUTE, SECOND

from .arena import Arena, Peer


def test_half_open_clients_live_a_minute() -> None:
    """They answer nothing, or only with what is beside the point."""
    arena = Arena(max_half_open=50)
    listener = arena.listen()
    quiet = [Peer(arena, port=1024 + n) for n in range(50)]
    for peer in quiet:
        peer.say("S", 0, mss=1460)
    assert listener.half_open == 50
    began = arena.now
    while listener.half_open:
        for peer in quiet[:10]:
            # SYNs again and ACKs that are wrong do not keep it alive
            peer.say("S", 0, mss=1460)
            peer.say(".", 5, 99)
        arena.wait(SECOND)
        assert arena.now - began < 2 * MINUTE


def test_a_real_client_gets_in_at_any_time() -> None:
    arena = Arena(max_half_open=20)
    arena.listen(backlog=5)
    for second in range(60):
        for n in range(30):
            Peer(arena, "10.3.0.1", 2000 + 30 * second + n).say("S", 0, mss=1460)
        client = Peer(arena, port=1024 + second).connect()
        client.say("P.", data=b"hello")
        assert client.conn.recv(10) == b"hello"
        client.conn.abort()
        arena.wait(SECOND)


def test_their_resets_free_the_place_at_once() -> None:
    arena = Arena(max_half_open=10)
    listener = arena.listen()
    for n in range(10):
        peer = Peer(arena, port=1024 + n)
        peer.say("S", 0, mss=1460)
        peer.say("R", 1)
    assert listener.half_open == 0


def test_an_application_that_does_not_listen_any_more() -> None:
    """Established but never taken: the backlog bounds them; the rest stays outside."""
    arena = Arena(max_half_open=100)
    listener = arena.listen(backlog=5)
    peers = []
    for n in range(50):
        peer = Peer(arena, port=1024 + n)
        peer.say("S", 0, mss=1460)
        peers.append(peer)
    # all ACKs in one batch: the application has had no turn yet
    seen = arena.turn(*(peer.segment(".", 1) for peer in peers))
    assert len(arena.accepted) == 5
    assert not [one for one in seen if "R" in one.flags]
    assert listener.half_open == 45
    # their SYN-ACKs come again, and they get in by and by
    for _ in range(40):
        for peer in peers:
            for one in peer.mine(arena.wait(SECOND // 50)):
                if one.flags == "S.":
                    peer.say(".")
    assert listener.half_open <= 45


def test_established_and_silent_is_the_applications_matter() -> None:
    """Keep-alives, where it asks for them, find out who is gone."""
    arena = Arena(keepalive=True, keepalive_idle=MINUTE)
    arena.listen()
    for n in range(20):
        Peer(arena, port=1024 + n).connect()
    arena.wait(MINUTE + 9 * 75 * SECOND + 80 * SECOND)
    assert arena.stack.connections() == []
