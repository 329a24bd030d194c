"""Requirements of the IPv6 RFCs that tests elsewhere show, and what is not done.

Those that have scripts of their own are in folders, as TCP's are.
"""

from __future__ import annotations

from typing import Final

from .requirements import Row

_NDP: Final = "tests/protocols/test_ndp.py::"
_SIX: Final = "tests/stack/test_ipv6.py::"
_SLAAC: Final = "tests/stack/test_slaac.py::"
_ROUTES: Final = "tests/stack/test_routes.py::"
_PICK: Final = "tests/stack/test_selection.py::"
_ZONES: Final = "tests/stack/test_zones.py::"
_ND: Final = "tests/wire/test_ndp.py::"
_CHAIN: Final = "tests/wire/test_ipv6_extensions.py::"
_PIECES: Final = "tests/protocols/test_reassembly.py::"
_ANY_PIECES: Final = "tests/property/test_reassembly.py::"
_FORWARD: Final = "tests/stack/test_forwarding.py::"
_RADVD: Final = "tests/interop/test_autoconfiguration.py::"
_KERNEL: Final = "tests/interop/test_discovery.py::"
_GROUPS: Final = "tests/stack/test_groups.py::"


def shown(rfc: str, *rows: tuple[str, ...]) -> tuple[Row, ...]:
    """Number, text, tests."""
    return tuple(Row(rfc, row[0], row[1], "yes", row[2:]) for row in rows)


def partly(rfc: str, *rows: tuple[str, ...]) -> tuple[Row, ...]:
    """Number, text, what is missing, tests."""
    return tuple(Row(rfc, row[0], row[1], "partly", row[3:], row[2]) for row in rows)


def not_done(rfc: str, *rows: tuple[str, str, str]) -> tuple[Row, ...]:
    """Number, text, why."""
    return tuple(Row(rfc, *row[:2], "no", (), row[2]) for row in rows)


