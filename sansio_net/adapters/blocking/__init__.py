"""Blocking sockets on a virtual NIC: `open_nic` and its own. docs/blocking.md."""

from .bridge import BridgeSocket
from .nic import Nic, open_nic
from .sockets import Socket

__all__ = ["BridgeSocket", "Nic", "Socket", "open_nic"]
