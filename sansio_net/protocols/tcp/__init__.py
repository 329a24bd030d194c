"""TCP: connections, listeners, and what both need."""

from .connection import Connection
from .events import (
    Accepted,
    Closed,
    Connected,
    ConnectionLost,
    DataReceived,
    EofReceived,
    SpaceFreed,
    Stalled,
    TcpEvent,
)
from .info import TcpInfo, format_info
from .isn import IsnGenerator
from .listener import Listener
from .options import TcpOptions
from .reset import reset_for
from .states import TRANSITIONS, State
from .time_wait import TimeWaitRecord, TimeWaitTable

__all__ = [
    "TRANSITIONS",
    "Accepted",
    "Closed",
    "Connected",
    "Connection",
    "ConnectionLost",
    "DataReceived",
    "EofReceived",
    "IsnGenerator",
    "Listener",
    "SpaceFreed",
    "Stalled",
    "State",
    "TcpEvent",
    "TcpInfo",
    "TcpOptions",
    "TimeWaitRecord",
    "TimeWaitTable",
    "format_info",
    "reset_for",
]
