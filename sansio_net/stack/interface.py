"""One interface of a Stack: its addresses, its neighbours and what waits to leave.

The five methods of the contract are the Stack's, but for `receive` and `transmit`,
which are per interface and here (docs/contract.md, section "Interfaces").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sansio_net.addresses import (
    IpAddress,
    directed_broadcast,
    format_ip,
    format_mac,
    is_loopback,
    is_unicast,
    is_zoned,
    mask_ip,
    pack_interface,
    pack_ip,
    pack_mac,
)
from sansio_net.counters import DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import LimitError, StateError
from sansio_net.machine import ASAP, earliest
from sansio_net.packet import Capabilities, Medium, Packet
from sansio_net.protocols.arp import ArpCache
from sansio_net.protocols.multicast import Membership
from sansio_net.protocols.ndp import NeighbourDiscovery
from sansio_net.protocols.raw import FrameSocket
from sansio_net.protocols.slaac import Autoconfiguration
from sansio_net.protocols.tcp import Connection
from sansio_net.wire.vlan import tags_of

from . import egress, groups, ingress, linklocal, neighbours, selection, upkeep
from .address import Address
from .deadlines import Entry
from .events import (
    AddressAdded,
    AddressRemoved,
    LinkDown,
    LinkUp,
)
from .hops import DEFAULT_HOP_LIMIT, MIN_MTU6
from .known import Known

if TYPE_CHECKING:
    from .stack import Stack

MIN_MTU: Final = 68  # RFC 791 3.2: every internet module must forward 68 octets
MAX_MTU: Final = 65535

InterfaceAddress: TypeAlias = str | IPv4Interface | IPv6Interface


class Interface:
    """An interface; made by `Stack.add_interface` alone.

    name, index, mac, mtu, medium, vlans, capabilities, addresses: read them freely.
    """

    __slots__ = (
        "addresses",
        "armed",
        "arp",
        "broadcasts",
        "capabilities",
        "frame_sockets",
        "has_carrier",
        "hop_limit",
        "index",
        "ipv6_mtu",
        "is_loopback",
        "is_up",
        "known",
        "link_local",
        "link_local4",
        "local",
        "looped",
        "mac",
        "medium",
        "memberships",
        "mtu",
        "n_link_locals_taken",
        "name",
        "ndp",
        "outbox",
        "parked",
        "ready",
        "reporting",
        "rx_bytes",
        "rx_packets",
        "seen",
        "seen_version",
        "silenced",
        "slaac",
        "stack",
        "tags",
        "tx_bytes",
        "tx_packets",
        "vlans",
    )

    def __init__(
        self,
        stack: Stack,
        index: int,
        name: str,
        mac: bytes,
        mtu: int,
        capabilities: Capabilities,
        *,
        is_loopback: bool = False,
        vlans: tuple[int, ...] = (),
    ) -> None:
        self.stack = stack
        self.index = index
        self.name = name
        self.mac = mac
        self.mtu = _checked_mtu(mtu)
        self.capabilities = capabilities
        self.medium = capabilities.medium
        if vlans and self.medium is not Medium.ETHERNET:
            raise ValueError("VLAN tags belong to Ethernet frames")
        self.vlans = vlans
        self.tags = tags_of(vlans)
        self.is_loopback = is_loopback
        self.is_up = self.has_carrier = True
        self.addresses: list[Address] = []
        self.local: dict[bytes, Address] = {}  # usable addresses, by packed bytes
        self.broadcasts: dict[bytes, Address] = {}  # directed broadcasts
        self.ready: deque[Any] = deque()  # each Sender that wants this interface
        self.outbox: deque[Packet] = deque()  # finished packets
        self.parked: dict[bytes, dict[int, Connection]] = {}  # by neighbour and id
        self.armed: Entry | None = None
        self.silenced = False  # the last transmit had limit 0: law 4
        # so many in `ready` know that nothing can leave by these routes
        self.seen = self.seen_version = 0
        self.rx_packets = self.rx_bytes = self.tx_packets = self.tx_bytes = 0
        self.memberships: dict[int, Membership] = {}  # by the size of an address
        self.reporting: deque[Membership] = deque()  # who has something to tell
        self.known = Known(stack, name)
        self.frame_sockets: list[FrameSocket] = []
        self.looped: list[bytes] = []  # sent to groups that we are in
        self.arp: ArpCache | None = None
        self.ndp: NeighbourDiscovery | None = None
        self.slaac: Autoconfiguration | None = None
        self.ipv6_mtu, self.hop_limit = 0, DEFAULT_HOP_LIMIT  # as routers say
        # formed by RFC 7217, and how many before it were taken by others
        self.link_local, self.n_link_locals_taken = b"", 0
        self.link_local4: bytes | None = None  # IPv4's is wanted; the first to try
        if self.medium is Medium.ETHERNET:
            neighbours.equip(self)

    def __repr__(self) -> str:
        shown = " ".join(map(str, self.addresses))
        mac = f" {format_mac(self.mac)}" if self.mac else ""
        return f"<Interface {self.name}{mac} {shown}>"

    @property
    def zone(self) -> bytes:
        """What link-local addresses here have appended."""
        return self.index.to_bytes(4, "big")

    def autoconfigure(self) -> None:
        """Ask routers for addresses and routes (RFC 4862). Raises StateError."""
        stack = self.stack
        if self.ndp is None:
            raise StateError("autoconfiguration needs Ethernet")
        if self.slaac is not None:
            raise StateError(f"{self.name} autoconfigures already")
        _checked_mtu(self.mtu, MIN_MTU6)
        self.slaac = Autoconfiguration(
            self.name,
            stack.stable_secret,
            config=stack.config.slaac,
            entropy=stack.entropy.child(f"slaac.{self.index}"),
            counters=stack.tally,
            trace=stack.trace,
        )
        neighbours.ensure_link_local(self, probe=True)
        self.slaac.start()

    def acquire_link_local(self, first: IpAddress | None = None) -> None:
        """Have an address of 169.254/16, whenever it has no other IPv4 address: `first`
        or one that depends on the MAC (RFC 3927). Raises StateError, ValueError.
        """
        self._check_present()
        linklocal.acquire(self, first)

    def release_link_local(self) -> None:
        """Have none any more. Raises StateError."""
        linklocal.release(self)

    # -- the two methods of the contract that are per interface

    def receive(self, packets: Sequence[Packet | bytes], now: int) -> None:
        """Take frames (IP packets where the medium is IP) as they came, in order."""
        if not (self.is_up and self.has_carrier):
            self.stack.tally.drop(DropReason.LINK_DOWN, len(packets))
            return
        ingress.receive(self, packets, now)

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        """At most `limit` packets; limit 0 says the device is blocked (law 4)."""
        self.silenced = limit <= 0
        if self.silenced or not (self.is_up and self.has_carrier):
            return []
        return egress.transmit(self, now, limit)

    def blocked(self) -> bool:
        """Nothing can leave: down, no carrier, or the device has no room."""
        return self.silenced or not (self.is_up and self.has_carrier)

    def wants(self) -> bool:
        """Would `transmit` give something, or is there something to `tend` to?"""
        slaac, arp, ndp = self.slaac, self.arp, self.ndp
        if self.looped or (
            # flush() found senders that wait: see settle_neighbours
            arp is not None
            and ndp is not None
            and (arp.pending_kinds or ndp.pending_kinds)
        ):
            return True
        if slaac is not None and slaac.next_timeout() == ASAP:
            return True
        if self.silenced or not (self.is_up and self.has_carrier):
            return self.has_unaware()
        if self.ready or self.outbox or self.reporting:
            return True
        return arp is not None and ndp is not None and (arp.queued or ndp.queued)

    def tend(self, now: int) -> None:
        """Once a turn: what we sent to our own groups, what the neighbour caches have
        found out, verbs that wait for their first `now`, senders that cannot send.
        """
        if self.looped:
            ingress.looped_arrives(self, now)
        slaac, arp, ndp = self.slaac, self.arp, self.ndp
        if slaac is not None and slaac.next_timeout() == ASAP:
            slaac.handle_timeout(now)
            self.settle_neighbours(now)
        elif (
            arp is not None
            and ndp is not None
            and (arp.pending_kinds or ndp.pending_kinds)
        ):
            self.settle_neighbours(now)
        if (
            self.silenced or not (self.is_up and self.has_carrier)
        ) and self.has_unaware():
            self.note_blocked(now)

    def has_unaware(self) -> bool:
        """Did somebody come to send who does not know that nothing can leave?"""
        seen = self.seen if self.seen_version == self.stack.routes.version else 0
        return len(self.ready) > seen

    # -- the administrator's verbs

    def up(self) -> None:
        """Raises StateError, as all verbs, for an interface that was removed."""
        self._check_present()
        self._link(True, self.has_carrier)

    def down(self) -> None:
        self._check_present()
        self._link(False, self.has_carrier)

    def carrier(self, up: bool) -> None:
        """The cable's state, as the device reports it."""
        self._link(self.is_up, up)

    def _check_present(self) -> None:
        if self.stack.named(self.name) is not self:
            raise StateError(f"{self.name} was removed")

    def _link(self, is_up: bool, has_carrier: bool) -> None:
        before = self.is_up and self.has_carrier
        self.is_up, self.has_carrier = is_up, has_carrier
        after = is_up and has_carrier
        if before != after:
            self.seen = 0
            self.stack.routes.version += 1  # routes over a downed interface are dead
            if not after:
                self.discard_output()
                neighbours.flush(self)
            self.stack.report(LinkUp(self) if after else LinkDown(self))
            if after:
                neighbours.claim_again(self)

    def set_mtu(self, mtu: int) -> None:
        """Raises ValueError outside 68..65535, with IPv6 below 1280."""
        self._check_present()
        speaks_ipv6 = any(len(one.ip) == 16 for one in self.addresses)
        self.mtu = _checked_mtu(mtu, MIN_MTU6 if speaks_ipv6 else MIN_MTU)
        self.stack.routes.version += 1

    def add_address(
        self,
        address: InterfaceAddress,
        *,
        probe: bool | None = None,
        formed: bool = False,
        temporary: bool = False,
    ) -> None:
        """``"10.0.0.2/24"``: usable at once and announced, or, with `probe`, once
        nobody says that it is his (RFC 5227; RFC 4862 5.4). None: IPv6's are probed.

        The first IPv6 address brings a link-local one (RFC 4291 2.8, by RFC 7217).
        Reports AddressAdded when usable. Raises ValueError, StateError for an address
        that is there already, LimitError.
        """
        self._check_present()
        ip, prefixlen = pack_interface(address)
        if not is_unicast(ip):
            raise ValueError(f"{format_ip(ip)} is not an address of one host")
        if is_loopback(ip) and not self.is_loopback:
            raise ValueError(f"{format_ip(ip)} is a loopback address")
        if any(known.ip == ip for known in self.addresses):
            raise StateError(f"{self.name} has {format_ip(ip)} already")
        limit = self.stack.config.max_addresses
        if len(self.addresses) >= limit and not self.is_loopback:
            raise LimitError(f"{self.name} has its maximum of addresses")
        if len(ip) == 16:
            _checked_mtu(self.mtu, MIN_MTU6)
        if probe is None:
            probe = len(ip) == 16
        probe = probe and self.arp is not None
        broadcast = directed_broadcast(ip, prefixlen)
        added = Address(ip, prefixlen, False, broadcast, probe, formed)
        added.temporary = temporary
        added.known_as = ip + self.zone if is_zoned(ip) else ip
        neighbours.claim(self, added)
        self.addresses.append(added)
        if not probe or added.optimistic:
            self.use(added)
        if len(ip) == 16 and self.ndp is not None:
            neighbours.ensure_link_local(self, probe)

    def use(self, address: Address) -> None:
        address.usable = True
        self.local[address.known_as] = address
        if address.broadcast is not None:
            self.broadcasts[address.broadcast] = address
        stack = self.stack
        stack.own[address.known_as] = self
        if not address.formed:  # there, its router says what is on the link (RFC 5942)
            network = mask_ip(address.ip, address.prefixlen)
            stack.routes.connect(network, address.prefixlen, self)
        stack.routes.version += 1
        groups.address_changed(self)
        linklocal.settle(self)
        if not self.is_loopback:
            stack.report(AddressAdded(self, str(address)))

    def remove_address(self, address: InterfaceAddress) -> None:
        """Raises StateError for an address that is not there."""
        text = str(address)
        ip = pack_interface(address)[0] if "/" in text else pack_ip(text)
        for known in self.addresses:
            if known.ip == ip:
                break
        else:
            raise StateError(f"{self.name} does not have {format_ip(ip)}")
        self.addresses.remove(known)
        neighbours.release(self, ip)
        if known.usable:
            self.disuse(known)
        self.stack.report(AddressRemoved(self, str(known)))

    def disuse(self, address: Address) -> None:
        address.usable = False
        stack = self.stack
        known_as = address.known_as
        del self.local[known_as]
        if stack.own.get(known_as) is self:
            del stack.own[known_as]
            for nic in stack.interfaces():
                if known_as in nic.local:
                    stack.own[known_as] = nic
        self.broadcasts = {
            other.broadcast: other
            for other in self.local.values()
            if other.broadcast is not None
        }
        if not address.formed and not any(
            other.prefixlen == address.prefixlen and other.covers(address.ip)
            for other in self.local.values()
            if not other.formed
        ):
            network = mask_ip(address.ip, address.prefixlen)
            stack.routes.disconnect(network, address.prefixlen, self)
        stack.routes.version += 1
        groups.address_changed(self)
        linklocal.settle(self)

    # -- inner doors

    def mtu_for(self, ip: bytes) -> int:
        """The largest packet of the family of `ip`."""
        advertised = self.ipv6_mtu
        return advertised if len(ip) != 4 and 0 < advertised < self.mtu else self.mtu

    def reaches(self, ip: bytes) -> bool:
        """Is it on a subnet of ours here?"""
        return any(one.covers(ip) for one in self.addresses if one.usable)

    def source_for(self, destination: bytes) -> bytes:
        """The address to send to a neighbour from; b"": there is none (RFC 6724)."""
        return selection.source_for(self.stack, self, destination, destination)

    def settle_neighbours(self, now: int) -> None:
        """Act on what the neighbour caches found out; call it after all that feeds
        them."""
        neighbours.settle(self, now)

    def discard_output(self) -> None:
        """What is finished is lost, as on a cable that was pulled."""
        if self.outbox:
            self.stack.tally.drop(DropReason.LINK_DOWN, len(self.outbox))
            self.outbox.clear()

    def note_blocked(self, now: int) -> None:
        """Tell those who came to send that they cannot (law 4).

        A connection's deadlines run on, if there is no other way by now. A datagram
        waits while the device is merely full; without a link it is lost, as on a cable
        that was pulled.
        """
        ready, stack = self.ready, self.stack
        has_link = self.is_up and self.has_carrier
        for _ in range(len(ready)):
            sender = ready.popleft()
            if isinstance(sender, Connection):
                if upkeep.is_over(sender):
                    sender.queued = False
                elif not egress.moves(self, sender):
                    ready.append(sender)
                    sender.blocked(now)
                upkeep.settle_connection(stack, sender)
            elif has_link:
                ready.append(sender)
            else:
                while egress.send_datagram(stack, sender, now):
                    pass
        self.seen, self.seen_version = len(ready), stack.routes.version

    # -- the interface stands for its neighbour caches in the Stack's heap of deadlines

    def deadline(self) -> int | None:
        due = None
        for part in (self.slaac, self.arp, self.ndp, *self.memberships.values()):
            if part is not None:
                due = earliest(due, part.deadline())
        return due

    def handle_timeout(self, now: int) -> None:
        if self.slaac is not None:
            self.slaac.handle_timeout(now)
        for part in (*neighbours.caches(self), *self.memberships.values()):
            part.handle_timeout(now)
        self.settle_neighbours(now)


def mac_of(mac: str | bytes | None, entropy: Entropy) -> bytes:
    """An interface's MAC: as given, else from the entropy. Raises ValueError."""
    if mac is None:
        # locally administered, unicast (IEEE 802-2014 8.4)
        random = entropy.bytes(6)
        return bytes((random[0] & 0xFC | 0x02,)) + random[1:]
    packed = pack_mac(mac)
    if packed[0] & 1:
        raise ValueError("a group address is not an interface's MAC")
    return packed


def _checked_mtu(mtu: int, least: int = MIN_MTU) -> int:
    if not least <= mtu <= MAX_MTU:
        raise ValueError(f"an MTU is {least} to {MAX_MTU} bytes, not {mtu}")
    return mtu
