"""`sansio-net ping`: echo requests of both families, in the words of iputils' ping."""

from __future__ import annotations

import errno
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING, Final

from sansio_net.errors import ConnectionFailed, LimitError, MessageTooLongError
from sansio_net.stack import EchoFailed, EchoReplied, Event
from sansio_net.units import MILLISECOND, SECOND, parse_duration
from sansio_net.wire import icmp, icmpv6

from .errors import FAILED, INTERRUPTED, OK, TERMINATED, USAGE, UsageError
from .hearing import Heard, listen, open_ear
from .links import add_link_options, check_link_options
from .session import Session
from .target import (
    Readiness,
    Target,
    add_family_options,
    check_target,
    find_target,
)

if TYPE_CHECKING:
    from argparse import _SubParsersAction

NAME: Final = "ping"
MAX_SIZE: Final = 65507
MIN_INTERVAL: Final = 2 * MILLISECOND
HEADERS: Final = 28
"""Of IPv4 and ICMP: what IPv6's have is not counted, by ping's custom."""
KEPT: Final = 0x8000
"""Requests whose time of sending is remembered: half of the sequence numbers."""

_UNREACHABLE: Final = {
    icmp.NET_UNREACHABLE: "Destination Net Unreachable",
    icmp.HOST_UNREACHABLE: "Destination Host Unreachable",
    icmp.PROTOCOL_UNREACHABLE: "Destination Protocol Unreachable",
    icmp.PORT_UNREACHABLE: "Destination Port Unreachable",
    icmp.SOURCE_ROUTE_FAILED: "Source Route Failed",
    icmp.NET_UNKNOWN: "Destination Net Unknown",
    icmp.HOST_UNKNOWN: "Destination Host Unknown",
    icmp.HOST_ISOLATED: "Source Host Isolated",
    icmp.NET_PROHIBITED: "Destination Net Prohibited",
    icmp.HOST_PROHIBITED: "Destination Host Prohibited",
    icmp.NET_UNREACHABLE_TOS: "Destination Net Unreachable for Type of Service",
    icmp.HOST_UNREACHABLE_TOS: "Destination Host Unreachable for Type of Service",
    icmp.COMMUNICATION_PROHIBITED: "Packet filtered",
    icmp.PRECEDENCE_VIOLATION: "Precedence Violation",
    icmp.PRECEDENCE_CUTOFF: "Precedence Cutoff",
}
_UNREACHABLE6: Final = {
    icmpv6.NO_ROUTE: "No route",
    icmpv6.PROHIBITED: "Administratively prohibited",
    icmpv6.BEYOND_SCOPE: "Beyond scope of source address",
    icmpv6.ADDRESS_UNREACHABLE: "Address unreachable",
    icmpv6.PORT_UNREACHABLE: "Port unreachable",
}


def error_words(heard: Heard) -> str:
    """An ICMP error, as ping says it."""
    kind, code = heard.kind, heard.code
    if kind == icmp.UNREACHABLE:
        if code == icmp.FRAGMENTATION_NEEDED:
            return f"Frag needed and DF set (mtu = {heard.mtu})"
        return _UNREACHABLE.get(code, f"Dest Unreachable, Bad Code: {code}")
    if kind == icmp.TIME_EXCEEDED:
        if code == icmp.TTL_EXCEEDED:
            return "Time to live exceeded"
        return "Frag reassembly time exceeded"
    return f"Parameter problem: pointer = {heard.pointer}"


def error_words6(heard: Heard) -> str:
    """An ICMPv6 error, as ping says it."""
    kind, code = heard.kind, heard.code
    if kind == icmpv6.UNREACHABLE:
        words = _UNREACHABLE6.get(code, f"Unknown code {code}")
        return f"Destination unreachable: {words}"
    if kind == icmpv6.PACKET_TOO_BIG:
        return f"Packet too big: mtu={heard.mtu}"
    if kind == icmpv6.TIME_EXCEEDED:
        what = ("Hop limit", "Defragmentation failure")
        return f"Time exceeded: {what[code] if code < 2 else f'code {code}'}"
    problems = (
        "Wrong header field ",
        "Unknown header ",
        "Unknown option ",
    )
    words = problems[code] if code < 3 else f"code {code} "
    return f"Parameter problem: {words}at {heard.pointer}"


def local_words(error: ConnectionFailed, is_ipv6: bool) -> str:
    """This host's own news, as Linux would say them by ICMP to itself."""
    no_route = getattr(error, "errno", None) == errno.ENETUNREACH
    if is_ipv6:
        words = "No route" if no_route else "Address unreachable"
        return f"Destination unreachable: {words}"
    return _UNREACHABLE[icmp.NET_UNREACHABLE if no_route else icmp.HOST_UNREACHABLE]


