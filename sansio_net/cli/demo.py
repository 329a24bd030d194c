"""`sansio-net demo`: two stacks in one process, on a link that loses packets.

Needs no root and nothing from the host. Time is virtual: what takes seconds on the
link takes as long here as the computer needs.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Final

from sansio_net.capture import Recording
from sansio_net.drivers import Device, arrivals, memory_pair, turn
from sansio_net.entropy import Entropy
from sansio_net.errors import DeviceError
from sansio_net.machine import earliest
from sansio_net.protocols.tcp import Connection
from sansio_net.stack import (
    Accepted,
    Closed,
    Connected,
    ConnectionLost,
    DataReceived,
    EchoReplied,
    EofReceived,
    Event,
    Interface,
    SpaceFreed,
    Stack,
)
from sansio_net.testing import Link
from sansio_net.units import (
    KIB,
    MIB,
    MILLISECOND,
    SECOND,
    format_duration,
    parse_duration,
    parse_fraction,
    parse_rate,
)

from .errors import FAILED, OK
from .links import parse_seed
from .ping import format_time

if TYPE_CHECKING:
    from argparse import _SubParsersAction

NAME: Final = "demo"
CLIENT: Final = "10.0.0.1"
SERVER: Final = "10.0.0.2"
PORT: Final = 8888
PINGS: Final = 5
PATIENCE: Final = 3600 * SECOND
"""The demo gives up after an hour on the link."""


def checked(parse: Callable[[str], int]) -> Callable[[str], str]:
    """An argument that stays text but must be understood."""

    def parse_text(text: str) -> str:
        try:
            parse(text)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from None
        return text

    return parse_text


def parse_file_size(text: str) -> int:
    """``"300"``, ``"64k"``, ``"1M"`` -> bytes."""
    number, unit = text, 1
    if text[-1:] in ("k", "M"):
        number, unit = text[:-1], KIB if text[-1] == "k" else MIB
    if (
        not number.isascii()
        or not number.isdigit()
        or not 0 < int(number) * unit <= (64 * MIB)
    ):
        raise ArgumentTypeError(f"a size is 1 to 64M bytes, not {text!r}")
    return int(number) * unit


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(NAME, help="two stacks on a lossy link in memory")
    parser.set_defaults(command=command)
    add = parser.add_argument
    add("-w", dest="file", metavar="FILE", default="sansio-net-demo.pcapng")
    add("--loss", type=checked(parse_fraction), default="2%", help="of packets (2%%)")
    add("--delay", type=checked(parse_duration), default="10ms", help="one way (10ms)")
    add("--rate", type=checked(parse_rate), default="20mbit", help="(20mbit)")
    add("--size", type=parse_file_size, default=MIB, help="of the file (1M)")
    add("--seed", type=parse_seed, default=1, help="another one, other losses (1)")


def command(args: Namespace) -> int:
    try:
        file = open(args.file, "wb")  # noqa: SIM115
    except OSError as error:
        raise DeviceError(f"{args.file}: {error.strerror}") from error
    with file:
        return Demo(args, file).run()


class Side:
    """A stack and its device, in virtual time."""

    def __init__(self, stack: Stack, nic: Interface, device: Device) -> None:
        self.stack = stack
        self.nic = nic
        self.devices = {nic: device}

    def next_timeout(self) -> int | None:
        (device,) = self.devices.values()
        return earliest(self.stack.next_timeout(), device.next_timeout())


class Demo:
    """A ping, then a file; what was said goes to a capture, as the client saw it."""

    def __init__(self, args: Namespace, file: IO[bytes]) -> None:
        self._args = args
        lines = (b"%015d\n" % n for n in range(args.size // 16 + 1))
        self._data = b"".join(lines)[: args.size]
        self._link = Link(
            args.seed, loss=args.loss, latency=args.delay, rate=args.rate, queue=200
        )
        self._recording = Recording(file, epoch=time.time_ns(), flatten=True)
        ends = memory_pair(self._link)
        self.now = SECOND
        self._sides = [
            self._side(n, address, ends[n])
            for n, address in enumerate((CLIENT, SERVER))
        ]
        self._progress = Progress(args.size)
        self._conn: Connection | None = None
        self._rest = memoryview(self._data)
        self._digest = sha256()
        self._n_received = 0
        self._n_replies = 0
        self._is_over = self._has_ended = False
        self._error: Exception | None = None
        self._pinged_at: dict[int, int] = {}

    def _side(self, n: int, address: str, device: Device) -> Side:
        stack = Stack(seed=Entropy.of(self._args.seed).child(f"{n}").bytes(32))
        nic = stack.add_interface(
            addresses=[f"{address}/24"], capabilities=device.capabilities
        )
        # one host's view, like tcpdump running on it
        recorded = self._recording.device(device, nic) if n == 0 else device
        return Side(stack, nic, recorded)

    def run(self) -> int:
        args, began = self._args, time.monotonic_ns()
        print(
            f"Two stacks, {CLIENT} and {SERVER}, on a link in memory: {args.rate}, "
            f"{args.delay} each way, {args.loss} loss\n"
        )
        self._ping()
        sent = self._send_file()
        self._recording.close()
        took = format_duration((time.monotonic_ns() - began) // MILLISECOND * 10**6)
        arrived = self._digest.digest() == sha256(self._data).digest()
        self._table(sent)
        if self._error is not None or not arrived:
            print(f"\nthe file did not arrive: {self._error or 'it differs'}")
            return FAILED
        print(f"\nevery byte arrived; all of it took {took} here")
        print(f"capture: {args.file}")
        return OK

    # the ping

    def _ping(self) -> None:
        stack = self._sides[0].stack
        echo = stack.echo_open()
        data = bytes(range(56))
        print(f"PING {SERVER} ({SERVER}) 56(84) bytes of data.")
        for n in range(PINGS):
            self._pinged_at[n + 1] = self.now
            echo.send_to(SERVER, n + 1, data)
            self._advance(self.now + 200 * MILLISECOND)
        self._advance(self.now + SECOND)
        echo.close()
        lost = (PINGS - self._n_replies) * 100 / PINGS
        print(
            f"{PINGS} packets transmitted, {self._n_replies} received, "
            f"{lost:.6g}% packet loss\n"
        )

    def _replied(self, event: EchoReplied) -> None:
        self._n_replies += 1
        took = format_time(self.now - self._pinged_at[event.sequence])
        print(
            f"{len(event.data) + 8} bytes from {event.source}: "
            f"icmp_seq={event.sequence} ttl={event.ttl} time={took} ms"
        )

    # the file

    def _send_file(self) -> int:
        """Returns how long it took on the link, ns."""
        client, server = (side.stack for side in self._sides)
        server.tcp_listen((SERVER, PORT))
        print(f"{self._args.size} bytes from {CLIENT} to {SERVER}, port {PORT}")
        began = self.now
        self._conn = client.tcp_connect((SERVER, PORT))
        while not self._is_over and self.now - began < PATIENCE and self._step():
            pass
        took = self.now - began
        self._progress.end()
        self._advance(self.now + SECOND)  # the last ACKs
        return took

    def _at_client(self, events: Sequence[Event], now: int) -> None:
        for event in events:
            if isinstance(event, EchoReplied):
                self._replied(event)
            elif isinstance(event, Connected | SpaceFreed):
                self._send(event.conn)
            elif isinstance(event, ConnectionLost):
                self._is_over, self._error = True, event.error

    def _send(self, conn: Connection) -> None:
        if self._rest:
            self._rest = self._rest[conn.send(self._rest) :]
            if not self._rest:
                conn.close()

    def _at_server(self, events: Sequence[Event], now: int) -> None:
        for event in events:
            if isinstance(event, Accepted | DataReceived | EofReceived):
                self._receive(event.conn)
            elif isinstance(event, Closed):
                self._is_over = True
            elif isinstance(event, ConnectionLost):
                self._is_over, self._error = True, event.error

    def _receive(self, conn: Connection) -> None:
        if self._has_ended:
            return  # read with the last data, in the same batch
        while data := conn.recv(65536):
            self._digest.update(data)
            self._n_received += len(data)
            self._progress.show(self._n_received, self.now)
        if data == b"":
            self._has_ended = True
            conn.close()

    # the time

    def _advance(self, until: int) -> None:
        while self._step(until):
            pass
        self.now = until

    def _step(self, until: int | None = None) -> bool:
        """Jump to what happens next; False: nothing (before `until`)."""
        due = earliest(*(side.next_timeout() for side in self._sides))
        if due is None or (until is not None and due > until):
            return False
        self.now = now = max(self.now, due)
        apps = (self._at_client, self._at_server)
        for side, app in zip(self._sides, apps, strict=True):
            if app == self._at_client:
                self._recording.open_turn(now)
            arrived = arrivals(side.devices, [], now)
            turn(side.stack, side.devices, arrived, now, app)
        return True

    # the end

    def _table(self, took: int) -> None:
        assert self._conn is not None
        info = self._conn.info()
        rate = self._n_received * 8 * SECOND / max(1, took) / 1_000_000
        print(f"\n{'':22}{'sent':>9}{'lost':>7}")
        for end, (one, other) in enumerate(((CLIENT, SERVER), (SERVER, CLIENT))):
            counts = self._link.counts(end)
            print(f"{f'{one} > {other}':22}{counts.sent:>9}{counts.lost:>7}")
        print(f"{'retransmitted':22}{info.total_retrans:>9}")
        print(f"{'time on the link':22}{format_duration(took // 10**6 * 10**6):>9}")
        print(f"{'rate':22}{rate:>9.2f} Mbit/s")


class Progress:
    """A line that grows on a terminal; in a file, one for each quarter."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._is_live = sys.stdout.isatty()
        self._shown = 0

    def show(self, done: int, now: int) -> None:
        percent = done * 100 // self._size
        step = 1 if self._is_live else 25
        if percent // step > self._shown // step:
            self._shown = percent
            bar = "#" * (percent * 40 // 100)
            end = "\r" if self._is_live else "\n"
            print(f"  [{bar:40}] {percent:3}%", end=end, flush=True)

    def end(self) -> None:
        if self._is_live and self._shown:
            print()
