"""An interface with an IPv4 link-local address (RFC 3927)."""

from __future__ import annotations

import pytest

from sansio_net import Capabilities, Medium
from sansio_net.addresses import BROADCAST_MAC, ZERO_MAC, pack_ip
from sansio_net.errors import ConnectionAborted, StateError, Unreachable
from sansio_net.stack import (
    AddressAdded,
    AddressConflict,
    AddressRemoved,
    ConnectionLost,
    StackConfig,
)
from sansio_net.testing.craft import icmp_packet, tcp_packet
from sansio_net.units import MINUTE, SECOND
from sansio_net.wire.arp import REPLY, REQUEST, parse_arp
from sansio_net.wire.ethernet import ETHERTYPE_ARP, parse_ethernet
from sansio_net.wire.ipv4 import parse_ipv4
from sansio_net.wire.tcp import ACK, RST, SYN, parse_tcp

from .bench import MAC, PEER_MAC, Bench, arp_frame, ethernet

PEER = pack_ip("169.254.9.9")


class LocalBench(Bench):
    """No address but a link-local one; whoever is asked for is at PEER_MAC."""

    def __init__(self, config: StackConfig | None = None, wait: bool = True) -> None:
        super().__init__(config)
        self.nic.remove_address("10.0.0.2")
        self.nic.acquire_link_local()
        self.asked: list[bytes] = []
        self.settle()
        if wait:
            self.wait(20 * SECOND)
        self.events.clear()
        self.asked.clear()

    def arp_answer(self, frame: bytes) -> bytes | None:
        header = parse_ethernet(frame)
        if header.ethertype != ETHERTYPE_ARP:
            return None
        arp = parse_arp(frame, header.size)
        self.asked.append(arp.tpa)
        if arp.op != REQUEST or not any(arp.spa) or arp.spa == arp.tpa:
            return None
        return arp_frame(REPLY, PEER_MAC, arp.tpa, arp.sha, arp.spa)

    @property
    def ours(self) -> bytes:
        (address,) = [one for one in self.nic.addresses if len(one.ip) == 4]
        return address.ip


def conflicting(ip: bytes) -> bytes:
    frame = arp_frame(REQUEST, PEER_MAC, ip, ZERO_MAC, PEER)
    return BROADCAST_MAC + frame[6:]


def test_it_is_added_when_nobody_objects() -> None:
    bench = LocalBench(wait=False)
    bench.wait(3 * SECOND)
    assert [one for one in bench.nic.addresses if len(one.ip) == 4] == []
    bench.wait(10 * SECOND)
    (event,) = bench.events
    assert isinstance(event, AddressAdded)
    assert event.address.startswith("169.254.")
    assert event.address.endswith("/16")
    assert bench.nic.arp is not None
    assert bench.ours == bench.nic.arp.link_local
    again = LocalBench(StackConfig(stable_secret=b"else"))
    assert again.ours == bench.ours  # by the MAC alone


def test_a_conflict_before_is_told_to_nobody() -> None:
    bench = LocalBench(wait=False)
    bench.wait(2 * SECOND)
    assert bench.nic.arp is not None
    bench.settle(conflicting(bench.nic.arp.link_local))
    bench.wait(20 * SECOND)
    assert bench.kinds() == ["AddressAdded"]
    assert bench.stack.counters()["arp.conflicts"] == 1


def test_neighbours_are_asked_for_and_no_router() -> None:
    """RFC 3927 2.6.2, for destinations of either kind."""
    bench = LocalBench()
    bench.nic.reaches(PEER)
    sock = bench.stack.udp_bind(("", 53))
    for to in (PEER, pack_ip("10.0.0.1"), pack_ip("192.0.2.1")):
        bench.asked.clear()
        sock.send_to(b"x", (".".join(map(str, to)), 9))
        (frame,) = bench.settle()
        assert bench.asked == [to]
        assert parse_ipv4(frame, 14).source == bench.ours


def test_nothing_from_it_goes_to_a_router() -> None:
    bench = LocalBench()
    bench.stack.add_route("default", via="169.254.1.1")
    sock = bench.stack.udp_bind(("", 53))
    sock.send_to(b"x", ("192.0.2.1", 9))
    connection = bench.stack.tcp_connect(("192.0.2.2", 80))
    assert len(bench.settle()) == 2
    assert bench.asked == [pack_ip("192.0.2.1"), pack_ip("192.0.2.2")]
    # its way is looked up again
    bench.stack.add_route("203.0.113.0/24", via="169.254.1.1")
    bench.asked.clear()
    bench.wait(3 * SECOND)
    assert set(bench.asked) <= {pack_ip("192.0.2.2")}
    connection.abort()
    # a broadcast is for all, whatever the route says
    bench.asked.clear()
    sock.set(broadcast=True)
    sock.send_to(b"x", ("255.255.255.255", 9))
    frames = bench.settle()
    assert frames[-1][:6] == BROADCAST_MAC
    assert bench.asked == []


def test_one_without_reaches_those_that_have_one() -> None:
    """RFC 3927 2.6.2: whether or not it has a link-local address itself."""
    bench = LocalBench()
    bench.nic.release_link_local()
    bench.nic.add_address("10.0.0.2/24")
    sock = bench.stack.udp_bind(("", 53))
    for network in ("169.254.9.9", "default"):
        sock.send_to(b"x", ("169.254.9.9", 9))
        frame = bench.settle()[-1]
        assert parse_ipv4(frame, 14).source == pack_ip("10.0.0.2")
        bench.stack.add_route(network, via="10.0.0.1")
    sock.send_to(b"x", ("169.254.9.9", 9))
    bench.settle()
    assert set(bench.asked) == {PEER, pack_ip("10.0.0.2")}
    bench.stack.remove_route("default")
    with pytest.raises(Unreachable):
        sock.send_to(b"x", ("192.0.2.1", 9))


