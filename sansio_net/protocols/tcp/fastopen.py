"""TCP Fast Open: text on the SYN, for a client that has proved where it is before.

RFC 7413. Experimental, and off unless asked for on both sides: a SYN that the network
doubles can bring the same text to the application twice (RFC 7413 2.1).

`FastOpen` is what one connection keeps of it; `CookieCache` what a host knows of the
servers it talked to; `FastOpenQueue` how a listener makes and checks cookies, and how
many connections it lets begin so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import blake2s
from typing import TYPE_CHECKING, Final, TypeAlias

from sansio_net.counters import Counters
from sansio_net.packet import Chunk
from sansio_net.units import HOUR, MINUTE
from sansio_net.wire.tcp_options import SegmentOptions, build_tcp_options

from .events import ACCEPTED, DATA
from .handshake import our_mss
from .isn import IsnGenerator
from .lifecycle import start_congestion
from .tally import tally_of

if TYPE_CHECKING:
    from .connection import Connection

OPT_FAST_OPEN: Final = 34
ROTATION: Final = 24 * HOUR
"""A server's key changes; cookies of the key before are still good."""
RESET_PENALTY: Final = MINUTE
"""So long a connection that was reset half open counts on (RFC 7413 5.1)."""
COOKIE_SIZE: Final = 8

Server: TypeAlias = tuple[bytes, bytes, int]


class FastOpen:
    """One connection's part.

    cache or queue: a client has the one, a server the other. peer: by what the cache
    knows it. cookie: what our first SYN, or SYN-ACK, carries; b"": a request, None:
    nothing. mss: the peer's as it was. opened: text went, or was taken, with the SYN.
    """

    __slots__ = ("cache", "cookie", "mss", "opened", "peer", "queue")

    def __init__(
        self,
        peer: Server,
        cache: CookieCache | None = None,
        queue: FastOpenQueue | None = None,
    ) -> None:
        self.peer = peer
        self.cache = cache
        self.queue = queue
        self.cookie: bytes | None = None
        self.mss = 0
        self.opened = False

    @property
    def serving(self) -> bool:
        """Did a client begin so, who may be answered before its handshake is over?"""
        return self.opened and self.queue is not None

    def timed_out(self, now: int) -> None:
        """Our SYN goes again, as an ordinary one: was it the option? (4.2.1, 4.2.2)"""
        if self.cookie is not None and self.cache is not None:
            self.cache.fail(self.peer, now)
        self.cookie = None

    def ended(self, was_reset: bool, now: int) -> None:
        """The handshake is complete, or has failed."""
        if self.serving and self.queue is not None:
            self.queue.ended(was_reset, now)
            self.opened = False
        elif was_reset:
            self.timed_out(now)


# The client's half ------------------------------------------------------------------


class Known:
    """What was learnt of a server; the port too, since it may differ there."""

    __slots__ = ("cookie", "failures", "mss", "retry_at")

    def __init__(self) -> None:
        self.cookie = b""
        self.mss = 0
        self.failures = 0
        self.retry_at = 0