_ND_RFC: Final = "RFC 4861"
_DISCOVERY: Final = (
    *shown(
        _ND_RFC,
        (
            "4.3-1",
            "A solicitation to a group MUST have our MAC, one to us SHOULD",
            f"{_NDP}test_three_questions_then_failure",
            f"{_NDP}test_a_stale_neighbour_is_probed_at_its_address",
        ),
        (
            "4.3-2",
            "From the unspecified address it MUST NOT",
            f"{_NDP}test_nobody_has_it",
        ),
        (
            "4.4-1",
            "To a question to a group the answer MUST have our MAC",
            f"{_NDP}test_who_asks_is_answered_and_known",
        ),
        (
            "6.2.6-1",
            "Who asks for routers is none: IsRouter MUST be FALSE",
            f"{_NDP}test_who_asks_for_routers_is_none",
        ),
        (
            "6.3.4-12",
            "Another base: a new ReachableTime SHOULD be drawn",
            f"{_NDP}test_another_reachable_time_is_drawn_from_at_once",
        ),
        (
            "6.3.4-13",
            "Without its MAC a router that is known MUST be one all the same",
            f"{_NDP}test_a_router_is_known_as_one_without_its_mac_too",
        ),
        (
            "6.3.5-2",
            "What redirects said of a router that is gone MUST be forgotten",
            f"{_SLAAC}test_what_a_router_said_of_others_ends_with_it",
        ),
        (
            "6.3.6-1",
            "Reachable routers SHOULD be preferred to silent ones",
            f"{_ROUTES}test_the_example_of_rfc_4191",
        ),
        (
            "6.3.6-2",
            "Where none is known to be reachable they SHOULD take turns",
            f"{_ROUTES}test_default_routers_of_equal_worth_take_turns_when_all_are_dead",
        ),
        (
            "7.1.1-1",
            "Invalid solicitations MUST be discarded",
            f"{_NDP}test_what_may_not_be_believed",
            f"{_NDP}test_from_behind_a_router",
            f"{_ND}test_what_is_refused",
        ),
        (
            "7.1.2-1",
            "Invalid advertisements MUST be discarded",
            f"{_NDP}test_what_may_not_be_believed",
            f"{_ND}test_what_is_refused",
        ),
        (
            "7.2.1-1",
            "All-nodes and solicited-node groups MUST be joined",
            f"{_GROUPS}test_the_group_is_joined_before_the_address_is_asked_for",
            f"{_SIX}test_echo_to_all_nodes",
        ),
        (
            "7.2.1-2",
            "A group MUST NOT be left while another address needs it",
            f"{_SIX}test_a_group_is_left_with_the_last_address_that_needs_it",
        ),
        (
            "7.2.2-2",
            "What waits for a neighbour MUST be kept: one packet or some",
            f"{_NDP}test_what_waits_leaves_with_the_answer",
        ),
        (
            "7.2.2-3",
            "Of too many the oldest SHOULD make room",
            "tests/protocols/test_arp.py::test_so_many_packets_wait_and_the_oldest_goes",
        ),
        (
            "7.2.2-4",
            "It MUST be asked no more than once a RetransTimer, SHOULD be that often",
            f"{_NDP}test_three_questions_then_failure",
            f"{_NDP}test_times_of_a_router",
        ),
        (
            "7.2.2-5",
            "For what waited in vain address unreachable MUST be returned",
            f"{_FORWARD}test_a_neighbour_that_does_not_answer",
            f"{_KERNEL}"
            "test_a_neighbour_that_moves_is_followed_and_one_that_goes_is_missed",
        ),
        (
            "7.2.3-1",
            "Who asks with its MAC SHOULD be known from then on, as STALE",
            f"{_NDP}test_who_asks_is_answered_and_known",
        ),
        (
            "7.2.3-2",
            "From the unspecified address nothing MUST be learned",
            f"{_NDP}test_one_that_checks_our_address_hears_of_us",
        ),
        (
            "7.2.4-1",
            "The Router flag MUST say whether we are one",
            f"{_NDP}test_a_router_says_so",
            f"{_FORWARD}test_it_says_that_it_is_a_router_and_ignores_redirects",
        ),
        (
            "7.2.4-2",
            "To one that checks an address the answer MUST go to all nodes",
            f"{_NDP}test_one_that_checks_our_address_hears_of_us",
        ),
        (
            "7.2.4-3",
            "To any other it MUST be solicited, and go to the asker alone",
            f"{_NDP}test_who_asks_is_answered_and_known",
            f"{_KERNEL}test_ndisc6_asks_for_us",
        ),
        (
            "7.2.5-1",
            "Of unknown neighbours an advertisement SHOULD be discarded",
            f"{_NDP}test_unknown_neighbours_are_not_learned",
        ),
        (
            "7.2.5-2",
            "Without Override another MAC MUST NOT be taken",
            f"{_NDP}test_of_a_reachable_neighbour",
            f"{_NDP}test_no_override_is_ignored_when_stale",
        ),
        (
            "7.2.5-3",
            "Solicited MUST mean REACHABLE, another MAC without it STALE",
            f"{_NDP}test_of_a_reachable_neighbour",
            f"{_NDP}test_an_unsolicited_answer_resolves_as_stale",
        ),
        (
            "7.2.5-4",
            "A router that is none any more MUST go from the default routers",
            f"{_NDP}test_a_router_that_is_none_any_more",
        ),
        (
            "7.2.6-1",
            "Unsolicited ones MUST be apart by RetransTimer, and not Solicited",
            f"{_NDP}test_nobody_has_it",
            f"{_KERNEL}test_the_kernel_learns_that_an_address_is_ours",
        ),
        (
            "7.3.1-1",
            "Upper layers' confirmations SHOULD be used",
            f"{_SIX}test_tcp_and_the_neighbour_is_confirmed_by_it",
            f"{_NDP}test_transports_confirm",
        ),
        (
            "7.3.3-1",
            "A stale neighbour in use is probed at its address, three times",
            f"{_NDP}test_a_stale_neighbour_is_probed_at_its_address",
        ),
        (
            "8.1-1",
            "Invalid redirects MUST be discarded",
            f"{_SIX}test_a_redirect_from_the_gateway_alone",
            f"{_ND}test_what_is_refused",
        ),
        (
            "8.1-2",
            "A target outside the link's prefixes MUST NOT make it invalid",
            f"{_SIX}test_a_redirect_from_the_gateway_alone",
        ),
        (
            "8.2-1",
            "A router MUST NOT update its routes by a redirect",
            f"{_FORWARD}test_it_says_that_it_is_a_router_and_ignores_redirects",
        ),
        (
            "8.2-2",
            "A router SHOULD send redirects, MUST limit their rate",
            f"{_FORWARD}test_a_redirect_v6",
            f"{_FORWARD}test_redirects_are_limited_and_optional",
        ),
        (
            "8.3-1",
            "The destination SHOULD be sent by the target from then on",
            f"{_SIX}test_a_redirect_from_the_gateway_alone",
            "tests/stack/test_redirects.py::test_the_nearer_gateway_is_taken",
        ),
        (
            "9-3",
            "A redirect MUST NOT be larger than 1280 bytes",
            f"{_ND}test_a_redirect_quotes_no_more_than_fits",
        ),
    ),
    *partly(
        _ND_RFC,
        (
            "7.2.2-1",
            "The source of what waits SHOULD be the source of the question",
            "the address that is nearest to the target",
            f"{_NDP}test_three_questions_then_failure",
        ),
        (
            "7.3.3-2",
            "A neighbour that failed SHOULD be deleted",
            "its failure is remembered for a second, and its late answer believed",
            f"{_NDP}test_three_questions_then_failure",
        ),
    ),
    *not_done(
        _ND_RFC,
        (
            "6.2.1-1",
            "A router MUST let its advertisements be configured",
            "a stack that forwards sends none",
        ),
        (
            "7.2.7-1",
            "Answers for anycast addresses SHOULD be delayed, without Override",
            "a router does not answer for its subnets' anycast addresses",
        ),
        (
            "7.2.8-1",
            "A proxy MUST join the groups of those it speaks for",
            "there are no proxies",
        ),
    ),
)