def test_a_routable_address_is_preferred() -> None:
    """RFC 3927 1.9: what goes on goes on, what begins takes the other address."""
    bench = LocalBench()
    old = bench.ours
    connection = bench.stack.tcp_connect(("169.254.9.9", 80))
    (syn,) = bench.settle()
    bench.nic.add_address("10.0.0.2/24")
    bench.stack.add_route("default", via="10.0.0.1")
    assert connection.laddr == old
    (mine,) = [one for one in bench.nic.addresses if one.ip == old]
    assert mine.deprecated
    sock = bench.stack.udp_bind(("", 53))
    sock.send_to(b"x", ("192.0.2.1", 9))
    frames = bench.settle()
    assert parse_ipv4(frames[-1], 14).source == pack_ip("10.0.0.2")
    assert bench.asked[-1] == pack_ip("10.0.0.1")
    # it is answered for still
    (answer,) = bench.settle(ethernet(icmp_packet(PEER, old, 8)))
    assert parse_ipv4(answer, 14).source == old
    bench.nic.remove_address("10.0.0.2")
    assert not mine.deprecated
    connection.abort()
    assert syn


def test_not_acquired_while_there_is_a_routable_one() -> None:
    bench = LocalBench(wait=False)
    bench.wait(SECOND)
    bench.nic.add_address("10.0.0.2/24")
    bench.wait(MINUTE)
    assert bench.ours == pack_ip("10.0.0.2")
    bench.nic.remove_address("10.0.0.2")
    bench.wait(MINUTE)
    assert bench.ours[:2] == PEER[:2]


def test_lost_and_another_one_taken() -> None:
    """RFC 3927 2.5: connections are reset before, the next address comes soon."""
    bench = LocalBench()
    old = bench.ours
    listener = bench.stack.tcp_listen(("", 80))
    ends = ((PEER, 4000), (old, 80))
    (answer,) = bench.settle(ethernet(tcp_packet(*ends, seq=5, flags=SYN)))
    seq = parse_tcp(answer, 34).seq
    bench.settle(ethernet(tcp_packet(*ends, seq=6, ack=seq + 1, flags=ACK)))
    bench.events.clear()
    bench.settle(conflicting(old))
    assert bench.kinds() == ["AddressConflict"]
    bench.now += SECOND
    (reset,) = bench.settle(conflicting(old))
    assert parse_ipv4(reset, 14).source == old
    assert parse_tcp(reset, 34).flags & RST
    assert parse_tcp(reset, 34).seq == seq + 1
    lost = [one for one in bench.events if isinstance(one, ConnectionLost)]
    assert [type(one.error) for one in lost] == [ConnectionAborted]
    kinds = {type(one) for one in bench.events}
    assert {AddressConflict, AddressRemoved} <= kinds
    bench.wait(20 * SECOND)
    assert bench.ours != old
    assert bench.kinds()[-1] == "AddressAdded"
    assert bench.stack.connections() == []
    listener.close()


def test_probed_again_when_the_link_comes_back() -> None:
    bench = LocalBench()
    old = bench.ours
    bench.nic.carrier(False)
    bench.settle()
    bench.nic.carrier(True)
    bench.events.clear()
    bench.settle()
    assert bench.stack.own.get(old) is None
    bench.wait(20 * SECOND)
    assert bench.ours == old
    assert bench.kinds()[-1] == "AddressAdded"
    # a conflict now takes it away for good
    bench.nic.carrier(False)
    bench.nic.carrier(True)
    bench.wait(2 * SECOND)
    bench.settle(conflicting(old))
    bench.wait(20 * SECOND)
    assert bench.ours != old


def test_the_link_comes_back_while_it_is_probed() -> None:
    bench = LocalBench(wait=False)
    bench.wait(2 * SECOND)
    bench.nic.carrier(False)
    bench.wait(MINUTE)
    bench.asked.clear()
    bench.nic.carrier(True)
    bench.wait(20 * SECOND)
    assert bench.ours[:2] == PEER[:2]
    # the whole procedure: three probes, two announcements (RFC 3927 2.2)
    assert bench.asked == [bench.ours] * 5


def test_taken_away_by_hand() -> None:
    bench = LocalBench()
    bench.nic.remove_address(".".join(map(str, bench.ours)))
    bench.wait(MINUTE)
    assert [one for one in bench.nic.addresses if len(one.ip) == 4] == []
    with pytest.raises(StateError):
        bench.nic.release_link_local()
    bench.nic.acquire_link_local("169.254.3.4")
    bench.wait(MINUTE)
    assert bench.ours == pack_ip("169.254.3.4")
    with pytest.raises(StateError):
        bench.nic.acquire_link_local()
    bench.nic.release_link_local()
    assert bench.stack.own.get(pack_ip("169.254.3.4")) is None
    bench.nic.acquire_link_local()
    bench.nic.release_link_local()  # before it is there
    bench.wait(MINUTE)
    assert bench.kinds()[-1] == "AddressRemoved"


def test_only_on_ethernet_and_only_from_its_range() -> None:
    bench = Bench()
    bench.nic.remove_address("10.0.0.2")
    with pytest.raises(StateError):
        bench.nic.acquire_link_local("169.254.255.1")
    bench.nic.acquire_link_local("169.254.254.255")
    capabilities = Capabilities(medium=Medium.IP)
    with pytest.raises(StateError):
        bench.stack.add_interface(capabilities=capabilities, link_local=True)
    assert len(bench.stack.interfaces()) == 2
    nic = bench.stack.add_interface(mac=MAC[:5] + b"\x77", link_local=True)
    bench.stack.remove_interface(nic)
