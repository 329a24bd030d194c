"""The phases of loss recovery."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Linux's words. Open: nothing unusual. Disorder: something arrived out of order.
    Cwr: the window comes down without a loss. Fast: RFC 6675 or 6582. Timeout: an RTO.
    """

    OPEN = "open"
    DISORDER = "disorder"
    CWR = "cwr"
    FAST = "recovery"
    TIMEOUT = "loss"


OPEN, DISORDER, CWR = Phase.OPEN, Phase.DISORDER, Phase.CWR
FAST, TIMEOUT = Phase.FAST, Phase.TIMEOUT