_AUTO_RFC: Final = "RFC 4862"
_AUTO: Final = (
    *shown(
        _AUTO_RFC,
        (
            "5.1-1",
            "DupAddrDetectTransmits MUST be configurable",
            f"{_NDP}test_without_detection",
        ),
        (
            "5.4.1-1",
            "Invalid messages MUST be discarded",
            f"{_NDP}test_what_may_not_be_believed",
        ),
        (
            "5.4.3-2",
            "Our own question, looped back, is no duplicate",
            f"{_NDP}test_our_own_probe_looped_back",
        ),
        (
            "5.5-2",
            "Forming addresses MUST work with a real router",
            f"{_RADVD}test_a_life_of_an_address",
            f"{_RADVD}test_two_routers",
        ),
    ),
    *partly(
        _AUTO_RFC,
        (
            "5.4.2-3",
            "Joining the solicited-node group SHOULD be delayed as well",
            "the question is; the group is joined at once",
            "rfc4862/test_5_5_addresses.py::test_checked_first",
        ),
    ),
    *not_done(
        _AUTO_RFC,
        (
            "5.4.5-2",
            "IP SHOULD be disabled where a MAC's own address is a duplicate",
            "none is made of the MAC: another identifier is tried (RFC 7217 6)",
        ),
    ),
)

