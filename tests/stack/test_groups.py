"""Multicast in a stack: who hears what, and what routers are told."""

from __future__ import annotations

import pytest

from sansio_net import Entropy
from sansio_net.addresses import format_ip, pack_ip
from sansio_net.errors import AddressInUseError, AddressNotAvailableError, StateError
from sansio_net.protocols.multicast import NOTHING
from sansio_net.stack import Stack
from sansio_net.units import SECOND
from sansio_net.wire import igmp, ipv4
from sansio_net.wire.groups import GroupQuery, GroupReport
from sansio_net.wire.segment import flatten

GROUP, GROUP6 = "239.1.2.3", "ff15::1:2"


class Net:
    """Three hosts on one cable: .1, .2 and .3."""

    def __init__(self) -> None:
        self.now = SECOND
        self.sent: list[bytes] = []
        self.hosts: list[Stack] = []
        for n in (1, 2, 3):
            stack = Stack(seed=Entropy.of(n).bytes(32))
            addresses = [f"10.0.0.{n}/24", f"fd00::{n}/64"]
            nic = stack.add_interface(
                mac=bytes((2, 0, 0, 0, 0, n)), addresses=addresses, dad=False
            )
            stack.add_route("239.0.0.0/8", nic=nic)
            stack.add_route("ff15::/16", nic=nic)
            self.hosts.append(stack)
        self.wait(5 * SECOND)

    def wait(self, delay: int = SECOND // 10, *frames: bytes) -> None:
        end = self.now + delay
        arriving: list[list[bytes]] = [list(frames) for _ in self.hosts]
        while True:
            leaving: list[list[bytes]] = [[] for _ in self.hosts]
            for n, stack in enumerate(self.hosts):
                stack.receive(arriving[n], self.now)
                stack.handle_timeout(self.now)
                stack.events()
                made = [f for p in stack.transmit(self.now) for f in flatten(p)]
                self.sent += made
                for other in range(len(self.hosts)):
                    if other != n:
                        leaving[other] += made
            arriving = leaving
            if any(leaving):
                continue
            dues = [stack.next_timeout() for stack in self.hosts]
            due = min((at for at in dues if at is not None), default=end + 1)
            if due > end:
                self.now = end
                return
            self.now = max(self.now, due)

    def reports(self) -> list[GroupReport]:
        """IGMP since the last call."""
        found = []
        for frame in self.sent:
            if frame[12:14] == b"\x08\x00" and frame[23] == 2:
                header = ipv4.parse_ipv4(frame, 14)
                start = 14 + header.header_length
                message = igmp.parse_igmp(frame, start, 14 + header.total_length)
                assert header.ttl == 1
                if isinstance(message, GroupReport):
                    found.append(message)
        self.sent.clear()
        return found


@pytest.mark.parametrize("group", [GROUP, GROUP6])
def test_only_members_hear(group: str) -> None:
    net = Net()
    sender, member, stranger = [stack.udp_bind(("", 5000)) for stack in net.hosts]
    member.join(group)
    net.wait()
    sender.send_to(b"one", (group, 5000))
    net.wait()
    heard = member.receive()
    assert heard is not None
    assert (heard.data, heard.destination) == (b"one", (group, 5000))
    assert stranger.receive() is None
    assert sender.receive() is None
    member.leave(group)
    net.wait()
    sender.send_to(b"two", (group, 5000))
    net.wait()
    assert member.receive() is None


def test_a_sender_that_is_a_member_hears_itself_unless_told_not_to() -> None:
    net = Net()
    sock = net.hosts[0].udp_bind(("", 5000))
    sock.join(GROUP)
    sock.send_to(b"one", (GROUP, 5000))
    net.wait()
    heard = sock.receive()
    assert heard is not None
    assert heard.source == ("10.0.0.1", 5000)
    sock.set(multicast_loop=False)
    sock.send_to(b"two", (GROUP, 5000))
    net.wait()
    assert sock.receive() is None


def test_sources() -> None:
    """RFC 3376: only those that were asked for, or all but some."""
    net = Net()
    one, two, member = [stack.udp_bind(("", 5000)) for stack in net.hosts]

    def heard() -> list[bytes]:
        one.send_to(b"one", (GROUP, 5000))
        two.send_to(b"two", (GROUP, 5000))
        net.wait()
        datagrams = []
        while (datagram := member.receive()) is not None:
            datagrams.append(datagram.data)
        return sorted(datagrams)

    member.join(GROUP, source="10.0.0.1")
    assert heard() == [b"one"]
    member.join(GROUP, source="10.0.0.2")
    assert heard() == [b"one", b"two"]
    member.leave(GROUP, source="10.0.0.1")
    assert heard() == [b"two"]
    member.leave(GROUP)
    member.join(GROUP)
    member.groups.block(GROUP, "10.0.0.2")
    assert heard() == [b"one"]
    member.groups.unblock(GROUP, "10.0.0.2")
    assert heard() == [b"one", b"two"]


def test_what_routers_are_told() -> None:
    net = Net()
    net.reports()
    member = net.hosts[0].udp_bind(("", 5000))
    member.join(GROUP)
    net.wait(5 * SECOND)
    kinds = [record.kind for report in net.reports() for record in report.records]
    assert kinds == [4, 4]  # to exclude nothing, twice
    query = igmp.build_query(GroupQuery(3, b"", 1000, (), False, 2, 125))
    header = ipv4.build_ipv4(
        pack_ip("10.0.0.9"), b"\xe0\0\0\1", 2, len(query), ttl=1, options=b"\x94\4\0\0"
    )
    frame = bytes.fromhex("01005e000001020000000009") + b"\x08\0" + header + query
    net.wait(2 * SECOND, frame)
    (report,) = net.reports()
    assert [(one.kind, format_ip(one.group)) for one in report.records] == [(2, GROUP)]
    member.close()
    net.wait(5 * SECOND)
    kinds = [record.kind for report in net.reports() for record in report.records]
    assert kinds == [3, 3]
    (nic,) = [one for one in net.hosts[0].interfaces() if one.name == "eth0"]
    assert nic.memberships[4].wanted(pack_ip(GROUP)) == NOTHING


def test_a_query_from_behind_a_router_is_not_answered() -> None:
    net = Net()
    member = net.hosts[0].udp_bind(("", 5000))
    member.join(GROUP)
    net.wait(5 * SECOND)
    net.reports()
    query = igmp.build_query(GroupQuery(3, b"", 1000))
    header = ipv4.build_ipv4(pack_ip("10.0.0.9"), b"\xe0\0\0\1", 2, len(query), ttl=2)
    net.wait(
        2 * SECOND,
        bytes.fromhex("01005e000001020000000009") + b"\x08\0" + header + query,
    )
    assert net.reports() == []
    assert net.hosts[0].counters()["drop.group_invalid"] == 1


def test_the_group_is_joined_before_the_address_is_asked_for() -> None:
    """RFC 4862 5.4.2; and one packet at a time where the device takes no more."""
    net = Net()
    stack = net.hosts[0]
    nic = stack.interface("eth0")
    socket = stack.udp_bind(("", 5000))
    for group in (GROUP, GROUP6):
        socket.join(group, nic=nic.name)
    nic.add_address("fd00::9/64")
    headers = []
    for _ in range(10):
        packets = stack.transmit(net.now, 1)
        assert len(packets) <= 1
        for frame in (one for packet in packets for one in flatten(packet)):
            if frame[12:14] == b"\x86\xdd":
                headers.append(frame[20])
        stack.handle_timeout(net.now)
    assert headers == [0, 0, 58]  # reports of both groups, then the probe


def test_the_first_join_already_knows_which_version_is_spoken() -> None:
    net = Net()
    query = igmp.build_query(GroupQuery(2, b"", 10_000))
    to = pack_ip("224.0.0.1")
    header = ipv4.build_ipv4(pack_ip("10.0.0.9"), to, 2, len(query), ttl=1)
    mac = b"\x01\x00\x5e\0\0\1" + bytes((2, 0, 0, 0, 0, 9))
    net.wait(SECOND, mac + b"\x08\x00" + header + query)
    net.reports()
    net.hosts[0].udp_bind(("", 5000)).join(GROUP)
    net.wait(SECOND // 10)
    (report,) = net.reports()
    assert report.version == 2


def test_misuse() -> None:
    net = Net()
    sock = net.hosts[0].udp_bind(("", 5000))
    with pytest.raises(StateError, match="not a group"):
        sock.join("10.0.0.1")
    with pytest.raises(AddressNotAvailableError):
        sock.leave(GROUP)
    sock.join(GROUP)
    with pytest.raises(AddressInUseError):
        sock.join(GROUP)
    with pytest.raises(AddressInUseError):
        sock.join(GROUP, source="10.0.0.3")
    with pytest.raises(ValueError, match="source"):
        sock.groups.block(GROUP, "fd00::1")
    sock.close()
    with pytest.raises(StateError, match="closed"):
        sock.join(GROUP)
