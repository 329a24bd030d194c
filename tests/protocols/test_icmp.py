"""Icmp: echo, errors out within rules and limits, errors in; and the ping socket."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest

from sansio_net import Entropy, Packet
from sansio_net.addresses import pack_ip
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import (
    BroadcastError,
    ConnectionRefused,
    LimitError,
    MessageTooLongError,
    StateError,
    Unreachable,
)
from sansio_net.protocols.icmp import (
    EchoEvent,
    EchoFailed,
    EchoReplied,
    EchoReply,
    EchoSocket,
    Icmp,
    IcmpError,
    IcmpOptions,
    IcmpRedirect,
    error_for,
)
from sansio_net.protocols.icmp.limits import Limits
from sansio_net.trace import Trace
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire import icmp
from sansio_net.wire.checksum import checksum
from sansio_net.wire.icmp import build_icmp, parse_icmp
from sansio_net.wire.ipv4 import MF, build_ipv4

US = pack_ip("10.0.0.1")
PEER = pack_ip("10.0.0.2")
REST = b"\x12\x34\x00\x07"


def udp_packet(
    src: bytes = PEER, dst: bytes = US, size: int = 100, **fields: int
) -> bytes:
    """A UDP packet from the peer, port 1000 to port 2000, of any content."""
    ports = b"\x03\xe8\x07\xd0\x00\x10\x00\x00"
    payload = (ports + bytes(range(256)) * 10)[:size]
    return build_ipv4(src, dst, 17, len(payload), **fields) + payload  # type: ignore[arg-type]


class Lab:
    def __init__(self, **options: object) -> None:
        self.counters = Counters()
        self.trace: Trace = []
        self.icmp = Icmp(
            IcmpOptions(**options),  # type: ignore[arg-type]
            Entropy.of(1),
            self.counters,
            self.trace,
        )

    def receive(
        self,
        message: bytes,
        *,
        src: bytes = PEER,
        dst: bytes = US,
        tos: int = 0,
        broadcast: bool = False,
        verified: bool = False,
        now: int = 0,
    ) -> IcmpError | IcmpRedirect | EchoReply | None:
        data = b"header" + message + b"padding"
        end = 6 + len(message)
        return self.icmp.message_arrives(
            data, 6, end, src, dst, 61, tos, "eth0", broadcast, verified, now
        )

    def report(
        self,
        original: bytes,
        *,
        kind: int = icmp.UNREACHABLE,
        code: int = icmp.PORT_UNREACHABLE,
        link_broadcast: bool = False,
        now: int = 0,
    ) -> bool:
        return self.icmp.report(kind, code, original, bytes(4), US, link_broadcast, now)

    def sent(self) -> list[Packet]:
        packets = []
        while (packet := self.icmp.emit(0)) is not None:
            packets.append(packet)
        self.icmp.queued = False
        return packets

    def dropped(self, reason: DropReason) -> int:
        return self.counters.dropped(reason)


# -- echo


@pytest.mark.parametrize("size", [0, 1, 56, 20_000])
@pytest.mark.parametrize("verified", [False, True])
def test_an_echo_request_is_answered_whole(size: int, verified: bool) -> None:
    lab = Lab()
    body = bytes(n & 0xFF for n in range(size))
    request = build_icmp(icmp.ECHO_REQUEST, 0, REST, body)
    assert lab.receive(request, tos=0x1A, verified=verified) is None
    assert lab.icmp.queued
    (packet,) = lab.sent()
    assert packet.info is not None
    assert (packet.info.src, packet.info.dst) == (US, PEER)
    assert packet.info.tos == 0x18  # the TOS, without ECN
    assert packet.join() == build_icmp(icmp.ECHO_REPLY, 0, REST, body)


def test_a_sum_that_nobody_filled_in_does_not_spoil_the_answer() -> None:
    lab = Lab()
    request = icmp.HEADER.pack(icmp.ECHO_REQUEST, 0, 0, REST) + b"data"
    lab.receive(request, verified=True)
    assert checksum(lab.sent()[0].join()) == 0


def test_every_checksum_of_a_request_is_turned_into_the_right_one() -> None:
    lab = Lab()
    for first in (0, 0xF7FE, 0xF7FF, 0xF800, 0xFFFF):
        body = first.to_bytes(2, "big")
        lab.receive(build_icmp(icmp.ECHO_REQUEST, 0, bytes(4), body))
        (packet,) = lab.sent()
        assert packet.join() == build_icmp(icmp.ECHO_REPLY, 0, bytes(4), body)


def test_echo_to_a_group_is_ignored_unless_told() -> None:
    request = build_icmp(icmp.ECHO_REQUEST, 0, REST, b"x")
    lab = Lab()
    lab.receive(request, broadcast=True)
    assert lab.sent() == []
    lab = Lab(echo_ignore_broadcasts=False)
    lab.receive(request, broadcast=True)
    (packet,) = lab.sent()
    assert packet.info is not None
    assert packet.info.src == b""  # the stack's choice, not the group
    lab = Lab(echo_ignore_all=True)
    lab.receive(request)
    assert lab.sent() == []
    assert lab.counters.as_dict()["icmp.echo_requests_ignored"] == 1


def test_nobody_is_made_to_answer_a_group() -> None:
    lab = Lab()
    request = build_icmp(icmp.ECHO_REQUEST, 0, REST, b"x")
    lab.receive(request, src=pack_ip("255.255.255.255"))
    assert lab.sent() == []
    assert lab.dropped(DropReason.ICMP_NEVER_ABOUT) == 1


def test_an_echo_reply_is_handed_on() -> None:
    reply = build_icmp(icmp.ECHO_REPLY, 0, REST, b"data")
    assert Lab().receive(reply) == EchoReply(0x1234, 7, b"data", PEER, 61)


def test_echo_replies_are_limited_where_the_mask_says_so() -> None:
    lab = Lab(ratemask=1)
    for _ in range(10):
        lab.receive(build_icmp(icmp.ECHO_REQUEST, 0, REST, b"x"))
    assert len(lab.sent()) == 6
    assert lab.dropped(DropReason.ICMP_RATE_LIMITED) == 4


def test_replies_that_cannot_leave_are_bounded() -> None:
    request = build_icmp(icmp.ECHO_REQUEST, 0, REST, bytes(1000))
    for options in ({"queue_packets": 3}, {"queue_bytes": 3 * 1008}):
        lab = Lab(**options)
        for _ in range(10):
            lab.receive(request)
        assert len(lab.sent()) == 3
        assert lab.dropped(DropReason.ECHO_QUEUE_FULL) == 7
        lab.receive(request)
        assert len(lab.sent()) == 1
        assert lab.counters.as_dict()["icmp.echo_replies_sent"] == 4


# -- messages that mean nothing


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", DropReason.ICMP_MALFORMED),
        (bytes(7), DropReason.ICMP_MALFORMED),
        (b"\x08\x00\x00\x01" + bytes(4), DropReason.ICMP_BAD_CHECKSUM),
        (build_icmp(13, 0, REST, bytes(12)), DropReason.ICMP_UNKNOWN_TYPE),
        (build_icmp(255, 0, REST, b""), DropReason.ICMP_UNKNOWN_TYPE),
        (build_icmp(4, 0, bytes(4), udp_packet()), DropReason.ICMP_UNKNOWN_TYPE),
        (build_icmp(3, 3, bytes(4), b""), DropReason.ICMP_MALFORMED),
        (build_icmp(3, 3, bytes(4), udp_packet()[:27]), DropReason.ICMP_MALFORMED),
    ],
)
def test_it_is_dropped_and_counted(message: bytes, reason: DropReason) -> None:
    lab = Lab()
    assert lab.receive(message) is None
    assert lab.counters.as_dict() == {f"drop.{reason.value}": 1}
    assert lab.sent() == []


def test_errors_and_replies_to_a_group_concern_nobody() -> None:
    lab = Lab()
    for message in (
        build_icmp(icmp.UNREACHABLE, 3, bytes(4), udp_packet(US, PEER)),
        build_icmp(icmp.ECHO_REPLY, 0, REST, b""),
    ):
        assert lab.receive(message, broadcast=True) is None
    assert lab.dropped(DropReason.ICMP_NOT_CONCERNING) == 2


# -- errors in


@pytest.mark.parametrize("kind", [3, 11, 12])
def test_an_error_is_handed_on_with_what_it_quotes(kind: int) -> None:
    ours = udp_packet(US, PEER)
    found = Lab().receive(build_icmp(kind, 1, b"\0\0\x05\x78", ours[:28]))
    assert isinstance(found, IcmpError)
    assert (found.type, found.code, found.mtu, found.source) == (kind, 1, 0, PEER)
    assert (found.quoted.source, found.quoted.destination) == (US, PEER)
    assert (found.quoted.source_port, found.quoted.destination_port) == (1000, 2000)


def test_too_big_brings_the_mtu() -> None:
    ours = udp_packet(US, PEER)
    found = Lab().receive(build_icmp(3, 4, b"\0\0\x05\x78", ours))
    assert isinstance(found, IcmpError)
    assert found.mtu == 1400


def test_a_redirect_brings_the_gateway() -> None:
    gateway = pack_ip("10.0.0.254")
    found = Lab().receive(build_icmp(icmp.REDIRECT, 1, gateway, udp_packet(US, PEER)))
    assert isinstance(found, IcmpRedirect)
    assert (found.gateway, found.code, found.source) == (gateway, 1, PEER)


def test_an_error_about_an_echo_reply_concerns_nobody() -> None:
    lab = Lab()
    for kind, expected in ((icmp.ECHO_REQUEST, True), (icmp.ECHO_REPLY, False)):
        echo = build_icmp(kind, 0, REST, b"")
        quoted = build_ipv4(US, PEER, 1, len(echo)) + echo
        found = lab.receive(build_icmp(3, 1, bytes(4), quoted))
        assert (found is not None) is expected
    assert lab.dropped(DropReason.ICMP_NOT_CONCERNING) == 1


@pytest.mark.parametrize(
    ("kind", "code", "number", "hard"),
    [
        (3, 0, errno.ENETUNREACH, False),
        (3, 1, errno.EHOSTUNREACH, False),
        (3, 2, errno.ENOPROTOOPT, True),
        (3, 4, errno.EMSGSIZE, False),
        (3, 5, errno.EOPNOTSUPP, False),
        (3, 9, errno.ENETUNREACH, True),
        (3, 13, errno.EHOSTUNREACH, True),
        (3, 200, errno.EHOSTUNREACH, False),
        (11, 0, errno.EHOSTUNREACH, False),
        (12, 0, errno.EPROTO, True),
    ],
)
def test_the_exception_of_an_error(
    kind: int, code: int, number: int, hard: bool
) -> None:
    error, is_hard = error_for(kind, code)
    assert isinstance(error, Unreachable)
    assert (error.errno, is_hard) == (number, hard)
    assert error.strerror
    again = pickle.loads(pickle.dumps(error))
    assert (again.errno, str(again)) == (error.errno, str(error))


def test_port_unreachable_is_a_refusal() -> None:
    error, is_hard = error_for(3, 3)
    assert isinstance(error, ConnectionRefused)
    assert is_hard


# -- errors out


def test_an_error_quotes_as_much_as_fits_576() -> None:
    lab = Lab()
    original = udp_packet(size=1400)
    assert lab.report(original)
    (packet,) = lab.sent()
    message = parse_icmp(packet.join())
    assert (message.type, message.code, message.rest) == (3, 3, bytes(4))
    assert message.body == original[:548]
    assert 20 + len(packet) == 576
    assert packet.info is not None
    assert (packet.info.src, packet.info.dst) == (US, PEER)
    assert packet.info.tos == 0xC0


def test_a_short_packet_is_quoted_whole() -> None:
    lab = Lab()
    assert lab.report(udp_packet(size=8))
    assert parse_icmp(lab.sent()[0].join()).body == udp_packet(size=8)


@pytest.mark.parametrize(
    "original",
    [
        b"",
        udp_packet()[:19],
        b"\x60" + bytes(47),
        udp_packet(dst=pack_ip("224.0.0.1")),
        udp_packet(dst=pack_ip("255.255.255.255")),
        udp_packet(src=pack_ip("0.0.0.0")),
        udp_packet(src=pack_ip("255.255.255.255")),
        udp_packet(src=pack_ip("239.1.1.1")),
        udp_packet(src=pack_ip("240.0.0.1")),
        udp_packet(src=pack_ip("127.0.0.1")),
        udp_packet(fragment_offset=8),
        build_ipv4(PEER, US, 1, 8) + build_icmp(3, 3, bytes(4), b""),
        build_ipv4(PEER, US, 1, 8) + build_icmp(4, 0, bytes(4), b""),
        build_ipv4(PEER, US, 1, 8) + build_icmp(5, 0, bytes(4), b""),
        build_ipv4(PEER, US, 1, 8) + build_icmp(11, 0, bytes(4), b""),
        build_ipv4(PEER, US, 1, 8) + build_icmp(12, 0, bytes(4), b""),
        build_ipv4(PEER, US, 1, 8) + build_icmp(99, 0, bytes(4), b""),
        build_ipv4(PEER, US, 1, 0),
    ],
)
def test_never_about(original: bytes) -> None:
    lab = Lab()
    assert not lab.report(original)
    assert lab.sent() == []
    assert lab.dropped(DropReason.ICMP_NEVER_ABOUT) == 1


def test_never_about_what_came_to_all_on_the_link() -> None:
    lab = Lab()
    assert not lab.report(udp_packet(), link_broadcast=True)
    assert lab.dropped(DropReason.ICMP_NEVER_ABOUT) == 1


@pytest.mark.parametrize(
    "original",
    [
        udp_packet(),
        udp_packet(flags=MF),
        udp_packet(pack_ip("127.0.0.1"), pack_ip("127.0.0.1")),
        build_ipv4(PEER, US, 17, 0),
        build_ipv4(PEER, US, 1, 8) + build_icmp(8, 0, REST, b""),
    ],
)
def test_but_about_these(original: bytes) -> None:
    assert Lab().report(original)


def test_one_destination_gets_six_then_one_a_second() -> None:
    lab = Lab()
    now = 5 * SECOND
    assert sum(lab.report(udp_packet(), now=now) for _ in range(20)) == 6
    assert not lab.report(udp_packet(), now=now + SECOND - 1)
    assert lab.report(udp_packet(), now=now + SECOND)
    assert not lab.report(udp_packet(), now=now + SECOND)
    assert lab.report(udp_packet(pack_ip("10.0.0.3")), now=now + SECOND)
    later = now + 100 * SECOND
    assert sum(lab.report(udp_packet(), now=later) for _ in range(20)) == 6
    assert lab.dropped(DropReason.ICMP_RATE_LIMITED) == 14 + 2 + 14
    assert lab.counters.as_dict()["icmp.errors_sent"] == 6 + 2 + 6


def test_all_destinations_together_get_fifty_then_a_thousand_a_second() -> None:
    lab = Lab(queue_packets=10_000, queue_bytes=10**9)
    sources = [bytes([10, 1, n >> 8, n & 0xFF]) for n in range(1, 1025)]

    def burst(now: int) -> int:
        return sum(lab.report(udp_packet(src), now=now) for src in sources)

    first = burst(0)
    # each takes one token, one in four takes two: see Limits
    assert 35 <= first < 50
    second = burst(10 * MILLISECOND)
    assert 5 <= second <= 10
    assert 25 <= burst(100 * SECOND) <= 50


def test_path_mtu_discovery_is_never_limited() -> None:
    lab = Lab()
    code = icmp.FRAGMENTATION_NEEDED
    assert all(lab.report(udp_packet(), code=code) for _ in range(200))


def test_the_loopback_is_never_limited() -> None:
    lab = Lab()
    home = pack_ip("127.0.0.1")
    assert all(lab.report(udp_packet(home, home)) for _ in range(200))


@pytest.mark.parametrize(
    "options",
    [{"limited": False}, {"ratemask": 0}, {"ratelimit": 0, "msgs_per_sec": 0}],
)
def test_limits_can_be_lifted(options: dict[str, object]) -> None:
    lab = Lab(**options)
    assert all(lab.report(udp_packet()) for _ in range(200))


def test_the_destinations_remembered_are_bounded() -> None:
    limits = Limits(IcmpOptions(destinations=4, msgs_per_sec=0), Entropy.of(1))
    for n in range(100):
        assert limits.allow(3, 3, bytes([10, 0, 0, n]), 0)
        assert len(limits) <= 4
    # the last ones are remembered
    assert sum(limits.allow(3, 3, bytes([10, 0, 0, 99]), 0) for _ in range(9)) == 5


def test_errors_that_cannot_leave_are_bounded() -> None:
    lab = Lab(limited=False, queue_packets=3)
    assert [lab.report(udp_packet()) for _ in range(5)] == [True] * 3 + [False] * 2
    assert lab.dropped(DropReason.OUTPUT_QUEUE_FULL) == 2


def test_it_puts_itself_in_the_ready_queue_once() -> None:
    ready: list[Icmp] = []
    part = Icmp(None, Entropy.of(1), ready=ready)
    for _ in range(3):
        part.report(3, 3, udp_packet(), bytes(4), b"", False, 0)
    assert ready == [part]


def test_copies_go_on_alike() -> None:
    lab = Lab()
    for _ in range(4):
        lab.report(udp_packet())
    twins = [lab.icmp, copy.deepcopy(lab.icmp), pickle.loads(pickle.dumps(lab.icmp))]
    seen = []
    for twin in twins:
        lab.icmp = twin
        allowed = [lab.report(udp_packet(), now=n * 300_000_000) for n in range(20)]
        seen.append((allowed, [packet.join() for packet in lab.sent()]))
    assert seen[0] == seen[1] == seen[2]


def test_tracing() -> None:
    lab = Lab()
    lab.report(udp_packet(), now=4)
    lab.receive(build_icmp(8, 0, REST, b""), now=5)
    assert lab.trace == [
        (4, "icmp-error", PEER, 3, 3),
        (5, "icmp", "eth0", PEER, 8, 0),
    ]


# -- the ping socket


class Routes:
    version = 0

    @property
    def routes(self) -> Routes:
        return self

    def source_for(self, destination: bytes, source: bytes, nic: str | None) -> bytes:
        if destination[0] == 192:
            raise Unreachable()
        return source or US

    def interface_for(self, group: bytes, nic: str | None) -> str:
        return nic or "eth0"

    def listen(
        self, owner: int, group: bytes, nic: str, exclude: bool, sources: object
    ) -> None:
        """Nobody has to be told."""

    def is_broadcast(self, destination: bytes, nic: str | None) -> bool:
        return destination == b"\xff" * 4


def opened(**options: object) -> EchoSocket:
    options.setdefault("counters", Counters())
    return EchoSocket(0x1234, router=Routes(), **options)  # type: ignore[arg-type]


def drained(echo: EchoSocket) -> list[EchoEvent]:
    out: list[EchoEvent] = []
    echo.drain(out)
    return out


def test_an_echo_request_leaves_complete() -> None:
    ready: list[EchoSocket] = []
    echo = opened(ready=ready)
    echo.send_to("10.0.0.2", 7, b"data", ttl=3)
    assert ready == [echo]
    packet = echo.emit(0)
    assert packet is not None
    assert packet.join() == build_icmp(icmp.ECHO_REQUEST, 0, REST, b"data")
    assert packet.info is not None
    assert (packet.info.src, packet.info.dst, packet.info.ttl) == (US, PEER, 3)
    assert echo.emit(0) is None


def test_replies_and_errors_are_events_in_order() -> None:
    notified: list[EchoSocket] = []
    echo = opened(notified=notified)
    error = Unreachable()
    echo.reply_arrives(PEER, 1, b"a", 61, 5)
    echo.error_arrives(error, PEER, 2)
    echo.reply_arrives(PEER, 3, b"b", 60, 5)
    assert notified == [echo]
    assert drained(echo) == [
        EchoReplied(echo, "10.0.0.2", 1, b"a", 61),
        EchoFailed(echo, "10.0.0.2", 2, error),
        EchoReplied(echo, "10.0.0.2", 3, b"b", 60),
    ]
    assert drained(echo) == []


def test_replies_not_taken_are_bounded() -> None:
    counters = Counters()
    echo = opened(counters=counters)
    for n in range(300):
        echo.reply_arrives(PEER, n, b"", 64, 0)
    assert counters.dropped(DropReason.ECHO_QUEUE_FULL) == 300 - 256
    assert len(drained(echo)) == 256
    for n in range(10):
        echo.reply_arrives(PEER, n, bytes(60_000), 64, 0)
    assert len(drained(echo)) == 3


def test_requests_not_sent_are_bounded() -> None:
    echo = opened()
    for n in range(256):
        echo.send_to("10.0.0.2", n)
    with pytest.raises(LimitError):
        echo.send_to("10.0.0.2", 256)
    echo.emit(0)
    echo.send_to("10.0.0.2", 256)
    big = opened()
    for n in range(3):
        big.send_to("10.0.0.2", n, bytes(65_000))
    with pytest.raises(LimitError):
        big.send_to("10.0.0.2", 3, bytes(65_000))


def test_what_cannot_be_sent() -> None:
    echo = opened()
    with pytest.raises(MessageTooLongError):
        echo.send_to("10.0.0.2", 1, bytes(65508))
    with pytest.raises(BroadcastError):
        echo.send_to("255.255.255.255", 1)
    with pytest.raises(Unreachable):
        echo.send_to("192.0.2.1", 1)
    for address, sequence in (("::", 1), ("0.0.0.0", 1), ("10.0.0.2", 65536)):
        with pytest.raises(ValueError, match=r"destination|sequence"):
            echo.send_to(address, sequence)
    with pytest.raises(ValueError, match="ttl"):
        echo.send_to("10.0.0.2", 1, ttl=0)
    assert echo.emit(0) is None


def test_broadcast_when_asked_for_and_multicast_with_a_ttl_of_one() -> None:
    echo = opened(broadcast=True)
    echo.send_to("255.255.255.255", 1)
    echo.send_to("224.0.0.1", 2)
    first, second = echo.emit(0), echo.emit(0)
    assert first is not None
    assert second is not None
    assert first.info is not None
    assert second.info is not None
    assert (first.info.ttl, second.info.ttl) == (64, 1)


def test_after_close_nothing_comes_but_what_was_sent_leaves() -> None:
    notified: list[EchoSocket] = []
    echo = opened(notified=notified)
    echo.send_to("10.0.0.2", 1, bytearray(b"x"))
    echo.reply_arrives(PEER, 1, b"", 64, 0)
    echo.close()
    echo.close()
    echo.reply_arrives(PEER, 1, b"", 64, 0)
    assert notified == [echo]
    assert drained(echo) == []
    assert echo.emit(0) is not None
    with pytest.raises(StateError):
        echo.send_to("10.0.0.2", 1)


def test_an_error_without_its_number_is_dropped() -> None:
    counters = Counters()
    echo = opened(counters=counters)
    echo.error_arrives(Unreachable(), PEER, None)
    assert counters.dropped(DropReason.ICMP_NOT_CONCERNING) == 1
    assert drained(echo) == []


def test_a_ping_socket_can_be_copied_traced_and_has_no_timers() -> None:
    echo = opened(trace=[], id=9)
    echo.reply_arrives(PEER, 1, b"a", 61, 5)
    assert echo.trace == [(5, "echo-reply", 9, PEER, 1)]
    twin = pickle.loads(pickle.dumps(echo))
    (event,) = drained(twin)
    assert isinstance(event, EchoReplied)
    assert event.data == b"a"
    echo.handle_timeout(0)
    assert echo.deadline() is None
    assert "4660" in repr(echo)
