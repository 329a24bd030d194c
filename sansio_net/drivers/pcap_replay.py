"""A capture file as a device: its inbound frames, with its stamps as the clock.

Frames come one stamp at a time, the stack's timers run at their deadlines in between.
Such a file has no turns: nobody claims that the answers are those of the recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import IO, Final

from sansio_net.addresses import IpAddress, pack_ip
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import DeviceError, DeviceGone, WireError
from sansio_net.machine import earliest
from sansio_net.packet import Capabilities, Medium, Packet
from sansio_net.units import SECOND
from sansio_net.wire.pcapng import capture_reader
from sansio_net.wire.pcapng_write import (
    build_interface,
    build_packet,
    build_section,
)
from sansio_net.wire.records import (
    LINKTYPE_ETHERNET,
    LINKTYPE_RAW,
    OUTBOUND,
    PacketRecord,
)
from sansio_net.wire.segment import flatten

_READ_SIZE: Final = 1 << 16
_ROOM: Final = 64


class CaptureEnded(DeviceGone):
    """All frames of the capture were delivered, and the time after them is over."""


class PcapReplayDevice:
    """Run it as ``Loop(stack, {nic: device}, device.clock, wait=device.wait)``.

    `path` is a pcap or pcapng file. Frames marked outbound are left out, so are those
    from `mac` or, of bare IP, from `addresses`: what the recorded host said itself.
    What the stack sends goes to the pcapng file `sink`, if given. The time goes on for
    `tail` ns after the last frame; then CaptureEnded ends the loop.

    Raises DeviceError for a file that cannot be read, also in the middle.
    """

    __slots__ = (
        "_addresses",
        "_end_at",
        "_mac",
        "_next",
        "_now",
        "_path",
        "_records",
        "_sink",
        "_source",
        "_tail",
        "capabilities",
        "counters",
        "medium",
    )

    def __init__(
        self,
        path: str | PathLike[str],
        sink: str | PathLike[str] | None = None,
        *,
        mac: bytes | None = None,
        addresses: Sequence[IpAddress] = (),
        mtu: int = 1500,
        tail: int = SECOND,
    ) -> None:
        self._path = path
        self._mac = mac
        self._addresses = tuple(pack_ip(address) for address in addresses)
        self._tail = tail
        self.counters = Counters()
        self._source = _open(path, "rb")
        self._sink: IO[bytes] | None = None
        self._now = self._end_at = 0
        self._next: tuple[int, bytes] | None = None
        self.medium: Medium | None = None
        try:
            self._records = self._read()
            self._next = self._advance()
            if sink is not None:
                self._sink = _open(sink, "wb")
                self._write_header(self._sink)
        except BaseException:
            self.close()
            raise
        self._now = self._next[0] if self._next else 0
        self._end_at = self._now + tail
        medium = self.medium or Medium.ETHERNET
        self.capabilities = Capabilities(mtu=mtu, medium=medium)

    def clock(self) -> int:
        """Nanoseconds since the epoch, as the capture has them."""
        return self._now

    def wait(self, until: int | None) -> None:
        """Let the time jump to `until`, or to the next frame if that is earlier."""
        due = earliest(until, self.next_timeout())
        if due is not None:
            self._now = max(self._now, due)

    def fileno(self) -> None:
        return None

    def readable(self) -> bool:
        return self._next is not None and self._next[0] <= self._now

    def receive(self, now: int) -> list[Packet]:
        """All frames of one stamp."""
        if self._next is None:
            if now >= self._end_at:
                raise CaptureEnded(f"{self._path}: the capture has ended")
            return []
        stamp = self._next[0]
        if stamp > now:
            return []
        packets = []
        while self._next is not None and self._next[0] == stamp:
            packets.append(Packet.received(self._next[1]))
            self._next = self._advance()
        self._end_at = stamp + self._tail
        return packets

    def room(self) -> int:
        return _ROOM

    def send(self, packets: Sequence[Packet], now: int) -> None:
        if self._sink is None:
            return
        for packet in packets:
            for frame in flatten(packet):
                self._sink.write(build_packet(0, now, frame, flags=OUTBOUND))

    def next_timeout(self) -> int | None:
        return self._next[0] if self._next is not None else self._end_at

    def link(self) -> None:
        return None

    def close(self) -> None:
        self._source.close()
        if self._sink is not None:
            self._sink.close()

    def _read(self) -> Iterator[PacketRecord]:
        """The file's packets; what else it holds is passed over."""
        data = self._source.read(_READ_SIZE)
        if not data:
            raise DeviceError(f"{self._path}: the file is empty")
        reader = capture_reader(data[:4])
        try:
            while data:
                for record in reader.feed(data):
                    if isinstance(record, PacketRecord):
                        yield record
                data = self._source.read(_READ_SIZE)
            reader.finish()
        except WireError as error:
            raise DeviceError(f"{self._path}: {error}") from error

    def _advance(self) -> tuple[int, bytes] | None:
        """The next inbound frame; a stamp that goes back counts as the one before."""
        for record in self._records:
            medium = record.interface.medium
            if self.medium is None:
                if medium is None:
                    raise DeviceError(
                        f"{self._path}: link type {record.interface.link_type} "
                        "is neither Ethernet nor IP"
                    )
                self.medium = medium
            if medium is not self.medium:
                self.counters.drop(DropReason.UNKNOWN_ETHERTYPE)
            elif record.direction != OUTBOUND and not self._is_ours(record.data):
                before = self._next[0] if self._next is not None else 0
                return max(before, record.stamp or 0), record.data
        return None

    def _is_ours(self, frame: bytes) -> bool:
        if self.medium is Medium.ETHERNET:
            return frame[6:12] == self._mac
        version = frame[0] >> 4 if frame else 0
        source = frame[12:16] if version == 4 else frame[8:24]
        return source in self._addresses

    def _write_header(self, sink: IO[bytes]) -> None:
        link = LINKTYPE_RAW if self.medium is Medium.IP else LINKTYPE_ETHERNET
        sink.write(build_section(application="sansio_net"))
        sink.write(build_interface(link))


def _open(path: str | PathLike[str], mode: str) -> IO[bytes]:
    try:
        opened: IO[bytes] = open(path, mode)  # noqa: SIM115
    except OSError as error:
        raise DeviceError(f"{path}: {error.strerror}") from error
    return opened
