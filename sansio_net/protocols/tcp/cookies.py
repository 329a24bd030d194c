"""SYN cookies: a handshake that costs no memory until it is completed.

RFC 4987 3.6 and appendix A; what the sequence number has no room for rides in the low
bits of the timestamp that the peer echoes, as in FreeBSD and Linux.

The initial sequence number of the SYN-ACK is one bit of the time slot, three of the
MSS (both under a mask), and 28 of a keyed hash over those, both ends and the peer's own
number. At any time
16 of 2**32 numbers are right for a segment out of nowhere: one guess in 2**28.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import TYPE_CHECKING, Final

from sansio_net.packet import Packet, PacketInfo
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.tcp import ACK, ECE, SYN
from sansio_net.wire.tcp_options import SegmentOptions, parse_tcp_options

from . import ecn
from .handshake import MAX_WSCALE, agree, offer, our_mss
from .lifecycle import cookie_open
from .options import receive_limit
from .reset import control_packet
from .seq import MASK

if TYPE_CHECKING:
    from .connection import Connection
    from .listener import Listener

SLOT: Final = 60 * SECOND
"""A cookie is good in its slot and the next: one minute at least, two at most."""

MSS4: Final = (48, 536, 1220, 1360, 1400, 1440, 1460, 8960)
MSS6: Final = (48, 536, 1220, 1360, 1380, 1420, 1440, 8940)
"""What peers really offer: Ethernet, tunnels over it, IPv6's least, jumbo frames. A
peer is taken at the largest that is not above its own; below the first nobody is."""

_STAMP_BITS: Final = 6
_NO_WSCALE: Final = 15
_SACK: Final = 16
_ECN: Final = 32
_MAC_MASK: Final = (1 << 28) - 1


class SynCookies:
    """Makes and checks them; all it keeps is the key, and until when one may return."""

    __slots__ = ("_key", "until")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.until = 0

    def make(
        self,
        laddr: bytes,
        lport: int,
        raddr: bytes,
        rport: int,
        irs: int,
        mss: int,
        now: int,
    ) -> int:
        """Our initial sequence number for a peer that offers this MSS."""
        table = MSS4 if len(laddr) == 4 else MSS6
        index = max(sum(mss >= entry for entry in table) - 1, 0)
        slot = now // SLOT
        self.until = now + 2 * SLOT
        what = _place(laddr, lport, raddr, rport, irs)
        top = (slot & 1) << 3 | index
        return (top ^ self._mask(what)) << 28 | self._mac(what, slot, index)

    def check(
        self,
        laddr: bytes,
        lport: int,
        raddr: bytes,
        rport: int,
        irs: int,
        cookie: int,
        now: int,
    ) -> int | None:
        """The MSS of a cookie that we made for this peer and that is still good."""
        what = _place(laddr, lport, raddr, rport, irs)
        top = cookie >> 28 ^ self._mask(what)
        slot, index = now // SLOT, top & 7
        if slot & 1 != top >> 3:
            slot -= 1
        if slot < 0 or cookie & _MAC_MASK != self._mac(what, slot, index):
            return None
        return (MSS4 if len(laddr) == 4 else MSS6)[index]

    def _mac(self, what: bytes, slot: int, index: int) -> int:
        what += slot.to_bytes(8, "big") + bytes((index,))
        digest = blake2s(what, key=self._key, person=b"mac", digest_size=4)
        return int.from_bytes(digest.digest(), "big") & _MAC_MASK

    def _mask(self, what: bytes) -> int:
        """Makes the number unpredictable in every bit (RFC 6528 1)."""
        return blake2s(what, key=self._key, person=b"mask").digest()[0] & 15


def _place(laddr: bytes, lport: int, raddr: bytes, rport: int, irs: int) -> bytes:
    numbers = lport << 48 | rport << 32 | irs
    return laddr + raddr + numbers.to_bytes(8, "big")


def stamp_with(clock: int, peer: SegmentOptions, asked: bool) -> int:
    """A timestamp at most 64 ticks before `clock` that says what the peer offered, and
    whether it asked for ECN."""
    bits = _NO_WSCALE if peer.wscale is None else min(peer.wscale, MAX_WSCALE)
    bits |= _SACK * peer.sack_permitted | _ECN * asked
    stamp = clock >> _STAMP_BITS << _STAMP_BITS | bits
    # never ahead of the clock: later stamps would look old (RFC 7323 5.3)
    return (stamp if stamp <= clock else stamp - (1 << _STAMP_BITS)) & MASK


def offer_from(
    mss: int, ts_val: int | None, ts_ecr: int | None
) -> tuple[SegmentOptions, bool]:
    """What the peer's SYN offered, and whether ECN; without a timestamp only the MSS.

    `ts_val`, `ts_ecr`: of the segment that brought the cookie back.
    """
    if ts_val is None or ts_ecr is None:
        return SegmentOptions(mss=mss), False
    wscale = ts_ecr & _NO_WSCALE
    peer = SegmentOptions(
        mss=mss,
        wscale=None if wscale == _NO_WSCALE else wscale,
        sack_permitted=bool(ts_ecr & _SACK),
        ts_val=ts_val,
    )
    return peer, bool(ts_ecr & _ECN)


# What a listener does with them -----------------------------------------------------


def answer(mode: str, full: bool, floor: int | None) -> bool:
    """Is a SYN answered without keeping anything?

    Not where the number must lie above that of an earlier incarnation.
    """
    return floor is None and (mode == "always" or (full and mode == "full"))


def syn_ack(
    listener: Listener,
    place: tuple[bytes, int, bytes, int],
    irs: int,
    flags: int,
    peer: SegmentOptions,
    mtu: int,
    now: int,
) -> Packet:
    """The answer to a SYN that says all there is to know (RFC 4987 3.6).

    place: our address and port, and the peer's.
    """
    options, (dst, _, src, _) = listener.options, place
    mss = agree(options, peer, src).mss
    iss = listener.cookies.make(*place, irs, mss, now)
    asked = options.ecn != "off" and flags & ecn.SETUP == ecn.SETUP
    if not options.timestamps or peer.ts_val is None:
        # what else it offered could not be remembered
        peer, asked = SegmentOptions(mss=peer.mss), False
    clock = (now // MILLISECOND + listener.isn.ts_offset(*place)) & MASK
    stamp = stamp_with(clock, peer, asked)
    packet = control_packet(
        *place,
        seq=iss,
        ack=irs + 1,
        flags=SYN | ACK | (ECE if asked else 0),
        window=min(receive_limit(options), 0xFFFF),
        options=offer(
            options, our_mss(dst, mtu, options), stamp, peer.ts_val or 0, peer
        ),
    )
    packet.info = PacketInfo(dst, src, options.tos, options.ttl)
    if listener.counters is not None:
        listener.counters.count("tcp.syn_cookies_sent")
    return packet


def comes_back(
    listener: Listener,
    place: tuple[bytes, int, bytes, int],
    seq: int,
    ack: int,
    flags: int,
    now: int,
) -> int | None:
    """The MSS of the half-open connection that this ACK remembers, if it does.

    Only for as long as cookies that were sent may come back: at other times no guess
    can be right.
    """
    cookies = listener.cookies
    if now >= cookies.until or flags & SYN or listener.closed:
        return None
    iss, irs = (ack - 1) & MASK, (seq - 1) & MASK
    mss = cookies.check(*place, irs, iss, now)
    if listener.counters is not None:
        result = "failed" if mss is None else "received"
        listener.counters.count(f"tcp.syn_cookies_{result}")
    return mss


def remember(
    child: Connection,
    mss: int,
    seq: int,
    ack: int,
    wnd: int,
    options: bytes,
    now: int,
) -> None:
    """The half-open connection as it was when its cookie was sent."""
    stamps = parse_tcp_options(options)
    peer, asked = offer_from(mss, stamps.ts_val, stamps.ts_ecr)
    cookie_open(child, (seq - 1) & MASK, (ack - 1) & MASK, wnd, peer, now)
    ecn.meet(child, ecn.SETUP if asked else 0)