def parse_count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ArgumentTypeError(f"not a count: {text!r}")
    return int(text)


def parse_size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_SIZE:
        raise ArgumentTypeError(f"a size is 0 to {MAX_SIZE} bytes, not {text!r}")
    return int(text)


def parse_ttl(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 255:
        raise ArgumentTypeError(f"a TTL is 1 to 255, not {text!r}")
    return int(text)


def parse_seconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def parse_interval(text: str) -> int:
    interval = parse_seconds(text)
    if interval < MIN_INTERVAL:
        raise ArgumentTypeError("an interval is at least 2ms")
    return interval


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(NAME, help="send echo requests")
    parser.set_defaults(command=command)
    add_link_options(parser)
    add_family_options(parser)
    add = parser.add_argument
    add("-n", action="store_true", help="numbers only, as always")
    add("-q", dest="quiet", action="store_true", help="the statistics alone")
    add("-t", dest="ttl", type=parse_ttl, metavar="TTL", help="of the requests (64)")
    add(
        "-w",
        dest="deadline",
        type=parse_seconds,
        metavar="SECONDS",
        help="end after so long, whatever was sent or received",
    )
    add("-c", dest="count", type=parse_count, metavar="N", help="stop after N")
    add(
        "-i",
        dest="interval",
        type=parse_interval,
        default=SECOND,
        metavar="SECONDS",
        help="between two of them (1)",
    )
    add(
        "-s",
        dest="size",
        type=parse_size,
        default=56,
        metavar="SIZE",
        help="bytes of data (56)",
    )
    add(
        "-W",
        dest="wait",
        type=parse_seconds,
        default=10 * SECOND,
        metavar="SECONDS",
        help="how long to wait for the last answer (10)",
    )
    add("host", metavar="HOST")


def command(args: Namespace) -> int:
    check_link_options(args)
    try:
        check_target(args)
        session = Session(args)
        target = find_target(session)
    except UsageError as error:
        print_error(str(error))
        return USAGE
    return session.run(Ping(session, target))


def print_error(text: str) -> None:
    print(f"ping: {text}", file=sys.stderr, flush=True)


class Ping:
    """Sends at its interval, prints what comes, and in the end the statistics."""

    def __init__(self, session: Session, target: Target) -> None:
        args = session.args
        self._session = session
        self._target = target
        self._is_ipv6 = len(target.packed) == 16
        self._count: int | None = args.count
        self._interval: int = args.interval
        self._wait: int = args.wait
        self._data = bytes(n & 0xFF for n in range(args.size))
        self._echo = session.stack.echo_open(target.nic)
        self._ear = open_ear(session.stack, self._is_ipv6, target.nic)
        self._own = ""
        self._ready = Readiness(session, len(target.packed), self._begin)
        self._failed: set[int] = set()  # membership only
        self._sent_at: dict[int, int] = {}  # by sequence number, on the wire
        self._answered: set[int] = set()  # membership only
        self._n_sent = self._n_received = self._n_errors = self._n_duplicates = 0
        self._sum = self._sum_of_squares = 0
        self._fastest = self._slowest = 0
        self._began: int | None = None
        self._ended = 0

    def start(self, session: Session) -> None:
        size, text = len(self._data), self._target.text
        if self._is_ipv6:
            said = f"PING {text}({text}) {size} data bytes"
        else:
            said = f"PING {text} ({text}) {size}({size + HEADERS}) bytes of data."
        print(said, flush=True)

    def _begin(self, now: int) -> None:
        session, target = self._session, self._target
        try:
            way = session.stack.raw_open(255, peer=target.text, nic=target.nic)
        except (ConnectionFailed, ValueError) as error:
            self._no_way(error)
            return
        self._own = way.local
        way.close()
        if session.args.deadline is not None:
            session.loop.call_at(now + session.args.deadline, self._give_up)
        self._send(now)

    def _no_way(self, error: Exception) -> None:
        words = error.strerror if isinstance(error, OSError) else str(error)
        print_error(f"connect: {words}")
        self._session.finish(USAGE)

    def _send(self, now: int) -> None:
        if self._session.finishing:
            return
        if self._began is None:
            self._began = now
        sequence = (self._n_sent + 1) & 0xFFFF
        try:
            ttl = self._session.args.ttl
            self._echo.send_to(self._target.text, sequence, self._data, ttl=ttl)
        except LimitError:
            pass  # the link is slower than the interval: this one is late
        except (ConnectionFailed, MessageTooLongError, ValueError) as error:
            self._no_way(error)
            return
        else:
            self._n_sent += 1
            self._sent_at.pop((sequence - KEPT) & 0xFFFF, None)
            self._answered.discard((sequence - KEPT) & 0xFFFF)
            self._failed.discard((sequence - KEPT) & 0xFFFF)
            self._sent_at[sequence] = now
            self._ended = now
        loop = self._session.loop
        if self._count is None or self._n_sent < self._count:
            loop.call_at(now + self._interval, self._send)
        else:
            loop.call_at(now + self._linger(), self._give_up)

    def _linger(self) -> int:
        """How long to wait for the last answer: two round trips, if one is known."""
        if not self._n_received:
            return self._wait
        return max(2 * self._slowest, self._interval)

    def _give_up(self, now: int) -> None:
        if not self._session.finishing:
            self._end(now)

    def __call__(self, events: Sequence[Event], now: int) -> None:
        self._ready(events, now)
        if self._session.finishing:
            return
        # what others said comes first: what is left then is this host's own news
        for heard in listen(self._ear):
            self._heard(heard, now)
        for event in events:
            if isinstance(event, EchoReplied):
                self._replied(event, now)
            elif isinstance(event, EchoFailed):
                self._fails(event, now)
        if self._count is not None and (
            self._n_received + self._n_errors >= self._count <= self._n_sent
        ):
            self._end(now)

    def _replied(self, event: EchoReplied, now: int) -> None:
        sequence = event.sequence
        sent_at = self._sent_at.get(sequence)
        if sent_at is None:
            return  # older than we remember
        self._ended = now
        took = now - sent_at
        line = (
            f"{len(event.data) + 8} bytes from {event.source}: icmp_seq={sequence} "
            f"ttl={event.ttl} time={format_time(took)} ms"
        )
        if event.data != self._data:
            line += " (wrong data!)"
        if sequence in self._answered:
            self._n_duplicates += 1
            self._say(f"{line} (DUP!)")
            return
        self._answered.add(sequence)
        if not self._n_received or took < self._fastest:
            self._fastest = took
        self._slowest = max(self._slowest, took)
        self._n_received += 1
        self._sum += took
        self._sum_of_squares += took * took
        self._say(line)

    def _heard(self, heard: Heard, now: int) -> None:
        quoted = heard.quoted
        if quoted is None or quoted.identifier != self._echo.identifier:
            return
        if quoted.destination == self._target.packed and quoted.sequence is not None:
            words = (error_words6 if self._is_ipv6 else error_words)(heard)
            self._tell_error(heard.source, quoted.sequence, words, now)

    def _fails(self, event: EchoFailed, now: int) -> None:
        if event.sequence not in self._failed:
            words = local_words(event.error, self._is_ipv6)
            self._tell_error(self._own, event.sequence, words, now)

    def _tell_error(self, source: str, sequence: int, words: str, now: int) -> None:
        if sequence not in self._sent_at:
            return
        self._failed.add(sequence)
        self._n_errors += 1
        self._ended = now
        self._say(f"From {source} icmp_seq={sequence} {words}")

    def _say(self, line: str) -> None:
        if not self._session.args.quiet:
            print(line, flush=True)

    def _end(self, now: int) -> None:
        self._statistics()
        self._session.finish(OK if self._n_received else FAILED)

    def stopped(self, number: int) -> int:
        self._statistics()
        return INTERRUPTED if number == signal.SIGINT else TERMINATED

    def _statistics(self) -> None:
        sent, received = self._n_sent, self._n_received
        extra = f"+{self._n_duplicates} duplicates, " if self._n_duplicates else ""
        if self._n_errors:
            extra += f"+{self._n_errors} errors, "
        lost = (sent - received) * 100 / sent if sent else 0
        took = (self._ended - (self._began or self._ended)) // MILLISECOND
        print(f"\n--- {self._target.text} ping statistics ---")
        print(
            f"{sent} packets transmitted, {received} received, {extra}"
            f"{lost:.6g}% packet loss, time {took}ms"
        )
        if received:
            mean = self._sum / received
            deviation = sqrt(max(0, self._sum_of_squares / received - mean * mean))
            figures = (self._fastest, mean, self._slowest, deviation)
            shown = "/".join(f"{figure / MILLISECOND:.3f}" for figure in figures)
            print(f"rtt min/avg/max/mdev = {shown} ms")


def format_time(nanoseconds: int) -> str:
    """Milliseconds with three significant digits, as ping has them."""
    milliseconds = nanoseconds / MILLISECOND
    for bound, digits in ((1, 3), (10, 2), (100, 1)):
        if milliseconds < bound:
            return f"{milliseconds:.{digits}f}"
    return f"{milliseconds:.0f}"
