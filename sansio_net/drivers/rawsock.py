"""AF_PACKET on an interface of the host, such as one end of a veth pair.

A kernel peer on a veth hands over frames whose checksum is not filled in, and
super-frames; virtio headers, else the packet's status, say which.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Final

from sansio_net.addresses import format_mac
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import DeviceError, DeviceGone, WireError
from sansio_net.packet import CSUM_PARTIAL, CSUM_VALID, Capabilities, Packet
from sansio_net.wire.segment import cut_size, note_partial
from sansio_net.wire.vnet import HEADER_SIZE, parse_vnet

from . import interface
from .descriptor import (
    BATCH_BYTES,
    GONE,
    READ_SIZE,
    Input,
    Offload,
    Output,
    gso_max,
    keep_buffers_warm,
)

_ETH_P_ALL: Final = 3
_SOL_PACKET: Final = 263
_PACKET_ADD_MEMBERSHIP: Final = 1
_PACKET_AUXDATA: Final = 8
_PACKET_VNET_HDR: Final = 15
_PACKET_QDISC_BYPASS: Final = 20
_PACKET_IGNORE_OUTGOING: Final = 23
_PACKET_MR_PROMISC: Final = 1
_SO_RCVBUFFORCE: Final = 33
_SO_SNDBUFFORCE: Final = 32

_AUXDATA: Final = struct.Struct("=IIIHHHH")
"""struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid"""
_CSUM_NOT_READY: Final = 1 << 3
_VLAN_VALID: Final = 1 << 4
_VLAN_TPID_VALID: Final = 1 << 6
_CSUM_VALID: Final = 1 << 7
_TAG: Final = struct.Struct("!HH")
_TPID: Final = 0x8100
_MACS_SIZE: Final = 12
_LINK_SIZE: Final = 14
_IP: Final = (b"\x08\x00", b"\x86\xdd")

_SOCKET_BUFFER: Final = 4 << 20
_ANCILLARY_SIZE: Final = 64
_ARPHRD_ETHER: Final = 1


class RawSocketDevice:
    """The host's end of a cable, taken over: what its kernel sees there, we see.

    The interface must be up and mute: no IPv4 and no IPv6 address on it, and, where the
    host forwards, another MAC than `mac`, ours; else the host's own stack answers
    beside us. Such an interface is refused with the line that cures it, unless `force`.
    Nothing of it is changed but for promiscuous mode, which ends with us.

    `offload`: what of sending is left to the kernel; what comes in may lack checksums
    and be super-segments at any time. `vnet=False` does without virtio headers and so
    without offload, as the driver does by itself where the kernel has none. How long
    the segments of a super-segment are is then a guess, by the interface's MTU; where
    datagrams in one begin and end nobody knows, and they are dropped.
    `qdisc_bypass`: do not queue, drop.

    Raises DeviceError with one clear line.
    """

    __slots__ = (
        "_index",
        "_input",
        "_output",
        "_socket",
        "_vnet_size",
        "capabilities",
        "hardware_address",
        "name",
    )

    def __init__(
        self,
        name: str,
        *,
        mac: bytes | None = None,
        force: bool = False,
        offload: Offload = Offload.FULL,
        vnet: bool = True,
        qdisc_bypass: bool = False,
    ) -> None:
        offload = Offload(offload)
        self.name = interface.check_name(name)
        self._socket = sock = _open(name)
        try:
            self._index = interface.index(sock, name)
            self.hardware_address = interface.hardware_address(sock, name)
            if not interface.flags(sock, name) & interface.IFF_UP:
                raise DeviceError(f"{name} is down; run: ip link set {name} up")
            if not force:
                _check_mute(sock, name, mac or b"")
            self._set_options(vnet, qdisc_bypass)
            _bind(sock, name)
            mtu = interface.mtu(sock, name)
        except BaseException:
            sock.close()
            raise
        if not self._vnet_size:
            offload = Offload.NONE
        keep_buffers_warm()
        self._input = Input()
        self._output = Output(
            sock.fileno(),
            name,
            self._carries,
            vnet_size=self._vnet_size,
            offload=offload is not Offload.NONE,
        )
        self._output.doubt()  # the other end of the cable may be down
        self.capabilities = Capabilities(
            mtu=mtu,
            checksum=offload is not Offload.NONE,
            gso_max=gso_max(offload),
            uso=offload is Offload.FULL,
            gso_guess=not self._vnet_size,
        )

    def _set_options(self, vnet: bool, qdisc_bypass: bool) -> None:
        sock = self._socket
        try:
            sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        except OSError as error:
            raise DeviceError("packet sockets here need Linux 4.20") from error
        sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self._vnet_size = 0
        if vnet:
            try:
                sock.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
                self._vnet_size = HEADER_SIZE
            except OSError:
                pass  # auxiliary data tells enough to receive
        if qdisc_bypass:
            sock.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        for option in (_SO_RCVBUFFORCE, _SO_SNDBUFFORCE):
            try:
                sock.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER)
            except OSError:
                pass  # CAP_NET_RAW alone: the system's default size
        sock.setblocking(False)
        membership = struct.pack("=iHH8x", self._index, _PACKET_MR_PROMISC, 0)
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)

    def __repr__(self) -> str:
        return f"<RawSocketDevice {self.name}>"

    @property
    def counters(self) -> Counters:
        """Drops of the driver's own."""
        return self._output.counters

    def fileno(self) -> int:
        return self._output.fd

    def readable(self) -> bool:
        return self._input.more

    def receive(self, now: int) -> list[Packet]:
        if self._output.next_timeout() is not None:
            self._output.handle_timeout(now)
        source, read = self._input, self._socket.recvmsg
        packets: list[Packet] = []
        budget = BATCH_BYTES
        for _ in range(source.expected):
            try:
                data, ancillary, _, _ = read(READ_SIZE, _ANCILLARY_SIZE)
            except BlockingIOError:
                source.ran_dry(len(packets))
                return packets
            except OSError as error:
                source.ran_dry()
                self._failed(error, now)
                return packets
            try:
                packets.append(self._packet(data, ancillary))
            except WireError:
                self.counters.drop(DropReason.DEVICE_METADATA)
            budget -= len(data)
            if budget <= 0:
                return packets
        source.took_all()
        return packets

    def _packet(self, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> Packet:
        vnet_size = self._vnet_size
        packet = parse_vnet(data, vnet_size) if vnet_size else Packet(data)
        for level, kind, value in ancillary:
            if level == _SOL_PACKET and kind == _PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = _AUXDATA.unpack_from(value)
                if not vnet_size:
                    _note_checksum(packet, status)
                if status & _VLAN_VALID:
                    if not status & _VLAN_TPID_VALID:
                        tpid = _TPID
                    _put_tag_back(packet, tpid, tci)
        if not vnet_size and len(data) > self.capabilities.mtu + _LINK_SIZE:
            packet.gso_size = self._guess(data)
            packet.csum = packet.csum or CSUM_VALID
        return packet

    def _guess(self, frame: bytes) -> int:
        """How a super-frame without metadata is to be cut: what a segment of the link's
        MTU carries. Raises MalformedError for other than TCP's, that cannot be cut
        anywhere else than where they were; so they are lost.
        """
        mtu = interface.mtu(self._socket, self.name)
        if len(frame) <= mtu + _LINK_SIZE:
            self.capabilities.mtu = mtu  # it has grown
            return 0
        return cut_size(frame, _LINK_SIZE, mtu)

    def _failed(self, error: OSError, now: int) -> None:
        """A read failed: the interface went down, or away."""
        if error.errno in GONE:
            raise DeviceGone(f"{self.name} was removed") from error
        if error.errno == errno.EINVAL and self._vnet_size:
            # a super-segment that virtio headers have no word for, such as SCTP's
            self.counters.drop(DropReason.DEVICE_METADATA)
            return
        if error.errno != errno.ENETDOWN:
            raise error
        self._output.ask(now)

    def _carries(self) -> bool:
        name = interface.name_of(self._socket, self._index)
        return bool(interface.flags(self._socket, name) & interface.IFF_RUNNING)

    def room(self) -> int:
        return self._output.room()

    def send(self, packets: Sequence[Packet], now: int) -> None:
        self._output.send(packets, now)

    def next_timeout(self) -> int | None:
        return self._output.next_timeout()

    def link(self) -> bool | None:
        return self._output.link()

    def close(self) -> None:
        self._socket.close()


def _note_checksum(packet: Packet, status: int) -> None:
    """What the packet's status says of its checksum, where no virtio header does."""
    if status & _CSUM_NOT_READY:  # it never was on a wire
        if packet.head[12:14] in _IP and note_partial(packet, _LINK_SIZE):
            return
        packet.csum = CSUM_VALID
    elif status & _CSUM_VALID:  # the card looked at it
        packet.csum = CSUM_VALID


def _put_tag_back(packet: Packet, tpid: int, tci: int) -> None:
    """The kernel took a VLAN tag out of the frame; there it belongs."""
    frame = packet.head
    packet.head = frame[:_MACS_SIZE] + _TAG.pack(tpid, tci) + frame[_MACS_SIZE:]
    if packet.csum == CSUM_PARTIAL:
        packet.csum_start += _TAG.size


def _open(name: str) -> socket.socket:
    if sys.platform != "linux":
        raise DeviceError("packet sockets exist on Linux only")
    try:
        # protocol 0: nothing comes in before the socket is bound
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError as error:
        raise DeviceError(
            f"cannot open veth:{name}: no permission: run as root, or with CAP_NET_RAW"
        ) from error


def _bind(sock: socket.socket, name: str) -> None:
    try:
        sock.bind((name, _ETH_P_ALL))
    except OSError as error:
        raise DeviceError(f"cannot bind to {name}: {error.strerror}") from error
    if sock.getsockname()[3] != _ARPHRD_ETHER:
        raise DeviceError(f"{name} is not an Ethernet interface")


def _check_mute(sock: socket.socket, name: str, mac: bytes) -> None:
    """The host's own stack must not answer beside us. Raises DeviceError."""
    if interface.has_ipv4(sock, name):
        raise DeviceError(
            f"{name} has an IPv4 address, the host would answer beside us; "
            f"run: ip -4 address flush dev {name}"
        )
    if interface.has_ipv6(name):
        raise DeviceError(
            f"{name} has an IPv6 address, the host would answer beside us; "
            f"run: sysctl -w net.ipv6.conf.{name}.disable_ipv6=1"
        )
    sysctl = interface.forwards(name)
    if sysctl and mac == interface.hardware_address(sock, name):
        raise DeviceError(
            f"the host forwards what {name} gets for {format_mac(mac)}; use another "
            f"--mac, or run: sysctl -w {sysctl}=0"
        )