_IP_RFC: Final = "RFC 8200"
_IP: Final = shown(
    _IP_RFC,
    (
        "4-1",
        "An unrecognized next header is answered with code 1",
        f"{_CHAIN}test_nothing_to_walk",
        "rfc4443/test_2_4_processing.py::test_parameter_problems",
    ),
    (
        "4-2",
        "Hop-by-hop options anywhere but first are an unrecognized header",
        f"{_CHAIN}test_hop_by_hop_anywhere_else",
    ),
    (
        "4.1-1",
        "Extension headers are accepted in any order and number, within limits",
        f"{_CHAIN}test_all_that_are_known",
        f"{_CHAIN}test_limits",
        "tests/property/test_wire_ipv6.py::test_chains_of_any_shape",
    ),
    (
        "4.2-1",
        "The two highest bits of an unknown option say what is done",
        f"{_CHAIN}test_options_that_tell",
        f"{_CHAIN}test_options_that_discard_or_skip",
        f"{_SIX}test_options_and_their_answers",
        f"{_SIX}test_an_error_about_a_group_is_seldom_sent",
    ),
    (
        "4.3-1",
        "Hop-by-hop options are examined by routers",
        f"{_FORWARD}test_hop_by_hop_options",
    ),
    (
        "4.4-1",
        "An unknown routing type with segments left is answered with code 0",
        f"{_CHAIN}test_routing_headers",
    ),
    (
        "4.5-1",
        "The source fragments, and only it",
        f"{_SIX}test_large_datagrams_in_fragments",
        f"{_FORWARD}test_too_big_for_the_next_link",
    ),
    (
        "4.5-2",
        "Identifications of one pair differ for as long as fragments may live",
        f"{_SIX}test_large_datagrams_in_fragments",
    ),
    (
        "4.5-3",
        "Reassembly is by source, destination and identification",
        f"{_PIECES}test_only_what_belongs_together_is_joined",
        f"{_ANY_PIECES}test_interleaved_datagrams_do_not_mix",
    ),
    (
        "4.5-4",
        "Any cut in any order makes the packet that was cut",
        f"{_ANY_PIECES}test_any_cut_in_any_order_with_duplicates_is_the_identity",
    ),
    (
        "4.5-5",
        "After 60 s the fragments are discarded, and the source is told",
        f"{_SIX}test_fragments_that_never_all_come",
        f"{_PIECES}test_what_stays_incomplete_is_dropped_after_a_minute",
    ),
    (
        "4.5-6",
        "A length that is no multiple of 8 is answered, pointing to the length",
        f"{_CHAIN}test_bad_fragments",
    ),
    (
        "4.5-7",
        "What would be longer than 65535 is answered, pointing to the offset",
        f"{_CHAIN}test_bad_fragments",
        f"{_SIX}test_options_before_the_longest_packet",
    ),
    (
        "4.5-8",
        "A first fragment without its whole chain is answered with code 3",
        f"{_CHAIN}test_the_first_fragment_has_the_chain",
        f"{_SIX}test_a_first_fragment_that_ends_before_its_icmp",
    ),
    (
        "4.5-9",
        "An overlap drops the whole packet, and what still comes of it",
        f"{_PIECES}test_an_overlap_drops_all_and_what_still_comes",
        f"{_ANY_PIECES}test_an_overlap_at_another_place_drops_everything",
    ),
    (
        "4.5-10",
        "Exact duplicates may be ignored",
        f"{_PIECES}test_exact_duplicates_do_no_harm",
    ),
    (
        "4.5-11",
        "A packet that is a fragment of itself is taken for what it is",
        f"{_SIX}test_an_atomic_fragment_is_whole",
    ),
    (
        "4.7-1",
        "After No Next Header nothing is looked at, and nothing answered",
        "tests/interop/test_oracle.py",
    ),
    (
        "5-1",
        "Links carry 1280 bytes: an interface with less does not speak IPv6",
        "tests/stack/test_verbs.py::test_ipv6_needs_a_link_of_1280_bytes",
    ),
    (
        "5-2",
        "Packets of 1500 bytes are put together from fragments, and larger ones",
        f"{_KERNEL}test_ping_of_every_size",
    ),
    (
        "6-1",
        "Flow labels as RFC 6437 has them",
        f"{_SIX}test_a_flow_has_a_label",
    ),
    (
        "8.1-1",
        "A UDP checksum of zero is not accepted, and none is sent",
        f"{_SIX}test_the_checksum_may_not_be_missing",
    ),
    (
        "8.3-1",
        "The MSS is smaller by 20 than IPv4's",
        "tests/property/test_families.py::"
        "test_only_the_mss_knows_the_size_of_the_header",
    ),
)

