"""Neighbour discovery: questions, answers, states, our own addresses."""

from __future__ import annotations

import pytest

from sansio_net import Entropy, Packet
from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.counters import Counters
from sansio_net.errors import LimitError, StateError
from sansio_net.protocols.ndp import (
    Claimed,
    Conflict,
    NdpConfig,
    NdpEvent,
    Neighbour,
    NeighbourDiscovery,
    NeighbourState,
    ResolutionFailed,
    Resolved,
    RouterLost,
    solicited_node,
)
from sansio_net.protocols.ndp.frames import ALL_NODES, ALL_ROUTERS, frame, group_mac
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire import ipv6, ndp
from sansio_net.wire.icmpv6 import parse_icmpv6

OURS, PEER, OTHER = (pack_mac(f"02:00:00:00:00:0{n}") for n in (1, 2, 3))
IP, PEER_IP, OTHER_IP = map(pack_ip, ("fe80::1", "fe80::2", "2001:db8::3"))
ANY = bytes(16)


class Lab:
    """Neighbour discovery whose time is told; our address is claimed."""

    def __init__(self, claimed: bool = True, **config: object) -> None:
        self.counters = Counters()
        self.ndp = NeighbourDiscovery(
            OURS,
            config=NdpConfig(**config),  # type: ignore[arg-type]
            entropy=Entropy.of(1),
            counters=self.counters,
        )
        self.now = 100 * SECOND
        self.news: list[NdpEvent] = []
        if claimed:
            self.ndp.claim(IP)
            self.pass_time(3 * SECOND)

    def turn(self, *frames: bytes | Packet) -> list[bytes]:
        if frames:
            self.ndp.receive(list(frames), self.now)
        self.ndp.handle_timeout(self.now)
        self.news += self.ndp.events()
        sent = self.ndp.transmit(self.now, 1000)
        self.news += self.ndp.events()
        due = self.ndp.next_timeout()
        assert due is None or due > self.now
        return [packet.join() for packet in sent]

    def pass_time(self, delay: int) -> list[tuple[int, bytes]]:
        end = self.now + delay
        sent = [(self.now, one) for one in self.turn()]
        while True:
            due = self.ndp.next_timeout()
            if due is None or due > end:
                break
            self.now = due
            sent += [(self.now, one) for one in self.turn()]
        self.now = end
        return sent

    def take_news(self) -> list[NdpEvent]:
        news, self.news = self.news, []
        return news

    def neighbour(self, ip: bytes = PEER_IP) -> Neighbour:
        return self.ndp.lookup(ip, self.now)


def read(sent: bytes) -> tuple[bytes, ipv6.Ipv6Header, ndp.NdpMessage | None]:
    header = ipv6.parse_ipv6(sent, 14)
    end = 54 + header.payload_length
    src, dst = header.source, header.destination
    assert header.hop_limit == 255
    return sent[:6], header, ndp.parse_ndp(parse_icmpv6(sent, 54, end, src, dst))


def solicitation(
    target: bytes = IP,
    src: bytes = PEER_IP,
    dst: bytes | None = None,
    mac: bytes | None = PEER,
    nonce: bytes | None = None,
) -> Packet:
    group = solicited_node(target) if dst is None else dst
    body = ndp.build_neighbour_solicitation(target, src, group, mac, nonce)
    return frame(PEER, group_mac(group), src, group, body)


def advertisement(
    target: bytes = PEER_IP,
    mac: bytes | None = PEER,
    flags: int = ndp.SOLICITED | ndp.OVERRIDE,
    dst: bytes = IP,
) -> Packet:
    body = ndp.build_neighbour_advertisement(target, target, dst, mac, flags)
    return frame(PEER, OURS, target, dst, body)


def resolved() -> Lab:
    lab = Lab()
    lab.ndp.resolve(PEER_IP)
    lab.turn()
    lab.turn(advertisement())
    assert lab.take_news() == [Resolved(PEER_IP, PEER)]
    assert lab.neighbour().state is NeighbourState.REACHABLE
    return lab


