"""Our own addresses on a link: probed, announced, defended.

RFC 5227, and RFC 3927 for one that is chosen here.
"""

from __future__ import annotations

from enum import StrEnum

from sansio_net.counters import Counters
from sansio_net.entropy import Entropy
from sansio_net.errors import LimitError, StateError
from sansio_net.machine import Sink
from sansio_net.protocols.neighbours import Conflict, Deadlines
from sansio_net.trace import Trace

from .config import ArpConfig
from .link_local import LinkLocal, may_be_chosen


class ClaimState(StrEnum):
    NEW = "new"
    """Claimed by a verb; the first call with a time starts it."""
    PROBING = "probing"
    ANNOUNCING = "announcing"
    HELD = "held"


class Claim:
    """One address. `announcing` and `probing` say what it wants to send."""

    __slots__ = (
        "announcing",
        "defended_at",
        "established",
        "ip",
        "listed",
        "n_sent",
        "probe",
        "probing",
        "state",
        "timer_at",
        "timer_serial",
        "yields",
    )

    def __init__(self, ip: bytes, probe: bool, yields: bool) -> None:
        self.ip = ip
        self.probe = probe
        self.yields = yields  # RFC 3927 2.5: never defended twice in a row
        self.state = ClaimState.NEW
        self.established = not probe  # ours: answered for, used as a source
        self.probing = False
        self.announcing = False
        self.listed = False
        self.n_sent = 0
        self.defended_at: int | None = None
        self.timer_at: int | None = None
        self.timer_serial = 0

    def __repr__(self) -> str:
        return f"<Claim {self.ip.hex()} {self.state}>"


