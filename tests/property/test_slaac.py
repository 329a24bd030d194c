"""Whatever routers say: nothing raises, everything is bounded, the events tell all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Entropy, Packet
from sansio_net.addresses import is_link_local, is_multicast, is_unicast, pack_ip
from sansio_net.packet import PacketInfo
from sansio_net.protocols.ndp.frames import ALL_NODES, frame, group_mac
from sansio_net.protocols.slaac import (
    AddressDeprecated,
    AddressExpired,
    AddressFormed,
    Autoconfiguration,
    ParametersAdvertised,
    RouteChanged,
    SlaacConfig,
    SlaacEvent,
)
from sansio_net.stack import Stack
from sansio_net.units import HOUR, SECOND
from sansio_net.wire import ndp
from sansio_net.wire.checksum import checksum, pseudo_sum

ROUTERS = (pack_ip("fe80::1"), pack_ip("fe80::9"))
MAC = b"\x02\0\0\0\0\x01"
CONFIG = SlaacConfig(
    temporary=True, max_prefixes=3, max_addresses=4, max_routes=4, max_dns=2
)

lifetimes = st.sampled_from([0, 1, 5, 60, 3600, 7199, 7200, 7201, 86_400, ndp.INFINITE])
prefixes = st.one_of(
    st.sampled_from(["2001:db8:1::", "2001:db8:2::", "2001:db8:3::"]).map(pack_ip),
    st.sampled_from(["fe80::", "ff05::", "::", "::1", "ff02::1"]).map(pack_ip),
    st.binary(min_size=16, max_size=16),
)
lengths = st.one_of(st.sampled_from([0, 48, 64, 64, 64, 96, 128]), st.integers(0, 255))
options = st.builds(
    ndp.PrefixInformation, prefixes, lengths, st.booleans(), st.booleans(), lifetimes,
    lifetimes,
)  # fmt: skip
routes = st.builds(
    ndp.RouteInformation,
    prefixes,
    st.integers(0, 128),
    st.sampled_from([ndp.HIGH, ndp.MEDIUM, ndp.LOW]),
    lifetimes,
)
advertisements = st.builds(
    ndp.RouterAdvertisement,
    st.integers(0, 255),
    st.booleans(),
    st.booleans(),
    st.sampled_from([ndp.HIGH, ndp.MEDIUM, ndp.LOW]),
    st.sampled_from([0, 1, 1800, 65535]),
    st.sampled_from([0, 1, 30_000, 0xFFFFFFFF]),
    st.sampled_from([0, 1, 1000, 0xFFFFFFFF]),
    st.just(MAC),
    st.sampled_from([None, 0, 68, 1279, 1280, 1400, 1500, 9000, 0xFFFFFFFF]),
    st.lists(options, max_size=3).map(tuple),
    st.lists(routes, max_size=2).map(tuple),
    st.lists(
        st.builds(ndp.DnsServers, lifetimes, st.lists(prefixes, min_size=1).map(tuple)),
        max_size=1,
    ).map(tuple),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(ROUTERS), advertisements),
        st.sampled_from([0, SECOND, 10 * SECOND, HOUR, 3 * HOUR]),
        st.just("duplicate"),
        st.just("stop"),
    ),
    max_size=15,
)


class Follower:
    """Who reads the events alone."""

    def __init__(self) -> None:
        self.addresses: dict[bytes, bool] = {}  # is it preferred?
        self.routes: dict[tuple[bytes, int, bytes], int] = {}

    def follow(self, events: list[SlaacEvent]) -> None:
        for event in events:
            if isinstance(event, AddressFormed):
                assert is_unicast(event.ip)
                assert not is_link_local(event.ip)
                self.addresses[event.ip] = True
            elif isinstance(event, AddressDeprecated):
                if event.ip in self.addresses:
                    self.addresses[event.ip] = event.preferred
            elif isinstance(event, AddressExpired):
                self.addresses.pop(event.ip, None)
            elif isinstance(event, RouteChanged):
                key = event.prefix, event.prefixlen, event.via
                assert not is_multicast(event.prefix)
                if event.valid:
                    self.routes[key] = event.preference
                else:
                    self.routes.pop(key, None)


def check(made: Autoconfiguration, follower: Follower, now: int) -> None:
    formed = made.addresses()
    assert {one.ip: one.is_preferred for one in formed} == follower.addresses
    assert set(made._routes.names()) == set(follower.routes)
    assert len(formed) <= CONFIG.max_addresses
    assert len(follower.routes) <= CONFIG.max_routes
    assert len(made._addresses._duplicates) <= CONFIG.max_prefixes
    for one in formed:
        assert one.valid_until is None or one.valid_until > now
        ends = one.preferred_until
        assert one.is_preferred is (ends is None or ends > now)


def wait(made: Autoconfiguration, follower: Follower, now: int, delay: int) -> int:
    end = now + delay
    for _ in range(10_000):
        made.handle_timeout(now)
        follower.follow(made.events())
        made.transmit(now)
        check(made, follower, now)
        due = made.next_timeout()
        if due is None or due > end:
            return end
        now = max(now, due)
    raise AssertionError("never idle")


@given(script=steps, drain=st.booleans())
def test_the_events_tell_all(script: list[object], drain: bool) -> None:
    made = Autoconfiguration("eth0", bytes(32), config=CONFIG, entropy=Entropy.of(1))
    made.start()
    follower, now = Follower(), SECOND
    for step in script:
        if isinstance(step, tuple):
            source, message = step
            body = ndp.build_router_advertisement(message, source, ALL_NODES)
            info = PacketInfo(source, ALL_NODES, 0, 255)
            made.receive([Packet(body, info=info)], now)
        elif step == "duplicate":
            follower.follow(made.events())
            for one in made.addresses()[:1]:
                made.duplicate(one.ip)
                follower.addresses.pop(one.ip)  # who says so knows it
            now = wait(made, follower, now, 0)
        elif step == "stop":
            made.stop()
            assert made.addresses() == []
        else:
            assert isinstance(step, int)
            now = wait(made, follower, now, step)
        if drain:
            follower.follow(made.events())
            check(made, follower, now)
    now = wait(made, follower, now, 0)
    made.stop()
    follower.follow(made.events())
    assert follower.addresses == {}
    assert follower.routes == {}


def advertised(valid_until: int | None, lifetime: int, now: int) -> int | None:
    """RFC 4862 5.5.3 (e), by its words; times in ns."""
    told = None if lifetime == ndp.INFINITE else now + lifetime * SECOND
    if told is None:
        return None
    if told - now > 2 * HOUR or (valid_until is not None and told > valid_until):
        return told
    if valid_until is not None and valid_until - now <= 2 * HOUR:
        return valid_until
    return now + 2 * HOUR


@given(
    script=st.lists(
        st.tuples(lifetimes, st.sampled_from([0, 1, 30, 7000])), min_size=1, max_size=6
    )
)
def test_nobody_ends_an_address_within_two_hours(script: list[tuple[int, int]]) -> None:
    made = Autoconfiguration("eth0", bytes(32), entropy=Entropy.of(1))
    now, expected, exists = SECOND, None, False
    for valid, delay in script:
        option = ndp.PrefixInformation(
            pack_ip("2001:db8::"), 64, False, True, valid, min(valid, 1)
        )
        message = ndp.RouterAdvertisement(
            0, False, False, ndp.MEDIUM, 0, 0, 0, None, None, (option,)
        )
        made.router_advertises(message, ROUTERS[0], now)
        if exists:
            expected = advertised(expected, valid, now)
        elif valid:
            exists = True
            expected = None if valid == ndp.INFINITE else now + valid * SECOND
        assert [one.valid_until for one in made.addresses()] == [expected] * exists
        now += delay * SECOND
        made.handle_timeout(now)
        exists = exists and (expected is None or expected > now)
        assert len(made.addresses()) == exists


@given(
    told=st.lists(st.tuples(st.sampled_from(ROUTERS), advertisements), max_size=6),
    spoilt=st.lists(st.tuples(st.integers(4, 200), st.integers(0, 255)), max_size=3),
)
def test_a_stack_takes_whatever_routers_say(
    told: list[tuple[bytes, ndp.RouterAdvertisement]], spoilt: list[tuple[int, int]]
) -> None:
    """Bytes changed under a right checksum, too."""
    stack = Stack(seed=bytes(32))
    nic = stack.add_interface(slaac=True)
    now = SECOND
    for source, message in told:
        body = bytearray(ndp.build_router_advertisement(message, source, ALL_NODES))
        for at, value in spoilt:
            if at < len(body):
                body[at] = value
        body[2:4] = bytes(2)
        start = pseudo_sum(source, ALL_NODES, 58, len(body))
        body[2:4] = checksum(bytes(body), start).to_bytes(2, "big")
        made = frame(MAC, group_mac(ALL_NODES), source, ALL_NODES, bytes(body))
        nic.receive([made.join()], now)
        for _ in range(20):
            stack.handle_timeout(now)
            stack.events()
            stack.transmit(now)
        now += SECOND
    for address in nic.addresses:
        assert is_unicast(address.ip)
    assert 1280 <= nic.mtu_for(bytes(16)) <= 1500
    assert 1 <= nic.hop_limit <= 255


def test_news_that_nobody_takes_is_bounded() -> None:
    """Law 7: one of each kind about each thing, the latest."""
    made = Autoconfiguration("eth0", bytes(32), config=CONFIG, entropy=Entropy.of(1))
    options = (ndp.PrefixInformation(pack_ip("2001:db8::"), 64, True, True, 60, 30),)
    for n in range(1000):
        mtu = 1400 if n == 3 else 0
        message = ndp.RouterAdvertisement(
            0, False, False, ndp.MEDIUM, n % 2, 0, 0, None, mtu, options
        )
        made.router_advertises(message, ROUTERS[0], SECOND)
    events = made.events()
    assert (
        len(events) == len({(type(one), getattr(one, "ip", 0)) for one in events}) + 1
    )
    (parameters,) = [one for one in events if isinstance(one, ParametersAdvertised)]
    assert parameters.mtu == 1400
