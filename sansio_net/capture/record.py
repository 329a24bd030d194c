"""`Recording`: wraps a clock and devices, and writes all that goes in and out.

The file is pcapng: Wireshark shows the frames, `replay` runs the turns again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, TypeAlias

from sansio_net.errors import DeviceGone, StateError, WireError
from sansio_net.packet import Capabilities, Medium, Packet
from sansio_net.wire.pcapng_write import (
    build_custom,
    build_interface,
    build_packet,
    build_section,
)
from sansio_net.wire.records import (
    INBOUND,
    LINKTYPE_ETHERNET,
    LINKTYPE_RAW,
    OUTBOUND,
)
from sansio_net.wire.segment import flatten

from .turns import (
    LINK,
    LOST_AT_LINK,
    LOST_EARLY,
    LOST_LATE,
    PEN,
    RECEIVED,
    ROOM,
    SENT,
    Step,
    Turn,
    epoch_option,
    metadata_options,
    summed,
    turn_data,
)


class Device(Protocol):
    """What is recorded: the devices of the drivers."""

    @property
    def capabilities(self) -> Capabilities: ...
    def fileno(self) -> int | None: ...
    def readable(self) -> bool: ...
    def receive(self, now: int) -> list[Packet]: ...
    def room(self) -> int: ...
    def send(self, packets: Sequence[Packet], now: int) -> None: ...
    def next_timeout(self) -> int | None: ...
    def link(self) -> bool | None: ...
    def close(self) -> None: ...


class Named(Protocol):
    """A stack's interface."""

    @property
    def name(self) -> str: ...


class Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...


Writer: TypeAlias = Callable[[bytes], object] | Writable


class Recording:
    """Writes every turn to `writer`: a file open for writing bytes, or a callable.

        with open("run.pcapng", "wb") as file, Recording(file) as recording:
            devices = {nic: recording.device(device, nic)}
            run(stack, devices, recording.clock(clock), app)

    A turn is written when the next one starts, the last by `close`. `epoch` is added to
    the clock's values to get the stamps (wall clock minus clock, once, at the start).

    `flatten`: write what the wire carries, super-segments cut and checksums complete,
    and no turns. Such a file replays like any capture, not byte for byte.
    """

    def __init__(
        self, writer: Writer, *, epoch: int = 0, flatten: bool = False
    ) -> None:
        self._write = writer if callable(writer) else writer.write
        self._epoch = epoch
        self._flatten = flatten
        self._turn: Turn | None = None
        self._number = 0
        self._frames: list[bytes] = []  # of this turn, as blocks: in, then out
        self._n_interfaces = 0
        options = () if flatten else (epoch_option(epoch),)
        self._write(build_section(application="sansio_net", options=options))

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def clock(self, clock: Callable[[], int]) -> Callable[[], int]:
        """A clock that is called exactly once a turn: each call opens one."""

        def recorded() -> int:
            now = clock()
            self.open_turn(now)
            return now

        return recorded

    def open_turn(self, now: int) -> None:
        """The next turn starts at `now`, and the one before is over."""
        self._flush()
        self._turn = Turn(self._number, now)
        self._number += 1

    def device(self, device: Device, nic: Named | str) -> RecordedDevice:
        """The device to give to the loop in place of `device`."""
        name = nic if isinstance(nic, str) else nic.name
        ethernet = device.capabilities.medium == Medium.ETHERNET
        link_type = LINKTYPE_ETHERNET if ethernet else LINKTYPE_RAW
        self._write(build_interface(link_type, name=name))
        index = self._n_interfaces
        self._n_interfaces += 1
        return RecordedDevice(self, device, index)

    def close(self) -> None:
        """Write the last turn. The writer and the devices are the caller's."""
        self._flush()
        self._turn = None

    def step(self, what: int, interface: int, value: int = 0) -> None:
        """Something happened in this turn, at this interface."""
        turn = self._open()
        if not self._flatten:
            turn.steps.append(Step(what, interface, value))

    def packets(
        self, direction: int, interface: int, packets: Sequence[Packet]
    ) -> None:
        """Packets of this turn; what they hold is copied at once."""
        stamp = self._open().now + self._epoch
        for packet in packets:
            whole = not self._flatten
            if whole and direction == OUTBOUND:
                packet = summed(packet)
            options = metadata_options(packet) if whole else ()
            for data in (packet.join(),) if whole else _flattened(packet):
                block = build_packet(
                    interface,
                    stamp,
                    data,
                    flags=direction,
                    comment=(packet.info.reason if packet.info else None) or "",
                    options=options,
                )
                self._frames.append(block)

    def _open(self) -> Turn:
        if self._turn is None:
            raise StateError("no turn is open: use the recording's clock")
        return self._turn

    def _flush(self) -> None:
        turn, frames = self._turn, self._frames
        if turn is None:
            return
        self._frames = []
        if not self._flatten:
            # not to be copied by a tool that drops or reorders frames
            self._write(build_custom(PEN, turn_data(turn), copyable=False))
        if frames:
            self._write(b"".join(frames))


def _flattened(packet: Packet) -> list[bytes]:
    try:
        return flatten(packet)
    except WireError:
        return [packet.join()]  # what a peer made up is written as it is


class RecordedDevice:
    """A device whose every answer is written down."""

    __slots__ = ("_device", "_index", "_recording")

    def __init__(self, recording: Recording, device: Device, index: int) -> None:
        self._recording = recording
        self._device = device
        self._index = index

    @property
    def capabilities(self) -> Capabilities:
        return self._device.capabilities

    def fileno(self) -> int | None:
        return self._device.fileno()

    def readable(self) -> bool:
        return self._device.readable()

    def receive(self, now: int) -> list[Packet]:
        try:
            packets = self._device.receive(now)
        except DeviceGone:
            self._recording.step(LOST_EARLY, self._index)
            raise
        if packets:
            self._recording.step(RECEIVED, self._index, len(packets))
            self._recording.packets(INBOUND, self._index, packets)
        return packets

    def room(self) -> int:
        try:
            room = self._device.room()
        except DeviceGone:
            self._recording.step(LOST_LATE, self._index)
            raise
        self._recording.step(ROOM, self._index, room)
        return room

    def send(self, packets: Sequence[Packet], now: int) -> None:
        # before the device takes them: the stack gave them, whatever becomes of them
        self._recording.step(SENT, self._index, len(packets))
        self._recording.packets(OUTBOUND, self._index, packets)
        try:
            self._device.send(packets, now)
        except DeviceGone:
            self._recording.step(LOST_LATE, self._index)
            raise

    def next_timeout(self) -> int | None:
        return self._device.next_timeout()

    def link(self) -> bool | None:
        try:
            up = self._device.link()
        except DeviceGone:
            self._recording.step(LOST_AT_LINK, self._index)
            raise
        if up is not None:
            self._recording.step(LINK, self._index, int(up))
        return up

    def close(self) -> None:
        self._device.close()