class CookieCache:
    """Servers by both addresses and their port, the longest unused dropped first."""

    __slots__ = ("_counters", "_known", "limit")

    def __init__(self, limit: int, counters: Counters | None = None) -> None:
        self.limit = limit
        self._counters = counters
        self._known: dict[Server, Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def look_up(self, peer: Server, now: int) -> Known | None:
        """What is known, or a request to be sent; None: not now (RFC 7413 4.1.3.1)."""
        known = self._known.get(peer)
        if known is None:
            return Known()
        return known if now >= known.retry_at else None

    def learn(self, peer: Server, cookie: bytes, mss: int) -> None:
        """The server said so, and so it works."""
        known = self._entry(peer)
        known.failures = known.retry_at = 0
        known.cookie = cookie or known.cookie
        known.mss = mss

    def fail(self, peer: Server, now: int) -> None:
        """Text, or the option, does not get through: without it for a while."""
        known = self._entry(peer)
        known.cookie = b""
        known.retry_at = now + min(MINUTE << known.failures, HOUR)
        known.failures = min(known.failures + 1, 16)

    def _entry(self, peer: Server) -> Known:
        known = self._known.pop(peer, None)
        if known is None:
            known = Known()
            if len(self._known) >= self.limit:
                if self._counters is not None:
                    self._counters.count("tcp.fast_open_forgotten")
                del self._known[next(iter(self._known))]
        self._known[peer] = known
        return known


def begin(fast: FastOpen, now: int) -> None:
    """Our first SYN leaves: with a cookie if there is one, else it asks for one."""
    if fast.cache is None:
        return
    known = fast.cache.look_up(fast.peer, now)
    if known is not None:
        fast.cookie, fast.mss = known.cookie, known.mss


def on_syn(
    conn: Connection, fast: FastOpen, options: bytes
) -> tuple[bytes, Sequence[Chunk]]:
    """The options of our SYN, or SYN-ACK, with the cookie, and the text with it."""
    if fast.cookie is None:
        return options, ()
    more = build_tcp_options(unknown=((OPT_FAST_OPEN, fast.cookie),))
    if len(options) + len(more) > 40:
        fast.cookie = None  # RFC 7413 4.2.2 (1a)
        return options, ()
    options += more
    size = _size(conn, fast, options) if fast.queue is None else 0
    return options, conn.sender.parts(conn.sender.iss + 1, size) if size else ()


def _size(conn: Connection, fast: FastOpen, options: bytes) -> int:
    """How much of what is queued goes with the SYN."""
    sender = conn.sender
    if not fast.cookie or not sender.queued:
        return 0
    # RFC 7413 4.1.3: the cached MSS, no more than is usual, else the default
    usual, default = (1460, 536) if len(conn.raddr) == 4 else (1440, 1220)
    mss = min(fast.mss or default, usual, our_mss(conn.laddr, conn.mtu, conn.options))
    size = max(min(sender.queued, mss - len(options)), 0)
    fast.opened = size > 0
    return size


def answered(
    conn: Connection, fast: FastOpen, peer: SegmentOptions, ack: int, now: int
) -> None:
    """A SYN-ACK came (4.2.2, Client: Receiving SYN-ACK)."""
    sender, cache = conn.sender, fast.cache
    taken = ack > sender.iss + 1
    if ack < sender.snd_nxt:
        # the text goes again at once, as if it had never left
        sender.snd_nxt = ack
    if cache is not None and (fast.cookie is not None or fast.opened):
        cookie = option_of(peer)
        if cookie or taken:
            cache.learn(fast.peer, cookie or b"", peer.mss or 0)
        elif fast.opened or fast.cookie == b"":
            cache.fail(fast.peer, now)
    if fast.opened:
        tally_of(conn).syn_data = taken
        _count(conn.counters, "tcp.fast_open_active" if taken else "tcp.fast_open_lost")
    conn.fast_open = None


# The server's half ------------------------------------------------------------------


class FastOpenQueue:
    """A listener's cookies, and its PendingFastOpenRequests (RFC 7413 4.2)."""

    __slots__ = ("_key", "_resets", "limit", "pending")

    def __init__(self, isn: IsnGenerator, limit: int) -> None:
        self._key = isn.key(b"fast open")
        self.limit = limit
        self.pending = 0
        self._resets: deque[int] | None = None

    def cookie(self, client: bytes, server: bytes, epoch: int) -> bytes:
        """A MAC of the client's address; the same for all ports of a host (4.1.2)."""
        what = client + server + epoch.to_bytes(8, "big")
        return blake2s(what, key=self._key, digest_size=COOKIE_SIZE).digest()

    def has_room(self, now: int) -> bool:
        resets = self._resets
        while resets and resets[0] <= now:
            resets.popleft()
        return self.pending + len(resets or ()) < self.limit

    def ended(self, was_reset: bool, now: int) -> None:
        """A connection that began so is established, or failed."""
        self.pending -= 1
        if was_reset:
            # else a spoofed client's own RSTs would make room for the next (5.1)
            if self._resets is None:
                self._resets = deque()
            self._resets.append(now + RESET_PENALTY)


def accept(
    queue: FastOpenQueue,
    child: Connection,
    peer: SegmentOptions,
    body: Chunk,
    now: int,
) -> None:
    """A SYN with the option, perhaps with text (4.2.2, Server: Receiving SYN)."""
    asked = option_of(peer)
    listener = child.listener
    if asked is None or listener is None:
        return
    peer_of = (child.laddr, child.raddr, child.rport)
    fast = child.fast_open = FastOpen(peer_of, queue=queue)
    epoch = now // ROTATION
    current = queue.cookie(child.raddr, child.laddr, epoch)
    if asked != current:
        fast.cookie = current  # a request, or it has expired
    valid = asked == current or (
        epoch > 0 and asked == queue.cookie(child.raddr, child.laddr, epoch - 1)
    )
    if not valid or not queue.has_room(now):
        if asked:
            _count(child.counters, "tcp.fast_open_refused")
        return
    _count(child.counters, "tcp.fast_open_accepted")
    queue.pending += 1
    fast.opened = True
    start_congestion(child, now)
    listener.child_stands(child)
    receiver = child.receiver
    text = body[: receiver.limit]
    child.notify(ACCEPTED)
    if text:
        tally_of(child).syn_data = True
        receiver.take_text(receiver.rcv_nxt, text, 1)
        child.notify(DATA)


def option_of(options: SegmentOptions) -> bytes | None:
    """The cookie in a SYN; b"": a request, None: no valid option (RFC 7413 4.1.1)."""
    for kind, data in options.unknown:
        if kind == OPT_FAST_OPEN:
            size = len(data)
            valid = not size or (4 <= size <= 16 and not size & 1)
            return data if valid else None
    return None


def _count(counters: Counters | None, name: str) -> None:
    if counters is not None:
        counters.count(name)
