"""Requirements that no script shows: seen elsewhere, done in part, or not done.

"partly" and "no" say why. A row beside scripts that show part of it replaces their
verdict.
"""

from __future__ import annotations

from typing import Final

from .requirements import Row
from .rows6 import ROWS6
from .rows_routers import ROWS_ROUTERS

TCP = "RFC 9293"
HOSTS = "RFC 1122"

NOT_VISIBLE = "not visible on the wire"


def elsewhere(
    rfc: str, number: str, text: str, *shown: str, reason: str = NOT_VISIBLE
) -> Row:
    """Done; a test or a file outside the suite shows it."""
    return Row(rfc, number, text, "yes", shown, reason)


def partly(rfc: str, number: str, text: str, reason: str, *shown: str) -> Row:
    return Row(rfc, number, text, "partly", shown, reason)


def not_done(rfc: str, number: str, text: str, reason: str) -> Row:
    return Row(rfc, number, text, "no", (), reason)


_TCP: Final = (
    not_done(
        TCP,
        "MAY-15",
        "MAY implement PUSH flags on SEND calls",
        "what was queued last is always pushed",
    ),
    not_done(
        TCP,
        "MAY-17",
        "MAY pass a received PSH to the application",
        "data is told as it comes, pushed or not",
    ),
    not_done(
        TCP,
        "MAY-14",
        "The FLUSH call MAY be implemented",
        "`abort` is what empties the queue",
    ),
    not_done(
        TCP,
        "MAY-9",
        "MAY pass the received Diffserv field to the application",
        "for UDP alone: `Datagram.tos`",
    ),
    not_done(
        TCP,
        "MAY-6",
        "MAY be configurable to send a garbage octet in a keep-alive",
        "hosts that need it are gone",
    ),
    not_done(
        TCP,
        "MAY-10",
        "MAY support IP's time stamp option",
        "such options are survived and neither sent nor read",
    ),
    not_done(
        TCP,
        "MAY-11",
        "MAY support IP's record route option",
        "such options are survived and neither sent nor read",
    ),
    *(
        not_done(
            TCP,
            number,
            text,
            "packets with source routes are dropped, as RFC 7126 advises",
        )
        for number, text in (
            ("MUST-51", "The application MUST be able to give a source route"),
            ("MUST-52", "It MUST take precedence over a route received"),
            ("MUST-53", "The return route MUST be saved and used"),
            ("SHLD-24", "A later source route SHOULD override an earlier one"),
        )
    ),
    elsewhere(
        TCP,
        "MUST-20",
        "At R1 MUST pass negative advice to IP, at R2 MUST close the connection",
        "tests/protocols/test_arp.py::"
        "test_negative_advice_makes_the_next_use_ask_at_once",
        "tests/protocols/tcp/test_timeouts.py::test_r1_and_r2",
        reason="",
    ),
    partly(
        TCP,
        "SHLD-26",
        "SHOULD abort on hard errors",
        "only while opening: RFC 5927 5.2 makes them soft for a connection that "
        "stands, since anybody can send them",
    ),
    elsewhere(
        TCP,
        "SHLD-20",
        "An application SHOULD be able to disable reports of soft errors",
        "sansio_net/protocols/tcp/network.py",
        reason="one event, `Stalled`, at R1, which may be left alone",
    ),
    elsewhere(
        TCP,
        "MAY-18",
        "MAY implement alternative congestion control that conforms",
        "sansio_net/protocols/tcp/congestion/__init__.py",
    ),
    partly(
        TCP,
        "MAY-4",
        "MAY retransmit with the same IP identity",
        "each packet has its own, which says nothing where DF is set (RFC 6864 4.1)",
    ),
)

_TIMER: Final = (
    partly(
        "RFC 6298",
        "2.4",
        "An RTO below 1 second SHOULD be rounded up to it",
        "`min_rto`, by default Linux's 200 ms: our clock is not coarse",
    ),
    partly(
        "RFC 6298",
        "5.7",
        "RTO MUST be 3 seconds for data when a SYN had to be repeated",
        "unless timestamps gave a sample of that very SYN",
    ),
    not_done(
        "RFC 6298",
        "5-3",
        "MAY clear SRTT and RTTVAR after several time-outs",
        "they are kept",
    ),
)

