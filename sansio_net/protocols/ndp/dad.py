"""Our own addresses on a link: checked for duplicates, announced, defended.

RFC 4862 5.4, RFC 7527 4, RFC 4429, RFC 9131 4.1.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sansio_net.counters import Counters
from sansio_net.entropy import Entropy
from sansio_net.errors import LimitError
from sansio_net.machine import Sink
from sansio_net.protocols.neighbours import Conflict, Deadlines, NeighbourTable
from sansio_net.trace import Trace

from .config import NdpConfig

NONCE_SIZE: Final = 6
"""RFC 7527 4.1: as RFC 3971's, at least six bytes."""
MAX_MULTICAST_SOLICIT: Final = 3
"""RFC 7527 4.2: more solicitations when one came back to us."""


class ClaimState(StrEnum):
    NEW = "new"
    """Claimed by a verb; the first call with a time starts it."""
    TENTATIVE = "tentative"
    ANNOUNCING = "announcing"
    HELD = "held"


class Claim:
    """One address. `announcing`, `probing`, `defending` say what it wants to send."""

    __slots__ = (
        "announcing",
        "defending",
        "established",
        "ip",
        "listed",
        "n_sent",
        "nonces",
        "optimistic",
        "probe",
        "probing",
        "state",
        "timer_at",
        "timer_serial",
        "transmits",
    )

    def __init__(self, ip: bytes, probe: bool, optimistic: bool) -> None:
        self.ip = ip
        self.probe = probe
        self.optimistic = probe and optimistic  # used, but not yet sure
        self.state = ClaimState.NEW
        self.established = not probe or optimistic  # answered for, used as a source
        self.probing = False
        self.announcing = False
        self.defending = False
        self.listed = False
        self.n_sent = 0
        self.transmits = 0
        self.nonces: tuple[bytes, ...] = ()
        self.timer_at: int | None = None
        self.timer_serial = 0

    def __repr__(self) -> str:
        return f"<Claim {self.ip.hex()} {self.state}>"


