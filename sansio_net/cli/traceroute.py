"""`sansio-net traceroute`: the routers on the way, with the words of traceroute(8)."""

from __future__ import annotations

import errno
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from sansio_net.errors import ConnectionFailed, LimitError, SansioNetError
from sansio_net.machine import ASAP
from sansio_net.protocols.traceroute import (
    Answer,
    ProbeResult,
    Traceroute,
    TracerouteOptions,
    mark_of,
    mark_of6,
)
from sansio_net.stack import Event, StackConfig
from sansio_net.units import MILLISECOND, SECOND, parse_duration

from .errors import FAILED, INTERRUPTED, OK, TERMINATED, USAGE, UsageError
from .hearing import Heard, listen, open_ear
from .links import add_link_options, check_link_options
from .probes import EchoProbes, Probes, SynProbes, UdpProbes
from .session import Cancellable, Session
from .target import (
    Readiness,
    Target,
    add_family_options,
    check_target,
    find_target,
)

if TYPE_CHECKING:
    from argparse import _SubParsersAction

NAME: Final = "traceroute"
PORTS: Final = {"default": 33434, "udp": 53, "tcp": 80, "icmp": 1}
"""Where probes go, or the first sequence number."""
DEFAULT_SIZE: Final = 40
"""Bytes of a probe after its IP header."""
IP_HEADER: Final = {4: 20, 16: 40}
MAX_SIZE: Final = 65000

_LOCAL_MARKS: Final = {errno.ENETUNREACH: "!N"}


def number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{least} to {most}, not {text!r}")
        return int(text)

    return parse


def parse_waits(text: str) -> tuple[int, int, int]:
    """MAX[,HERE[,NEAR]]: a time, two factors in thousandths; left out, they are 0."""
    most, *factors = text.replace("/", ",").split(",")
    try:
        wait = parse_duration(most)
        # a factor has the digits of a time in seconds
        here, near = (
            *(parse_duration(factor) // MILLISECOND for factor in factors),
            *(0 for _ in range(2 - len(factors))),
        )
        TracerouteOptions(wait=wait, here=here, near=near)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r}: {error}") from None
    return wait, here, near


def parse_interval(text: str) -> int:
    """Seconds; above 10 they are milliseconds, as traceroute has it."""
    try:
        interval = parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    if interval > 10 * SECOND and text[-1:].isdigit():
        interval //= 1000
    if interval > 3600 * SECOND:
        raise ArgumentTypeError("an interval is at most an hour")
    return interval


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(NAME, help="show the routers on the way")
    parser.set_defaults(command=command, method="default")
    add_link_options(parser)
    add_family_options(parser)
    methods = parser.add_mutually_exclusive_group()
    for flag, method, words in (
        ("-I", "icmp", "echo requests; else UDP to unlikely ports"),
        ("-T", "tcp", "SYNs (to port 80)"),
        ("-U", "udp", "UDP to one port (53)"),
    ):
        methods.add_argument(
            flag, dest="method", action="store_const", const=method, help=words
        )
    add = parser.add_argument
    add("-n", dest="numeric", action="store_true", help="each address once")
    for flag, dest, least, most, default, words in (
        ("-q", "queries", 1, 10, 3, "probes of each hop (3)"),
        ("-m", "hops", 1, 255, 30, "the last hop (30)"),
        ("-f", "first", 1, 255, 1, "the first hop (1)"),
        ("-N", "parallel", 1, 1000, 16, "probes at once (16)"),
        ("-p", "port", 1, 65535, None, "the (first) port, or sequence number"),
    ):
        add(
            flag,
            dest=dest,
            type=number(least, most),
            default=default,
            metavar="N",
            help=words,
        )
    add(
        "-w",
        dest="waits",
        type=parse_waits,
        default=(5 * SECOND, 3000, 10_000),
        metavar="MAX[,HERE,NEAR]",
        help="seconds to wait; at most HERE times as long as the same hop took, and "
        "NEAR times as long as a later one (5,3,10)",
    )
    add(
        "-z",
        dest="interval",
        type=parse_interval,
        default=0,
        metavar="SECONDS",
        help="between two probes (0)",
    )
    add("host", metavar="HOST")
    add(
        "size",
        type=number(0, MAX_SIZE),
        nargs="?",
        metavar="SIZE",
        help="of a packet (60, or 80 of IPv6)",
    )


def command(args: Namespace) -> int:
    check_link_options(args)
    try:
        if args.first > args.hops:
            raise UsageError("first hop out of range")
        check_target(args)
        session = Session(args, patient_config(args.parallel))
        target = find_target(session)
    except UsageError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return USAGE
    return session.run(Tracing(session, target))


def patient_config(parallel: int) -> StackConfig:
    """All the first probes wait for the first router's link address."""
    config = StackConfig()
    for neighbours in (config.arp, config.ndp):
        neighbours.queue_packets = max(neighbours.queue_packets, 2 * parallel)
        neighbours.queue_bytes = max(neighbours.queue_bytes, 2 * parallel * 2048)
    return config


def make_probes(session: Session, target: Target) -> Probes:
    """Raises Unreachable where there is no way."""
    args, stack = session.args, session.stack
    size = DEFAULT_SIZE
    if args.size is not None:
        size = max(0, args.size - IP_HEADER[len(target.packed)])
    port = args.port or PORTS[args.method]
    if args.method == "tcp":
        return SynProbes(stack, target, port)
    if args.method == "icmp":
        return EchoProbes(stack, target, size, port)
    return UdpProbes(stack, target, size, port, args.method == "default")


