"""A command at work: a stack on its link, signals, and the way out."""

from __future__ import annotations

import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Final, Protocol

from sansio_net.capture import Recording
from sansio_net.drivers import CaptureEnded, Device, Loop, PcapReplayDevice
from sansio_net.errors import DeviceError, DeviceGone
from sansio_net.stack import (
    Event,
    Interface,
    LinkDown,
    LinkUp,
    StackClosed,
    StackConfig,
)
from sansio_net.units import SECOND

from .errors import FAILED, OK, UsageError
from .links import LinkOptions, open_stack

CLOSE_TIMEOUT: Final = 2 * SECOND
"""How long peers may take to answer our FINs once we were told to stop."""

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Program(Protocol):
    """What a subcommand does with its stack."""

    def start(self, session: Session) -> None:
        """Call the first verbs."""

    def __call__(self, events: Sequence[Event], now: int) -> None:
        """An app as the loop has them, but `Session.finish` ends it."""

    def stopped(self, number: int) -> int:
        """A signal came: last words, and the status to end with."""


class Cancellable(Protocol):
    def cancel(self) -> object: ...


class Watching(Protocol):
    """What a command uses of the loop that drives it, as `drivers.Loop` has it."""

    def watch(
        self, fd: int, callback: Callable[[int], None], *, write: bool = False
    ) -> None: ...
    def unwatch(self, fd: int) -> None: ...
    def call_at(self, when: int, callback: Callable[[int], None]) -> Cancellable: ...


class Driving(Watching, Protocol):
    """What a session uses of it."""

    @property
    def now(self) -> int:
        """The time of the latest turn."""

    def run(self, app: Callable[[list[Event], int], bool | None]) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class Signals:
    """SIGINT and SIGTERM as a descriptor that the loop watches.

    A handler runs between any two instructions; this way the machines are never seen
    half-way through something.
    """

    def __init__(self, loop: Watching, on_signal: Callable[[int], None]) -> None:
        self._loop = loop
        self._on_signal = on_signal

    def __enter__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._handlers = [signal.signal(n, lambda *_: None) for n in SIGNALS]
        self._loop.watch(self._reader, self._read)

    def __exit__(self, *error: object) -> None:
        for number, handler in zip(SIGNALS, self._handlers, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def _read(self, now: int) -> None:
        for number in os.read(self._reader, 64):
            if number in SIGNALS:
                self._on_signal(number)


def busy_poll_of(args: Namespace) -> int:
    """Nanoseconds: the most that any link asks for."""
    links: Sequence[LinkOptions] = args.links
    return max(options.name.busy_poll for options in links)


class Opened:
    """A stack on the links of a command line, and what records them.

    devices, clock: to be driven with; the clock is called exactly once a turn.
    """

    def __init__(self, args: Namespace, config: StackConfig | None = None) -> None:
        self.stack, self.links = open_stack(args, config)
        self.clock: Callable[[], int] = time.monotonic_ns
        self.wait: Callable[[int | None], None] | None = None
        """Of a capture, whose time is its own: instead of sleeping."""
        self.devices: dict[Interface, Device] = {
            link.nic: link.device for link in self.links
        }
        self.busy_poll = busy_poll_of(args)
        self._files = ExitStack()
        device = self.links[0].device
        if isinstance(device, PcapReplayDevice):
            self.clock, self.wait = device.clock, device.wait
        try:
            if args.pcap is not None:
                self._record(args.pcap)
        except BaseException:
            self.close()
            raise

    def _record(self, path: str) -> None:
        epoch = time.time_ns() - time.monotonic_ns() if self.wait is None else 0
        try:
            file = self._files.enter_context(open(path, "wb"))  # noqa: SIM115
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}") from error
        recording = self._files.enter_context(Recording(file, epoch=epoch))
        self.clock = recording.clock(self.clock)
        self.devices = {
            nic: recording.device(device, nic) for nic, device in self.devices.items()
        }

    def close(self) -> None:
        """The devices, and what was recorded."""
        for link in self.links:
            link.device.close()
        self._files.close()


def refuse_captures(args: Namespace, what: str) -> None:
    """Raises UsageError: the time of a capture is its own, asyncio's is not."""
    for options in args.links:
        if options.name.kind == "pcap":
            raise UsageError(f"{what} needs a link that is alive, and a capture is not")


def warn(text: str) -> None:
    """One line to standard error."""
    print(f"sansio-net: {text}", file=sys.stderr, flush=True)


class Session:
    """Opens the links; `run` gives the exit status. The first signal closes all
    connections, a second one ends at once.
    """

    def __init__(self, args: Namespace, config: StackConfig | None = None) -> None:
        self.args = args
        self._opened = opened = Opened(args, config)
        self.stack, self.links = opened.stack, opened.links
        try:
            self.loop = self.make_loop(opened)
        except BaseException:
            self.close()
            raise
        self.status = OK
        self._program: Program | None = None
        self._finishing = False

    def make_loop(self, opened: Opened) -> Driving:
        """What drives the stack."""
        return Loop(
            *(opened.stack, opened.devices, opened.clock),
            wait=opened.wait,
            busy_poll=opened.busy_poll,
        )

    def close(self) -> None:
        """The devices, and what was recorded."""
        self._opened.close()

    def run(self, program: Program) -> int:
        self._program = program
        try:
            with closing(self.loop), Signals(self.loop, self._on_signal):
                program.start(self)
                self.loop.run(self._app)
        except CaptureEnded:
            pass
        except DeviceGone as error:
            if not self._finishing:
                warn(str(error))
                self.status = FAILED
        finally:
            self.close()
        return self.status

    def finish(self, status: int) -> None:
        """End with `status` once all connections are closed. The first call counts."""
        if not self._finishing:
            self._finishing = True
            self.status = status
            self.end(CLOSE_TIMEOUT)

    def end(self, timeout: int) -> None:
        """Close what is open; by force after `timeout` ns."""
        self.stack.close(timeout)

    @property
    def finishing(self) -> bool:
        """The program's events are over."""
        return self._finishing

    def _on_signal(self, number: int) -> None:
        if self._finishing or self._program is None:
            self.loop.stop()
        else:
            self.finish(self._program.stopped(number))

    def _app(self, events: list[Event], now: int) -> bool:
        for event in events:
            if isinstance(event, StackClosed):
                return True
            if isinstance(event, LinkDown):
                warn(f"{event.nic.name}: link down")
            elif isinstance(event, LinkUp):
                warn(f"{event.nic.name}: link up")
        if self._program is not None and not self._finishing:
            self._program(events, now)
        return False
