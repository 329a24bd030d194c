"""Questions to the Linux kernel about a network interface, and the few changes.

Each takes a socket to ask through: it decides which network namespace is meant.
"""

from __future__ import annotations

import errno
import socket
import struct
import threading
from pathlib import Path
from typing import Final

from sansio_net.addresses import pack_interface
from sansio_net.errors import DeviceError, DeviceGone, MissingExtraError

_SIOCGIFNAME: Final = 0x8910
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_SIOCGIFADDR: Final = 0x8915
_SIOCGIFMTU: Final = 0x8921
_SIOCSIFMTU: Final = 0x8922
_SIOCGIFHWADDR: Final = 0x8927
_SIOCGIFINDEX: Final = 0x8933

IFF_UP: Final = 0x1
IFF_RUNNING: Final = 0x40

_IFREQ_SIZE: Final = 40
_NAME_SIZE: Final = 16
_IFA_F_NODAD: Final = 0x02


def check_name(name: str) -> str:
    """An interface name as the kernel takes it. Raises DeviceError."""
    size = len(name.encode())
    if not 0 < size < _NAME_SIZE or name in (".", "..") or set(name) & set("/: \t\n"):
        raise DeviceError(f"not an interface name: {name!r}")
    return name


def control_socket() -> socket.socket:
    """A socket to ask through, in the namespace of the calling thread."""
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _ask(sock: socket.socket, request: int, name: str, value: bytes = b"") -> bytes:
    import fcntl

    ifreq = name.encode().ljust(_NAME_SIZE, b"\0") + value
    try:
        answer = fcntl.ioctl(sock, request, ifreq.ljust(_IFREQ_SIZE, b"\0"))
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.ENXIO):
            raise DeviceGone(f"no such interface: {name}") from error
        raise
    return answer[_NAME_SIZE:]


def flags(sock: socket.socket, name: str) -> int:
    (value,) = struct.unpack_from("=H", _ask(sock, _SIOCGIFFLAGS, name))
    return int(value)


def set_up(sock: socket.socket, name: str) -> None:
    """Set an interface up; one that is up is left alone. Raises DeviceError."""
    now = flags(sock, name)
    if not now & IFF_UP:
        try:
            _ask(sock, _SIOCSIFFLAGS, name, struct.pack("=H", now | IFF_UP))
        except PermissionError as error:
            raise DeviceError(
                f"{name} is down and needs root to be set up: ip link set {name} up"
            ) from error


def mtu(sock: socket.socket, name: str) -> int:
    (value,) = struct.unpack_from("=i", _ask(sock, _SIOCGIFMTU, name))
    return int(value)


def set_mtu(sock: socket.socket, name: str, value: int) -> None:
    """Raises DeviceError with the kernel's reason."""
    try:
        if mtu(sock, name) != value:
            _ask(sock, _SIOCSIFMTU, name, struct.pack("=i", value))
    except OSError as error:
        raise DeviceError(
            f"cannot set the MTU of {name} to {value}: {error.strerror}"
        ) from error


def index(sock: socket.socket, name: str) -> int:
    (value,) = struct.unpack_from("=i", _ask(sock, _SIOCGIFINDEX, name))
    return int(value)


def name_of(sock: socket.socket, number: int) -> str:
    """The name of an interface, which may have changed. Raises DeviceGone."""
    import fcntl

    ifreq = bytes(_NAME_SIZE) + struct.pack("=i", number)
    try:
        answer = fcntl.ioctl(sock, _SIOCGIFNAME, ifreq.ljust(_IFREQ_SIZE, b"\0"))
    except OSError as error:
        raise DeviceGone(f"interface {number} was removed") from error
    return answer[:_NAME_SIZE].split(b"\0")[0].decode()


def hardware_address(sock: socket.socket, name: str) -> bytes:
    """The MAC; of an interface that is not Ethernet, whatever the kernel says."""
    return _ask(sock, _SIOCGIFHWADDR, name)[2:8]


def has_ipv4(sock: socket.socket, name: str) -> bool:
    try:
        _ask(sock, _SIOCGIFADDR, name)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            return False
        raise
    return True


def has_ipv6(name: str) -> bool:
    """In the namespace of the calling thread."""
    try:
        text = Path("/proc/thread-self/net/if_inet6").read_text()
    except OSError:
        return False  # a kernel without IPv6
    return any(line.split()[-1] == name for line in text.splitlines())


def forwards(name: str) -> str | None:
    """The sysctl by which the host forwards what arrives there, if it does."""
    for family in ("ipv4", "ipv6"):
        path = Path("/proc/sys/net", family, "conf", name, "forwarding")
        try:
            if path.read_text().strip() == "1":
                return f"net.{family}.conf.{name}.forwarding"
        except OSError:
            continue  # no such family here
    return None


def add_address(name: str, address: str) -> None:
    """Give the host's side of an interface an address; one it has already is fine.

    Raises DeviceError, and MissingExtraError without pyroute2. pyroute2 refuses to
    work in a thread with a running event loop, so it gets a thread of its own; that
    has the namespace of this one.
    """
    ip, prefixlen = pack_interface(address)
    try:
        from pyroute2 import IPRoute
    except ImportError:
        raise MissingExtraError(
            'setting an address needs pyroute2: pip install "sansio_net[tap]"'
        ) from None
    failures: list[Exception] = []

    def work() -> None:
        try:
            with IPRoute() as route:
                (number,) = route.link_lookup(ifname=name)
                # no duplicate address detection: nobody else is on this cable
                extra = {} if len(ip) == 4 else {"flags": _IFA_F_NODAD}
                text = address.partition("/")[0]
                route.addr(
                    "replace", index=number, address=text, prefixlen=prefixlen, **extra
                )
        except Exception as error:  # pyroute2's own kind is no OSError
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        code = getattr(failures[0], "code", None)
        reason = "needs root" if code == errno.EPERM else failures[0]
        raise DeviceError(f"cannot set {address} on {name}: {reason}") from failures[0]


def is_bridged(name: str) -> bool:
    """A port of a bridge, or of another master that has the addresses."""
    return Path("/sys/class/net", name, "master").exists()
