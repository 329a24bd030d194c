"""What IPv4 options mean to a host, and to a router that passes a packet on.

RFC 1122 3.2.1.8: they are passed up, with our address and the time where those are
asked for. RFC 7126: no source routes.
"""

from __future__ import annotations

from sansio_net.counters import DropReason
from sansio_net.units import MILLISECOND
from sansio_net.wire.icmp import PARAMETER_PROBLEM
from sansio_net.wire.ipv4 import HEADER_SIZE
from sansio_net.wire.ipv4_options import (
    SOURCE_ROUTES,
    OptionProblem,
    find_options,
    record,
)

from . import advice, faults
from .arrival import Arrival
from .hops import Hop


def arrive(arrival: Arrival, ihl: int, now: int) -> bool:
    """Read the options of a packet for us into `arrival`; False: it is dropped."""
    start = arrival.start
    options = arrival.packet.head[start + HEADER_SIZE : start + ihl]
    try:
        found = find_options(options)
        if any(kind in found for kind in SOURCE_ROUTES):
            arrival.drop(DropReason.IP_SOURCE_ROUTE)
            return False
        nic, address = arrival.nic, arrival.dst
        if arrival.group:
            address = nic.source_for(arrival.src) or bytes(4)
        own = nic.stack.own
        arrival.options = record(options, found, address, own, now // MILLISECOND)
    except OptionProblem as problem:
        arrival.drop(DropReason.IP_BAD_OPTIONS)
        pointer = bytes((problem.pointer, 0, 0, 0))  # RFC 792
        faults.report(arrival, PARAMETER_PROBLEM, 0, now, pointer)
        return False
    return True


def pass_on(arrival: Arrival, ihl: int, hop: Hop, now: int) -> bytes | None:
    """The options of a packet for somebody else; None: it is dropped.

    RFC 1812 4.2.2.1, 5.2.4: what is asked of every router is done, with the address
    that we are known by where it goes; what is not known goes on as it is.
    """
    start = arrival.start
    options = arrival.packet.head[start + HEADER_SIZE : start + ihl]
    try:
        found = find_options(options)
        if any(kind in found for kind in SOURCE_ROUTES):
            arrival.drop(DropReason.IP_SOURCE_ROUTE)
            return None
        address = hop.source or bytes(4)
        own = arrival.nic.stack.own
        return record(options, found, address, own, now // MILLISECOND)
    except OptionProblem as problem:
        arrival.drop(DropReason.IP_BAD_OPTIONS)
        advice.bad_option(arrival, problem.pointer, now)
        return None
