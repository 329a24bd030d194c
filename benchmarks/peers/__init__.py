"""Who is measured: a module each, one shape (`base.Peer`)."""

from .base import Peer, Seat
from .compiled import Compiled
from .given import Given, Gvisor, Smoltcp
from .kernel import Kernel, KernelCubic, default_congestion
from .lwip import Lwip
from .nat import Pasta, Slirp
from .ours import (
    OurBusyTap,
    OurPlainTap,
    OurProtocols,
    OurStreams,
    OurTap,
    OurTapCubic,
    OurTrio,
    OurVeth,
)
from .pytcp import PyTcp

OURS: tuple[type[Peer], ...] = (
    OurTap,
    OurVeth,
    OurPlainTap,
    OurBusyTap,
    OurProtocols,
    OurStreams,
    OurTrio,
    Compiled,
)
OTHERS: tuple[type[Peer], ...] = (PyTcp, Slirp, Pasta, Lwip)
GIVEN: tuple[type[Given], ...] = (Smoltcp, Gvisor)

CUBIC: tuple[type[Peer], ...] = (KernelCubic, OurTapCubic)
"""Beside the others where the kernel's default is something else."""

__all__ = [
    "CUBIC",
    "GIVEN",
    "OTHERS",
    "OURS",
    "Given",
    "Kernel",
    "Peer",
    "Seat",
    "default_congestion",
]