_CONGESTION: Final = (
    partly(
        "RFC 5681",
        "3.1-8",
        "RECOMMENDED in slow start: cwnd += min(N, SMSS) an ACK",
        "N alone, without RFC 3465's limit: an ACK may stand for a batch",
    ),
    not_done(
        "RFC 5681",
        "3.1-14",
        "Equation (3) MAY be used in congestion avoidance",
        "bytes are counted",
    ),
    elsewhere(
        "RFC 5681",
        "3.1-2",
        "IW MUST NOT exceed its bound (RFC 6928 2)",
        reason="10 segments, as RFC 6928 allows; `initial_window` is an option",
    ),
)

_STAMPS: Final = (
    not_done(
        "RFC 7323",
        "5.2-6",
        "TSecr MAY be used to provide stricter acceptance of RSTs",
        "RFC 5961 is what protects",
    ),
    partly(
        "RFC 7323",
        "5.2-4",
        "RECOMMENDED: a RST answers timestamps, TSval 0, TSecr theirs",
        "not where an opening connection refuses an ACK (RFC 9293 3.5.2)",
    ),
    elsewhere(
        "RFC 7323",
        "2.4-6",
        "On first retransmission the window MUST NOT matter if it was once open",
        "tests/protocols/tcp/test_shut_windows.py::"
        "test_what_a_scale_rounds_off_is_not_shrunk",
        reason="",
    ),
)

_OTHERS: Final = (
    partly(
        "RFC 6191",
        "2-4",
        "Otherwise the SYN SHOULD be dropped, and TIME-WAIT stays",
        "not in silence: an ACK answers it, as RFC 9293 3.10.7.4 has it",
    ),
    not_done(
        "RFC 6928",
        "2-7",
        "RW SHOULD be RFC 3390's if the initial window lost something",
        "it is min(IW, cwnd), and cwnd has come down for the loss",
    ),
    not_done(
        "RFC 6928",
        "12-1",
        "New connections SHOULD have RFC 3390's IW where there were losses",
        "nothing is remembered of a path but its MTU",
    ),
    not_done(
        "RFC 2883",
        "4.3-1",
        "A duplicate that PAWS refuses can be reported, too",
        "its ACK has the blocks of RFC 2018 alone",
    ),
    elsewhere(
        "RFC 2018",
        "8-1",
        "MAY discard what was SACKed, with care",
        reason="never: what was SACKed stays until it is read",
    ),
)

_PATH: Final = (
    elsewhere(
        "RFC 4821",
        "7.6.4-1",
        "A probe lost among others SHOULD be tried again",
        "tests/protocols/tcp/test_plpmtud.py::test_one_lost_among_others_proves_nothing",
    ),
    elsewhere(
        "RFC 4821",
        "7.8-1",
        "SHOULD verify a new MTU and go back if losses follow it",
        "tests/protocols/tcp/test_plpmtud.py::test_a_new_size_is_on_trial",
    ),
    not_done(
        "RFC 5482",
        "3-3",
        "Hosts SHOULD send the option, and adapt to the peer's",
        "the local half alone",
    ),
)

_LOSS: Final = (
    elsewhere(
        "RFC 6675",
        "4-9",
        "The scoreboard SHOULD have Update, IsLost, SetPipe and NextSeg",
        "sansio_net/protocols/tcp/scoreboard.py",
        "tests/property/test_scoreboard.py",
    ),
    partly(
        "RFC 6675",
        "5-10",
        "(C): SHOULD send while cwnd - pipe >= 1 SMSS",
        "PRR says how much (RFC 6937), in the place of (4.2)'s halved cwnd at once",
        "rfc6937/test_3_prr.py::test_half_as_much_leaves_as_arrives",
    ),
    elsewhere(
        "RFC 6675",
        "4-10",
        "DupThresh is 3",
        "rfc6675/test_4_scoreboard.py::test_three_discontiguous_sequences",
        reason="and grows by the reordering seen, as in Linux",
    ),
    not_done(
        "RFC 8985",
        "8-1",
        "SHOULD have one timer for RTO, reordering, PTO and probes",
        "slots of one table; a probe's is stopped when the reordering timer is armed",
    ),
    elsewhere(
        "RFC 8985",
        "9.2-1",
        "RFC 6675's algorithm MUST NOT be used with RACK-TLP",
        "sansio_net/protocols/tcp/detection.py",
        reason="what is lost is either's to say, never both's",
    ),
    elsewhere(
        "RFC 8985",
        "9.3-2",
        "RECOMMENDED to use PRR with RACK-TLP",
        "rfc6937/test_3_prr.py::test_half_as_much_leaves_as_arrives",
    ),
    elsewhere(
        "RFC 8985",
        "4-3",
        "RECOMMENDED as an alternative to duplicate ACKs",
        "rfc8985/test_6_rack.py::test_a_lost_retransmission",
        reason="an option (`rack`); what the sweep said of it stands in tcp.md",
    ),
    elsewhere(
        "RFC 6582",
        "4-1",
        "Duplicates after a time-out may be told apart by heuristics",
        "rfc5682/test_2_frto.py::test_a_duplicate_second",
        reason="by how far the ACK before advanced (4.1), and by F-RTO",
    ),
)