_OTHERS: Final = (
    *shown(
        "RFC 4443",
        (
            "3.2-1",
            "Packet Too Big MUST be sent by a router, passed on by a host",
            f"{_FORWARD}test_too_big_for_the_next_link",
            f"{_SIX}test_datagrams_learn_that_a_path_is_narrow",
        ),
        (
            "3.3-1",
            "At hop limit 0 a router MUST discard and answer",
            f"{_FORWARD}test_the_last_hop",
        ),
    ),
    *shown(
        "RFC 8201",
        (
            "5.2-1",
            "What one packet learned is there for all to that destination",
            f"{_SIX}test_datagrams_learn_that_a_path_is_narrow",
            "tests/stack/test_paths.py::test_the_next_connection_knows",
        ),
        (
            "5.2-2",
            "What is kept of paths is bounded",
            f"{_SIX}test_the_table_of_narrow_paths_is_bounded",
        ),
        (
            "5.5-1",
            "Other transports are told: their packets leave in fragments",
            f"{_SIX}test_datagrams_learn_that_a_path_is_narrow",
            f"{_SIX}test_answers_to_a_large_ping_fit_a_narrow_path",
        ),
    ),
    *shown(
        "RFC 6724",
        (
            "2.1-1",
            "The policy SHOULD be configured",
            f"{_PICK}test_the_policy_is_configured",
        ),
        ("3-1", "Scopes MUST be compared as they are mapped", f"{_PICK}test_scopes"),
        (
            "4-1",
            "Candidates are RECOMMENDED to be those of the way out",
            f"{_PICK}test_a_weak_host_lends_its_other_addresses",
        ),
        (
            "4-2",
            "A source that is no candidate MUST be an error",
            f"{_ZONES}test_nothing_leaves_its_zone",
            "tests/stack/test_changes.py::"
            "test_nothing_leaves_from_an_address_that_went",
        ),
        ("5-1", "Sources by the rules, in their order", f"{_PICK}test_sources"),
        (
            "5-2",
            "The preference of temporary ones SHOULD be reversible",
            f"{_PICK}test_public_addresses_may_be_preferred",
        ),
        (
            "6-1",
            "Destinations MUST be sorted by the rules, in their order",
            f"{_PICK}test_destinations",
            f"{_PICK}test_destinations_of_a_stack_keep_their_form",
        ),
        (
            "10-1",
            "The examples of section 10, but for home addresses",
            f"{_PICK}test_sources",
            f"{_PICK}test_destinations",
        ),
    ),
    *not_done(
        "RFC 6724",
        (
            "5-3",
            "Rule 5.5: addresses that the next hop advertised are preferred",
            "who advertised a prefix is not remembered, as the RFC allows",
        ),
    ),
    *shown(
        "RFC 4007",
        (
            "6-1",
            "Zones have indices, and one may be the default",
            f"{_ZONES}test_without_a_zone_it_has_to_be_plain_which_is_meant",
        ),
        (
            "9-1",
            "A packet MUST NOT leave the zone of its addresses",
            f"{_ZONES}test_nothing_leaves_its_zone",
            f"{_FORWARD}test_what_no_router_passes_on",
        ),
        (
            "11-1",
            "Zones are written as fe80::1%eth0, or by their index",
            f"{_ZONES}test_text",
            f"{_ZONES}test_the_zone_says_which_of_two_hosts",
            "tests/interop/test_ipv6.py::test_we_come_by_link_local",
        ),
    ),
    *shown(
        "RFC 4191",
        (
            "2.2-1",
            "A reserved preference MUST be taken as medium",
            f"{_ND}test_the_reserved_preference",
        ),
        (
            "2.3-1",
            "A route of reserved preference MUST be ignored",
            f"{_ND}test_the_reserved_preference",
        ),
        (
            "3.2-1",
            "The best route through a reachable router is taken (type C)",
            f"{_ROUTES}test_the_example_of_rfc_4191",
        ),
        (
            "3.3-1",
            "Changed routes MUST be looked up again",
            "tests/property/test_routes.py::hops_are_right",
        ),
        (
            "3.5-1",
            "Who is passed over SHOULD be probed, MUST at most once a minute",
            f"{_ROUTES}"
            "test_a_preferred_router_is_asked_again_while_there_is_use_for_it",
        ),
        (
            "3.5-2",
            "It MUST NOT be probed without use for it",
            f"{_ROUTES}"
            "test_a_preferred_router_is_asked_again_while_there_is_use_for_it",
        ),
    ),
    *shown(
        "RFC 4429",
        (
            "3.1-1",
            "Manual addresses SHOULD NOT be optimistic",
            f"{_SLAAC}test_a_manual_address_is_never_optimistic",
        ),
        (
            "3.2-1",
            "An optimistic address MUST NOT be a solicitation's source",
            f"{_NDP}test_an_optimistic_address_is_used_at_once",
            f"{_SLAAC}test_an_optimistic_address_is_used_while_it_is_checked",
        ),
        (
            "3.3-1",
            "It is there at once, MUST be flagged, and is preferred when it is sure",
            f"{_SLAAC}test_an_optimistic_address_is_used_while_it_is_checked",
        ),
        (
            "3.3-2",
            "Who does not know its router's MAC SHOULD NOT use one",
            f"{_SLAAC}test_an_optimistic_address_is_used_while_it_is_checked",
        ),
        (
            "3.3-3",
            "To one that checks it there MUST be no answer: it is a duplicate",
            f"{_SLAAC}test_an_optimistic_address_is_given_up_to_another_host",
        ),
        (
            "3.3-4",
            "To one that resolves it the answer MUST NOT override",
            f"{_NDP}test_an_optimistic_address_is_used_at_once",
        ),
    ),
    *partly(
        "RFC 4429",
        (
            "3.2-2",
            "For a packet from it no neighbour MUST be resolved",
            "another address of ours asks, where there is one that is sure",
            f"{_NDP}test_an_optimistic_address_is_used_at_once",
        ),
    ),
    *shown(
        "RFC 5095",
        (
            "3-1",
            "Type 0 routing MUST be treated as an unknown type",
            f"{_CHAIN}test_routing_headers",
            "rfc4443/test_2_4_processing.py::test_parameter_problems",
        ),
    ),
    *shown(
        "RFC 5722",
        (
            "4-1",
            "No overlapping fragments MUST be made",
            "tests/stack/test_fragments.py::test_pieces_fit_and_join",
        ),
        (
            "4-2",
            "An overlap: all of the packet MUST be discarded in silence",
            f"{_ANY_PIECES}test_an_overlap_at_another_place_drops_everything",
        ),
    ),
    *shown(
        "RFC 6437",
        (
            "3-1",
            "Each connection and stream SHOULD be a flow, with one label",
            f"{_SIX}test_a_flow_has_a_label",
        ),
        (
            "3-2",
            "Labels are RECOMMENDED to be uniform and not to be guessed",
            f"{_SIX}test_labels_are_uniform",
        ),
        (
            "2-1",
            "A router MUST leave a label as it is",
            f"{_FORWARD}test_a_datagram_is_passed_on_with_one_hop_less",
        ),
        (
            "3-3",
            "Where none is set it MUST be zero",
            f"{_SIX}test_labels_are_uniform",
        ),
    ),
    *shown(
        "RFC 6583",
        (
            "6.1-1",
            "The cache is bounded, and known neighbours keep working under a scan",
            f"{_NDP}test_a_scan_of_the_subnet",
        ),
        (
            "6.2-1",
            "What waits for neighbours that do not answer is bounded",
            f"{_FORWARD}test_what_waits_for_a_neighbour_is_bounded",
        ),
    ),
    *shown(
        "RFC 6946",
        (
            "4-1",
            "An atomic fragment MUST be processed by itself",
            f"{_SIX}test_an_atomic_fragment_is_whole",
            f"{_CHAIN}test_fragments",
        ),
    ),
    *shown(
        "RFC 6980",
        (
            "5-1",
            "Discovery in fragments MUST be ignored, an atomic one too",
            f"{_SIX}test_discovery_in_fragments_is_not_believed",
        ),
        (
            "5-2",
            "Discovery MUST NOT be sent in fragments",
            f"{_ND}test_options_that_do_not_fit_are_left_out",
            f"{_ND}test_a_redirect_quotes_no_more_than_fits",
        ),
    ),
    *shown(
        "RFC 7112",
        (
            "5-1",
            "The first fragment MUST have the whole chain: ours has none",
            "tests/stack/test_fragments.py::test_pieces_fit_and_join",
        ),
        (
            "5-2",
            "Without it a packet SHOULD be discarded and answered, MUST with code 3",
            f"{_CHAIN}test_the_first_fragment_has_the_chain",
            f"{_SIX}test_a_first_fragment_that_ends_before_its_icmp",
        ),
    ),
    *shown(
        "RFC 7217",
        (
            "5-1",
            "The same prefix, interface and secret MUST give the same identifier",
            f"{_SIX}test_stable_addresses",
            f"{_RADVD}test_the_same_again_and_another_where_it_is_taken",
        ),
        (
            "5-2",
            "Link-local addresses MUST be made so as well",
            f"{_SIX}test_stable_addresses",
        ),
        (
            "6-1",
            "After a duplicate another SHOULD be tried, MUST a limited number of times",
            f"{_SLAAC}test_a_duplicate_gets_another_identifier",
            f"{_SLAAC}"
            "test_a_link_local_address_that_is_taken_is_followed_by_three_others",
        ),
    ),
    *shown(
        "RFC 7527",
        (
            "4.1-1",
            "Each question MUST carry a nonce, and it MUST be kept",
            f"{_NDP}test_nobody_has_it",
            f"{_NDP}test_our_own_probe_looped_back",
        ),
        (
            "4.2-1",
            "With a nonce of ours it MUST be dropped, SHOULD be counted",
            f"{_NDP}test_our_own_probe_looped_back",
        ),
    ),
    *shown(
        "RFC 8504",
        (
            "5.3-1",
            "Chains and options MAY be limited: 8 headers, 8 options, 2048 bytes",
            f"{_CHAIN}test_limits",
        ),
        (
            "5.9-1",
            "Default router preferences MUST be supported",
            f"{_ROUTES}test_the_example_of_rfc_4191",
        ),
        (
            "5.11-1",
            "A host MUST be able to join groups by MLDv2",
            f"{_GROUPS}test_what_routers_are_told",
        ),
        (
            "6.3-1",
            "Stable identifiers SHOULD be RFC 7217's",
            f"{_SIX}test_stable_addresses",
        ),
        (
            "6.4-1",
            "Temporary addresses SHOULD be supported",
            "rfc8981/test_3_temporary.py::test_one_more_for_each_prefix",
        ),
        (
            "6.6-1",
            "Default address selection MUST be supported",
            f"{_PICK}test_sources",
        ),
        (
            "8.3-1",
            "Resolvers of router advertisements MUST be supported",
            "rfc8106/test_5_dns.py::test_they_are_told",
        ),
    ),
)

_FIRST_HOP: Final = not_done(
    "RFC 8504",
    (
        "5.10-1",
        "First-hop selection by the source's prefix SHOULD be supported (RFC 8028)",
        "the source is chosen for the first hop, not the first hop for the source",
    ),
)

ROWS6: Final = _DISCOVERY + _AUTO + _IP + _OTHERS + _FIRST_HOP
