"""A router that believes what it is told knows what is wanted: IGMPv3 and MLDv2.

The router is RFC 3376 6.4's table for one host, without its timers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Entropy
from sansio_net.addresses import pack_ip
from sansio_net.protocols.multicast import (
    ANYTHING,
    NOTHING,
    Filter,
    Membership,
    MulticastConfig,
    exclude,
    include,
)
from sansio_net.units import SECOND
from sansio_net.wire.groups import (
    ALLOW_NEW_SOURCES,
    BLOCK_OLD_SOURCES,
    CHANGE_TO_EXCLUDE,
    CHANGE_TO_INCLUDE,
    MODE_IS_EXCLUDE,
    GroupQuery,
    GroupRecord,
    GroupReport,
)

N_GROUPS, N_SOURCES, N_OWNERS = 3, 4, 3


def address(size: int, first: str, n: int) -> bytes:
    return pack_ip(first)[:-1] + bytes((n + 1,))


@dataclass
class Router:
    """What one host wants, by what it said."""

    known: dict[bytes, Filter] = field(default_factory=dict)

    def hears(self, message: object) -> None:
        assert isinstance(message, GroupReport)
        for record in message.records:
            self.learn(record)

    def learn(self, record: GroupRecord) -> None:
        was = self.known.get(record.group, NOTHING)
        told, old = set(record.sources), set(was.sources)
        if record.kind in (MODE_IS_EXCLUDE, CHANGE_TO_EXCLUDE):
            now = exclude(told)
        elif record.kind == CHANGE_TO_INCLUDE:
            now = include(told)
        elif record.kind == ALLOW_NEW_SOURCES:
            now = exclude(old - told) if was.exclude else include(old | told)
        elif record.kind == BLOCK_OLD_SOURCES:
            now = exclude(old | told) if was.exclude else include(old - told)
        else:
            # MODE_IS_INCLUDE: of those asked for, or of all
            assert all(was.admits(one) for one in told)
            now = was
        self.known[record.group] = now


numbers = st.integers(0, N_SOURCES - 1)
filters = st.one_of(
    st.just(NOTHING),
    st.just(ANYTHING),
    st.builds(lambda n: include([bytes((one,)) for one in n]), st.sets(numbers)),
    st.builds(lambda n: exclude([bytes((one,)) for one in n]), st.sets(numbers)),
)
listens = st.tuples(st.integers(0, N_OWNERS - 1), st.integers(0, N_GROUPS - 1), filters)
queries = st.tuples(
    st.integers(-1, N_GROUPS - 1), st.sets(numbers), st.sampled_from([1, 100, 5000])
)
steps = st.lists(
    st.one_of(listens, queries, st.sampled_from([0, SECOND // 50, SECOND])),
    max_size=30,
)


class Host:
    def __init__(self, size: int, lost: int = -1) -> None:
        self.size = size
        config = MulticastConfig(max_groups=N_GROUPS, max_sources=N_SOURCES)
        self.machine = Membership(size, config=config, entropy=Entropy.of(7))
        text = "10.0.0.2" if size == 4 else "fe80::2"
        self.machine.source = pack_ip(text)
        self.first = {4: ("239.0.0.0", "10.1.0.0"), 16: ("ff15::", "2001:db8::")}[size]
        self.router = Router()
        self.now = SECOND
        self.n_sent = 0
        self.lost = lost

    def group(self, n: int) -> bytes:
        return address(self.size, self.first[0], n)

    def sources(self, wanted: Filter) -> Filter:
        made = [address(self.size, self.first[1], one[0]) for one in wanted.sources]
        return exclude(made) if wanted.exclude else include(made)

    def step(self, step: object) -> None:
        if isinstance(step, int):
            self.wait(step)
            return
        assert isinstance(step, tuple)
        one, two, three = step
        if isinstance(three, Filter):
            self.machine.listen(one, self.group(two), self.sources(three))
        else:
            asked = [bytes((n,)) for n in two] if one >= 0 else []
            query = GroupQuery(
                3 if self.size == 4 else 2,
                self.group(one) if one >= 0 else b"",
                three,
                self.sources(include(asked)).sources,
            )
            self.machine.message_arrives(query, self.machine.source, self.now)

    def wait(self, delay: int) -> None:
        end = self.now + delay
        while True:
            self.machine.handle_timeout(self.now)
            while packets := self.machine.transmit(self.now, 1):
                for packet in packets:
                    if self.n_sent != self.lost:
                        message, _ = self.machine._parse(packet.join(), 0)
                        self.router.hears(message)
                    self.n_sent += 1
            due = self.machine.next_timeout()
            if due is None or due > end:
                self.now = end
                return
            assert due > self.now
            self.now = due

    def check(self) -> None:
        for n in range(N_GROUPS):
            group = self.group(n)
            known = self.router.known.get(group, NOTHING)
            assert known == self.machine.wanted(group)


@pytest.mark.parametrize("size", [4, 16])
@given(script=steps)
def test_a_router_knows_what_is_wanted_at_once(size: int, script: list[object]) -> None:
    host = Host(size)
    for step in script:
        host.step(step)
        host.wait(0)
        host.check()
    # and in the end nothing is kept of what nobody wants
    for n in range(N_GROUPS):
        for owner in range(N_OWNERS):
            host.machine.listen(owner, host.group(n), NOTHING)
    host.wait(30 * SECOND)
    host.check()
    assert not host.machine._receptions
    assert host.machine.next_timeout() is None


@pytest.mark.parametrize("size", [4, 16])
@given(script=st.lists(listens, max_size=8), lost=st.integers(0, 20))
def test_a_report_that_is_lost_is_made_up_for(
    size: int, script: list[object], lost: int
) -> None:
    """RFC 3376 5.1: [Robustness Variable] - 1 losses."""
    host = Host(size, lost)
    for step in script:
        host.step(step)
        host.wait(0)
    host.wait(30 * SECOND)
    host.check()
