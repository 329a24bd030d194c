"""IGMP and MLD alone: what is said, to whom, when. RFC 3376, 2236, 3810, 2710."""

from __future__ import annotations

import pytest

from sansio_net import Entropy, Packet
from sansio_net.addresses import pack_ip
from sansio_net.protocols.multicast import (
    ANYTHING,
    NOTHING,
    Membership,
    MulticastConfig,
    exclude,
    include,
)
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.groups import (
    CHANGE_TO_EXCLUDE,
    CHANGE_TO_INCLUDE,
    MODE_IS_EXCLUDE,
    MODE_IS_INCLUDE,
    GroupLeave,
    GroupQuery,
    GroupRecord,
    GroupReport,
)

US = {4: pack_ip("10.0.0.2"), 16: pack_ip("fe80::2")}
ROUTER = {4: pack_ip("10.0.0.1"), 16: pack_ip("fe80::1")}
NEWEST = {4: 3, 16: 2}
MESSAGE = GroupReport | GroupLeave | GroupQuery | None


def group(size: int, n: int = 1) -> bytes:
    base = pack_ip("239.1.0.0" if size == 4 else "ff15::")
    return base[:-2] + n.to_bytes(2, "big")


def source(size: int, n: int) -> bytes:
    base = pack_ip("10.9.0.0" if size == 4 else "2001:db8::")
    return base[:-2] + n.to_bytes(2, "big")


class Speaker:
    """One machine, the time, and what it said."""

    def __init__(self, size: int, **options: int) -> None:
        self.size = size
        self.machine = Membership(
            size, config=MulticastConfig(**options), entropy=Entropy.of(1)
        )
        self.machine.source = US[size]
        self.now = SECOND
        self.sent: list[tuple[int, MESSAGE]] = []

    def wait(self, delay: int = 0) -> list[MESSAGE]:
        """Until then; what was said meanwhile."""
        end, began = self.now + delay, len(self.sent)
        while True:
            self.machine.handle_timeout(self.now)
            while packets := self.machine.transmit(self.now):
                self.sent += [(self.now, self.read(one)) for one in packets]
            due = self.machine.next_timeout()
            assert due is None or due > self.now
            if due is None or due > end:
                self.now = end
                return [message for _, message in self.sent[began:]]
            self.now = due

    def read(self, packet: Packet) -> MESSAGE:
        data = packet.join()
        assert len(data) <= 1280
        return self.machine._parse(data, 0)[0]

    def hear(self, message: MESSAGE) -> None:
        self.machine.message_arrives(message, ROUTER[self.size], self.now)

    def ask(self, version: int, about: bytes = b"", **more: object) -> None:
        query = GroupQuery(version, about, 10_000)
        for name, value in more.items():
            setattr(query, name, value)
        self.hear(query)

    def records(self, messages: list[MESSAGE]) -> list[GroupRecord]:
        found = []
        for message in messages:
            assert isinstance(message, GroupReport)
            found += message.records
        return found


BOTH = pytest.mark.parametrize("size", [4, 16])


@BOTH
def test_a_general_query_of_old_is_answered_group_by_group(size: int) -> None:
    """RFC 2236 3, RFC 2710 4: each at a random time of its own."""
    speaker = Speaker(size)
    groups = [group(size, n) for n in range(20)]
    speaker.ask(NEWEST[size] - 1)
    for n, one in enumerate(groups):
        speaker.machine.listen(n, one, ANYTHING)
    speaker.wait(10 * SECOND)
    speaker.sent.clear()
    speaker.ask(NEWEST[size] - 1)
    # somebody else answers for half of them before we do
    for one in groups[:10]:
        record = GroupRecord(CHANGE_TO_EXCLUDE, one)
        speaker.hear(GroupReport(NEWEST[size] - 1, (record,)))
    said = speaker.wait(10 * SECOND)
    assert sorted(one.group for one in speaker.records(said)) == groups[10:]
    times = [at for at, _ in speaker.sent]
    assert len(set(times)) == 10
    assert max(times) - min(times) > SECOND
    assert all(isinstance(one, GroupReport) and one.version < 3 for one in said)


@BOTH
def test_a_report_of_today_answers_for_nobody_else(size: int) -> None:
    speaker = Speaker(size)
    speaker.ask(NEWEST[size] - 1)
    speaker.machine.listen(1, group(size), ANYTHING)
    speaker.wait(10 * SECOND)
    speaker.ask(NEWEST[size] - 1)
    record = GroupRecord(MODE_IS_EXCLUDE, group(size))
    speaker.hear(GroupReport(NEWEST[size], (record,)))
    assert len(speaker.wait(10 * SECOND)) == 1


