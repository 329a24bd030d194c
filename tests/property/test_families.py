"""Nothing above IP asks how long an address is: the same conversation over IPv6.

The stack has only the fixed IPv6 header (RFC 8200 3), so the medium is bare IP: no
neighbours to find.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Entropy, Medium
from sansio_net.stack import Event
from sansio_net.testing import Conditions, Link, Pair
from sansio_net.testing.strategies import conditions, seeds
from sansio_net.wire.ipv4 import PROTO_TCP

from .conversation import QUICK, Talk, make_stack

FAMILIES = {
    4: ("10.0.0.1/24", "10.0.0.2/24"),
    6: ("fd00::1/64", "fd00::2/64"),
}


def talk_over(version: int, seed: int, bad: Conditions, sizes: tuple[int, int]) -> Talk:
    link = Link(seed, medium=Medium.IP)
    for name in Conditions.__slots__:
        link.set(None, **{name: getattr(bad, name)})
    talk = Talk(seed, link, medium=Medium.IP, addresses=FAMILIES[version])
    data = Entropy.of(seed).child("data")
    assert talk.pair.run_until(lambda: talk.sides[1].conn is not None)
    for side, size in zip(talk.sides, sizes, strict=True):
        side.send(data.bytes(64) * (size // 64))
    for side in talk.sides:
        side.finish()
    assert talk.pair.run_until(lambda: all(side.gone for side in talk.sides))
    return talk


@given(
    seed=seeds(),
    bad=conditions(max_loss=30_000),
    sizes=st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)),
)
def test_the_same_conversation_in_both_families(
    seed: int, bad: Conditions, sizes: tuple[int, int]
) -> None:
    seen = []
    for version in (4, 6):
        talk = talk_over(version, seed, bad, sizes)
        talk.check_end()
        for side, peer in (talk.sides, talk.sides[::-1]):
            assert side.eof
            assert side.lost is None
            assert side.received == peer.sent
        kinds = [sorted(set(side.kinds)) for side in talk.sides]
        seen.append((kinds, *(side.received for side in talk.sides)))
        assert talk.pair.sent
        for _, _, packet in talk.pair.sent:
            ip = packet.join()
            assert ip[0] >> 4 == version
            assert ip[9 if version == 4 else 6] == PROTO_TCP
    assert seen[0] == seen[1]


def test_only_the_mss_knows_the_size_of_the_header() -> None:
    sizes = []
    for version in (4, 6):
        talk = talk_over(version, 1, Conditions(), (64 * 100, 0))
        sizes.append(max(len(packet) for _, _, packet in talk.pair.sent))
    assert sizes == [1500, 1500]


@given(seed=seeds(), payload=st.binary(max_size=1400))
def test_a_datagram_in_both_families(seed: int, payload: bytes) -> None:
    for version in (4, 6):
        stacks = [
            make_stack(seed, end, FAMILIES[version][end], Medium.IP, QUICK)
            for end in (0, 1)
        ]
        pair: Pair[Event] = Pair(stacks[0], stacks[1], Link(medium=Medium.IP))
        host = FAMILIES[version][1].split("/")[0]
        server = stacks[1].udp_bind(("", 53))
        client = stacks[0].udp_bind(("", 0), peer=(host, 53))
        client.send(payload)
        pair.run_until_idle()
        got = server.receive()
        assert got is not None
        assert got.data == payload
        assert got.source[0] == FAMILIES[version][0].split("/")[0]
        server.send_to(payload[::-1], got.source)
        pair.run_until_idle()
        answer = client.receive()
        assert answer is not None
        assert answer.data == payload[::-1]
