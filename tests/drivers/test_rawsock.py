from __future__ import annotations

import errno
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from sansio_net.addresses import pack_mac
from sansio_net.drivers import interface, rawsock
from sansio_net.drivers.descriptor import SOFT_GSO_MAX
from sansio_net.drivers.rawsock import RawSocketDevice
from sansio_net.errors import DeviceError, DeviceGone
from sansio_net.packet import (
    CSUM_NONE,
    CSUM_PARTIAL,
    CSUM_VALID,
    Capabilities,
    Packet,
)
from sansio_net.testing.craft import tcp_packet
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.segment import flatten

BROADCAST_FRAME = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x88\xb5" + bytes(46)

AUX_CSUM_NOT_READY, AUX_VLAN, AUX_TPID, AUX_CSUM_VALID = 8, 16, 64, 128


def run(command: str) -> str:
    done = subprocess.run(command.split(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(condition: Callable[[], object], timeout: float = 5) -> object:
    end = time.monotonic() + timeout
    while not (answer := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return answer


def test_elsewhere_than_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(DeviceError, match="on Linux only"):
        RawSocketDevice("en0")


def test_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(DeviceError, match="no permission: run as root") as raised:
        RawSocketDevice("veth0")
    assert "\n" not in str(raised.value)


@pytest.mark.root
@pytest.mark.usefixtures("namespace")
class TestVeth:
    """`ours` is the end that we read; the kernel is the host on `theirs`."""

    @pytest.fixture(autouse=True)
    def cable(self, namespace: None) -> None:
        run("ip link set lo up")
        run("ip link add ours type veth peer name theirs")
        run("sysctl -qw net.ipv6.conf.ours.disable_ipv6=1")
        run("sysctl -qw net.ipv4.conf.all.forwarding=0")
        run("ip link set ours up")
        run("ip link set theirs up")
        run("ip address add 10.9.0.1/24 dev theirs")
        # until the kernel has seen the carrier it drops what is sent
        for end in ("ours", "theirs"):
            wait_for(lambda end=end: "state UP" in run(f"ip link show {end}"))
        # the host finds us without asking
        run("ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev theirs")

    def host_sends(self, data: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
            host.sendto(data, ("10.9.0.2", 9999))

    def datagrams(self, device: RawSocketDevice, n: int = 1) -> list[Packet]:
        """The next UDP packets for port 9999."""
        packets: list[Packet] = []

        def arrived() -> bool:
            for packet in device.receive(0):
                if packet.head[12:14] == b"\x08\x00" and packet.head[36:38] == b"'\x0f":
                    packets.append(packet)
            return len(packets) >= n

        wait_for(arrived)
        return packets

    def test_an_unfilled_checksum_is_known_as_such(self) -> None:
        device = RawSocketDevice("ours")
        self.host_sends(b"hello")
        (packet,) = self.datagrams(device)
        assert packet.csum == CSUM_PARTIAL
        assert (packet.csum_start, packet.csum_offset) == (34, 6)
        assert packet.head.endswith(b"hello")
        # and can be finished: what is in the field is the pseudo-header's sum
        assert flatten(packet)[0] != packet.head
        device.close()

    def test_without_virtio_headers_the_status_says_it(self) -> None:
        device = RawSocketDevice("ours", vnet=False)
        self.host_sends(b"hello")
        (packet,) = self.datagrams(device)
        assert (packet.csum, packet.csum_start, packet.csum_offset) == (
            CSUM_PARTIAL,
            34,
            6,
        )
        assert packet.head.endswith(b"hello")
        device.send([Packet(BROADCAST_FRAME)], 0)
        device.close()

    def test_super_frames_without_virtio_headers(self) -> None:
        """TCP's are cut by a guess; where datagrams in one begin nobody knows."""
        device = RawSocketDevice("ours", vnet=False)
        assert device.capabilities.gso_guess
        far = RawSocketDevice("theirs", force=True)
        packet = tcp_packet(("10.9.0.1", 9999), ("10.9.0.2", 9999), payload=bytes(4000))
        base = pseudo_sum(packet[12:16], packet[16:20], 6, 4020).to_bytes(2, "big")
        frame = bytes(12) + b"\x08\0" + packet[:36] + base + packet[38:]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
            host.setsockopt(socket.SOL_UDP, 103, 1000)  # UDP_SEGMENT
            host.sendto(bytes(4500), ("10.9.0.2", 9999))
            far.send([Packet(frame, (), 14, 900, CSUM_PARTIAL, 34, 16)], 0)
            host.setsockopt(socket.SOL_UDP, 103, 0)
            host.sendto(bytes(1400), ("10.9.0.2", 9999))
        found = self.datagrams(device, 2)
        assert [(len(one.head), one.gso_size, one.csum) for one in found] == [
            (4054, 1460, CSUM_PARTIAL),
            (1442, 0, CSUM_PARTIAL),
        ]
        assert [one.csum_offset for one in found] == [16, 6]
        assert device.counters.as_dict() == {"drop.device_metadata": 1}
        far.close()
        device.close()

    def test_an_interface_whose_mtu_has_grown(self) -> None:
        """A frame longer than the MTU was is no super-frame for that alone."""
        device = RawSocketDevice("ours", vnet=False)
        for end in ("ours", "theirs"):
            run(f"ip link set {end} mtu 4000")
        self.host_sends(bytes(3000))
        (packet,) = self.datagrams(device)
        assert (len(packet.head), packet.gso_size) == (3042, 0)
        device.close()

    def test_a_kernel_without_virtio_headers(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rawsock, "_PACKET_VNET_HDR", 9999)
        device = RawSocketDevice("ours")
        self.host_sends(b"hello")
        assert self.datagrams(device)[0].csum == CSUM_PARTIAL
        device.close()
        assert not device.capabilities.checksum
        assert device.capabilities.gso_max == SOFT_GSO_MAX

    def test_super_frames_are_known_as_such(self) -> None:
        device = RawSocketDevice("ours")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
            host.setsockopt(socket.SOL_UDP, 103, 1000)  # UDP_SEGMENT
            try:
                host.sendto(bytes(4500), ("10.9.0.2", 9999))
            except OSError:
                pytest.skip("a kernel without UDP segmentation")
        (packet,) = self.datagrams(device)
        assert packet.gso_size == 1000
        cuts = flatten(packet)
        assert [len(cut) - 42 for cut in cuts] == [1000] * 4 + [500]
        device.close()

    def test_a_super_frame_that_virtio_headers_have_no_word_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The kernel's answer is EINVAL, and the frame is gone."""
        device = RawSocketDevice("ours")

        class Refusing:
            fileno = device._socket.fileno

            def recvmsg(self, *sizes: int) -> None:
                raise OSError(errno.EINVAL, "Invalid argument")

        real, device._socket = device._socket, Refusing()  # type: ignore[assignment]
        assert device.receive(0) == []
        assert device.counters.as_dict() == {"drop.device_metadata": 1}
        device._socket = real
        self.host_sends(b"next")
        assert self.datagrams(device)[0].head.endswith(b"next")
        device.close()

    def test_what_we_send_is_on_the_wire_and_not_seen_again(self) -> None:
        device = RawSocketDevice("ours", qdisc_bypass=True)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as host:
            host.bind(("theirs", 0x88B5))
            device.send([Packet(BROADCAST_FRAME[:20], [BROADCAST_FRAME[20:]])], 0)
            host.settimeout(5)
            assert host.recv(2000) == BROADCAST_FRAME
        self.host_sends(b"last")
        seen = []
        while not seen or not seen[-1].endswith(b"last"):
            seen += [packet.head for packet in device.receive(0)]
        assert BROADCAST_FRAME not in seen
        device.close()

    def test_offloaded_output_is_finished_by_the_kernel(self) -> None:
        device = RawSocketDevice("ours")
        assert device.capabilities.checksum
        assert device.capabilities.gso_max == 65535
        mac = interface.hardware_address(device._socket, "theirs")
        self.host_sends(b"ping")  # only to copy its headers
        (packet,) = self.datagrams(device)
        head = bytearray(packet.head)
        head[:12] = mac + pack_mac("02:00:00:00:00:02")
        head[26:34] = head[30:34] + head[26:30]
        head[34:38] = head[36:38] + head[34:36]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as host:
            host.bind(("10.9.0.1", int.from_bytes(head[36:38], "big")))
            host.settimeout(5)
            device.send([Packet(bytes(head), (), 14, 0, CSUM_PARTIAL, 34, 6)], 0)
            assert host.recv(100) == b"ping"
        device.close()

    def test_vlan_tags_come_back_into_the_frame(self) -> None:
        tagged = BROADCAST_FRAME[:12] + b"\x81\x00\x60\x05" + BROADCAST_FRAME[12:]
        device = RawSocketDevice("ours")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as host:
            host.bind(("theirs", 0))
            host.send(tagged)
        seen: list[bytes] = []

        def arrived() -> bool:
            seen.extend(packet.head for packet in device.receive(0))
            return any(frame[-48:] == tagged[-48:] for frame in seen)

        wait_for(arrived)
        assert tagged in seen
        device.close()

    def test_frames_for_other_stations_arrive_too(self) -> None:
        device = RawSocketDevice("ours")
        other = b"\x02\0\0\0\0\x99" + BROADCAST_FRAME[6:]
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as host:
            host.bind(("theirs", 0))
            host.send(other)
        wait_for(lambda: other in [packet.head for packet in device.receive(0)])
        device.close()

    @pytest.mark.parametrize(
        ("setup", "message", "cure"),
        [
            ("ip link set ours down", "ours is down", "ip link set ours up"),
            (
                "ip address add 10.8.0.1/24 dev ours",
                "has an IPv4 address",
                "ip -4 address flush dev ours",
            ),
            (
                "sysctl -qw net.ipv6.conf.ours.disable_ipv6=0",
                "has an IPv6 address",
                "sysctl -w net.ipv6.conf.ours.disable_ipv6=1",
            ),
            (
                "sysctl -qw net.ipv4.conf.ours.forwarding=1",
                "the host forwards",
                "sysctl -w net.ipv4.conf.ours.forwarding=0",
            ),
        ],
    )
    def test_refuses_an_interface_where_the_host_would_answer(
        self, setup: str, message: str, cure: str
    ) -> None:
        with interface.control_socket() as sock:
            mac = interface.hardware_address(sock, "ours")
        run(setup)
        if "ipv6" in setup:
            wait_for(lambda: interface.has_ipv6("ours"))
        with pytest.raises(DeviceError, match=message) as raised:
            RawSocketDevice("ours", mac=mac)
        assert str(raised.value).endswith(cure)
        assert "\n" not in str(raised.value)
        if "down" not in setup:
            RawSocketDevice("ours", mac=mac, force=True).close()
        run(cure)
        RawSocketDevice("ours", mac=mac).close()

    def test_a_host_that_forwards_does_not_mind_another_mac(self) -> None:
        run("sysctl -qw net.ipv4.conf.ours.forwarding=1")
        RawSocketDevice("ours", mac=pack_mac("02:00:00:00:00:02")).close()

    def test_no_such_interface_and_not_ethernet(self) -> None:
        with pytest.raises(DeviceError, match="no such interface: nope"):
            RawSocketDevice("nope")
        run("ip tuntap add tun0 mode tun")
        run("ip link set tun0 up")
        with pytest.raises(DeviceError, match="tun0 is not an Ethernet interface"):
            RawSocketDevice("tun0", force=True)

    def test_an_unplugged_cable_is_known_from_the_start(self) -> None:
        run("ip link set theirs down")
        with interface.control_socket() as sock:
            wait_for(lambda: not interface.flags(sock, "ours") & interface.IFF_RUNNING)
        device = RawSocketDevice("ours")
        assert device.next_timeout() == 0
        device.receive(1)
        assert device.link() is False
        run("ip link set theirs up")

        def back() -> bool:
            due = device.next_timeout()
            assert due is not None
            device.receive(due)
            return device.link() is True

        wait_for(back)
        device.close()

    def test_an_interface_taken_down_and_up(self) -> None:
        device = RawSocketDevice("ours")
        device.receive(0)
        assert device.link() is None
        run("ip link set ours down")
        while device.link() is None:
            device.receive(0)
        assert device.room() == 0
        run("ip link set ours up")
        wait_for(lambda: device.receive(10**18) or device.link())
        device.close()

    def test_removal_is_device_gone_reading_and_writing(self) -> None:
        device = RawSocketDevice("ours")
        run("ip link set ours name renamed")
        device.receive(0)  # asks for the carrier by number, not by name
        run("ip link delete renamed")
        with pytest.raises(DeviceGone):
            device.send([Packet(BROADCAST_FRAME)], 0)
        with pytest.raises(DeviceGone):
            wait_for(lambda: device.receive(0) is None)  # after what came before
        device.close()
        device.close()


def auxiliary(status: int, tci: int = 0, tpid: int = 0) -> list[tuple[int, int, bytes]]:
    data = struct.pack("=IIIHHHH", status, 0, 0, 0, 0, tci, tpid)
    return [(1, 2, b"unrelated"), (263, 8, data)]


@pytest.mark.parametrize(
    ("status", "csum"),
    [(0, CSUM_NONE), (AUX_CSUM_NOT_READY, CSUM_VALID), (AUX_CSUM_VALID, CSUM_VALID)],
)
def test_status_without_virtio_headers(status: int, csum: int) -> None:
    device = RawSocketDevice.__new__(RawSocketDevice)
    device._vnet_size = 0
    device.capabilities = Capabilities()
    assert device._packet(BROADCAST_FRAME, auxiliary(status)).csum == csum


def test_a_tag_moves_the_checksum_of_the_frame() -> None:
    device = RawSocketDevice.__new__(RawSocketDevice)
    device._vnet_size = 10
    header = struct.pack("=BBHHHH", 1, 0, 0, 0, 34, 6)
    frame = bytes(range(60))
    for status, tpid in (
        (AUX_VLAN, b"\x81\x00"),
        (AUX_VLAN | AUX_TPID, b"\x88\xa8"),
    ):
        packet = device._packet(header + frame, auxiliary(status, 0x2005, 0x88A8))
        assert packet.head == frame[:12] + tpid + b"\x20\x05" + frame[12:]
        assert (packet.csum, packet.csum_start) == (CSUM_PARTIAL, 38)
