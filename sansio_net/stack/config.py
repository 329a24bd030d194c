"""Everything about a Stack that can be chosen, with its unit, default and bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sansio_net.protocols.arp import ArpConfig
from sansio_net.protocols.icmp import IcmpOptions
from sansio_net.protocols.multicast import MulticastConfig
from sansio_net.protocols.ndp import NdpConfig
from sansio_net.protocols.raw import FrameOptions, RawOptions
from sansio_net.protocols.reassembly import ReassemblyConfig
from sansio_net.protocols.slaac import SlaacConfig
from sansio_net.protocols.tcp.options import TcpOptions
from sansio_net.protocols.udp import UdpOptions

from .selection import DEFAULT_POLICY, PolicyRow


@dataclass(slots=True, kw_only=True)
class StackConfig:
    """The options of a Stack. All sizes are bytes, all times ns.

    weak_host: take packets for any
    address of ours on any interface (RFC 1122 3.3.4.2); off is the strong model.
    forward: be a router: pass on what is for others (RFC 1812, RFC 8200), and be a weak
    host. send_redirects: tell a sender of a better first hop. rp_filter: believe a
    source only if there is a way back to it: "strict", by the interface that it came
    by, "loose", by any, or "off" (RFC 3704 2.2, 2.4).
    ephemeral_ports: first and last (RFC 6056 3.2; Linux's range). output_queue: packets
    that wait for one interface besides its sockets' own. max_*: bounds of the tables.
    max_orphans: closed connections that have to finish; one more is reset at once.
    max_fast_open_servers: whose cookies are kept (RFC 7413 4.1.3).
    resets_per_second: for segments of no connection.
    stable_secret: what IPv6 identifiers are made from (RFC 7217); keep it, and the
    addresses stay the same; b"": from the seed.
    address_policy: prefixes with precedence and label, prefer_temporary: of addresses
    of the same kind (RFC 6724 2.1; 5, rule 7). flow_labels: IPv6 packets of a
    flow have one label (RFC 6437).
    """

    weak_host: bool = False
    forward: bool = False
    send_redirects: bool = True
    rp_filter: Literal["off", "strict", "loose"] = "off"
    ephemeral_ports: tuple[int, int] = (32768, 60999)
    output_queue: int = 256
    max_connections: int = 65536
    max_time_wait: int = 16384
    max_orphans: int = 16384
    resets_per_second: int = 1000
    max_fast_open_servers: int = 1024
    max_sockets: int = 16384
    max_addresses: int = 1024
    max_routes: int = 1 << 20
    max_hops: int = 1024
    stable_secret: bytes = b""
    address_policy: tuple[PolicyRow, ...] = DEFAULT_POLICY
    prefer_temporary: bool = True
    flow_labels: bool = True

    tcp: TcpOptions = field(default_factory=TcpOptions)
    udp: UdpOptions = field(default_factory=UdpOptions)
    icmp: IcmpOptions = field(default_factory=IcmpOptions)
    raw: RawOptions = field(default_factory=RawOptions)
    frames: FrameOptions = field(default_factory=FrameOptions)
    arp: ArpConfig = field(default_factory=ArpConfig)
    ndp: NdpConfig = field(default_factory=NdpConfig)
    slaac: SlaacConfig = field(default_factory=SlaacConfig)
    multicast: MulticastConfig = field(default_factory=MulticastConfig)
    reassembly: ReassemblyConfig = field(default_factory=ReassemblyConfig)
