"""ARP on one interface: resolves neighbours, claims and defends our addresses.

RFC 826, RFC 5227, RFC 3927, RFC 1122 2.3.2; neighbour states as in RFC 4861 and Linux.

In and out are Ethernet frames. A turn of its own:

>>> from sansio_net import Entropy
>>> from sansio_net.wire.arp import parse_arp
>>> cache = ArpCache(bytes.fromhex("02005e000001"), entropy=Entropy.of(1))
>>> cache.claim(bytes([10, 0, 0, 1]))
>>> cache.resolve(bytes([10, 0, 0, 2]))
>>> [parse_arp(p.join(), 14).tpa[3] for p in cache.transmit(0)]
[1, 2]

The first is the announcement of our address, the second the request. Inside a Stack
the inner doors are called instead, and packets wait here for their neighbours. The
verbs without a time start what they ask for at the next call that has one.

Deliberately not here: proxy ARP, RARP, InARP.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

from sansio_net.addresses import (
    BROADCAST_MAC,
    ZERO_MAC,
    IpAddress,
    is_link_local,
    is_loopback,
    is_unicast,
    pack_ip,
    pack_mac,
)
from sansio_net.counters import Counters, DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import StateError, WireError
from sansio_net.machine import (
    ASAP,
    Sink,
    earliest,
    restore_state,
    versioned_state,
)
from sansio_net.packet import Packet
from sansio_net.protocols.neighbours import (
    Claimed,
    Conflict,
    Neighbour,
    NeighbourState,
    NeighbourTable,
    ResolutionFailed,
    Resolved,
)
from sansio_net.trace import Trace
from sansio_net.wire.arp import REPLY, REQUEST, parse_arp
from sansio_net.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    parse_ethernet,
)

from .claims import Claim, Claims
from .config import ArpConfig
from .frames import Reply, reply_frame, request_frame
from .merge import learn

ArpEvent: TypeAlias = Resolved | ResolutionFailed | Conflict | Claimed

_ZERO_IP: Final = bytes(4)
_OUTCOMES: Final = 1
"""The one bit of `pending_kinds`: the parts hold events to be taken."""


class ArpCache:
    """The ARP machine of one Ethernet interface."""

    __slots__ = (
        "_claims",
        "_config",
        "_counters",
        "_mac",
        "_n_replies",
        "_now",
        "_sending",
        "_table",
        "_wanted",
        "armed",
        "notified",
        "pending_kinds",
        "queued",
        "ready",
    )

    __getstate__ = versioned_state
    __setstate__ = restore_state

    def __init__(
        self,
        mac: str | bytes,
        *,
        config: ArpConfig | None = None,
        entropy: Entropy,
        counters: Counters | None = None,
        trace: Trace | None = None,
        ready: Sink[ArpCache] | None = None,
        notified: Sink[ArpCache] | None = None,
    ) -> None:
        self._mac = pack_mac(mac)
        self._config = config = config or ArpConfig()
        self._counters = counters = counters if counters is not None else Counters()
        self._now = 0
        self._sending: deque[Neighbour | Claim | Reply] = deque()
        self._n_replies = 0
        self._wanted: dict[bytes, None] = {}  # resolve() was called, no time yet
        self._table = NeighbourTable(
            self._mac,
            ETHERTYPE_IPV4,
            config,
            entropy.child("neighbours"),
            counters,
            trace,
            self._sending,
        )
        self._claims = Claims(
            self._mac, config, entropy.child("claims"), counters, trace, self._sending
        )
        self.queued = False
        self.ready = ready
        self.notified = notified
        self.pending_kinds = 0
        self.armed: list[object] | None = None

    @property
    def mac(self) -> bytes:
        return self._mac

    @property
    def trace(self) -> Trace | None:
        return self._table.trace

    @trace.setter
    def trace(self, trace: Trace | None) -> None:
        self._table.trace = self._claims.trace = trace

    # -- the five methods

    def receive(self, items: Sequence[Packet | bytes], now: int) -> None:
        """Ethernet frames; other than ARP to us or to all is counted and dropped."""
        for item in items:
            frame = item if isinstance(item, bytes) else item.join()
            try:
                ethernet = parse_ethernet(frame)
            except WireError:
                self._counters.drop(DropReason.FRAME_TRUNCATED)
                continue
            if ethernet.ethertype != ETHERTYPE_ARP:
                self._counters.drop(DropReason.UNKNOWN_ETHERTYPE)
            elif any(tag & 0xFFF for tag in ethernet.vlan):
                self._counters.drop(DropReason.VLAN)
            elif ethernet.destination not in (self._mac, BROADCAST_MAC):
                self._counters.drop(DropReason.OTHER_HOST)
            else:
                self._receive_arp(frame, ethernet.size, now)
        self._begin(now)

    def _receive_arp(self, frame: bytes, offset: int, now: int) -> None:
        try:
            arp = parse_arp(frame, offset)
        except WireError:
            self._counters.drop(DropReason.ARP_MALFORMED)
            return
        self.arp_arrives(arp.op, arp.sha, arp.spa, arp.tha, arp.tpa, now)

    def handle_timeout(self, now: int) -> None:
        self._begin(now)
        self._claims.handle_timeout(now)
        self._table.handle_timeout(now)
        self._tell()

    def next_timeout(self) -> int | None:
        return ASAP if self.queued or self.pending_kinds else self.deadline()

    def events(self) -> list[ArpEvent]:
        out: list[ArpEvent] = []
        self.drain(out)
        return out

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        packets: list[Packet] = []
        while len(packets) < limit:
            packet = self.emit(now)
            if packet is None:
                self.queued = False
                break
            packets.append(packet)
        return packets

    # -- verbs

    def resolve(self, ip: IpAddress) -> None:
        """Find out who has `ip`: Resolved or ResolutionFailed follows, unless it is
        already known.

        At most as many as the table holds may be asked for in one turn.
        """
        packed = self._pack(ip)
        if self._claims.claims(packed):
            raise StateError("that is our own address")
        if not is_unicast(packed):
            raise StateError("not the address of one host")
        if len(self._wanted) < self._config.table_limit:
            self._wanted[packed] = None
        else:
            self._counters.drop(DropReason.NEIGHBOUR_TABLE_FULL)
        self._wake()

    def claim(self, ip: IpAddress, probe: bool = False) -> None:
        """Make `ip` ours: at once and announced, or with `probe` after RFC 5227's
        whole procedure, whose end is Claimed or a Conflict that says `lost`.

        Claiming again starts over. Raises LimitError when there are too many.
        """
        packed = self._pack(ip)
        if not is_unicast(packed):
            raise StateError("not the address of one host")
        self._claims.claim(packed, probe)
        self._table.remove(packed)
        self._wanted.pop(packed, None)
        self._wake()
        self._tell()

    def release(self, ip: IpAddress) -> None:
        """`ip` is ours no longer."""
        self._claims.release(self._pack(ip))

    @property
    def link_local(self) -> bytes:
        """The link-local address that is claimed or ours; b"": none."""
        link_local = self._claims.link_local
        return link_local.ip if link_local is not None else b""

    def claim_link_local(self, first: bytes = b"") -> None:
        """Make an address of 169.254/16 ours: `first` or one that depends on the MAC,
        and after every conflict that loses it another one (RFC 3927); Claimed says
        which. Raises StateError, LimitError.
        """
        self._claims.choose(first)
        self._wake()

    def add_static(self, ip: IpAddress, mac: str | bytes) -> None:
        """A neighbour that is never asked. Raises LimitError when the table is full."""
        packed = self._pack(ip)
        if self._claims.claims(packed):
            raise StateError("that is our own address")
        self._table.add_static(packed, pack_mac(mac), self._now)
        self._tell()

    def remove(self, ip: IpAddress) -> None:
        """Forget one neighbour, a static one too."""
        self._table.remove(self._pack(ip))
        self._tell()

    def flush(self) -> None:
        """Forget every neighbour but the static ones; what waits has failed."""
        self._wanted.clear()
        self._table.flush()
        self._tell()

    def neighbours(self) -> list[Neighbour]:
        return self._table.entries()

    def holds(self, ip: bytes) -> bool:
        """Do we answer for `ip`? Not while it is still being probed."""
        return self._claims.holds(ip)

    # -- inner doors

    def lookup(self, ip: bytes, now: int) -> Neighbour:
        """The neighbour `ip`; resolution starts where nothing is known."""
        neighbour = self._table.lookup(ip, now)
        self._tell()
        return neighbour

    def use(self, neighbour: Neighbour, now: int) -> bytes | None:
        """The header for a packet that leaves now; None: it has to wait.

        To be called when `neighbour.header` is None.
        """
        header = self._table.use(neighbour, now)
        self._tell()
        return header

    def enqueue(self, neighbour: Neighbour, packet: Packet, now: int) -> None:
        """Keep `packet`, at its IP header, until the neighbour is known.

        It leaves through `emit`, or comes back in ResolutionFailed.
        """
        self._table.enqueue(neighbour, packet, now)
        self._tell()

    def state_of(self, ip: bytes) -> NeighbourState | None:
        """None: nothing is known of it."""
        entry = self._table.get(ip)
        return entry.state if entry is not None else None

    def probe(self, ip: bytes, now: int) -> None:
        """Ask once whether one that did not answer is back."""
        self._table.probe(ip, now)
        self._tell()

    def confirm(self, neighbour: Neighbour, now: int) -> None:
        """A transport heard from the other end through this neighbour."""
        self._table.confirm(neighbour, now)

    def advise(self, neighbour: Neighbour) -> None:
        """A transport gets no answer through this neighbour: the next use asks."""
        self._table.advise(neighbour, self._now)

    def arp_arrives(
        self, op: int, sha: bytes, spa: bytes, tha: bytes, tpa: bytes, now: int
    ) -> None:
        """One ARP packet that came to us or to all, in the order of RFC 826."""
        self._now = now
        request = op == REQUEST
        if not request and op != REPLY:
            self._counters.drop(DropReason.ARP_MALFORMED)
            return
        # a probe has no sender address (RFC 5227 2.1.1); our own MAC is our echo
        if (
            sha[0] & 1
            or sha in (ZERO_MAC, self._mac)
            or not (
                (is_unicast(spa) and not is_loopback(spa))
                or (request and spa == _ZERO_IP)
            )
        ):
            self._counters.drop(DropReason.ARP_BAD_SENDER)
            return
        if not self._claims.arrives(request, sha, spa, tpa, now):
            self._merge(request, sha, spa, tha, tpa, now)
        self._tell()

    def _merge(
        self, request: bool, sha: bytes, spa: bytes, tha: bytes, tpa: bytes, now: int
    ) -> None:
        # RFC 826 "Packet Reception": the sender's addresses first, the opcode last
        for_us = self._claims.holds(tpa)
        if spa != _ZERO_IP:
            gratuitous = spa == tpa
            answer = not request and for_us and tha == self._mac
            lock_delay, counters = self._config.lock_delay, self._counters
            known = learn(
                self._table, spa, sha, answer, gratuitous, lock_delay, counters, now
            )
            # like Linux: who asks for us will talk to us, an answer nobody asked
            # for makes no entry unless the option says so
            if not known and (
                (for_us and request)
                or (self._config.accept_gratuitous and (for_us or gratuitous))
            ):
                self._table.create(spa, sha, now)
        if for_us and request:
            self._counters.count("arp.requests_received")
            self._reply(Reply(tpa, sha, spa))

    # -- what leaves

    def emit(self, now: int) -> Packet | None:
        """The next frame: an answer, a question, or a packet that waited."""
        self._begin(now)
        sending = self._sending
        while sending:
            item = sending[0]
            if isinstance(item, Reply):
                sending.popleft()
                self._n_replies -= 1
                packet = self._build_reply(item)
            elif isinstance(item, Claim):
                packet = self._build_claim(item, now)
            else:
                packet = self._build_request(item) or self._table.next_packet(item, now)
            if packet is not None:
                return packet
            if not isinstance(item, Reply):
                sending.popleft()
                item.listed = False
        return None

    def _build_reply(self, reply: Reply) -> Packet | None:
        if not self._claims.holds(reply.ip):
            return None
        # RFC 826: to the asker, on the hardware it asked on; not to everybody
        self._counters.count("arp.replies_sent")
        # RFC 3927 2.5
        to = BROADCAST_MAC if is_link_local(reply.ip) else reply.asker_mac
        return reply_frame(self._mac, to, reply)

    def _build_claim(self, claim: Claim, now: int) -> Packet | None:
        if claim.probing:
            self._claims.probe_leaves(claim, now)
            self._counters.count("arp.probes_sent")
            return request_frame(self._mac, BROADCAST_MAC, _ZERO_IP, claim.ip)
        if claim.announcing:
            claim.announcing = False
            self._counters.count("arp.announcements_sent")
            return request_frame(self._mac, BROADCAST_MAC, claim.ip, claim.ip)
        return None

    def _build_request(self, neighbour: Neighbour) -> Packet | None:
        if not neighbour.asking:
            return None
        neighbour.asking = False
        self._counters.count("arp.requests_sent")
        source = self._claims.source_for(neighbour.ip) or _ZERO_IP
        mac = neighbour.mac
        everybody = self._table.asks_everybody(neighbour) or is_link_local(source)
        if mac is None or everybody:
            mac = BROADCAST_MAC
        return request_frame(self._mac, mac, source, neighbour.ip)

    def _reply(self, reply: Reply) -> None:
        if self._n_replies >= self._config.reply_limit:
            # nobody lets us send: the newest asker will ask again
            self._counters.drop(DropReason.OUTPUT_QUEUE_FULL)
            return
        self._n_replies += 1
        self._sending.append(reply)

    # -- the part's edge

    def drain(self, out: list[ArpEvent]) -> None:
        self.pending_kinds = 0
        claims, table = self._claims, self._table
        if claims.conflicts:
            conflicts, claims.conflicts = claims.conflicts, {}
            out.extend(conflicts.values())
        if claims.claimed:
            claimed, claims.claimed = claims.claimed, {}
            for ip in claimed:
                table.remove(ip)  # whom we thought to be there
            out.extend(map(Claimed, claimed))
        if table.failed:
            for ip, packets in table.take_failed().items():
                out.append(ResolutionFailed(ip, packets))
        if table.resolved:
            resolved, table.resolved = table.resolved, {}
            for ip, mac in resolved.items():
                out.append(Resolved(ip, mac))

    def deadline(self) -> int | None:
        return earliest(self._claims.deadline(), self._table.deadline())

    def _begin(self, now: int) -> None:
        """Start what verbs asked for before there was a time."""
        self._now = now
        self._claims.start(now)
        if self._wanted:
            wanted, self._wanted = self._wanted, {}
            for ip in wanted:
                self._table.lookup(ip, now)
        self._tell()

    def _tell(self) -> None:
        """Get into the ready queue and the list of who has news, where that is so."""
        if self._sending and not self.queued:
            self._wake()
        if not self.pending_kinds:
            claims, table = self._claims, self._table
            if claims.conflicts or claims.claimed or table.failed or table.resolved:
                self.pending_kinds = _OUTCOMES
                if self.notified is not None:
                    self.notified.append(self)

    def _wake(self) -> None:
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)

    @staticmethod
    def _pack(ip: IpAddress) -> bytes:
        packed = pack_ip(ip)
        if len(packed) != 4:
            raise StateError("ARP speaks IPv4")
        return packed