# Questions --------------------------------------------------------------------------


def test_three_questions_then_failure() -> None:
    # RFC 4861 7.2.2
    lab = Lab()
    lab.ndp.resolve(PEER_IP)
    lab.ndp.enqueue(lab.neighbour(), Packet(bytes(60)), lab.now)
    start, sent = lab.now, lab.pass_time(10 * SECOND)
    assert [at - start for at, _ in sent] == [0, SECOND, 2 * SECOND]
    for _, one in sent:
        mac, header, message = read(one)
        group = solicited_node(PEER_IP)
        assert (mac, header.source, header.destination) == (
            group_mac(group),
            IP,
            group,
        )
        assert message == ndp.NeighbourSolicitation(PEER_IP, OURS)
    (failed,) = lab.take_news()
    assert isinstance(failed, ResolutionFailed)
    assert [len(packet) for packet in failed.packets] == [60]


def test_what_waits_leaves_with_the_answer() -> None:
    lab = Lab()
    lab.ndp.enqueue(lab.neighbour(), Packet(b"packet"), lab.now)
    assert len(lab.turn()) == 1
    assert lab.turn(advertisement()) == [PEER + OURS + b"\x86\xddpacket"]


def test_a_stale_neighbour_is_probed_at_its_address() -> None:
    # 7.3.3
    lab = resolved()
    lab.pass_time(60 * SECOND)
    assert lab.neighbour().state is NeighbourState.STALE
    header = lab.ndp.use(lab.neighbour(), lab.now)
    assert header == PEER + OURS + b"\x86\xdd"
    start, sent = lab.now, lab.pass_time(20 * SECOND)
    assert [at - start for at, _ in sent] == [n * SECOND for n in (5, 6, 7)]
    assert all(read(one)[0] == PEER for _, one in sent)
    assert all(read(one)[1].destination == PEER_IP for _, one in sent)
    assert lab.neighbour().state is NeighbourState.INCOMPLETE


def test_transports_confirm() -> None:
    lab = resolved()
    lab.pass_time(60 * SECOND)
    lab.ndp.use(lab.neighbour(), lab.now)
    lab.ndp.confirm(lab.neighbour(), lab.now)
    assert lab.neighbour().state is NeighbourState.REACHABLE
    assert lab.pass_time(20 * SECOND) == []


def test_times_of_a_router() -> None:
    # 6.3.4
    lab = Lab()
    lab.ndp.set_times(0, 3 * SECOND)
    lab.ndp.resolve(PEER_IP)
    start, sent = lab.now, lab.pass_time(10 * SECOND)
    assert [at - start for at, _ in sent] == [0, 3 * SECOND, 6 * SECOND]


def test_another_reachable_time_is_drawn_from_at_once() -> None:
    # 6.3.4
    lab = resolved()
    lab.ndp.set_times(60_000 * SECOND, 0)
    lab.ndp.flush()
    lab.ndp.resolve(PEER_IP)
    lab.turn()
    lab.turn(advertisement())
    assert lab.neighbour().reachable_until - lab.now >= 30_000 * SECOND


def router_advertisement(mac: bytes | None) -> Packet:
    message = ndp.RouterAdvertisement(64, False, False, ndp.MEDIUM, 1800, 0, 0, mac)
    body = ndp.build_router_advertisement(message, PEER_IP, ALL_NODES)
    return frame(PEER, group_mac(ALL_NODES), PEER_IP, ALL_NODES, body)


def test_a_router_is_known_as_one_without_its_mac_too() -> None:
    # 6.3.4
    lab = Lab()
    lab.turn(router_advertisement(None))
    assert lab.ndp.neighbours() == []
    assert not lab.ndp.knows_router()
    lab = resolved()
    assert not lab.neighbour().is_router
    lab.turn(router_advertisement(None))
    assert lab.neighbour().is_router
    assert lab.neighbour().state is NeighbourState.REACHABLE
    assert lab.ndp.knows_router()


