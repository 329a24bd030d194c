"""`sansio-net ping`: echo requests, with the words of iputils' ping."""

from __future__ import annotations

import errno
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import pack_ip
from sansio_net.errors import (
    ConnectionFailed,
    LimitError,
    MessageTooLongError,
    SansioNetError,
)
from sansio_net.stack import EchoFailed, EchoReplied, Event
from sansio_net.units import MILLISECOND, SECOND, parse_duration

from .errors import FAILED, INTERRUPTED, OK, TERMINATED, USAGE
from .links import add_link_options, check_link_options
from .session import Session

if TYPE_CHECKING:
    from argparse import _SubParsersAction

NAME: Final = "ping"
MAX_SIZE: Final = 65507
MIN_INTERVAL: Final = 2 * MILLISECOND
HEADERS: Final = {4: 28, 16: 48}
"""Of IP and ICMP, by the size of an address."""
KEPT: Final = 0x8000
"""Requests whose time of sending is remembered: half of the sequence numbers."""

_WORDS: Final = {
    errno.EHOSTUNREACH: "Destination Host Unreachable",
    errno.ENETUNREACH: "Destination Net Unreachable",
    errno.ECONNREFUSED: "Destination Port Unreachable",
    errno.ENOPROTOOPT: "Destination Protocol Unreachable",
    errno.EMSGSIZE: "Frag needed and DF set",
    errno.EACCES: "Packet filtered",
}


def parse_count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ArgumentTypeError(f"not a count: {text!r}")
    return int(text)


def parse_size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_SIZE:
        raise ArgumentTypeError(f"a size is 0 to {MAX_SIZE} bytes, not {text!r}")
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
    add = parser.add_argument
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
        packed = pack_ip(args.host.partition("%")[0])  # the stack knows zones
    except ValueError:
        print_error(f"{args.host}: not an IP address, and names are not looked up")
        return USAGE
    session = Session(args)
    return session.run(Ping(session, args.host, packed))


def print_error(text: str) -> None:
    print(f"ping: {text}", file=sys.stderr, flush=True)


class Ping:
    """Sends at its interval, prints what comes, and in the end the statistics."""

    def __init__(self, session: Session, host: str, packed: bytes) -> None:
        args = session.args
        self._session = session
        self._host = host
        self._count: int | None = args.count
        self._interval: int = args.interval
        self._wait: int = args.wait
        self._data = bytes(n & 0xFF for n in range(args.size))
        self._headers = HEADERS[len(packed)]
        self._echo = session.stack.echo_open()
        self._sent_at: dict[int, int] = {}  # by sequence number, on the wire
        self._answered: set[int] = set()  # membership only
        self._n_sent = self._n_received = self._n_errors = self._n_duplicates = 0
        self._sum = self._sum_of_squares = 0
        self._fastest = self._slowest = 0
        self._began: int | None = None
        self._ended = 0

    def start(self, session: Session) -> None:
        size = len(self._data)
        print(
            f"PING {self._host} ({self._host}) "
            f"{size}({size + self._headers}) bytes of data.",
            flush=True,
        )
        session.loop.call_at(0, self._send)

    def _send(self, now: int) -> None:
        if self._session.finishing:
            return
        if self._began is None:
            self._began = now
        sequence = (self._n_sent + 1) & 0xFFFF
        try:
            self._echo.send_to(self._host, sequence, self._data)
        except LimitError:
            pass  # the link is slower than the interval: this one is late
        except (ConnectionFailed, MessageTooLongError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            print_error(f"connect: {words}")
            self._session.finish(USAGE)
            return
        else:
            self._n_sent += 1
            self._sent_at.pop((sequence - KEPT) & 0xFFFF, None)
            self._answered.discard((sequence - KEPT) & 0xFFFF)
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
        for event in events:
            if isinstance(event, EchoReplied):
                self._replied(event, now)
            elif isinstance(event, EchoFailed):
                self._failed(event, now)
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
            print(f"{line} (DUP!)", flush=True)
            return
        self._answered.add(sequence)
        if not self._n_received or took < self._fastest:
            self._fastest = took
        self._slowest = max(self._slowest, took)
        self._n_received += 1
        self._sum += took
        self._sum_of_squares += took * took
        print(line, flush=True)

    def _failed(self, event: EchoFailed, now: int) -> None:
        self._n_errors += 1
        self._ended = now
        print(
            f"From {event.destination} icmp_seq={event.sequence} "
            f"{error_words(event.error)}",
            flush=True,
        )

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
        print(f"\n--- {self._host} ping statistics ---")
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


def error_words(error: SansioNetError) -> str:
    code = getattr(error, "errno", None)
    if code in _WORDS:
        return _WORDS[code]
    return str(getattr(error, "strerror", None) or error)
