"""Whatever is asked of a neighbour table: its bound holds, who is there is reached."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sansio_net.addresses import ZERO_MAC
from sansio_net.protocols.neighbours import NeighbourState
from sansio_net.stack import StackConfig
from sansio_net.units import MILLISECOND
from sansio_net.wire.arp import REPLY, REQUEST
from tests.attacks.link import (
    ATTACKER_MAC,
    EVERYBODY,
    HONEST4,
    HONEST6,
    VICTIM4,
    VICTIM6,
    Street,
    advertisement,
    arp,
    solicitation,
)

LIMIT = 8

KINDS = ("ask4", "ask6", "answer4", "answer6", "send4", "send6")


def four(n: int) -> bytes:
    return bytes((10, 0, 0, 3 + n % 250))


def six(n: int) -> bytes:
    """Anywhere in the /64."""
    return VICTIM6[:8] + (0x100 + n).to_bytes(8, "big")


def frame(kind: str, n: int) -> bytes:
    mac = ATTACKER_MAC[:4] + (n % 65536).to_bytes(2, "big")
    match kind:
        case "ask4":
            return arp(REQUEST, mac, four(n), ZERO_MAC, VICTIM4, EVERYBODY)
        case "answer4":
            return arp(REPLY, mac, four(n))
        case "ask6":
            return solicitation(six(n), mac)
    return advertisement(six(n), mac, flags=n % 8 << 5)


def known(street: Street) -> set[bytes]:
    """Of the honest neighbours, those that have answered lately."""
    assert street.nic.arp is not None
    assert street.nic.ndp is not None
    entries = *street.nic.arp.neighbours(), *street.nic.ndp.neighbours()
    reachable = {one.ip for one in entries if one.state is NeighbourState.REACHABLE}
    return reachable & {HONEST4, HONEST6}


STEPS = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, 2**40),
    st.integers(1, 40),
    st.sampled_from((0, 1, 100, 1000, 6000)),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=20))
def test_the_bound_holds_and_who_is_there_is_reached(
    steps: list[tuple[str, int, int, int]],
) -> None:
    config = StackConfig()
    config.arp.table_limit = config.ndp.table_limit = LIMIT
    street = Street(config)
    sock = street.stack.udp_bind(("", 0))
    assert street.reaches_honest()
    for kind, start, count, pause in steps:
        reachable = known(street)
        for n in range(start, start + count):
            if kind == "send4":
                sock.send_to(b"x", (".".join(map(str, four(n))), 9))
            elif kind == "send6":
                text = six(n).hex()
                parts = (text[i : i + 4] for i in range(0, 32, 4))
                sock.send_to(b"x", (":".join(parts), 9))
            else:
                street.turn(frame(kind, n))
            street.turn()
            assert street.nic.arp is not None
            assert street.nic.ndp is not None
            assert len(street.nic.arp.neighbours()) <= LIMIT
            assert len(street.nic.ndp.neighbours()) <= LIMIT
        assert reachable <= known(street)
        street.wait(pause * MILLISECOND)
        assert street.reaches_honest()
    street.forget_honest()
    assert street.reaches_honest()
    assert HONEST4 in {one.ip for one in street.nic.arp.neighbours()}
    assert HONEST6 in {one.ip for one in street.nic.ndp.neighbours()}
