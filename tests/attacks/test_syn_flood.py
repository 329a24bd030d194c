"""SYN flood (CERT CA-1996-21), 1996.

Elsewhere: SYNs from addresses that do not exist filled the table of half-open
connections for a minute each: a modem was enough to shut Panix off the net.

Here: `max_half_open` bounds what is kept; beyond it SYN cookies (RFC 4987 3.6) answer
without memory, so that real clients connect meanwhile, with their options where they
send timestamps.
"""

from __future__ import annotations

import pytest

from sansio_net.entropy import Entropy
from sansio_net.protocols.tcp import State
from sansio_net.stack import StackConfig
from sansio_net.testing.craft import tcp_packet
from sansio_net.units import KIB, MICROSECOND, MINUTE
from sansio_net.wire.tcp import ACK, RST, SYN
from sansio_net.wire.tcp_options import build_tcp_options

from .arena import PORT, VICTIM, Arena, Peer, weight

HALF_OPEN = 256


def flood(arena: Arena, n: int, seed: int = 1, batch: int = 64) -> int:
    """`n` SYNs from random sources, 10 us apart; how many packets they earned."""
    dice = Entropy.of(seed)
    options = build_tcp_options(mss=1460, sack_permitted=True, wscale=7)
    earned = 0
    for _ in range(0, n, batch):
        packets = []
        for _ in range(batch):
            number = dice.below(1 << 48)
            # from 10.128.0.0/9: a route leads there, and nobody answers
            place = (10 << 24) + (1 << 23) + (number >> 25)
            packets.append(
                tcp_packet(
                    (place.to_bytes(4, "big"), 1024 + number % 60_000),
                    (VICTIM, PORT),
                    seq=number,
                    flags=SYN,
                    options=options,
                )
            )
        earned += len(arena.turn(*packets))
        arena.now += batch * 10 * MICROSECOND
    return earned


def test_a_hundred_thousand_and_a_real_client() -> None:
    arena = Arena(max_half_open=HALF_OPEN)
    listener = arena.listen()
    flood(arena, 4 * HALF_OPEN)
    arena.events.clear()
    full = weight(arena.stack)
    earned = flood(arena, 100_000, seed=2)
    # nothing was kept: not even a counter's worth beside the table
    assert weight(arena.stack) < full + 64 * KIB
    assert listener.half_open == HALF_OPEN
    assert len(arena.stack.connections()) == HALF_OPEN
    # an answer each at most, and those of the table again
    assert earned <= 100_000 + 64 + 6 * HALF_OPEN
    assert arena.count("tcp.syn_cookies_sent") >= 100_000
    client = Peer(arena, stamps=True).connect(wscale=5, sack_permitted=True)
    info = client.conn.info()
    assert (info.state, info.snd_wscale, info.sack) == (State.ESTABLISHED, 5, True)
    client.say("P.", data=b"GET / HTTP/1.0\r\n\r\n")
    assert client.conn.recv(100) == b"GET / HTTP/1.0\r\n\r\n"
    client.conn.send(b"200 OK")
    assert client.wait(0)[0].data == b"200 OK"
    # the flood over, all is as before
    arena.wait(10 * MINUTE)
    assert listener.half_open == 0
    assert len(arena.stack.connections()) == 1


def test_a_client_without_timestamps_connects_too() -> None:
    arena = Arena(max_half_open=HALF_OPEN)
    arena.listen()
    flood(arena, 2000)
    client = Peer(arena).connect(mss=1220)
    assert client.conn.info().snd_mss <= 1220
    client.say("P.", data=b"hello")
    assert client.conn.recv(100) == b"hello"


def test_the_clients_first_text_may_come_before_its_ack() -> None:
    """The ACK that completes a cookie may be lost: the text after it brings it too."""
    arena = Arena(max_half_open=HALF_OPEN)
    arena.listen()
    flood(arena, 2000)
    client = Peer(arena)
    client.say("S", 0, mss=1460)
    client.say("P.", data=b"hello")
    assert arena.accepted[0].recv(100) == b"hello"


@pytest.mark.parametrize("cookies", ["full", "off"])
def test_an_ack_out_of_nowhere_is_no_connection(cookies: str) -> None:
    """An ACK flood: 50 000 guesses at a cookie, none of them right, each one RST."""
    arena = Arena(max_half_open=16, syn_cookies=cookies)
    arena.listen()
    flood(arena, 640)
    before = weight(arena.stack)
    dice = Entropy.of(3)
    for _ in range(0, 50_000, 50):
        packets = [
            tcp_packet(
                ("10.9.9.9", 1024 + dice.below(60_000)),
                (VICTIM, PORT),
                seq=dice.below(1 << 32),
                ack=dice.below(1 << 32),
                flags=ACK,
            )
            for _ in range(50)
        ]
        said = arena.turn(*packets)
        assert len(said) <= 50
        assert all(one.flags == "R" for one in said if one.sport == PORT)
    assert arena.accepted == []
    assert weight(arena.stack) < before + 64 * KIB


def test_without_cookies_it_is_bounded_all_the_same() -> None:
    arena = Arena(max_half_open=HALF_OPEN, syn_cookies="off")
    listener = arena.listen()
    flood(arena, 6400)
    assert listener.half_open == HALF_OPEN
    assert arena.count("drop.tcp_half_open_full") == 6400 - HALF_OPEN


def test_the_connection_table_is_a_bound_too() -> None:
    """Many listeners, one table: what does not fit is answered by cookies as well."""
    arena = Arena(config=StackConfig(max_connections=100))
    arena.listen()
    flood(arena, 2000)
    assert len(arena.stack.connections()) <= 100


def test_resets_and_other_floods_make_nothing() -> None:
    arena = Arena()
    arena.listen()
    before = weight(arena.stack)
    for flags in (RST, RST | ACK, ACK, 0):
        for n in range(0, 5000, 50):
            arena.turn(
                *(
                    tcp_packet(("10.7.7.7", 1024 + n + i), (VICTIM, PORT), flags=flags)
                    for i in range(50)
                )
            )
    assert weight(arena.stack) < before + 64 * KIB
    assert arena.stack.connections() == []