_ARP = "tests/protocols/test_arp.py::"
_ICMP = "tests/protocols/test_icmp.py::"
_INGRESS = "tests/stack/test_ingress.py::"
_HOST = "tests/stack/test_host_rules.py::"
_OPTIONS: Final = "tests/stack/test_options4.py::"
_UDP = "tests/protocols/test_udp.py::"

_HOSTS: Final = (
    elsewhere(
        HOSTS,
        "2.3.2.1",
        "MUST flush out-of-date ARP entries and limit requests",
        f"{_ARP}test_a_stale_neighbour_is_used_while_it_is_checked",
        f"{_ARP}test_no_more_than_one_request_a_second_whatever_the_advice",
        reason="as RFC 4861's states, one request a second",
    ),
    elsewhere(
        HOSTS,
        "2.3.2.2",
        "SHOULD save a packet that waits for ARP",
        f"{_ARP}test_so_many_packets_wait_and_the_oldest_goes",
        f"{_ARP}test_the_queue_is_bounded_in_bytes",
        reason="256 packets and 208 KiB a neighbour",
    ),
    elsewhere(
        HOSTS,
        "2.3.3",
        "MUST send and receive Ethernet encapsulation",
        "tests/wire/test_ethernet.py::test_header_as_dpkt_reads_it",
        reason="802.3 (SHOULD be able to receive) is not received",
    ),
    elsewhere(
        HOSTS,
        "3.2.1.1-3",
        "MUST silently discard bad versions, checksums and addresses",
        f"{_INGRESS}test_dropped_with_its_reason",
        reason="and count them",
    ),
    elsewhere(
        HOSTS,
        "3.2.1.4",
        "MUST support reassembly, SHOULD fragment",
        f"{_INGRESS}test_fragments_make_a_datagram_in_any_order",
        "tests/stack/test_egress.py::test_a_big_datagram_leaves_in_fragments",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "3.2.1.7",
        "MUST NOT send a TTL of zero, MUST let it be set",
        f"{_UDP}test_octets_are_checked",
        "tests/conformance/rfc9293/test_3_9_2_network.py::test_ttl",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "3.2.1.8",
        "MUST pass IP options up, MUST let them be sent, MUST ignore unknown ones",
        "tests/conformance/rfc9293/test_3_9_2_network.py::test_ip_options",
        f"{_OPTIONS}test_the_application_sees_them",
        f"{_OPTIONS}test_the_application_sends_them",
        reason="by UDP sockets; TCP passes over them",
    ),
    not_done(
        HOSTS,
        "3.2.1.8 c",
        "MUST originate a source route and be the final destination of one",
        "refused, as RFC 7126 4.3 and 4.4 have it since",
    ),
    elsewhere(
        HOSTS,
        "3.2.1.8 d-e",
        "MAY record a route and times; where it starts and where it ends, if so",
        f"{_OPTIONS}test_a_recorded_route_holds_the_whole_round_trip",
        f"{_OPTIONS}test_a_timestamp_as_well",
        reason="times count from no midnight: the core has no calendar, and says so",
    ),
    elsewhere(
        HOSTS,
        "3.2.2",
        "MUST NOT send errors about errors, broadcasts, fragments",
        f"{_ICMP}test_never_about",
        f"{_ICMP}test_never_about_what_came_to_all_on_the_link",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "3.2.2.1",
        "Destination Unreachable MUST be reported to the transport",
        f"{_ICMP}test_an_error_is_handed_on_with_what_it_quotes",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "3.2.2.2",
        "MUST update its routes on a Redirect, SHOULD NOT believe any other sender's",
        "tests/stack/test_redirects.py::test_the_nearer_gateway_is_taken",
        "tests/stack/test_redirects.py::test_others_are_not_believed",
        reason="a network redirect counts for the one host (3.3.1.2 c)",
    ),
    elsewhere(
        HOSTS,
        "3.2.2.4-5",
        "Time Exceeded and Parameter Problem MUST be passed to the transport",
        "tests/conformance/rfc9293/test_3_9_2_network.py::test_soft_errors",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "3.2.2.6",
        "MUST answer an Echo with all its data, from the address that was asked",
        f"{_ICMP}test_an_echo_request_is_answered_whole",
        f"{_INGRESS}test_echo_is_answered_and_only_to_unicast",
        f"{_OPTIONS}test_a_recorded_route_holds_the_whole_round_trip",
        reason="a recorded route and timestamp go back (SHOULD)",
    ),
    elsewhere(
        HOSTS,
        "3.2.2.9",
        "MUST NOT send Address Mask Replies unless told to",
        "sansio_net/protocols/icmp/messages.py",
        reason="never sends them",
    ),
    elsewhere(
        HOSTS,
        "3.3.1",
        "MUST choose the next hop by address and mask, MUST support default gateways",
        "tests/stack/test_egress.py::test_the_way_leads_over_the_gateway",
        "tests/property/test_routes.py::test_the_map_equals_brute_force",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "3.3.1.4",
        "MUST detect dead gateways, and take another one",
        "tests/stack/test_routes.py::test_a_dead_gateway_has_another_take_its_place",
        reason="by ARP, when TCP makes no progress",
    ),
    elsewhere(
        HOSTS,
        "3.3.2",
        "MUST reassemble 576 bytes, SHOULD any size, MUST time out and tell",
        "tests/protocols/test_reassembly.py::"
        "test_the_longest_datagram_and_one_that_is_longer",
        f"{_INGRESS}test_unfinished_fragments_time_out_with_an_error",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "3.3.4.2",
        "A multihomed host MAY be strong or weak",
        "tests/stack/test_changes.py::"
        "test_a_connection_hears_nothing_at_an_address_that_went",
        reason="strong; `weak_host` makes it weak",
    ),
    elsewhere(
        HOSTS,
        "3.3.6",
        "MUST recognize broadcasts, SHOULD drop unicast IP in a link broadcast",
        "tests/stack/test_broadcast.py::test_who_hears_what_comes",
        "tests/stack/test_broadcast.py::test_only_who_says_so_may_send",
        f"{_HOST}test_a_segment_in_a_link_broadcast_is_dropped",
        reason="the forms with 0 for -1 (SHOULD) are addresses of nobody",
    ),
    elsewhere(
        HOSTS,
        "3.3.7",
        "MAY support IGMP",
        "tests/stack/test_groups.py::test_what_routers_are_told",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "3.3.8",
        "MUST have a way to report errors to the transport",
        f"{_ICMP}test_the_exception_of_an_error",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "4.1.3.1",
        "A datagram for a closed port SHOULD be answered by Port Unreachable",
        f"{_INGRESS}test_unreachable_quotes_what_came",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "4.1.3.2",
        "UDP MUST pass IP options both ways",
        f"{_OPTIONS}test_the_application_sees_them",
        f"{_OPTIONS}test_the_application_sends_them",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "4.1.3.3",
        "UDP MUST pass ICMP errors to the application",
        f"{_UDP}test_errors_keep_their_place_among_the_data",
        reason="in order with the data",
    ),
    elsewhere(
        HOSTS,
        "4.1.3.4",
        "MUST make and check checksums, zero means none",
        f"{_UDP}test_a_datagram_leaves_with_its_header_and_the_sum_to_be_completed",
        f"{_INGRESS}test_dropped_with_its_reason",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "4.1.3.5",
        "The application MUST know the address that was asked, and answer from it",
        f"{_UDP}test_the_answer_leaves_from_the_address_that_was_asked",
        reason="",
    ),
    elsewhere(
        HOSTS,
        "4.1.3.6",
        "MUST discard datagrams with invalid source addresses",
        f"{_INGRESS}test_dropped_with_its_reason",
        reason="",
    ),
)

ROWS: Final = (
    *(_TCP + _OTHERS + _LOSS + _PATH + _CONGESTION + _TIMER + _STAMPS + _HOSTS),
    *ROWS6,
    *ROWS_ROUTERS,
)
