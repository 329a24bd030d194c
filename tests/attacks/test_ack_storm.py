"""ACK storms (Joncheray; Abramov and Herzberg 2011), 1995.

Elsewhere: a little text injected both ways leaves each end sure that the other is out
of step: every ACK provokes one, for ever, until the link loses one.

Here: a segment that cannot be is answered by a challenge ACK, ten in five seconds: two
stacks of ours fall silent at once.
"""

from __future__ import annotations

from sansio_net.packet import Medium, Packet
from sansio_net.protocols.tcp import TcpOptions
from sansio_net.testing.craft import tcp_packet
from sansio_net.testing.link import Link
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.tcp import ACK, PSH
from tests.property.conversation import PORT, Talk

from .arena import Arena, Peer


def conversation() -> Talk:
    link = Link(1, medium=Medium.IP, latency=MILLISECOND)
    talk = Talk(1, link, medium=Medium.IP, options=TcpOptions(timestamps=False))
    assert talk.pair.run_until(lambda: talk.sides[1].conn is not None)
    talk.pair.run_for(SECOND)
    return talk


def inject(talk: Talk, end: int, text: bytes) -> None:
    """As the peer of `end`, exactly in sequence: this attacker sees everything."""
    conn = talk.sides[end].conn
    assert conn is not None
    packet = tcp_packet(
        conn.peer,
        conn.local,
        seq=conn.receiver.rcv_nxt,
        ack=conn.sender.snd_una,
        flags=ACK | PSH,
        payload=text,
    )
    talk.pair.link.receive([(1 - end, Packet.received(packet))], talk.pair.now)


def test_text_injected_both_ways() -> None:
    talk = conversation()
    inject(talk, 0, b"x" * 10)
    inject(talk, 1, b"y" * 20)
    before = [talk.pair.link.counts(end).sent for end in (0, 1)]
    talk.pair.run_for(60 * SECOND)
    after = [talk.pair.link.counts(end).sent for end in (0, 1)]
    assert all(b - a <= 30 for a, b in zip(before, after, strict=True))
    assert PORT


def test_an_end_that_is_out_of_step_for_ever() -> None:
    """Whatever is answered is answered again at once, from outside the window."""
    arena = Arena()
    arena.listen()
    peer = Peer(arena).connect()
    answers = 0
    said = peer.say(".", 10**6, 1)
    for _ in range(10_000):
        answers += len(said)
        said = peer.say(".", 10**6, 1)
        arena.now += MILLISECOND
    # ten seconds
    assert answers <= 30


def test_old_text_for_ever() -> None:
    """Each repetition of old text is answered once at most: the echo has no gain."""
    arena = Arena()
    arena.listen()
    peer = Peer(arena).connect()
    peer.say("P.", data=b"text")
    for _ in range(100):
        assert len(peer.say("P.", 1, data=b"text")) <= 1