class Claims:
    """All claims of one interface. Conflicts and successes wait in `conflicts` and
    `claimed` until the caller takes them.
    """

    __slots__ = (
        "_attempted_at",
        "_claims",
        "_config",
        "_counters",
        "_deadlines",
        "_entropy",
        "_mac",
        "_new",
        "_sending",
        "claimed",
        "conflicts",
        "link_local",
        "n_conflicts",
        "trace",
    )

    def __init__(
        self,
        mac: bytes,
        config: ArpConfig,
        entropy: Entropy,
        counters: Counters,
        trace: Trace | None,
        sending: Sink[Claim],
    ) -> None:
        self._mac = mac
        self._config = config
        self._entropy = entropy
        self._counters = counters
        self._sending = sending
        self._claims: dict[bytes, Claim] = {}
        self._new: list[Claim] = []
        self._deadlines: Deadlines[Claim] = Deadlines()
        self._attempted_at: int | None = None
        self.n_conflicts = 0
        self.conflicts: dict[bytes, Conflict] = {}
        self.claimed: dict[bytes, None] = {}
        self.link_local: LinkLocal | None = None
        self.trace = trace

    def __len__(self) -> int:
        return len(self._claims)

    def holds(self, ip: bytes) -> bool:
        """Is it ours to answer for? Not while it is being probed."""
        claim = self._claims.get(ip)
        return claim is not None and claim.established

    def claims(self, ip: bytes) -> bool:
        """Is it ours, or about to be?"""
        return ip in self._claims

    def source_for(self, target: bytes) -> bytes | None:
        """The address of ours that has most leading bits in common with `target`."""
        wanted = int.from_bytes(target, "big")
        best, best_distance = None, 0
        for claim in self._claims.values():
            if claim.established:
                distance = (int.from_bytes(claim.ip, "big") ^ wanted).bit_length()
                if best is None or distance < best_distance:
                    best, best_distance = claim.ip, distance
        return best

    def deadline(self) -> int | None:
        return self._deadlines.earliest()

    # -- verbs

    def claim(self, ip: bytes, probe: bool) -> None:
        """Raises LimitError."""
        if ip not in self._claims and len(self._claims) >= self._config.claim_limit:
            raise LimitError("no more addresses on this interface")
        self._give_up(ip)
        yields = self.link_local is not None and ip == self.link_local.ip
        claim = self._claims[ip] = Claim(ip, probe or yields, yields)
        self._new.append(claim)

    def choose(self, first: bytes) -> None:
        """Claim some link-local address. Raises StateError, LimitError."""
        if self.link_local is not None:
            raise StateError("a link-local address is claimed already")
        if first and not may_be_chosen(first):
            raise StateError("not an address to be chosen (RFC 3927 2.1)")
        self.link_local = LinkLocal(self._mac, first)
        try:
            self._claim_link_local()
        except LimitError:
            self.link_local = None
            raise

    def _claim_link_local(self) -> None:
        """The one that was chosen; another one if that is ours already."""
        assert self.link_local is not None
        while self.link_local.ip in self._claims:
            self.link_local.move_on()
        self.claim(self.link_local.ip, True)

    def release(self, ip: bytes) -> None:
        if self.link_local is not None and ip == self.link_local.ip:
            self.link_local = None
        self._give_up(ip)

    def _give_up(self, ip: bytes) -> None:
        claim = self._claims.pop(ip, None)
        if claim is not None:
            self._deadlines.cancel(claim)
            claim.probing = claim.announcing = claim.established = False
            if claim.state is ClaimState.NEW:
                self._new.remove(claim)
            self.claimed.pop(ip, None)

    # -- time

    def start(self, now: int) -> None:
        """Begin what verbs asked for."""
        if not self._new:
            return
        new, self._new = self._new, []
        for claim in new:
            if claim.probe:
                self._start_probing(claim, now)
            else:
                self._announce(claim, now)

    def handle_timeout(self, now: int) -> None:
        config = self._config
        while (claim := self._deadlines.due(now)) is not None:
            if claim.state is ClaimState.ANNOUNCING:
                self._announce(claim, now)
            elif claim.n_sent < config.probe_num:
                claim.probing = True
                self._send(claim)
            else:
                # RFC 5227 2.1.1: nobody spoke up within ANNOUNCE_WAIT
                claim.established = True
                self.claimed[claim.ip] = None
                self._announce(claim, now)

    def _start_probing(self, claim: Claim, now: int) -> None:
        config = self._config
        self._become(claim, ClaimState.PROBING, now)
        begin = now
        if self.n_conflicts >= config.max_conflicts and self._attempted_at is not None:
            # RFC 5227 2.1.1: after MAX_CONFLICTS one attempt a RATE_LIMIT_INTERVAL
            begin = max(now, self._attempted_at + config.rate_limit_interval)
        self._attempted_at = begin
        wait = self._entropy.below(config.probe_wait + 1)
        self._deadlines.arm(claim, begin + wait)

    def probe_leaves(self, claim: Claim, now: int) -> None:
        """A probe proves something only from when it leaves (RFC 5227 2.1.1)."""
        config = self._config
        claim.probing = False
        claim.n_sent += 1
        if claim.n_sent < config.probe_num:
            spread = config.probe_max - config.probe_min
            delay = config.probe_min + self._entropy.below(spread + 1)
        else:
            delay = config.announce_wait
        self._deadlines.arm(claim, now + delay)

    def _announce(self, claim: Claim, now: int) -> None:
        # RFC 5227 2.3
        if claim.state is not ClaimState.ANNOUNCING:
            claim.n_sent = 0
            self._become(claim, ClaimState.ANNOUNCING, now)
        claim.n_sent += 1
        claim.announcing = True
        self._send(claim)
        if claim.n_sent < self._config.announce_num:
            self._deadlines.arm(claim, now + self._config.announce_interval)
        else:
            self._become(claim, ClaimState.HELD, now)

    # -- what arrives

    def arrives(
        self, request: bool, sha: bytes, spa: bytes, tpa: bytes, now: int
    ) -> bool:
        """Another host's ARP packet; True: it conflicts with an address of ours."""
        claim = self._claims.get(spa)
        if claim is None and request and not any(spa):
            # RFC 5227 2.1.1: a probe for what we are probing; for what we hold it is
            # a question like any other (2.5)
            claim = self._claims.get(tpa)
            if claim is not None and claim.established:
                return False
        if claim is None:
            return False
        self.n_conflicts += 1
        self._counters.count("arp.conflicts")
        if self.trace is not None:
            self.trace.append((now, "arp-conflict", claim.ip, sha))
        if not claim.established:
            self._lose(claim, sha, now)
        else:
            self._defend(claim, sha, now)
        return True

    def _defend(self, claim: Claim, mac: bytes, now: int) -> None:
        # RFC 5227 2.4
        config = self._config
        last = claim.defended_at
        if last is None or now >= last + config.defend_interval:
            claim.defended_at = now
            claim.announcing = True
            self._send(claim)
        elif claim.yields or config.give_up_on_conflict:
            self._lose(claim, mac, now)
            return
        self.conflicts.setdefault(claim.ip, Conflict(claim.ip, mac, False))

    def _lose(self, claim: Claim, mac: bytes, now: int) -> None:
        self._give_up(claim.ip)
        self.conflicts[claim.ip] = Conflict(claim.ip, mac, True)
        if claim.yields and self.link_local is not None:
            self.link_local.move_on()  # RFC 3927 2.2.1, 2.5
            self._claim_link_local()
            self.start(now)

    # -- helpers

    def _become(self, claim: Claim, state: ClaimState, now: int) -> None:
        if self.trace is not None:
            self.trace.append((now, "claim", claim.ip, state.value))
        claim.state = state

    def _send(self, claim: Claim) -> None:
        if not claim.listed:
            claim.listed = True
            self._sending.append(claim)