class Printer:
    """The lines of traceroute, piece by piece.

    >>> printer = Printer(numeric=True)
    >>> printer.piece(ProbeResult(1, 0, "10.0.0.1", 1_234_567))
    '\\n 1  10.0.0.1  1.235 ms'
    >>> printer.piece(ProbeResult(1, 1))
    ' *'
    >>> printer.piece(ProbeResult(1, 2, "10.0.0.1", 5_000_000, "!H"))
    '  5.000 ms !H'
    """

    def __init__(self, numeric: bool) -> None:
        self._numeric = numeric
        self._last: str | None = None

    def piece(self, result: ProbeResult) -> str:
        text = ""
        if not result.query:
            text = f"\n{result.ttl:2} "
            self._last = None
        if result.source is None:
            return f"{text} *"
        if result.source != self._last:
            self._last = result.source
            # names are not looked up: an address stands for its own
            text += f" {result.source}"
            text += "" if self._numeric else f" ({result.source})"
        text += f"  {result.took / MILLISECOND:.3f} ms"
        return f"{text} {result.mark}" if result.mark else text


class Tracing:
    """Takes probes from the machine to the stack, and what is heard back to it."""

    def __init__(self, session: Session, target: Target) -> None:
        args = session.args
        wait, here, near = args.waits
        options = TracerouteOptions(
            first=args.first,
            hops=args.hops,
            queries=args.queries,
            parallel=args.parallel,
            wait=wait,
            here=here,
            near=near,
            interval=args.interval,
        )
        self._machine = Traceroute(options)
        self._session = session
        self._target = target
        self._is_ipv6 = len(target.packed) == 16
        self._printer = Printer(args.numeric)
        self._probes: Probes | None = None
        self._timer: Cancellable | None = None
        self._own = ""
        self._ready = Readiness(session, len(target.packed), self._begin)

    def start(self, session: Session) -> None:
        """It begins when there is an address to send from."""

    def _begin(self, now: int) -> None:
        session, target = self._session, self._target
        try:
            way = session.stack.raw_open(255, peer=target.text, nic=target.nic)
            self._own = way.local
            way.close()
            self._ear = open_ear(session.stack, self._is_ipv6, target.nic)
            self._probes = make_probes(session, target)
        except (SansioNetError, ValueError) as error:
            self._fail(error)
            return
        size = IP_HEADER[len(target.packed)] + self._probes.size
        text, hops = target.text, session.args.hops
        # the newline comes with the first hop
        said = f"{NAME} to {text} ({text}), {hops} hops max, {size} byte packets"
        print(said, end="", flush=True)
        self._go_on(now)

    def _fail(self, error: Exception) -> None:
        words = error.strerror if isinstance(error, OSError) else str(error)
        print(f"{NAME}: {words}", file=sys.stderr, flush=True)
        self._session.finish(USAGE if isinstance(error, ValueError) else FAILED)

    def __call__(self, events: Sequence[Event], now: int) -> None:
        self._ready(events, now)
        if self._probes is not None and not self._session.finishing:
            answers = [*map(self._heard, listen(self._ear))]
            self._machine.receive([one for one in answers if one is not None], now)
            # what routers said comes first: what is left then is this host's own news
            for sign in self._probes.signs(events):
                answer = Answer(sign.number, self._target.text, is_final=True)
                if sign.failed is not None:
                    code = getattr(sign.failed, "errno", 0)
                    mark = _LOCAL_MARKS.get(code, "!H")
                    answer = Answer(sign.number, self._own, mark, True)
                self._machine.receive([answer], now)
            self._go_on(now)

    def _heard(self, heard: Heard) -> Answer | None:
        assert self._probes is not None
        if heard.quoted is None:
            number = self._probes.replied(heard)
            if number is None:
                return None
            return Answer(number, heard.source, is_final=True)
        if heard.quoted.destination != self._target.packed:
            return None
        number = self._probes.quoted(heard.quoted)
        if number is None:
            return None
        marks = mark_of6 if self._is_ipv6 else mark_of
        return Answer(number, heard.source, *marks(heard.kind, heard.code, heard.mtu))

    def _go_on(self, now: int) -> None:
        """A turn of the machine; then wait for its deadline."""
        machine, probes = self._machine, self._probes
        if self._session.finishing or probes is None:
            return
        machine.handle_timeout(now)
        self._print()
        for probe in machine.transmit(now, 1 << 16):
            try:
                probes.send(probe.number, probe.ttl)
            except LimitError:
                pass  # as if it were lost
            except (ConnectionFailed, SansioNetError, ValueError) as error:
                print(flush=True)
                self._fail(error)
                return
        if machine.is_over:
            print(flush=True)
            self._session.finish(OK)
            return
        if self._timer is not None:
            self._timer.cancel()
        due = machine.next_timeout()
        if due is not None:
            when = now if due == ASAP else due
            self._timer = self._session.loop.call_at(when, self._due)

    def _due(self, now: int) -> None:
        """In the next turn: what came meanwhile has come in time."""
        self._timer = self._session.loop.call_at(now, self._go_on)

    def _print(self) -> None:
        assert self._probes is not None
        queries = self._session.args.queries
        for result in self._machine.events():
            print(self._printer.piece(result), end="", flush=True)
            self._probes.over((result.ttl - 1) * queries + result.query)

    def stopped(self, number: int) -> int:
        print(flush=True)
        return INTERRUPTED if number == signal.SIGINT else TERMINATED
