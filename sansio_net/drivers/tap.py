"""TAP and TUN devices of Linux: frames, or IP packets, to and from the host's kernel.

python-pytun makes the device; from then on only the descriptor is used. Its own `read`
raises no BlockingIOError, its `write` refuses views.
"""

from __future__ import annotations

import errno
import os
import select
import struct
import time
from collections.abc import Sequence
from typing import Final, Protocol

from sansio_net.counters import Counters, DropReason
from sansio_net.errors import DeviceError, DeviceGone, MissingExtraError, WireError
from sansio_net.packet import Capabilities, Medium, Packet
from sansio_net.units import MILLISECOND, SECOND
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

CARRIER_TIMEOUT: Final = 5 * SECOND
"""How long a device may take until its link carries."""

_TUNSETOFFLOAD: Final = 0x400454D0
_TUNGETIFF: Final = 0x800454D2
_TUNGETVNETHDRSZ: Final = 0x800454D7
_TUNSETVNETHDRSZ: Final = 0x400454D8
_SIOCGIFHWADDR: Final = 0x8927

_IFF_TUN: Final = 0x0001
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000

_CSUM, _TSO4, _TSO6, _ECN, _USO4, _USO6 = 1, 2, 4, 8, 0x20, 0x40
_OFFLOADS: Final = {
    Offload.FULL: (
        _CSUM | _TSO4 | _TSO6 | _ECN | _USO4 | _USO6,
        _CSUM | _TSO4 | _TSO6 | _ECN,
        _CSUM | _TSO4 | _TSO6,
        _CSUM,
        0,
    ),
    Offload.CHECKSUM: (_CSUM, 0),
    Offload.NONE: (0,),
}
"""What the host may leave to us, from all of it to what every kernel has."""


class _Owner(Protocol):
    def close(self) -> None: ...


