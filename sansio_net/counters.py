"""What happened, in numbers; and why a packet was dropped, in one enum."""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    """Why a packet went no further. The value is the counter's name after ``drop.``."""

    # link
    FRAME_TRUNCATED = "frame_truncated"
    """Shorter than its link header."""
    OTHER_HOST = "other_host"
    """The destination MAC is neither ours, a group we are in, nor broadcast."""
    UNKNOWN_ETHERTYPE = "unknown_ethertype"
    VLAN = "vlan"
    """A tag that is not the interface's, or none where it has one."""
    LINK_DOWN = "link_down"
    """The interface was administratively down or had no carrier."""
    DEVICE_QUEUE_FULL = "device_queue_full"
    """The kernel took no more frames and the driver's queue for that was full."""
    DEVICE_REFUSED = "device_refused"
    """The kernel would not send this frame: too long for it, or not valid."""
    DEVICE_METADATA = "device_metadata"
    """Offload metadata that does not fit the bytes."""
    # bridges
    BRIDGE_PORT = "bridge_port"
    """There is no port of that number."""
    BRIDGE_RESERVED = "bridge_reserved"
    """For bridges themselves: never forwarded (IEEE 802.1D table 7-10)."""
    # ARP
    ARP_MALFORMED = "arp_malformed"
    ARP_BAD_SENDER = "arp_bad_sender"
    """Sender addresses that no host may use."""
    # neighbours
    NDP_MALFORMED = "ndp_malformed"
    NDP_INVALID = "ndp_invalid"
    """Neighbour discovery that may not be believed (RFC 4861 6.1, 7.1, 8.1)."""
    GROUP_MALFORMED = "group_malformed"
    """IGMP or MLD."""
    GROUP_INVALID = "group_invalid"
    """IGMP or MLD that is not from this link, or lacks its router alert."""
    NDP_NOT_CONCERNING = "ndp_not_concerning"
    """A question about an address that is not ours."""
    NEIGHBOUR_TABLE_FULL = "neighbour_table_full"
    NEIGHBOUR_QUEUE_FULL = "neighbour_queue_full"
    """The oldest packet waiting for a neighbour made room for a newer one."""
    NEIGHBOUR_UNREACHABLE = "neighbour_unreachable"
    # IP
    IP_TRUNCATED = "ip_truncated"
    IP_BAD_VERSION = "ip_bad_version"
    IP_BAD_HEADER = "ip_bad_header"
    IP_BAD_CHECKSUM = "ip_bad_checksum"
    IP_BAD_OPTIONS = "ip_bad_options"
    IP_SOURCE_ROUTE = "ip_source_route"
    IP_BAD_SOURCE = "ip_bad_source"
    """A source that is multicast, broadcast, loopback, or our own."""
    NOT_FOR_US = "not_for_us"
    """Not an address of the arrival interface, and forwarding is off."""
    NO_ROUTE = "no_route"
    REVERSE_PATH = "reverse_path"
    """There is no way back to its source, or by another interface (RFC 3704)."""
    UNKNOWN_PROTOCOL = "unknown_protocol"
    PACKET_TOO_BIG = "packet_too_big"
    """Longer than the path allows and DF is set."""
    OUTPUT_QUEUE_FULL = "output_queue_full"
    # forwarding
    FORWARD_ADDRESS = "forward_address"
    """From or to an address that is no single host's, or a loopback address: no router
    passes it on (RFC 1812 5.3.7, RFC 4291 2.5)."""
    FORWARD_SCOPE = "forward_scope"
    """From or to a link-local address (RFC 3927 7, RFC 4291 2.5.6)."""
    FORWARD_LINK_GROUP = "forward_link_group"
    """It came as a link-layer broadcast or multicast (RFC 1812 5.3.4)."""
    DIRECTED_BROADCAST = "directed_broadcast"
    """To all hosts of a subnet, also by the old name (RFC 2644, RFC 1812 4.2.3.1)."""
    TTL_EXCEEDED = "ttl_exceeded"
    """Its TTL or hop limit ended here."""
    # reassembly
    FRAGMENT_MALFORMED = "fragment_malformed"
    FRAGMENT_OVERLAP = "fragment_overlap"
    """An overlap: the whole datagram is dropped (RFC 5722 4, for IPv4 too)."""
    FRAGMENT_TINY = "fragment_tiny"
    """A piece that cuts a TCP header in two (RFC 1858, RFC 3128)."""
    REASSEMBLY_TIMEOUT = "reassembly_timeout"
    REASSEMBLY_LIMIT = "reassembly_limit"
    """The memory bound: the oldest datagram made room."""
    # ICMP
    ICMP_MALFORMED = "icmp_malformed"
    ICMP_BAD_CHECKSUM = "icmp_bad_checksum"
    ICMP_UNKNOWN_TYPE = "icmp_unknown_type"
    ICMP_NOT_CONCERNING = "icmp_not_concerning"
    """An error about a packet that no socket here sent."""
    ICMP_RATE_LIMITED = "icmp_rate_limited"
    ICMP_NEVER_ABOUT = "icmp_never_about"
    """RFC 1122 3.2.2 forbids an error about this packet."""
    ECHO_QUEUE_FULL = "echo_queue_full"
    # UDP
    UDP_MALFORMED = "udp_malformed"
    UDP_BAD_CHECKSUM = "udp_bad_checksum"
    UDP_NO_SOCKET = "udp_no_socket"
    UDP_QUEUE_FULL = "udp_queue_full"
    # raw sockets
    RAW_BAD_CHECKSUM = "raw_bad_checksum"
    """A copy for a raw socket that has its checksums verified."""
    RAW_QUEUE_FULL = "raw_queue_full"
    """A copy for a raw socket that nobody reads."""
    FRAME_QUEUE_FULL = "frame_queue_full"
    """A copy for a frame socket that nobody reads."""
    # TCP
    TCP_MALFORMED = "tcp_malformed"
    TCP_BAD_CHECKSUM = "tcp_bad_checksum"
    TCP_NO_SOCKET = "tcp_no_socket"
    TCP_NOT_UNICAST = "tcp_not_unicast"
    """A segment from or to a broadcast or multicast address (RFC 9293 MUST-57)."""
    TCP_BACKLOG_FULL = "tcp_backlog_full"
    """A listener was paused, or so many connections wait to be accepted."""
    TCP_HALF_OPEN_FULL = "tcp_half_open_full"
    """A SYN while a listener's half-open table was full and cookies were off."""
    TCP_LAND = "tcp_land"
    """A SYN from the very address and port that it goes to."""
    TCP_UNACCEPTABLE = "tcp_unacceptable"
    """Outside the window (RFC 9293 3.10.7.4, first check)."""
    TCP_BAD_ACK = "tcp_bad_ack"
    TCP_PAWS = "tcp_paws"
    TCP_NO_TIMESTAMP = "tcp_no_timestamp"
    """Without the option that both ends agreed on (RFC 7323 3.2)."""
    TCP_NO_ACK = "tcp_no_ack"
    TCP_AFTER_CLOSE = "tcp_after_close"
    """Data for an end whose application has closed."""
    TCP_REORDER_LIMIT = "tcp_reorder_limit"
    """The out-of-order queue's bound."""
    TCP_TIME_WAIT_FULL = "tcp_time_wait_full"
    """The oldest TIME-WAIT record made room."""


class Counters:
    """Numbers by name, and drops by reason. Missing means zero.

    >>> counters = Counters()
    >>> counters.drop(DropReason.NOT_FOR_US)
    >>> counters.as_dict()
    {'drop.not_for_us': 1}
    """

    __slots__ = ("counts", "drops")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.drops: dict[DropReason, int] = {}

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + n

    def drop(self, reason: DropReason, n: int = 1) -> None:
        self.drops[reason] = self.drops.get(reason, 0) + n

    def dropped(self, reason: DropReason | None = None) -> int:
        """Packets dropped for one reason, or for any."""
        if reason is None:
            return sum(self.drops.values())
        return self.drops.get(reason, 0)

    def as_dict(self) -> dict[str, int]:
        """Everything by name, sorted; drops as ``drop.<reason>``."""
        named = dict(self.counts)
        for reason, n in self.drops.items():
            named[f"drop.{reason.value}"] = n
        return dict(sorted(named.items()))
