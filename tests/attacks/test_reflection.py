"""TCP reflection ("Hell of a Handshake", Kuehrer et al.), 2014.

Elsewhere: a spoofed SYN earned dozens of SYN-ACKs, RSTs or even data: twenty to
eighty thousand times the traffic at worst, at somebody who never asked.

Here: a SYN, with text or without, earns one SYN-ACK no larger than itself plus our
options and five repetitions in a minute; everything else one RST or nothing; a RST
never anything. What is not accepted gets no text.
"""

from __future__ import annotations

import pytest

from sansio_net.protocols.tcp.events import Accepted
from sansio_net.testing.craft import icmp_packet, udp_packet
from sansio_net.units import MINUTE

from .arena import VICTIM, Arena, Peer

SYN_ACKS = 1 + 5
"""One, and `synack_retries`."""


@pytest.mark.parametrize("size", [0, 1, 100, 1460])
def test_a_syn_with_text_earns_one_small_answer(size: int) -> None:
    arena = Arena()
    arena.listen()

    def greet(event: object) -> None:
        if isinstance(event, Accepted):
            event.conn.send(bytes(100_000))

    arena.app = greet
    request = Peer(arena).segment("S", 0, data=bytes(size), mss=1460, wscale=14)
    (answer,) = arena.turn(request)
    assert answer.flags == "S."
    assert answer.data == b""
    assert len(answer.packet) <= 60
    assert len(answer.packet) <= len(request) or not size
    # text on it is not acknowledged either: nobody has shown that he is there
    assert (answer.ack - 1_000_000) == 1


def test_repetitions_are_few_and_end() -> None:
    arena = Arena()
    listener = arena.listen()
    arena.turn(Peer(arena).segment("S", 0, mss=1460, data=bytes(1000)))
    arena.wait(10 * MINUTE)
    assert arena.sent == SYN_ACKS
    assert listener.pending == 0
    assert arena.stack.connections() == []


def test_the_same_syn_again_and_again() -> None:
    """Each may be a retransmission, and each is answered at most once."""
    arena = Arena()
    arena.listen()
    syn = Peer(arena).segment("S", 0, mss=1460)
    for _ in range(100):
        assert len(arena.turn(syn)) <= 1
    # a batch of them earns no more than one
    assert len(arena.turn(*[syn] * 64)) == 1


@pytest.mark.parametrize("listening", [True, False])
@pytest.mark.parametrize("flags", ["S", "S.", ".", "P.", "F.", "", "F", "FPU", "SF"])
def test_whatever_else_comes_earns_one_packet_at_most(
    flags: str, listening: bool
) -> None:
    arena = Arena()
    if listening:
        arena.listen()
    request = Peer(arena).segment(flags, 5, 7, bytes(500), stamp=1, echo=2)
    answers = arena.turn(request)
    assert len(answers) <= 1
    assert all(len(answer.packet) < len(request) for answer in answers)
    if not listening:
        arena.wait(10 * MINUTE)
        assert arena.sent <= 1


@pytest.mark.parametrize("flags", ["R", "R.", "RS", "RS.", "RF.", "RP."])
def test_a_reset_is_never_answered(flags: str) -> None:
    for listening in (True, False):
        arena = Arena()
        if listening:
            arena.listen()
        assert arena.turn(Peer(arena).segment(flags, 5, 7, b"text")) == []
        arena.wait(10 * MINUTE)
        assert arena.sent == 0


def test_icmp_answers_are_no_larger_and_limited() -> None:
    """RFC 1122 3.2.2.8; RFC 1812 4.3.2.8: errors have a rate."""
    arena = Arena()
    probe = udp_packet(("10.0.0.7", 53), (VICTIM, 9), bytes(1400))
    said = arena.turn(*[probe] * 1000)
    assert len(said) < 100
    assert all(len(one.packet) <= 576 for one in said)
    echo = icmp_packet("10.0.0.7", VICTIM, 8, body=bytes(1000))
    (reply,) = arena.turn(echo)
    assert len(reply.packet) == len(echo)
    # an error never answers an error, and nobody answers a broadcast's source
    error = icmp_packet("10.0.0.7", VICTIM, 3, 3, body=probe[:28])
    assert arena.turn(error) == []
