from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from sansio_net.counters import DropReason
from sansio_net.drivers.descriptor import (
    BATCH_FRAMES,
    CARRIER_DELAY,
    HEADERS,
    JOIN_BELOW,
    QUEUE_FRAMES,
    RETRIES,
    RETRY_DELAY,
    Input,
    Output,
)
from sansio_net.errors import DeviceGone
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID, Packet, PacketInfo
from sansio_net.protocols.udp.build import datagram
from sansio_net.wire.ip import ip_wrap
from sansio_net.wire.vnet import build_vnet

FRAME = Packet(b"frame")


class Cable:
    """An Output into a socket pair; `answers` are what the kernel says to writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: object) -> None:
        self.ours, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ours.setblocking(False)
        self.far.setblocking(False)
        self.carries = True
        self.asked = 0
        self.answers: list[int] = []
        self.writes = 0
        self.output = Output(self.ours.fileno(), "cable", self.ask, **options)  # type: ignore[arg-type]
        for name in ("write", "writev"):
            monkeypatch.setattr(os, name, self.failing(getattr(os, name)))

    def ask(self) -> bool:
        self.asked += 1
        return self.carries

    def failing(self, real: Callable[[int, object], int]) -> Callable[..., int]:
        def write(fd: int, data: object) -> int:
            if fd == self.ours.fileno():
                self.writes += 1
                if self.answers:
                    code = self.answers.pop(0)
                    if code:
                        raise OSError(code, os.strerror(code))
            return real(fd, data)

        return write

    def arrived(self) -> list[bytes]:
        frames = []
        try:
            while True:
                frames.append(self.far.recv(100_000))
        except BlockingIOError:
            return frames


@pytest.fixture
def cable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    made = Cable(monkeypatch)
    yield made
    made.ours.close()
    made.far.close()


def test_frames_go_out_in_order(cable: Cable) -> None:
    cable.output.send([Packet(b"1"), Packet(b"2", [b"two", memoryview(b"!")])], 0)
    assert cable.arrived() == [b"1", b"2two!"]
    assert cable.output.room() == BATCH_FRAMES
    assert cable.output.next_timeout() is None


@pytest.mark.parametrize("size", [10, 2047, 2048, 60_000])
def test_small_frames_are_joined_and_large_ones_gathered(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    cable = Cable(monkeypatch, vnet_size=10, offload=True)
    cable.output.send([Packet(b"head", [bytes(size), b"tail"])], 0)
    assert cable.arrived() == [bytes(10) + b"head" + bytes(size) + b"tail"]


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM])
def test_what_the_kernel_does_not_take_now_is_kept_and_retried(
    cable: Cable, code: int
) -> None:
    output = cable.output
    cable.answers = [0, code]
    output.send([Packet(b"1"), Packet(b"2"), Packet(b"3")], 1000)
    assert cable.arrived() == [b"1"]
    assert cable.writes == 2  # the third waits behind the second
    assert output.room() == 0
    assert output.next_timeout() == 1000 + RETRY_DELAY
    cable.answers = [code]
    output.handle_timeout(2_000_000)
    assert output.next_timeout() == 2_000_000 + RETRY_DELAY
    output.handle_timeout(4_000_000)
    assert cable.arrived() == [b"2", b"3"]
    assert output.room() == BATCH_FRAMES
    assert output.next_timeout() is None
    assert output.counters.as_dict() == {}


def test_a_frame_that_is_never_taken_does_not_hold_up_the_rest(cable: Cable) -> None:
    """As a veth answers where its other end has a smaller MTU."""
    output = cable.output
    cable.answers = [errno.ENOBUFS] * (RETRIES + 1) + [0]
    output.send([Packet(b"1"), Packet(b"2")], 0)
    now, n_turns = 0, 0
    while (due := output.next_timeout()) is not None:
        now, n_turns = max(now, due), n_turns + 1
        assert n_turns <= RETRIES
        output.handle_timeout(now)
    assert cable.arrived() == [b"2"]
    assert output.counters.as_dict() == {"drop.device_refused": 1}
    # the count is of one frame, not of all
    cable.answers = [errno.ENOBUFS]
    output.send([Packet(b"3")], now)
    output.handle_timeout(now + RETRY_DELAY)
    assert cable.arrived() == [b"3"]


def test_the_queue_is_bounded_and_drops_the_newest(cable: Cable) -> None:
    cable.answers = [errno.EAGAIN]
    packets = [Packet(str(n).encode()) for n in range(QUEUE_FRAMES + 3)]
    cable.output.send(packets, 0)
    assert cable.output.counters.dropped(DropReason.DEVICE_QUEUE_FULL) == 3
    frames = []
    while cable.output.room() == 0:
        cable.output.handle_timeout(0)
        frames += cable.arrived()  # a socket pair takes few at once
    assert frames == [packet.head for packet in packets[:QUEUE_FRAMES]]


@pytest.mark.parametrize("code", [errno.EMSGSIZE, errno.EINVAL, errno.EPERM])
def test_what_the_kernel_will_never_take_is_dropped_and_counted(
    cable: Cable, code: int
) -> None:
    cable.answers = [code]
    cable.output.send([Packet(b"bad"), Packet(b"good")], 0)
    assert cable.arrived() == [b"good"]
    assert cable.output.counters.as_dict() == {"drop.device_refused": 1}
    assert cable.output.room() == BATCH_FRAMES


@pytest.mark.parametrize("code", [errno.ENODEV, errno.ENXIO, errno.EBADFD])
def test_a_removed_device_is_gone(cable: Cable, code: int) -> None:
    cable.answers = [code]
    with pytest.raises(DeviceGone, match="cable is gone"):
        cable.output.send([FRAME], 0)


@pytest.mark.parametrize("code", [errno.ENETDOWN, errno.EIO, errno.ENOBUFS])
def test_a_lost_carrier_is_reported_and_asked_for_every_second(
    cable: Cable, code: int
) -> None:
    output = cable.output
    assert output.link() is None
    cable.answers = [code]
    cable.carries = False
    output.send([FRAME, FRAME], 0)
    assert output.counters.dropped(DropReason.LINK_DOWN) == 2
    assert output.room() == 0
    assert output.next_timeout() == 0  # news for the loop
    assert output.link() is False
    assert output.link() is None
    assert output.next_timeout() == CARRIER_DELAY
    output.handle_timeout(CARRIER_DELAY - 1)
    assert cable.asked == 1
    output.handle_timeout(CARRIER_DELAY)
    assert (cable.asked, output.link()) == (2, None)
    cable.carries = True
    output.handle_timeout(2 * CARRIER_DELAY)
    assert output.link() is True
    assert output.room() == BATCH_FRAMES
    assert output.next_timeout() is None
    output.send([FRAME], 0)
    assert cable.arrived() == [b"frame"]


def test_what_waits_is_dropped_when_the_carrier_goes(cable: Cable) -> None:
    cable.answers = [errno.EAGAIN, errno.ENETDOWN]
    cable.output.send([FRAME, FRAME], 0)
    cable.carries = False
    cable.output.handle_timeout(RETRY_DELAY)
    assert cable.output.counters.dropped(DropReason.LINK_DOWN) == 2
    assert cable.output.next_timeout() == 0


def test_a_carrier_that_came_back_unseen_is_no_news(cable: Cable) -> None:
    cable.answers = [errno.ENETDOWN]
    cable.carries = False
    cable.output.send([FRAME], 0)
    cable.carries = True
    cable.output.handle_timeout(CARRIER_DELAY)
    assert cable.output.link() is None


def test_down_and_up_between_the_write_and_the_question(cable: Cable) -> None:
    cable.answers = [errno.ENETDOWN]
    cable.output.send([FRAME, FRAME], 0)
    assert cable.arrived() == [b"frame"]
    assert cable.output.link() is None
    assert cable.output.counters.dropped(DropReason.LINK_DOWN) == 1


def test_metadata_that_does_not_fit_the_bytes_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for options in ({}, {"vnet_size": 10, "offload": True}):
        cable = Cable(monkeypatch, **options)
        cable.output.send([Packet(b"short", gso_size=1000)], 0)
        assert cable.arrived() == []
        assert cable.output.counters.as_dict() == {"drop.device_metadata": 1}


def test_unfinished_checksums_are_completed_for_a_plain_device(cable: Cable) -> None:
    data = bytes(14) + b"\x45" + bytes(19) + bytes(8)
    packet = Packet(data, (), 14, 0, CSUM_PARTIAL, 34, 6)
    cable.output.send([packet], 0)
    assert cable.arrived() == [data[:40] + b"\xff\xff"]


def test_offload_tells_the_kernel_what_is_unfinished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cable = Cable(monkeypatch, vnet_size=12, offload=True)
    packet = Packet(bytes(42), (), 14, 0, CSUM_PARTIAL, 34, 6)
    cable.output.send([packet], 0)
    (frame,) = cable.arrived()
    assert len(frame) == 12 + 42
    assert frame[0] == 1  # NEEDS_CSUM


def test_reads_double_while_frames_come() -> None:
    source = Input()
    expected = []
    for _ in range(8):
        expected.append(source.expected)
        source.took_all()
    assert expected == [1, 2, 4, 8, 16, 32, 64, 64]
    assert source.more
    source.ran_dry()
    assert (source.expected, source.more) == (32, False)
    source.ran_dry(9)
    assert source.expected == 16
    source.ran_dry(9)  # as many may come together again
    assert source.expected == 9
    for _ in range(4):
        source.ran_dry()
    assert source.expected == 1


def test_a_kernel_that_cannot_cut_datagrams_gets_them_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux before 6.2 has no VIRTIO_NET_HDR_GSO_UDP_L4, and says EINVAL."""
    cable = Cable(monkeypatch, vnet_size=10, offload=True)
    payload = bytes(range(25))
    whole = ip_wrap(datagram(1, 2, payload, PacketInfo(bytes(4), bytes(4))), 17).join()
    packet = Packet(bytes(12) + b"\x08\0" + whole, (), 14, 10, CSUM_PARTIAL, 34, 6)
    cable.answers = [errno.EINVAL, 0, errno.EINVAL]
    cable.output.send([packet, FRAME], 0)
    first, third, frame = cable.arrived()
    assert (first[10 + 42 :], third[10 + 42 :]) == (payload[:10], payload[20:])
    assert first[:10] == bytes(10)
    assert frame[10:] == b"frame"
    # the second of them was refused as well, and that is that
    assert cable.output.counters.as_dict() == {"drop.device_refused": 1}