class TapDevice:
    """A TAP (Ethernet) or TUN (`medium=Medium.IP`) device of the host.

    One that exists is attached to and left behind on close; else it is made and goes
    with us. It is set up; its MTU and the host side's address change only if given.
    `offload`: exchange metadata with the kernel (virtio_net_hdr), so that checksums
    stay undone and super-segments whole, both ways; a kernel without it does without.
    `multi_queue`: each object opens one more queue of the same device, for a stack of
    its own, maybe in another process; docs/speed.md says which frames come where.

    Raises DeviceError with one clear line, MissingExtraError without python-pytun.
    """

    __slots__ = (
        "_input",
        "_output",
        "_owner",
        "_vnet_size",
        "capabilities",
        "name",
    )

    def __init__(
        self,
        name: str,
        *,
        medium: Medium = Medium.ETHERNET,
        offload: Offload = Offload.FULL,
        mtu: int | None = None,
        host_address: str | None = None,
        carrier_timeout: int = CARRIER_TIMEOUT,
        multi_queue: bool = False,
    ) -> None:
        offload = Offload(offload)
        interface.check_name(name)
        fd, self.name, owner, vnet = _create(name, medium, offload, multi_queue)
        if not vnet:
            offload = Offload.NONE
        try:
            with interface.control_socket() as sock:
                if mtu is not None:
                    interface.set_mtu(sock, self.name, mtu)
                size = interface.mtu(sock, self.name)
                self._adopt(fd, owner, medium, offload, size)
                granted = _set_offload(fd, offload)
                self.capabilities.uso = bool(granted & _USO4)
                interface.set_up(sock, self.name)
                if host_address is not None:
                    interface.add_address(self.name, host_address)
                _await_carrier(fd, self.name, carrier_timeout)
        except BaseException:
            owner.close()
            raise

    @classmethod
    def from_fd(
        cls,
        fd: int,
        medium: Medium = Medium.ETHERNET,
        vnet: bool = False,
        *,
        mtu: int = 1500,
    ) -> TapDevice:
        """A device that was opened elsewhere, maybe in another namespace.

        The descriptor is ours from now on. Nothing of the interface is changed but
        what `vnet` needs. Raises DeviceError if the descriptor is of another kind.
        """
        device = cls.__new__(cls)
        try:
            os.fstat(fd)
        except OSError as error:
            raise DeviceError(f"fd:{fd}: {error.strerror}") from error
        device.name = _check_kind(fd, medium, vnet)
        offload = Offload.FULL if vnet else Offload.NONE
        device._adopt(fd, _Descriptor(fd), medium, offload, mtu)
        return device

    def _adopt(
        self, fd: int, owner: _Owner, medium: Medium, offload: Offload, mtu: int
    ) -> None:
        vnet = offload is not Offload.NONE
        os.set_inheritable(fd, False)
        os.set_blocking(fd, False)
        keep_buffers_warm()
        self._owner = owner
        self._vnet_size = _header_size(fd) if vnet else 0
        self._input = Input()
        self._output = Output(
            fd, self.name, self._carries, vnet_size=self._vnet_size, offload=vnet
        )
        self.capabilities = Capabilities(
            mtu=mtu,
            medium=medium,
            checksum=vnet,
            gso_max=gso_max(offload),
        )

    def __repr__(self) -> str:
        return f"<TapDevice {self.name}>"

    @property
    def counters(self) -> Counters:
        """Drops of the driver's own."""
        return self._output.counters

    @property
    def hardware_address(self) -> bytes:
        """The MAC of the host's side: whom we talk to, or the way to them."""
        import fcntl

        return fcntl.ioctl(self._output.fd, _SIOCGIFHWADDR, bytes(40))[18:24]

    def fileno(self) -> int:
        return self._output.fd

    def readable(self) -> bool:
        return self._input.more

    def receive(self, now: int) -> list[Packet]:
        if self._output.next_timeout() is not None:
            self._output.handle_timeout(now)
        fd, source, vnet_size = self._output.fd, self._input, self._vnet_size
        packets: list[Packet] = []
        budget = BATCH_BYTES
        for _ in range(source.expected):
            try:
                frame = os.read(fd, READ_SIZE)
            except BlockingIOError:
                source.ran_dry(len(packets))
                return packets
            except OSError as error:
                source.ran_dry()
                self._end(error, packets)
                return packets
            if not frame:
                raise DeviceGone(f"{self.name} is gone: the other side closed it")
            if vnet_size:
                try:
                    packets.append(parse_vnet(frame, vnet_size))
                except WireError:
                    self.counters.drop(DropReason.DEVICE_METADATA)
            else:
                packets.append(Packet(frame))
            budget -= len(frame)
            if budget <= 0:
                return packets
        source.took_all()
        return packets

    def _end(self, error: OSError, packets: list[Packet]) -> None:
        """A read failed. What came before it is delivered; the next read tells."""
        # EIO and EFAULT: the interface is being taken down for good
        if error.errno not in GONE and error.errno not in (errno.EIO, errno.EFAULT):
            raise error
        if not packets:
            raise DeviceGone(f"{self.name} is gone") from error

    def room(self) -> int:
        return self._output.room()

    def send(self, packets: Sequence[Packet], now: int) -> None:
        self._output.send(packets, now)

    def next_timeout(self) -> int | None:
        return self._output.next_timeout()

    def link(self) -> bool | None:
        return self._output.link()

    def close(self) -> None:
        """Detach. A device that was made by this object disappears."""
        self._owner.close()

    def _carries(self) -> bool:
        """A TAP is writable while the host has it up, in whatever namespace it is."""
        poll = select.poll()
        poll.register(self._output.fd, select.POLLOUT)
        state = dict(poll.poll(0)).get(self._output.fd, 0)
        if state & (select.POLLERR | select.POLLNVAL):
            raise DeviceGone(f"{self.name} is gone")
        return bool(state & select.POLLOUT)