@BOTH
def test_a_timer_that_runs_is_moved_only_forward(size: int) -> None:
    """RFC 2236 3: where the remaining time is more than the query allows."""
    speaker = Speaker(size)
    speaker.ask(NEWEST[size] - 1)
    speaker.machine.listen(1, group(size), ANYTHING)
    speaker.wait(10 * SECOND)
    speaker.ask(NEWEST[size] - 1, max_response=10_000_000)
    speaker.ask(NEWEST[size] - 1, group(size), max_response=100)
    assert len(speaker.wait(100 * MILLISECOND)) == 1
    assert speaker.wait(20_000 * SECOND) == []


@BOTH
def test_an_older_querier_ends_what_is_pending_and_nothing_is_left(size: int) -> None:
    """RFC 3376 7.2.1: a group that was left goes, although it was told once only."""
    speaker = Speaker(size, max_groups=1)
    speaker.machine.listen(1, group(size, 1), ANYTHING)
    speaker.wait(10 * SECOND)
    speaker.machine.listen(1, group(size, 1), NOTHING)
    assert len(speaker.wait()) == 1
    speaker.ask(NEWEST[size] - 1)
    speaker.machine.listen(1, group(size, 2), ANYTHING)  # there is room
    # left, but not yet told, when the mode changes
    fresh = Speaker(size)
    fresh.machine.listen(1, group(size), ANYTHING)
    fresh.wait(10 * SECOND)
    fresh.machine.listen(1, group(size), NOTHING)
    fresh.ask(NEWEST[size] - 1)
    (record,) = fresh.records(fresh.wait())
    assert record.kind == CHANGE_TO_INCLUDE
    assert record.sources == ()


@BOTH
def test_when_the_older_querier_is_gone_today_is_spoken_again(size: int) -> None:
    speaker = Speaker(size, query_interval=10 * SECOND)
    speaker.ask(NEWEST[size] - 1)
    speaker.machine.listen(1, group(size), ANYTHING)
    assert speaker.machine.version(speaker.now) == NEWEST[size] - 1
    (first, *_) = speaker.wait(29 * SECOND)
    assert isinstance(first, GroupReport)
    assert first.version == NEWEST[size] - 1
    speaker.wait(2 * SECOND)
    assert speaker.machine.version(speaker.now) == NEWEST[size]
    speaker.machine.listen(1, group(size), NOTHING)
    (record, *_) = speaker.records(speaker.wait())
    assert record.kind == CHANGE_TO_INCLUDE


@BOTH
def test_every_group_is_told_however_many(size: int) -> None:
    """256 groups of 64 sources each are more packets than usually wait."""
    speaker = Speaker(size)
    sources = [source(size, n) for n in range(64)]
    groups = [group(size, n) for n in range(256)]
    for n, one in enumerate(groups):
        speaker.machine.listen(n, one, include(sources))
        speaker.wait()
    speaker.wait(10 * SECOND)
    speaker.ask(NEWEST[size])
    records = speaker.records(speaker.wait(10 * SECOND))
    assert sorted(one.group for one in records) == groups


@BOTH
def test_more_sources_than_fit_a_report(size: int) -> None:
    """RFC 3376 4.2.16: wanted ones in several records, unwanted ones as many as fit."""
    speaker = Speaker(size)
    n_owners = 10
    for owner in range(n_owners):
        wanted = [source(size, 64 * owner + n) for n in range(64)]
        speaker.machine.listen(owner, group(size), include(wanted))
    speaker.wait(10 * SECOND)
    speaker.ask(NEWEST[size])
    records = speaker.records(speaker.wait(10 * SECOND))
    assert len(records) > 1
    assert {one.kind for one in records} == {MODE_IS_INCLUDE}
    told = [one for record in records for one in record.sources]
    assert sorted(told) == [source(size, n) for n in range(64 * n_owners)]

    speaker = Speaker(size, max_sources=1000)
    unwanted = [source(size, n) for n in range(1000)]
    speaker.machine.listen(1, group(size), exclude(unwanted))
    (record, *again) = speaker.records(speaker.wait(10 * SECOND))
    assert record.kind == CHANGE_TO_EXCLUDE
    assert 60 < len(record.sources) < 1000
    assert again[0].sources == record.sources