def test_every_frame_has_the_virtio_header_that_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cable = Cable(monkeypatch, vnet_size=10, offload=True)
    packets = [
        Packet(bytes(14 + at), (b"body" * 3,), 14, 0, csum, start, offset)
        for at in range(HEADERS + 8)
        for csum, start, offset in (
            (CSUM_PARTIAL, at, 6),
            (CSUM_PARTIAL, at, 16),
            (CSUM_VALID, at, 6),
            (CSUM_NONE, at, 6),
        )
    ]
    for packet in (*packets, *packets):
        cable.output.send([packet], 0)
        assert cable.arrived() == [build_vnet(packet, 10) + packet.join()]
        assert len(cable.output._headers) <= HEADERS


def test_small_frames_are_one_write_and_large_ones_are_not_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cable = Cable(monkeypatch)
    written: list[object] = []
    for name in ("write", "writev"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os,
            name,
            lambda fd, data, name=name, real=real: (
                written.append(name),
                real(fd, data),
            ),
        )
    large, parts = bytes(JOIN_BELOW), (b"two", b"parts")
    for body in ((), (b"small",), (large,), parts):
        cable.output.send([Packet(b"head", body)], 0)
    assert written == ["write", "write", "writev", "write"]
    assert cable.arrived() == [b"head", b"headsmall", b"head" + large, b"headtwoparts"]
