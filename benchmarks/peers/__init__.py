"""Who is measured: a module each, one shape (`base.Peer`)."""

from .base import Peer, Seat
from .given import Given, Gvisor, Smoltcp
from .kernel import Kernel
from .lwip import Lwip
from .nat import Pasta, Slirp
from .ours import OurBusyTap, OurPlainTap, OurProtocols, OurStreams, OurTap, OurVeth
from .pytcp import PyTcp

OURS: tuple[type[Peer], ...] = (
    OurTap,
    OurVeth,
    OurPlainTap,
    OurBusyTap,
    OurProtocols,
    OurStreams,
)
OTHERS: tuple[type[Peer], ...] = (PyTcp, Slirp, Pasta, Lwip)
GIVEN: tuple[type[Given], ...] = (Smoltcp, Gvisor)

__all__ = ["GIVEN", "OTHERS", "OURS", "Given", "Kernel", "Peer", "Seat"]