@pytest.mark.parametrize("mac", [PEER, None])
def test_who_asks_for_routers_is_none(mac: bytes | None) -> None:
    # 6.2.6
    lab = resolved()
    lab.turn(router_advertisement(PEER))
    lab.ndp.is_router = True
    body = ndp.build_router_solicitation(PEER_IP, ALL_ROUTERS, mac)
    lab.turn(frame(PEER, group_mac(ALL_ROUTERS), PEER_IP, ALL_ROUTERS, body))
    assert not lab.neighbour().is_router


# Answers ----------------------------------------------------------------------------


def test_who_asks_is_answered_and_known() -> None:
    # 7.2.3, 7.2.4
    lab = Lab()
    (sent,) = lab.turn(solicitation())
    mac, header, message = read(sent)
    assert (mac, header.source, header.destination) == (PEER, IP, PEER_IP)
    assert message == ndp.NeighbourAdvertisement(IP, False, True, True, OURS)
    assert lab.neighbour().state is NeighbourState.STALE


def test_a_router_says_so() -> None:
    lab = Lab()
    lab.ndp.is_router = True
    (sent,) = lab.turn(solicitation())
    message = read(sent)[2]
    assert isinstance(message, ndp.NeighbourAdvertisement)
    assert message.router


def test_an_asker_without_its_mac_is_asked_first() -> None:
    # 7.2.4, last paragraph
    lab = Lab()
    (question,) = lab.turn(solicitation(mac=None))
    assert read(question)[2] == ndp.NeighbourSolicitation(PEER_IP, OURS)
    (answer,) = lab.turn(advertisement())
    assert read(answer)[2] == ndp.NeighbourAdvertisement(IP, False, True, True, OURS)


def test_one_that_checks_our_address_hears_of_us() -> None:
    lab = Lab()
    (sent,) = lab.turn(solicitation(src=ANY, mac=None))
    mac, header, message = read(sent)
    assert (mac, header.destination) == (group_mac(ALL_NODES), ALL_NODES)
    assert message == ndp.NeighbourAdvertisement(IP, False, False, True, OURS)
    assert lab.take_news() == []


@pytest.mark.parametrize(
    "packet",
    [
        solicitation(src=ANY),  # 7.1.1: no source link address then
        solicitation(src=ANY, mac=None, dst=ALL_NODES),
        advertisement(dst=ALL_NODES),  # 7.1.2: solicited to a group
        advertisement(mac=b"\x33\x33\0\0\0\1"),
    ],
)
def test_what_may_not_be_believed(packet: Packet) -> None:
    lab = Lab()
    assert lab.turn(packet) == []
    assert lab.counters.as_dict()["drop.ndp_invalid"] == 1
    assert lab.ndp.neighbours() == []


def test_from_behind_a_router() -> None:
    # the hop limit, 255 here only from the link itself
    lab = Lab()
    frame = solicitation().join()
    assert lab.turn(frame[:21] + b"\xfe" + frame[22:]) == []
    assert lab.counters.as_dict()["drop.ndp_invalid"] == 1


# Advertisements: RFC 4861 7.2.5 and appendix C ---------------------------------------


def test_unknown_neighbours_are_not_learned() -> None:
    lab = Lab()
    lab.turn(advertisement())
    assert lab.ndp.neighbours() == []


@pytest.mark.parametrize(
    ("flags", "mac", "state", "believed"),
    [
        (0, PEER, "reachable", PEER),
        (0, OTHER, "stale", PEER),
        (ndp.SOLICITED, OTHER, "stale", PEER),
        (ndp.OVERRIDE, OTHER, "stale", OTHER),
        (ndp.OVERRIDE | ndp.SOLICITED, OTHER, "reachable", OTHER),
        (ndp.OVERRIDE, None, "reachable", PEER),
    ],
)
def test_of_a_reachable_neighbour(
    flags: int, mac: bytes | None, state: str, believed: bytes
) -> None:
    lab = resolved()
    lab.turn(advertisement(mac=mac, flags=flags))
    (entry,) = lab.ndp.neighbours()
    assert (entry.state.value, entry.mac) == (state, believed)


