"""trio on a virtual NIC: `open_nic`, and what it gives. docs/trio.md."""

try:
    import trio as _trio  # noqa: F401
except ImportError:
    from sansio_net.errors import MissingExtraError

    raise MissingExtraError(
        'the trio adapter needs trio: pip install "sansio_net[trio]"'
    ) from None

from .hooks import HostnameResolver, SocketFactory
from .nic import Nic, open_nic
from .sockets import Socket

__all__ = [
    "HostnameResolver",
    "Nic",
    "Socket",
    "SocketFactory",
    "open_nic",
]