class _Descriptor:
    """Owns a plain descriptor; closing it twice is fine."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


def _create(
    name: str, medium: Medium, offload: Offload, multi_queue: bool
) -> tuple[int, str, _Owner, bool]:
    """Descriptor, name, owner, and whether frames have virtio headers."""
    try:
        import pytun
    except ImportError:
        raise MissingExtraError(
            'TAP and TUN need python-pytun: pip install "sansio_net[tap]"'
        ) from None
    flags = pytun.IFF_TAP if medium is Medium.ETHERNET else pytun.IFF_TUN
    flags |= pytun.IFF_NO_PI | (pytun.IFF_MULTI_QUEUE if multi_queue else 0)
    vnet = pytun.IFF_VNET_HDR if offload is not Offload.NONE else 0
    try:
        try:
            device = pytun.TunTapDevice(name=name, flags=flags | vnet)
        except OSError as error:
            if not vnet or _number(error) != errno.EINVAL:
                raise
            vnet = 0  # an old kernel, or no such device: the next error tells
            device = pytun.TunTapDevice(name=name, flags=flags)
    except OSError as error:
        word = "tap" if medium is Medium.ETHERNET else "tun"
        kind = f"{word} device{' with several queues' if multi_queue else ''}"
        raise DeviceError(_open_failure(word, kind, name, error)) from error
    return device.fileno(), device.name, device, bool(vnet)


def _number(error: OSError) -> int:
    """pytun's error carries errno as its first argument only."""
    return error.errno or (error.args[0] if error.args else 0)


def _open_failure(word: str, kind: str, name: str, error: OSError) -> str:
    reasons = {
        errno.EPERM: "no permission: run as root, or have root make it: "
        f"ip tuntap add {name} mode {word} user $USER && ip link set {name} up",
        errno.EACCES: "no permission for /dev/net/tun: run as root",
        errno.ENOENT: "/dev/net/tun does not exist: modprobe tun",
        errno.ENODEV: "/dev/net/tun has no driver behind it: modprobe tun",
        errno.EBUSY: f"{name} is in use by another program",
        errno.EINVAL: f"{name} exists and is no {kind}",
        errno.E2BIG: f"{name} has no more queues",
    }
    reason = reasons.get(_number(error)) or error.strerror or str(error)
    return f"cannot open {word}:{name}: {reason}"


def _check_kind(fd: int, medium: Medium, vnet: bool) -> str:
    """The name of the interface behind a descriptor; any other socket is taken too."""
    import fcntl

    try:
        answer = fcntl.ioctl(fd, _TUNGETIFF, bytes(40))
    except OSError:
        return f"fd:{fd}"  # no TUN driver behind it: a socket pair, another's VPN
    name = answer[:16].split(b"\0")[0].decode()
    (flags,) = struct.unpack_from("=H", answer, 16)
    word = "tap" if medium is Medium.ETHERNET else "tun"
    if bool(flags & _IFF_TAP) is not (medium is Medium.ETHERNET):
        raise DeviceError(f"fd:{fd} ({name}) is no {word} device")
    if not flags & _IFF_NO_PI:
        raise DeviceError(f"fd:{fd} ({name}) was opened without IFF_NO_PI")
    if bool(flags & _IFF_VNET_HDR) is not vnet:
        has = "has" if flags & _IFF_VNET_HDR else "has no"
        raise DeviceError(f"fd:{fd} ({name}) {has} virtio headers")
    return name


def _header_size(fd: int) -> int:
    import fcntl

    try:
        answer = fcntl.ioctl(fd, _TUNGETVNETHDRSZ, bytes(4))
    except OSError:
        return HEADER_SIZE
    (size,) = struct.unpack("=i", answer)
    return int(size)


def _set_offload(fd: int, offload: Offload) -> int:
    """Say what the host may leave to us; whoever had the device before us is undone.

    The part of it that this kernel has; the same that it does for us.
    """
    import fcntl

    for mask in _OFFLOADS[offload]:
        try:
            fcntl.ioctl(fd, _TUNSETOFFLOAD, mask)
            return mask
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise DeviceError(f"cannot set offloads: {error.strerror}") from error
    return 0


def _await_carrier(fd: int, name: str, timeout: int) -> None:
    """Return once the link carries, or a frame waits; DeviceError after `timeout`."""
    end = time.monotonic_ns() + timeout
    with interface.control_socket() as sock:
        while not interface.flags(sock, name) & interface.IFF_RUNNING:
            if time.monotonic_ns() >= end:
                raise DeviceError(f"{name} has no carrier after {timeout // SECOND} s")
            if select.select([fd], [], [], 10 * MILLISECOND / SECOND)[0]:
                return