def test_no_override_is_ignored_when_stale() -> None:
    lab = resolved()
    lab.pass_time(60 * SECOND)
    lab.turn(advertisement(mac=OTHER, flags=ndp.SOLICITED))
    (entry,) = lab.ndp.neighbours()
    assert (entry.state, entry.mac) == (NeighbourState.STALE, PEER)


def test_an_unsolicited_answer_resolves_as_stale() -> None:
    lab = Lab()
    lab.ndp.resolve(PEER_IP)
    lab.turn()
    lab.turn(advertisement(flags=0, mac=None))
    assert lab.neighbour().state is NeighbourState.INCOMPLETE
    lab.turn(advertisement(flags=0))
    assert lab.neighbour().state is NeighbourState.STALE


def test_a_router_that_is_none_any_more() -> None:
    lab = resolved()
    flags = ndp.SOLICITED | ndp.OVERRIDE
    lab.turn(advertisement(flags=flags | ndp.ROUTER))
    assert lab.take_news() == []
    lab.turn(advertisement(flags=flags))
    assert lab.take_news() == [RouterLost(PEER_IP)]


# Our own addresses: RFC 4862 5.4 ----------------------------------------------------


def tentative(**config: object) -> tuple[Lab, list[tuple[int, bytes]]]:
    lab = Lab(claimed=False, **config)
    lab.ndp.claim(IP, probe=True)
    sent = lab.pass_time(SECOND)
    assert not lab.ndp.holds(IP)
    return lab, sent


def test_nobody_has_it() -> None:
    lab, sent = tentative()
    ((at, probe),) = sent
    assert 0 <= at - 100 * SECOND <= SECOND
    mac, header, message = read(probe)
    group = solicited_node(IP)
    assert (mac, header.source, header.destination) == (group_mac(group), ANY, group)
    assert isinstance(message, ndp.NeighbourSolicitation)
    assert (message.target, message.source_link) == (IP, None)
    assert message.nonce is not None
    ((later, announced),) = lab.pass_time(SECOND)
    assert later - at == SECOND
    assert lab.take_news() == [Claimed(IP)]
    assert lab.ndp.holds(IP)
    # RFC 9131 4.1
    mac, header, message = read(announced)
    assert header.destination == ALL_ROUTERS
    assert message == ndp.NeighbourAdvertisement(IP, False, False, False, OURS)


@pytest.mark.parametrize(
    "packet",
    [
        solicitation(src=ANY, mac=None),
        solicitation(src=ANY, mac=None, nonce=b"others"),
        advertisement(target=IP, dst=ALL_NODES, flags=ndp.OVERRIDE),
    ],
)
def test_somebody_has_it(packet: Packet) -> None:
    lab, _ = tentative()
    lab.turn(packet)
    (conflict,) = lab.take_news()
    assert conflict == Conflict(IP, PEER, True)
    assert lab.pass_time(10 * SECOND) == []
    assert not lab.ndp.holds(IP)


def test_before_the_first_probe_too() -> None:
    lab = Lab(claimed=False)
    lab.ndp.claim(IP, probe=True)
    lab.turn(solicitation(src=ANY, mac=None))
    assert lab.take_news() == [Conflict(IP, PEER, True)]


def test_a_tentative_address_does_not_answer() -> None:
    # 5.4.3
    lab, _ = tentative()
    assert lab.turn(solicitation()) == []
    assert lab.take_news() == []


