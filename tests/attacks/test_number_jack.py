"""NUMBER:JACK (CVE-2020-27213 and others), 2020.

Elsewhere: Mitnick did it in 1994, and still nine embedded stacks chose initial sequence
numbers from a counter or a weak generator: who knew a few could guess the next, and
reset, inject or spoof a connection.

Here: RFC 6528: a keyed hash of the addresses and ports, plus a clock: numbers of other
connections tell nothing. Timestamps start at a keyed offset as well.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from sansio_net.units import SECOND

from .arena import MODULUS, Arena, Peer

N = 2048


def isns(seed: int, *, vary: str) -> list[int]:
    """ISNs of SYN-ACKs at the same moment; the port or the address goes up by one."""
    arena = Arena(seed=seed, max_half_open=N)
    arena.listen()
    found = []
    for n in range(N):
        if vary == "port":
            peer = Peer(arena, port=1024 + n)
        else:
            peer = Peer(arena, f"10.1.{n // 250}.{1 + n % 250}")
        peer.say("S", 0, mss=1460)
        found.append(peer.their_isn)
    return found


def check_uniform(numbers: list[int]) -> None:
    # every bit is set half of the time: six sigma of a fair coin
    for bit in range(32):
        ones = sum(number >> bit & 1 for number in numbers)
        assert abs(ones - N / 2) < 6 * (N / 4) ** 0.5, bit
    # chi squared over 64 bins, 63 degrees of freedom: mean 63, deviation 11.2
    bins = Counter(number >> 26 for number in numbers)
    chi = sum((bins[n] - N / 64) ** 2 / (N / 64) for n in range(64))
    assert chi < 63 + 6 * 11.3


def test_numbers_of_neighbouring_connections_are_unrelated() -> None:
    for vary in ("port", "address"):
        numbers = isns(1, vary=vary)
        check_uniform(numbers)
        # and so are their differences: no step to be learnt
        following = [*numbers[1:], numbers[0]]
        check_uniform(
            [(b - a) % MODULUS for a, b in zip(numbers, following, strict=True)]
        )
        assert len(set(numbers)) == N


def test_cookies_are_as_hard_to_guess() -> None:
    """A SYN cookie spends four bits on MSS and time; 28 are the hash."""
    arena = Arena(syn_cookies="always")
    arena.listen()
    numbers = []
    for n in range(N):
        peer = Peer(arena, port=1024 + n)
        peer.say("S", 0, mss=1460)
        numbers.append(peer.their_isn << 4 & MODULUS - 1 | n & 15)
    check_uniform(numbers)


def test_another_key_gives_other_numbers() -> None:
    assert not set(isns(1, vary="port")) & set(isns(2, vary="port"))


def test_one_place_grows_with_time_as_rfc_793_wanted() -> None:
    """RFC 6528 3: a new incarnation lies above the old one: 250 000 a second."""
    numbers: list[int] = []
    for _ in range(3):
        arena = Arena(seed=5)
        arena.listen()
        arena.now += len(numbers) * SECOND
        peer = Peer(arena)
        peer.say("S", 0)
        numbers.append(peer.their_isn)
    steps = [(b - a) % MODULUS for a, b in pairwise(numbers)]
    assert steps == [250_000, 250_000]


def test_the_timestamp_says_nothing_of_the_uptime() -> None:
    """RFC 7323 5.4, 7.1: hosts see clocks with offsets that they cannot compare."""
    stamps = []
    for n in range(200):
        arena = Arena(seed=7)
        arena.listen()
        peer = Peer(arena, f"10.2.0.{n + 1}", stamps=True)
        peer.say("S", 0)
        stamps.append(peer.their_stamp)
    assert len(set(stamps)) == 200
    assert abs(sum(stamp >> 31 for stamp in stamps) - 100) < 6 * 50**0.5


def test_ports_of_our_own_do_not_count_up() -> None:
    """RFC 6056 3.3.4, 3.3.5: who sees the ports towards himself learns nothing of those
    towards others, and cannot count the connections in between."""
    arena = Arena()
    connect = arena.stack.tcp_connect
    mine = [connect(("10.0.0.66", 443)).lport for _ in range(100)]
    others = [connect((f"10.0.1.{n + 1}", 443)).lport for n in range(200)]
    assert len(set(mine)) == 100
    assert len({(b - a) for a, b in pairwise(mine)}) > 5
    first, last = arena.stack.config.ephemeral_ports
    quarters = Counter((port - first) * 4 // (last - first + 1) for port in others)
    assert all(abs(quarters[n] - 50) < 6 * (200 * 3 / 16) ** 0.5 for n in range(4))
    near = [port for port in others if min(mine) - 50 <= port <= max(mine) + 50]
    assert len(near) < 200 * (max(mine) - min(mine) + 100) / (last - first + 1) * 3 + 6
