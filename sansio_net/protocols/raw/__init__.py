"""Raw sockets: at the IP layer, and whole frames. As Linux's raw(7) and packet(7)."""

from .config import (
    Frame,
    FrameEvent,
    FrameOptions,
    FrameReceived,
    FrameSpaceFreed,
    RawError,
    RawEvent,
    RawOptions,
    RawReceived,
    RawSpaceFreed,
)
from .endpoint import RawSocket
from .frames import FrameSocket

__all__ = [
    "Frame",
    "FrameEvent",
    "FrameOptions",
    "FrameReceived",
    "FrameSocket",
    "FrameSpaceFreed",
    "RawError",
    "RawEvent",
    "RawOptions",
    "RawReceived",
    "RawSocket",
    "RawSpaceFreed",
]