def test_our_own_probe_looped_back() -> None:
    # RFC 7527 4.2
    lab, sent = tentative()
    ((_, probe),) = sent
    start = lab.now
    lab.turn(probe)
    assert lab.take_news() == []
    more = lab.pass_time(10 * SECOND)
    assert [read(one)[1].source for _, one in more] == [ANY, ANY, IP]
    assert lab.take_news() == [Claimed(IP)]
    assert lab.counters.as_dict()["ndp.dad_looped_back"] == 1
    assert more[-1][0] - start >= 2 * SECOND


def test_an_optimistic_address_is_used_at_once() -> None:
    # RFC 4429 3.3
    lab = Lab(claimed=False, optimistic=True)
    lab.ndp.claim(IP, probe=True)
    lab.turn()
    assert lab.ndp.holds(IP)
    (sent,) = lab.turn(solicitation())
    message = read(sent)[2]
    assert isinstance(message, ndp.NeighbourAdvertisement)
    assert not message.override
    lab.ndp.resolve(OTHER_IP)
    # 3.2: it is no source of a solicitation
    assert lab.turn() == []
    later = [read(sent)[2] for _, sent in lab.pass_time(2 * SECOND)]
    assert ndp.NeighbourSolicitation(OTHER_IP, OURS) in later
    assert lab.take_news()[0] == Claimed(IP)


def test_without_detection() -> None:
    lab = Lab(claimed=False, dad_transmits=0)
    lab.ndp.claim(IP, probe=True)
    assert len(lab.turn()) == 1
    assert lab.ndp.holds(IP)


def test_another_host_with_our_address() -> None:
    lab = Lab()
    lab.turn(advertisement(target=IP, dst=ALL_NODES, flags=ndp.OVERRIDE))
    assert lab.take_news() == [Conflict(IP, PEER, False)]
    assert lab.ndp.holds(IP)


# Bounds and misuse ------------------------------------------------------------------


def test_a_scan_of_the_subnet() -> None:
    # RFC 6583: known neighbours keep working
    lab = Lab(table_limit=20)
    lab.ndp.resolve(PEER_IP)
    lab.turn()
    lab.turn(advertisement())
    for n in range(500):
        lab.ndp.lookup(pack_ip(f"2001:db8::{n:x}"), lab.now)
        lab.now += MILLISECOND
    lab.turn()
    assert len(lab.ndp.neighbours()) <= 20
    assert lab.neighbour().header is not None
    counts = lab.counters.as_dict()
    assert counts["neighbours_evicted"] + counts["drop.neighbour_table_full"] > 400


def test_claims_that_speak_do_not_fill_the_table() -> None:
    lab = Lab(table_limit=8)
    for n in range(100):
        lab.turn(solicitation(src=pack_ip(f"fe80::{n + 16:x}")))
    assert len(lab.ndp.neighbours()) <= 8


def test_answers_are_bounded() -> None:
    lab = Lab(reply_limit=4)
    lab.ndp.receive([solicitation()] * 10, lab.now)
    assert len(lab.ndp.transmit(lab.now, 100)) == 4
    assert lab.counters.as_dict()["drop.output_queue_full"] == 6


def test_misuse() -> None:
    lab = Lab(claim_limit=1)
    with pytest.raises(StateError, match="IPv6"):
        lab.ndp.resolve("10.0.0.1")
    with pytest.raises(StateError, match="one host"):
        lab.ndp.claim("ff02::1")
    with pytest.raises(StateError, match="our own"):
        lab.ndp.resolve(IP)
    with pytest.raises(LimitError):
        lab.ndp.claim("fe80::9")
    lab.ndp.release(IP)
    lab.ndp.claim("fe80::9")
    lab.ndp.add_static(PEER_IP, PEER)
    lab.ndp.flush()
    assert [one.state for one in lab.ndp.neighbours()] == [NeighbourState.PERMANENT]
    lab.ndp.remove(PEER_IP)
    assert lab.ndp.neighbours() == []
