"""Devices, and the loop that runs a stack on them: the only place that touches I/O."""

from .busy import BusyPollSelector
from .descriptor import Offload
from .loop import Device, Loop, Timer, arrivals, run, turn
from .memory import LinkedDevice, MemoryDevice, memory_pair, memory_ports
from .pcap_replay import CaptureEnded, PcapReplayDevice
from .rawsock import RawSocketDevice
from .tap import TapDevice
from .trunk import Trunk

__all__ = [
    "BusyPollSelector",
    "CaptureEnded",
    "Device",
    "LinkedDevice",
    "Loop",
    "MemoryDevice",
    "Offload",
    "PcapReplayDevice",
    "RawSocketDevice",
    "TapDevice",
    "Timer",
    "Trunk",
    "arrivals",
    "memory_pair",
    "memory_ports",
    "run",
    "turn",
]