class Claims:
    """All our addresses on one interface. Conflicts and successes wait in `conflicts`
    and `claimed` until the caller takes them.
    """

    __slots__ = (
        "_claims",
        "_config",
        "_counters",
        "_deadlines",
        "_entropy",
        "_is_first",
        "_new",
        "_sending",
        "_table",
        "claimed",
        "conflicts",
        "trace",
    )

    def __init__(
        self,
        config: NdpConfig,
        table: NeighbourTable,
        entropy: Entropy,
        counters: Counters,
        trace: Trace | None,
        sending: Sink[Claim],
    ) -> None:
        self._config = config
        self._table = table  # knows RetransTimer
        self._entropy = entropy
        self._counters = counters
        self._sending = sending
        self._claims: dict[bytes, Claim] = {}
        self._new: list[tuple[Claim, bool]] = []
        self._deadlines: Deadlines[Claim] = Deadlines()
        self._is_first = True  # nothing was sent on this interface yet
        self.conflicts: dict[bytes, Conflict] = {}
        self.claimed: dict[bytes, None] = {}
        self.trace = trace

    def __len__(self) -> int:
        return len(self._claims)

    def get(self, ip: bytes) -> Claim | None:
        return self._claims.get(ip)

    def holds(self, ip: bytes) -> bool:
        """Is it ours to answer for? A tentative one is not, an optimistic one is."""
        claim = self._claims.get(ip)
        return claim is not None and claim.established

    def claims(self, ip: bytes) -> bool:
        """Is it ours, or about to be?"""
        return ip in self._claims

    def addresses(self) -> list[bytes]:
        """Ours and those about to be, in the order in which they were claimed."""
        return list(self._claims)

    def are_optimistic(self) -> bool:
        """Are there addresses in use that are being checked?"""
        return any(claim.optimistic for claim in self._claims.values())

    def source_for(self, target: bytes) -> Claim | None:
        """The address of ours that has most leading bits in common with `target`; an
        optimistic one asks for nobody (RFC 4429 3.2).
        """
        wanted = int.from_bytes(target, "big")
        best, best_distance = None, 0
        for claim in self._claims.values():
            if claim.established and not claim.optimistic:
                distance = (int.from_bytes(claim.ip, "big") ^ wanted).bit_length()
                if best is None or distance < best_distance:
                    best, best_distance = claim, distance
        return best

    def deadline(self) -> int | None:
        return self._deadlines.earliest()

    # -- verbs

    def claim(self, ip: bytes, probe: bool, delay: bool, optimistic: bool) -> None:
        if ip not in self._claims and len(self._claims) >= self._config.claim_limit:
            raise LimitError("no more addresses on this interface")
        self.release(ip)
        probe = probe and self._config.dad_transmits > 0
        claim = self._claims[ip] = Claim(ip, probe, optimistic)
        self._new.append((claim, delay))

    def release(self, ip: bytes) -> None:
        claim = self._claims.pop(ip, None)
        if claim is not None:
            self._deadlines.cancel(claim)
            claim.probing = claim.announcing = claim.defending = False
            claim.established = False
            self._new = [entry for entry in self._new if entry[0] is not claim]
            self.claimed.pop(ip, None)

    # -- time

    def start(self, now: int) -> None:
        """Begin what verbs asked for."""
        if not self._new:
            return
        new, self._new = self._new, []
        for claim, delay in new:
            if not claim.probe:
                self._announce(claim, now)
                continue
            self._become(claim, ClaimState.TENTATIVE, now)
            claim.transmits = self._config.dad_transmits
            # RFC 4862 5.4.2: not all hosts at once; RFC 4429 3.3: optimistic, at once
            wait = 0
            if (delay or self._is_first) and not claim.optimistic:
                wait = self._entropy.below(self._config.dad_delay + 1)
            self._deadlines.arm(claim, now + wait)
        self._is_first = False

    def handle_timeout(self, now: int) -> None:
        while (claim := self._deadlines.due(now)) is not None:
            if claim.state is ClaimState.ANNOUNCING:
                self._announce(claim, now)
            elif claim.n_sent < claim.transmits:
                claim.probing = True
                self._send(claim)
            else:
                # RFC 4862 5.4: nobody spoke up within RetransTimer
                claim.established, claim.optimistic = True, False
                self.claimed[claim.ip] = None
                self._announce(claim, now)

    def nonce_for(self, claim: Claim, now: int) -> bytes | None:
        """A probe leaves: it proves something from now on. Its nonce, if it has one."""
        claim.probing = False
        claim.n_sent += 1
        self._deadlines.arm(claim, now + self._table.retrans_delay)
        if not self._config.enhanced_dad:
            return None
        nonce = self._entropy.bytes(NONCE_SIZE)
        claim.nonces = (*claim.nonces[-MAX_MULTICAST_SOLICIT:], nonce)
        return nonce

    def _announce(self, claim: Claim, now: int) -> None:
        if claim.state is not ClaimState.ANNOUNCING:
            claim.n_sent = 0
            self._become(claim, ClaimState.ANNOUNCING, now)
        if claim.n_sent < self._config.announcements:
            claim.n_sent += 1
            claim.announcing = True
            self._send(claim)
            self._deadlines.arm(claim, now + self._table.retrans_delay)
        else:
            self._become(claim, ClaimState.HELD, now)

    # -- what arrives

    def solicited(
        self, claim: Claim, nonce: bytes | None, mac: bytes, now: int
    ) -> None:
        """Somebody checks an address that we check (RFC 4862 5.4.3) or have."""
        if claim.state in (ClaimState.NEW, ClaimState.TENTATIVE):
            if nonce is not None and nonce in claim.nonces:
                # RFC 7527 4.2: our own, looped back; ask more often to be sure
                self._counters.count("ndp.dad_looped_back")
                claim.transmits = max(claim.transmits, MAX_MULTICAST_SOLICIT)
                return
            self._conflict(claim, mac, now)
        else:
            self.defend(claim)

    def advertised(self, claim: Claim, mac: bytes, now: int) -> None:
        """Somebody has an address that we check (RFC 4862 5.4.4) or have."""
        self._conflict(claim, mac, now)

    def _conflict(self, claim: Claim, mac: bytes, now: int) -> None:
        self._counters.count("ndp.duplicates")
        if self.trace is not None:
            self.trace.append((now, "ndp-duplicate", claim.ip, mac))
        lost = claim.state in (ClaimState.NEW, ClaimState.TENTATIVE)
        if lost:
            self.release(claim.ip)
        self.conflicts[claim.ip] = Conflict(claim.ip, mac, lost)

    def defend(self, claim: Claim) -> None:
        claim.defending = True
        self._send(claim)

    def _become(self, claim: Claim, state: ClaimState, now: int) -> None:
        if self.trace is not None:
            self.trace.append((now, "claim", claim.ip, state.value))
        claim.state = state

    def _send(self, claim: Claim) -> None:
        if not claim.listed:
            claim.listed = True
            self._sending.append(claim)
