"""A command at work: a stack on its link, signals, and the way out."""

from __future__ import annotations

import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final, Protocol

from sansio_net.capture import Recording
from sansio_net.drivers import CaptureEnded, Device, Loop, PcapReplayDevice
from sansio_net.errors import DeviceError, DeviceGone
from sansio_net.stack import (
    Event,
    Interface,
    LinkDown,
    LinkUp,
    Stack,
    StackClosed,
    StackConfig,
)
from sansio_net.units import SECOND

from .errors import FAILED, OK
from .links import OpenLink, open_stack

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


class Signals:
    """SIGINT and SIGTERM as a descriptor that the loop watches.

    A handler runs between any two instructions; this way the machines are never seen
    half-way through something.
    """

    def __init__(
        self, loop: Loop[Interface, Event], on_signal: Callable[[int], None]
    ) -> None:
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


def make_loop(
    stack: Stack, links: Sequence[OpenLink], recording: Recording | None
) -> Loop[Interface, Event]:
    """In real time, or in that of a capture; recorded or not."""
    clock: Callable[[], int] = time.monotonic_ns
    wait: Callable[[int | None], None] | None = None
    device = links[0].device
    if isinstance(device, PcapReplayDevice):
        clock, wait = device.clock, device.wait
    devices: dict[Interface, Device] = {link.nic: link.device for link in links}
    if recording is not None:
        clock = recording.clock(clock)
        devices = {nic: recording.device(devices[nic], nic) for nic in devices}
    busy_poll = max(link.options.name.busy_poll for link in links)
    return Loop(stack, devices, clock, wait=wait, busy_poll=busy_poll)


def warn(text: str) -> None:
    """One line to standard error."""
    print(f"sansio-net: {text}", file=sys.stderr, flush=True)


class Session:
    """Opens the links; `run` gives the exit status. The first signal closes all
    connections, a second one ends at once.
    """

    def __init__(self, args: Namespace, config: StackConfig | None = None) -> None:
        self.args = args
        self.stack, self.links = open_stack(args, config)
        self._recording: Recording | None = None
        self._open_files = ExitStack()
        try:
            if args.pcap is not None:
                self._record(args.pcap)
            self.loop = make_loop(self.stack, self.links, self._recording)
        except BaseException:
            self.close()
            raise
        self.status = OK
        self._program: Program | None = None
        self._finishing = False

    def _record(self, path: str) -> None:
        is_replay = isinstance(self.links[0].device, PcapReplayDevice)
        epoch = 0 if is_replay else time.time_ns() - time.monotonic_ns()
        try:
            file = self._open_files.enter_context(open(path, "wb"))  # noqa: SIM115
        except OSError as error:
            raise DeviceError(f"{path}: {error.strerror}") from error
        self._recording = self._open_files.enter_context(Recording(file, epoch=epoch))

    def close(self) -> None:
        """The devices, and what was recorded."""
        for link in self.links:
            link.device.close()
        self._open_files.close()

    def run(self, program: Program) -> int:
        self._program = program
        try:
            with self.loop, Signals(self.loop, self._on_signal):
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
            self.stack.close(CLOSE_TIMEOUT)

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
