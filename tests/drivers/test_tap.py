from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from sansio_net.addresses import format_mac, pack_mac
from sansio_net.drivers import interface, tap
from sansio_net.drivers.descriptor import (
    BATCH_BYTES,
    BATCH_FRAMES,
    SOFT_GSO_MAX,
    Offload,
)
from sansio_net.drivers.tap import TapDevice
from sansio_net.errors import DeviceError, DeviceGone, MissingExtraError
from sansio_net.packet import CSUM_PARTIAL, Capabilities, Medium, Packet

BROADCAST_FRAME = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x88\xb5" + bytes(46)


def ip(command: str) -> str:
    done = subprocess.run(["ip", *command.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(condition: Callable[[], object], timeout: float = 5) -> object:
    end = time.monotonic() + timeout
    while not (answer := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return answer


@pytest.fixture
def pair() -> Iterator[tuple[TapDevice, socket.socket]]:
    """A device on a descriptor that is no TAP, as another program may hand over."""
    ours, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    device = TapDevice.from_fd(ours.detach())
    yield device, far
    device.close()
    far.close()


def test_a_batch_grows_and_never_meets_an_empty_queue_first(
    pair: tuple[TapDevice, socket.socket],
) -> None:
    device, far = pair
    for n in range(4):
        far.send(b"frame %d" % n)
    batches = []
    while True:
        batches.append([packet.head for packet in device.receive(0)])
        if not device.readable():
            break
    assert batches == [
        [b"frame 0"],
        [b"frame 1", b"frame 2"],
        [b"frame 3"],
    ]
    assert all(type(head) is bytes for batch in batches for head in batch)


def test_a_batch_is_bounded_in_frames_and_bytes(
    pair: tuple[TapDevice, socket.socket],
) -> None:
    device, far = pair
    far.setblocking(False)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)

    def fill(frame: bytes) -> None:
        try:
            while True:
                far.send(frame)
        except BlockingIOError:
            pass

    largest = 0
    for _ in range(100):
        fill(b"small")
        largest = max(largest, len(device.receive(0)))
    assert largest <= BATCH_FRAMES
    while device.receive(0) or device.readable():
        pass
    for _ in range(8):
        device.receive(0)  # until it expects one frame again
    sizes = []
    for _ in range(20):
        fill(bytes(40_000))
        sizes.append(sum(map(len, device.receive(0))))
        assert device.readable()
    assert max(sizes) <= BATCH_BYTES + 40_000


def test_a_closed_peer_is_a_gone_device(
    pair: tuple[TapDevice, socket.socket],
) -> None:
    device, far = pair
    far.close()
    with pytest.raises(DeviceGone):
        device.receive(0)
    with pytest.raises(DeviceGone):
        device.send([Packet(b"x")], 0)


def test_a_peer_that_closed_with_frames_unread(
    pair: tuple[TapDevice, socket.socket],
) -> None:
    device, far = pair
    device.send([Packet(b"unread")], 0)
    far.close()
    with pytest.raises(DeviceGone):
        device.receive(0)


def test_sends_and_says_what_it_can(pair: tuple[TapDevice, socket.socket]) -> None:
    device, far = pair
    device.send([Packet(b"head", [b"body"])], 0)
    assert far.recv(100) == b"headbody"
    assert device.room() == BATCH_FRAMES
    assert not device.capabilities.checksum
    assert device.capabilities.gso_max == SOFT_GSO_MAX  # cut before it is written
    assert device.link() is None
    assert not os.get_inheritable(device.fileno())


def test_vnet_headers_on_a_descriptor() -> None:
    ours, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    device = TapDevice.from_fd(ours.detach(), Medium.IP, vnet=True, mtu=1400)
    assert device.capabilities.checksum
    assert device.capabilities.gso_max == 65535
    assert device.capabilities.mtu == 1400
    header = bytes((1, 0)) + b"".join(
        n.to_bytes(2, sys.byteorder) for n in (0, 0, 20, 6)
    )
    far.send(header + bytes(28))
    far.send(b"short")
    (packet,) = device.receive(0)
    assert (packet.csum, packet.csum_start, packet.csum_offset) == (
        CSUM_PARTIAL,
        20,
        6,
    )
    assert device.receive(0) == []
    assert device.counters.as_dict() == {"drop.device_metadata": 1}
    device.send([Packet(b"out")], 0)
    assert far.recv(100) == bytes(10) + b"out"
    device.close()
    device.close()
    far.close()


def test_a_descriptor_that_is_not_open() -> None:
    with pytest.raises(DeviceError, match=r"fd:987654: Bad file descriptor"):
        TapDevice.from_fd(987654)


@pytest.mark.parametrize("name", ["", "a/b", "x" * 16, "with space", "a:b", "."])
def test_a_bad_name(name: str) -> None:
    with pytest.raises(DeviceError, match="not an interface name"):
        TapDevice(name)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytun", None)
    with pytest.raises(MissingExtraError, match=r'pip install "sansio_net\[tap\]"'):
        TapDevice("tap0")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.EPERM, "no permission"),
        (errno.EBUSY, "in use by another program"),
        (errno.ENOENT, "/dev/net/tun does not exist"),
    ],
)
def test_why_it_cannot_be_opened(
    monkeypatch: pytest.MonkeyPatch, code: int, text: str
) -> None:
    pytun = pytest.importorskip("pytun")

    def refuse(name: str, flags: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(pytun, "TunTapDevice", refuse)
    with pytest.raises(DeviceError, match=text) as raised:
        TapDevice("tap0")
    assert "\n" not in str(raised.value)


@pytest.mark.root
@pytest.mark.usefixtures("namespace")
class TestRealDevice:
    def test_is_made_set_up_and_removed(self) -> None:
        device = TapDevice("tap0")
        assert "LOWER_UP" in ip("link show tap0")
        assert "tap" in ip("-d link show tap0")
        assert device.capabilities.medium is Medium.ETHERNET
        assert device.capabilities.mtu == 1500
        assert not os.get_inheritable(device.fileno())
        device.close()
        device.close()
        assert "tap0" not in ip("link")

    def test_mtu_and_host_address_only_when_asked(self) -> None:
        device = TapDevice("tun0", medium=Medium.IP)
        assert "inet 10" not in ip("address show tun0")
        device.close()
        device = TapDevice(
            "tun0", medium=Medium.IP, mtu=1400, host_address="10.9.0.1/24"
        )
        assert "10.9.0.1/24" in ip("address show tun0")
        assert "mtu 1400" in ip("address show tun0")
        assert device.capabilities.mtu == 1400
        interface.add_address("tun0", "10.9.0.1/24")  # there already: fine
        interface.add_address("tun0", "fd00:9::1/64")
        assert "fd00:9::1/64" in ip("address show tun0")
        assert "tentative" not in ip("address show tun0")
        device.close()

    def test_the_host_address_while_an_event_loop_runs(self) -> None:
        async def main() -> None:
            TapDevice("tap0", host_address="10.9.0.1/24").close()

        asyncio.run(main())

    def test_what_the_kernel_grants_step_by_step(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """TUNSETOFFLOAD refuses a mask with a bit that it does not know."""
        asked: list[int] = []
        real = fcntl.ioctl
        known = 0xF

        def ioctl(fd: int, request: int, mask: object) -> object:
            if request == tap._TUNSETOFFLOAD:
                assert isinstance(mask, int)
                asked.append(mask)
                if mask & ~known:
                    raise OSError(errno.EINVAL, "Invalid argument")
            return real(fd, request, mask)  # type: ignore[call-overload]

        monkeypatch.setattr(fcntl, "ioctl", ioctl)
        device = TapDevice("tap0")
        assert asked == [0x6F, 0xF]
        assert device.capabilities.gso_max
        assert not device.capabilities.uso
        device.close()
        known, asked[:] = 1, []
        device = TapDevice("tap0")
        assert asked == [0x6F, 0xF, 7, 1]
        device.close()
        known, asked[:] = 0x6F, []
        device = TapDevice("tap0")
        assert device.capabilities.uso
        device.close()
        device = TapDevice("tap0", offload=Offload.CHECKSUM)
        assert asked == [0x6F, 1]
        assert not device.capabilities.uso
        device.close()

    def test_several_queues_of_one_device(self) -> None:
        one = TapDevice("tap0", multi_queue=True, host_address="10.9.0.1/24")
        two = TapDevice("tap0", multi_queue=True)
        link = ip("link show tap0")
        assert format_mac(one.hardware_address) in link
        assert two.hardware_address == one.hardware_address
        mac = "02:00:00:00:00:02"
        ip(f"neighbour replace 10.9.0.2 lladdr {mac} dev tap0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for port in range(1, 65):  # each a flow
                sock.sendto(b"%d" % port, ("10.9.0.2", port))
        seen = []
        for device in (one, two):
            frames = [packet.head for packet in device.receive(0)]
            while device.readable():
                frames += [packet.head for packet in device.receive(0)]
            seen.append([f[36:38] for f in frames if f[:6] == pack_mac(mac)])
        assert sorted(seen[0] + seen[1]) == [n.to_bytes(2, "big") for n in range(1, 65)]
        assert min(map(len, seen)) > 10
        with pytest.raises(DeviceError, match="tap0 exists and is no tap device"):
            TapDevice("tap0")
        one.close()
        assert "tap0" in ip("link")
        two.close()
        assert "tap0" not in ip("link")
        held = TapDevice("tap0")
        with pytest.raises(DeviceError, match="no tap device with several queues"):
            TapDevice("tap0", multi_queue=True)
        held.close()

    def test_errors_are_one_clear_line(self) -> None:
        with pytest.raises(DeviceError, match="cannot set the MTU of tap0 to 1000000"):
            TapDevice("tap0", mtu=1_000_000)
        assert "tap0" not in ip("link")
        with pytest.raises(DeviceError, match="lo exists and is no tap device"):
            TapDevice("lo")
        ip("tuntap add tun7 mode tun")
        with pytest.raises(DeviceError, match="tun7 exists and is no tap device"):
            TapDevice("tun7")
        held = TapDevice("tap0")
        with pytest.raises(DeviceError, match="tap0 is in use by another program"):
            TapDevice("tap0")
        held.close()

    def test_a_persistent_device_is_attached_to_and_left(self) -> None:
        ip("tuntap add tap5 mode tap")
        ip("link set tap5 mtu 9000")
        before = TapDevice("tap5")
        before.close()
        device = TapDevice("tap5", offload=Offload.NONE)
        assert device.capabilities == Capabilities(mtu=9000, gso_max=SOFT_GSO_MAX)
        device.close()
        assert "tap5" in ip("link")

    def test_frames_cross_both_ways(self) -> None:
        device = TapDevice("tap0", host_address="10.9.0.1/24")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as host:
            host.bind(("tap0", 0x88B5))
            device.send([Packet(BROADCAST_FRAME)], 0)
            host.settimeout(5)
            assert host.recv(2000) == BROADCAST_FRAME
            host.send(BROADCAST_FRAME)
        frames: list[bytes] = []

        def arrived() -> bool:
            frames.extend(packet.head for packet in device.receive(0))
            return BROADCAST_FRAME in frames

        wait_for(arrived)
        device.close()

    def test_an_interface_that_is_taken_down_and_up(self) -> None:
        device = TapDevice("tap0")
        ip("link set tap0 down")
        device.send([Packet(BROADCAST_FRAME)], 0)
        assert device.link() is False
        assert device.room() == 0
        ip("link set tap0 up")
        device.receive(10**9)
        assert device.link() is True
        device.send([Packet(BROADCAST_FRAME)], 0)
        assert device.counters.as_dict() == {"drop.link_down": 1}
        device.close()

    def test_removal_is_device_gone_reading_and_writing(self) -> None:
        for use in (
            lambda device: [device.receive(0) for _ in range(9)],
            lambda device: device.send([Packet(BROADCAST_FRAME)], 0),
            lambda device: device._carries(),
        ):
            device = TapDevice("tap0")
            ip("link delete tap0")
            with pytest.raises(DeviceGone):
                use(device)
            device.close()

    def test_no_carrier_is_a_clear_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ip("tuntap add tap0 mode tap")
        monkeypatch.setattr(interface, "flags", lambda sock, name: interface.IFF_UP)
        # duplicate address detection would make the host send
        monkeypatch.setattr("select.select", lambda *args: ([], [], []))
        with pytest.raises(DeviceError, match="tap0 has no carrier after 0 s"):
            TapDevice("tap0", carrier_timeout=1)

    def test_a_descriptor_of_the_wrong_kind(self) -> None:
        with_headers = TapDevice("tap0")
        fd = os.dup(with_headers.fileno())
        for medium, vnet, words in (
            (Medium.IP, True, "no tun device"),
            (Medium.ETHERNET, False, "has virtio headers"),
        ):
            with pytest.raises(DeviceError, match=words):
                TapDevice.from_fd(fd, medium, vnet)
        again = TapDevice.from_fd(fd, vnet=True)
        assert again.name == "tap0"
        again.close()
        with_headers.close()

    def test_virtio_headers_hand_over_unfinished_checksums(self) -> None:
        device = TapDevice("tun0", medium=Medium.IP, host_address="10.9.0.1/24")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
            host.sendto(b"to nobody", ("10.9.0.2", 9))
        packets: list[Packet] = []

        def arrived() -> object:
            packets.extend(device.receive(0))
            return [packet for packet in packets if packet.csum == CSUM_PARTIAL]

        wait_for(arrived)
        (packet,) = [packet for packet in packets if packet.csum == CSUM_PARTIAL]
        assert (packet.csum_start, packet.csum_offset) == (20, 6)
        device.close()
