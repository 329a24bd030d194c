"""What RFC 1812 asks of a router that forwards: chapters 4.2, 4.3 and 5.

What it asks of a router's management, routing protocols and link layers is nobody's
here; what it repeats of RFC 1122 stands there.
"""

from __future__ import annotations

from typing import Final

from .rows6 import not_done, partly, shown

ROUTERS: Final = "RFC 1812"
_FORWARD: Final = "tests/stack/test_forwarding.py::"
_OFFLOAD: Final = "tests/property/test_forwarding.py::"
_LINUX: Final = "tests/interop/test_forwarding.py::"
_NETWORK: Final = "tests/property/test_network.py::"
_NOBODY: Final = f"{_FORWARD}test_what_no_router_passes_on"

_HEADER: Final = shown(
    ROUTERS,
    (
        "5.3.13.1-1",
        "Options that are not understood MUST pass through unchanged",
        f"{_FORWARD}test_source_routes_are_refused_and_strangers_pass",
    ),
    (
        "5.3.13.5-1",
        "Record Route MUST be supported in what is forwarded, by the address of the"
        " outgoing interface",
        f"{_FORWARD}test_the_route_is_recorded",
    ),
    (
        "5.3.13.6-1",
        "Timestamps MUST be supported in what is forwarded",
        f"{_FORWARD}test_the_time_is_recorded",
    ),
    (
        "4.2.2.7-1",
        "Fragmentation MUST be supported",
        f"{_FORWARD}test_fragments_where_they_are_allowed",
        f"{_LINUX}test_fragments",
    ),
    (
        "4.2.2.7-2",
        "Fragments SHOULD be as few as possible, and in order",
        f"{_OFFLOAD}test_the_wire_sees_no_difference",
    ),
    (
        "4.2.2.9-1",
        "A packet for the router itself MUST NOT be dropped for its TTL",
        f"{_NETWORK}test_a_network_that_is_routed_at_random",
    ),
    ("4.2.3.1-1", "{network, 0} SHOULD be dropped in silence", _NOBODY),
    (
        "4.3.2.4-1",
        "Errors MUST come from an address of the interface that they leave by",
        f"{_FORWARD}test_the_last_hop",
    ),
    (
        "4.3.2.7-1",
        "No error MUST be sent about link broadcasts, groups, invalid sources",
        _NOBODY,
        f"{_FORWARD}test_a_link_broadcast_is_not_passed_on",
    ),
    (
        "4.3.3.5-1",
        "An error that nothing else covers MUST be a Parameter Problem",
        f"{_FORWARD}test_an_option_that_lies_is_answered",
    ),
)
_FORWARDING: Final = (
    *shown(
        ROUTERS,
        (
            "5.2.6-1",
            "A router MUST NOT reassemble what it forwards",
            f"{_FORWARD}test_a_fragment_is_cut_into_fragments_of_the_same_datagram",
        ),
        (
            "5.2.7.1-1",
            "Destination Unreachable MUST be sent: net without a route, host where the"
            " last link does not reach it",
            f"{_FORWARD}test_no_route",
            f"{_FORWARD}test_a_neighbour_that_does_not_answer",
            f"{_LINUX}test_what_cannot_be_reached",
        ),
        (
            "5.2.7.1-2",
            "Fragmentation needed MUST tell the next link's MTU (RFC 1191 4)",
            f"{_FORWARD}test_too_big_for_the_next_link",
            f"{_LINUX}test_tracepath_finds_the_smaller_mtu",
        ),
        (
            "5.2.7.2-1",
            "A Redirect MUST NOT be for networks, MUST be for hosts",
            f"{_FORWARD}test_a_redirect_v4",
            f"{_LINUX}test_a_redirect_is_believed",
        ),
        (
            "5.2.7.2-2",
            "A Redirect MUST NOT be sent but out of the same interface and to one on"
            " the next hop's subnet",
            f"{_FORWARD}test_no_redirect_to_a_stranger",
        ),
        (
            "5.2.7.2-3",
            "A router MUST NOT consider redirects when forwarding",
            f"{_FORWARD}test_it_says_that_it_is_a_router_and_ignores_redirects",
        ),
        (
            "5.2.7.3-1",
            "Time Exceeded MUST be sent when the TTL ends",
            f"{_FORWARD}test_the_last_hop",
            f"{_LINUX}test_traceroute",
            f"{_LINUX}test_mtr",
        ),
        (
            "5.3.1-1",
            "The TTL MUST be reduced by at least one",
            f"{_FORWARD}test_a_datagram_is_passed_on_with_one_hop_less",
        ),
        (
            "5.3.4-1",
            "What came as a link broadcast or multicast MUST NOT be forwarded",
            f"{_FORWARD}test_a_link_broadcast_is_not_passed_on",
        ),
        ("5.3.5.1-1", "Limited broadcasts MUST NOT be forwarded", _NOBODY),
        (
            "5.3.7-1",
            "Packets from or to invalid addresses SHOULD NOT be forwarded",
            _NOBODY,
        ),
        (
            "5.3.8-1",
            "A check of sources against routes SHOULD exist, and be off by default"
            " (RFC 3704 2.2, 2.4)",
            f"{_FORWARD}test_the_ingress_check",
            f"{_LINUX}test_the_ingress_check",
        ),
    ),
    *partly(
        ROUTERS,
        (
            "5.3.5.2-1",
            "Directed broadcasts MUST be forwarded unless an option disables it",
            "never: RFC 2644 turned the default round, and there is no option",
            _NOBODY,
        ),
        (
            "5.3.13.4-1",
            "A router MUST implement source routes in what it forwards",
            "dropped and counted (RFC 7126 4.3, 4.4)",
            f"{_FORWARD}test_source_routes_are_refused_and_strangers_pass",
        ),
    ),
    *not_done(
        ROUTERS,
        ("5.3.2-1", "Routes SHOULD be chosen by TOS too", "RFC 2474 took it away"),
        ("5.3.3.1-1", "Queues SHOULD be ordered by precedence", "first in, first out"),
        ("5.3.10-1", "Multicast MAY be forwarded", "no multicast routing"),
        ("5.3.9-1", "Packets SHOULD be filtered by address and port", "not yet"),
        (
            "4.3.3.10-1",
            "A router MUST advertise itself (RFC 1256)",
            "DHCP tells hosts of routers",
        ),
    ),
)

ROWS_ROUTERS: Final = _HEADER + _FORWARDING
