"""Neighbour discovery on one interface: resolves neighbours, checks our addresses.

RFC 4861 7, RFC 4862 5.4, RFC 7527, RFC 6980; the host's half. Router advertisements
are SLAAC's: here they only name a neighbour.

In and out are Ethernet frames. A turn of its own:

>>> from sansio_net import Entropy
>>> from sansio_net.addresses import pack_ip
>>> ndp = NeighbourDiscovery(bytes.fromhex("02005e000001"), entropy=Entropy.of(1))
>>> ndp.claim("fe80::1")
>>> ndp.resolve("fe80::2")
>>> [frame.join()[54] for frame in ndp.transmit(0)]  # the types of ICMPv6
[136, 135]

The first announces our address, the second is the question. Inside a Stack the inner
doors are called instead, and packets wait here for their neighbours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

from sansio_net.addresses import IpAddress, pack_mac
from sansio_net.counters import Counters, DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import StateError, WireError
from sansio_net.machine import ASAP, Sink, earliest, restore_state, versioned_state
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
from sansio_net.wire import ndp
from sansio_net.wire.ethernet import ETHERTYPE_IPV6

from . import frames
from .answer import Answer
from .config import NdpConfig, RouterLost
from .dad import Claim, Claims
from .merge import advertised, mentioned

NdpEvent: TypeAlias = Resolved | ResolutionFailed | Conflict | Claimed | RouterLost

_OUTCOMES: Final = 1
"""The one bit of `pending_kinds`: the parts hold events to be taken."""


class NeighbourDiscovery:
    """The neighbour discovery machine of one Ethernet interface.

    `is_router`: advertisements say so.
    """

    __slots__ = (
        "_claims",
        "_config",
        "_counters",
        "_lost_routers",
        "_mac",
        "_n_answers",
        "_now",
        "_sending",
        "_table",
        "_wanted",
        "armed",
        "is_router",
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
        config: NdpConfig | None = None,
        entropy: Entropy,
        counters: Counters | None = None,
        trace: Trace | None = None,
        ready: Sink[NeighbourDiscovery] | None = None,
        notified: Sink[NeighbourDiscovery] | None = None,
    ) -> None:
        self._mac = pack_mac(mac)
        self._config = config = config or NdpConfig()
        self._counters = counters = counters if counters is not None else Counters()
        self._now = 0
        self._sending: deque[Neighbour | Claim | Answer] = deque()
        self._n_answers = 0
        self._wanted: dict[bytes, None] = {}  # resolve() was called, no time yet
        self._lost_routers: dict[bytes, None] = {}
        sending, children = self._sending, entropy.child("neighbours")
        self._table = NeighbourTable(
            self._mac, ETHERTYPE_IPV6, config, children, counters, trace, sending
        )
        self._claims = Claims(
            config, self._table, entropy.child("claims"), counters, trace, sending
        )
        self.is_router = False
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
        """Ethernet frames; other than neighbour discovery is counted and dropped."""
        for item in items:
            frame = item if isinstance(item, bytes) else item.join()
            try:
                message, header, mac = frames.read(frame)
            except WireError:
                self._counters.drop(DropReason.NDP_MALFORMED)
                continue
            src, dst = header.source, header.destination
            self.ndp_arrives(message, src, dst, header.hop_limit, mac, now)
        self._begin(now)

    def handle_timeout(self, now: int) -> None:
        self._begin(now)
        self._claims.handle_timeout(now)
        self._table.handle_timeout(now)
        self._tell()

    def next_timeout(self) -> int | None:
        return ASAP if self.queued or self.pending_kinds else self.deadline()

    def events(self) -> list[NdpEvent]:
        out: list[NdpEvent] = []
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
        packed = frames.pack_host(ip)
        if self._claims.claims(packed):
            raise StateError("that is our own address")
        if len(self._wanted) < self._config.table_limit:
            self._wanted[packed] = None
        else:
            self._counters.drop(DropReason.NEIGHBOUR_TABLE_FULL)
        self._wake()

    def claim(
        self,
        ip: IpAddress,
        probe: bool = False,
        delay: bool = False,
        optimistic: bool | None = None,
    ) -> None:
        """Make `ip` ours: at once and announced, or with `probe` after duplicate
        address detection, whose end is Claimed or a Conflict that says `lost`.

        delay: after a random wait, as for addresses that a multicast router
        advertisement brought. optimistic: None for what the config says. Claiming
        again starts over. Raises LimitError.
        """
        packed = frames.pack_host(ip)
        if optimistic is None:
            optimistic = self._config.optimistic
        self._claims.claim(packed, probe, delay, optimistic)
        self._table.remove(packed)
        self._wanted.pop(packed, None)
        self._wake()
        self._tell()

    def release(self, ip: IpAddress) -> None:
        """`ip` is ours no longer."""
        self._claims.release(frames.pack_host(ip))

    def add_static(self, ip: IpAddress, mac: str | bytes) -> None:
        """A neighbour that is never asked. Raises LimitError when the table is full."""
        packed = frames.pack_host(ip)
        if self._claims.claims(packed):
            raise StateError("that is our own address")
        self._table.add_static(packed, pack_mac(mac), self._now)
        self._tell()

    def remove(self, ip: IpAddress) -> None:
        """Forget one neighbour, a static one too."""
        self._table.remove(frames.pack_host(ip))
        self._tell()

    def flush(self) -> None:
        """Forget every neighbour but the static ones; what waits has failed."""
        self._wanted.clear()
        self._table.flush()
        self._tell()

    def set_times(self, reachable_time: int, retrans_delay: int) -> None:
        """As a router advertises them, in ns; 0: as they are (RFC 4861 6.3.4)."""
        self._table.set_times(reachable_time, retrans_delay)

    def neighbours(self) -> list[Neighbour]:
        return self._table.entries()

    def holds(self, ip: bytes) -> bool:
        """Do we answer for `ip`? Not while it is tentative."""
        return self._claims.holds(ip)

    def knows_router(self) -> bool:
        """Where one is, on the link."""
        return any(one.is_router and one.mac for one in self._table.entries())

    def addresses(self) -> list[bytes]:
        """Ours and those that are being checked: whose groups we must be in."""
        return self._claims.addresses()

    # -- inner doors

    def lookup(self, ip: bytes, now: int) -> Neighbour:
        """The neighbour `ip`; resolution starts where nothing is known."""
        neighbour = self._table.lookup(ip, now)
        self._tell()
        return neighbour

    def use(self, neighbour: Neighbour, now: int) -> bytes | None:
        """The header for a packet that leaves now; None: it has to wait."""
        header = self._table.use(neighbour, now)
        self._tell()
        return header

    def enqueue(self, neighbour: Neighbour, packet: Packet, now: int) -> None:
        """Keep `packet`, at its IP header, until the neighbour is known."""
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
        """A transport heard from the other end through this neighbour (7.3.1)."""
        self._table.confirm(neighbour, now)

    def advise(self, neighbour: Neighbour) -> None:
        """A transport gets no answer through this neighbour: the next use asks."""
        self._table.advise(neighbour, self._now)

    def ndp_arrives(
        self,
        message: ndp.NdpMessage | None,
        src: bytes,
        dst: bytes,
        hop_limit: int,
        mac: bytes,
        now: int,
    ) -> bool:
        """A message that came unfragmented; `mac` is the frame's source. Was it valid?

        The checks are those of RFC 4861 6.1, 7.1 and 8.1 that `parse_ndp` cannot do.
        """
        self._now = now
        if message is None or not frames.is_valid(message, src, dst, hop_limit):
            self._counters.drop(DropReason.NDP_INVALID)
            return False
        if isinstance(message, ndp.NeighbourSolicitation):
            self._solicitation(message, src, mac, now)
        elif isinstance(message, ndp.NeighbourAdvertisement):
            self._advertisement(message, mac, now)
        elif isinstance(message, ndp.RouterAdvertisement):
            mentioned(self._table, src, message.source_link, True, now)
        elif isinstance(message, ndp.RouterSolicitation) and self.is_router:
            mentioned(self._table, src, message.source_link, False, now)
        self._tell()
        return True

    def redirected(self, message: ndp.Redirect, now: int) -> None:
        """A redirect that the caller found valid (8.3)."""
        router = True if message.target != message.destination else None
        mentioned(self._table, message.target, message.target_link, router, now)
        self._tell()

    def _solicitation(
        self, message: ndp.NeighbourSolicitation, src: bytes, mac: bytes, now: int
    ) -> None:
        claim = self._claims.get(message.target)
        if claim is None:
            self._counters.drop(DropReason.NDP_NOT_CONCERNING)
            return
        self._counters.count("ndp.solicitations_received")
        if not any(src):
            self._claims.solicited(claim, message.nonce, mac, now)
        elif claim.established:
            link = message.source_link
            if link != self._mac:
                mentioned(self._table, src, link, None, now)
            self._reply(Answer(message.target, src, link))

    def _advertisement(
        self, message: ndp.NeighbourAdvertisement, mac: bytes, now: int
    ) -> None:
        claim = self._claims.get(message.target)
        if claim is not None:
            if mac != self._mac:
                self._claims.advertised(claim, message.target_link or mac, now)
        elif (
            advertised(self._table, message, now)
            and len(self._lost_routers) < self._config.table_limit
        ):
            self._lost_routers[message.target] = None

    def _reply(self, answer: Answer) -> None:
        if self._n_answers >= self._config.reply_limit:
            self._counters.drop(DropReason.OUTPUT_QUEUE_FULL)
            return
        self._n_answers += 1
        self._sending.append(answer)

    # -- what leaves

    def emit(self, now: int) -> Packet | None:
        """The next frame: an answer, a question, or a packet that waited."""
        self._begin(now)
        sending = self._sending
        while sending:
            item = sending[0]
            if isinstance(item, Answer):
                sending.popleft()
                self._n_answers -= 1
                packet = self._build_answer(item, now)
            elif isinstance(item, Claim):
                packet = self._build_claim(item, now)
            else:
                packet = self._build_question(item) or self._table.next_packet(
                    item, now
                )
            if packet is not None:
                return packet
            if not isinstance(item, Answer):
                sending.popleft()
                item.listed = False
        return None

    def _build_answer(self, answer: Answer, now: int) -> Packet | None:
        claim = self._claims.get(answer.target)
        if claim is None or not claim.established:
            return None
        self._counters.count("ndp.advertisements_sent")
        flags = self._flags(claim) | ndp.SOLICITED
        mac, target, to = answer.asker_mac, answer.target, answer.asker_ip
        body = ndp.build_neighbour_advertisement(target, target, to, self._mac, flags)
        if mac is not None:
            return frames.frame(self._mac, mac, target, to, body)
        # 7.2.4: the asker did not say where it is
        packet = frames.ip_packet(target, to, body)
        self._table.enqueue(self._table.lookup(to, now), packet, now)
        return None

    def _build_claim(self, claim: Claim, now: int) -> Packet | None:
        if claim.probing:
            self._counters.count("ndp.probes_sent")
            nonce = self._claims.nonce_for(claim, now)
            return frames.probe(self._mac, claim.ip, nonce)
        if claim.defending:
            # 7.2.4: to one that checks an address of ours
            claim.defending = False
            group, flags = frames.ALL_NODES, self._flags(claim)
        elif claim.announcing:
            # RFC 9131 4.1: routers learn of us before the first answer comes
            claim.announcing = False
            group, flags = frames.ALL_ROUTERS, self._flags(claim) & ~ndp.OVERRIDE
        else:
            return None
        self._counters.count("ndp.advertisements_sent")
        return frames.advertisement(self._mac, claim.ip, group, flags)

    def _build_question(self, neighbour: Neighbour) -> Packet | None:
        if not neighbour.asking:
            return None
        neighbour.asking = False
        claim = self._claims.source_for(neighbour.ip)
        if claim is None and self._claims.are_optimistic():
            return None  # RFC 4429 3.2: what waits has to wait; it is asked for again
        self._counters.count("ndp.solicitations_sent")
        source = claim.ip if claim is not None else frames.UNSPECIFIED
        ip, mac = neighbour.ip, neighbour.mac
        if mac is None or self._table.asks_everybody(neighbour):
            ip = frames.solicited_node(ip)
            mac = frames.group_mac(ip)
        link = self._mac if claim is not None else None
        body = ndp.build_neighbour_solicitation(neighbour.ip, source, ip, link)
        return frames.frame(self._mac, mac, source, ip, body)

    def _flags(self, claim: Claim) -> int:
        """RFC 4861 7.2.4; RFC 4429 3.2: an optimistic address overrides nothing."""
        override = 0 if claim.optimistic else ndp.OVERRIDE
        return override | (ndp.ROUTER if self.is_router else 0)

    # -- the part's edge

    def drain(self, out: list[NdpEvent]) -> None:
        self.pending_kinds = 0
        claims, table = self._claims, self._table
        if claims.conflicts:
            conflicts, claims.conflicts = claims.conflicts, {}
            out.extend(conflicts.values())
        if claims.claimed:
            claimed, claims.claimed = claims.claimed, {}
            out.extend(map(Claimed, claimed))
        if self._lost_routers:
            lost, self._lost_routers = self._lost_routers, {}
            out.extend(map(RouterLost, lost))
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
            if (
                claims.conflicts
                or claims.claimed
                or self._lost_routers
                or table.failed
                or table.resolved
            ):
                self.pending_kinds = _OUTCOMES
                if self.notified is not None:
                    self.notified.append(self)

    def _wake(self) -> None:
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)
