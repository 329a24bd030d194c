"""A router with a smaller link behind it: found with its help, or without.

RFC 1191 for those that say it, RFC 4821 for those that swallow; RFC 5927 7 for others
who say it.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sansio_net import Entropy, Medium
from sansio_net.packet import Packet
from sansio_net.protocols.tcp.options import TcpOptions
from sansio_net.testing.strategies import seeds
from sansio_net.units import MILLISECOND, SECOND

from .conversation import Talk
from .router import Router

sizes = st.sampled_from([1, 3000, 60_000, 400_000])


def conversation(router: Router, seed: int, gso: int, **options: object) -> Talk:
    return Talk(
        seed,
        router,
        options=TcpOptions(send_buffer=1 << 20, **options),  # type: ignore[arg-type]
        medium=Medium.IP,
        gso_max=gso,
    )


def transfer(talk: Talk, size: int, limit: int = 120 * SECOND) -> None:
    """All of it arrives, in both directions."""
    a, b = talk.sides
    for side, n in ((a, size), (b, size // 3)):
        side.send(Entropy.of(n).bytes(min(n, 4096)) * -(-n // 4096))
    a.shutdown()
    b.shutdown()
    talk.pair.run_for(limit)
    assert (bytes(a.received), bytes(b.received)) == (bytes(b.sent), bytes(a.sent))


def new_router(seed: int, mtu: int, says: int | None) -> Router:
    router = Router(seed, medium=Medium.IP, latency="5ms")
    router.path, router.says = mtu, says
    return router


@given(
    seeds(),
    st.integers(296, 1500),
    st.booleans(),
    sizes,
    st.sampled_from([0, 65_536]),
    st.sampled_from(["off", "blackhole", "on"]),
    st.sampled_from(["0%", "1%"]),
)
@settings(max_examples=40)
def test_a_router_that_says_it(
    seed: int, mtu: int, is_old: bool, size: int, gso: int, plpmtud: str, loss: str
) -> None:
    router = new_router(seed, mtu, 0 if is_old else mtu)
    router.set(None, loss=loss)
    talk = conversation(router, seed, gso, plpmtud=plpmtud)
    transfer(talk, size)
    # at most a flight at each step down was too big, and the probes
    assert router.too_big <= 12 * (8 if is_old else 3)


@given(seeds(), st.integers(576, 1500), sizes, st.sampled_from([0, 65_536]))
@settings(max_examples=25)
def test_one_that_swallows(seed: int, mtu: int, size: int, gso: int) -> None:
    """RFC 4821: without a word from it, after some time-outs or none."""
    router = new_router(seed, mtu, None)
    talk = conversation(router, seed, gso, plpmtud="blackhole")
    transfer(talk, size)


@given(seeds(), st.integers(1064, 1500), st.sampled_from([0, 65_536]))
@settings(max_examples=15)
def test_probing_finds_it_without_a_stall(seed: int, mtu: int, gso: int) -> None:
    router = new_router(seed, mtu, None)
    talk = conversation(router, seed, gso, plpmtud="on")
    a, b = talk.sides
    for _ in range(14):
        a.send(bytes(20_000))
        talk.pair.run_for(SECOND)
    assert len(b.received) == 280_000
    assert a.conn is not None
    info = a.conn.info()
    assert mtu - 8 <= info.pmtu <= mtu
    assert router.largest <= mtu
    # lost probes cost neither time-outs nor the window
    assert info.snd_ssthresh == 0


@given(
    seeds(),
    st.lists(st.tuples(st.integers(68, 1500), st.integers(0, 40)), max_size=12),
    st.sampled_from([0, 65_536]),
)
@settings(max_examples=40)
def test_nobody_else_is_believed(
    seed: int, lies: list[tuple[int, int]], gso: int
) -> None:
    """Forged errors that even quote what is in flight: while text arrives, no packet
    gets smaller (RFC 5927 7.2)."""
    router = new_router(seed, 1500, None)
    talk = conversation(router, seed, gso)
    a, b = talk.sides
    a.send(bytes(20_000))
    talk.pair.run_for(200 * MILLISECOND)
    a.send(bytes(400_000))
    for mtu, wait in lies:
        talk.pair.run_for(wait * MILLISECOND)
        sent = [packet for _, end, packet in talk.pair.sent if end == 0]
        frame = sent[-1].join()
        lie = Packet.received(router.error(frame, mtu))
        a.stack.receive([lie], talk.pair.now)
    talk.pair.run_for(5 * SECOND)
    assert len(b.received) == 420_000
    assert a.conn is not None
    assert a.conn.info().pmtu == 1500


@pytest.mark.parametrize("says", [1200, None])
def test_a_path_that_shrinks_and_grows_again(says: int | None) -> None:
    router = new_router(1, 1500, says)
    options = {} if says else {"plpmtud": "blackhole"}
    talk = conversation(router, 1, 0, **options)
    a, b = talk.sides
    a.send(bytes(50_000))
    talk.pair.run_for(SECOND)
    router.path = 1200
    a.send(bytes(50_000))
    talk.pair.run_for(20 * SECOND)
    assert a.conn is not None
    assert len(b.received) == 100_000
    assert 1200 - 140 <= a.conn.info().pmtu <= 1200
    router.path = 1500
    talk.pair.run_for(700 * SECOND)
    a.send(bytes(100_000))
    talk.pair.run_for(10 * SECOND)
    assert len(b.received) == 200_000
    assert a.conn.info().pmtu == 1500


class Striped(Router):
    """Two paths in turn, and one of them swallows what is large (RFC 4821 7.8)."""

    turn = 0

    def _forward(self, end: int, frame: bytes, now: int) -> None:
        self.turn += len(frame) > 1200
        if len(frame) <= 1200 or self.turn % 2:
            super()._forward(end, frame, now)


def test_a_size_that_passes_half_of_the_time_is_given_up() -> None:
    router = Striped(1, medium=Medium.IP, latency="5ms")
    router.says = None
    talk = conversation(router, 1, 0, plpmtud="on")
    a, b = talk.sides
    a.send(bytes(300_000))
    talk.pair.run_for(60 * SECOND)
    assert len(b.received) == 300_000
    assert a.stack.counters()["tcp.pmtu_unverified"] >= 1
    assert a.conn is not None
    assert a.conn.info().pmtu < 1300  # perhaps on trial
