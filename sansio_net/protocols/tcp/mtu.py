"""How large a connection's packets may be: routers' words, ageing, probing.

RFC 1191, RFC 8201, RFC 5927 7.2, RFC 4821. `path.py` and `plpmtud.py` are the parts;
these are functions of a connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.counters import DropReason

from .handshake import TIMESTAMPS_SIZE, effective_mss, headers_size
from .path import MIN_MTU4, MIN_MTU6, PathMtu, next_plateau
from .phase import OPEN
from .plpmtud import Search
from .seq import unwrap
from .timers import PATH

if TYPE_CHECKING:
    from .connection import Connection

WAIT: Final = -1
"""A probe is to be the next to leave, as soon as there is room for it."""

PATH_OPTIONS: Final = frozenset(("pmtud", "plpmtud"))

FOLLOWERS: Final = 3
"""Segments behind a probe without which its loss is not seen soon (RFC 4821 7.4)."""


def path_changed(conn: Connection, mtu: int, gso_max: int, known: int = 0) -> None:
    """Another route: another MTU, another device to cut super-segments.

    `mtu` is the first link's, `known` what the path is known to carry, 0: nothing is.
    """
    # the frame header and the longest options have room beside the payload
    frame = min(gso_max, 0xFFFF + 14)
    conn.gso_payload = frame - 14 - headers_size(conn.laddr) - 40 if gso_max else 0
    conn.link_mtu = mtu
    conn.path = None
    set_mtu(conn, _without_discovery(conn, min(mtu, known or mtu)))
    if conn.established and not conn.done:
        begin_path(conn, conn.clock)


def _without_discovery(conn: Connection, mtu: int) -> int:
    """`mtu`, where routers are asked. Else IPv4's may cut; IPv6's do not, and what
    passes everywhere must do (RFC 8201 4)."""
    conn.fragments = conn.options.pmtud == "off"
    if conn.fragments and len(conn.laddr) != 4:
        return MIN_MTU6
    return mtu


def begin_path(conn: Connection, now: int) -> None:
    """The connection stands, or stands on another path."""
    conn.timers.stop(PATH)
    if conn.options.plpmtud == "on":
        search = _path(conn).search = _search(conn, conn.mtu, first=True)
        set_mtu(conn, search.low)
    elif conn.mtu < conn.link_mtu:
        conn.timers.set(PATH, now + conn.options.pmtu_age)


def options_changed(conn: Connection) -> None:
    """Another choice about the path, from now on."""
    mtu = _without_discovery(conn, conn.mtu)
    if mtu != conn.mtu:
        set_mtu(conn, mtu)
    if conn.options.plpmtud == "off":
        if conn.path is not None:
            conn.path.search = None
    elif conn.established and (conn.path is None or conn.path.search is None):
        begin_path(conn, conn.clock)


def set_mtu(conn: Connection, mtu: int, reason: str = "mtu") -> None:
    """What is in flight and now too big goes again."""
    _remember_proof(conn)
    conn.mtu = mtu
    if conn.agreed is None:
        return
    sender = conn.sender
    mss = effective_mss(conn.agreed, conn.laddr, mtu, conn.options)
    if mss == sender.mss:
        return
    smaller = mss < sender.mss
    sender.mss = mss
    sender.full_end = 0
    conn.congestion.set_mss(mss)
    if smaller and sender.in_flight and conn.established and not conn.done:
        # no sign of congestion, so cwnd stays as many segments
        conn.recovery.lose(sender.snd_una, sender.snd_nxt, reason)
        conn.wake()


def packet_size(conn: Connection, text: int | None = None) -> int:
    """A segment of ours as an IP packet, a full one if there is more `text`."""
    stamps = conn.agreed is not None and conn.agreed.timestamps
    mss = conn.sender.mss
    size = (mss if text is None else min(text, mss)) + headers_size(conn.laddr)
    return size + TIMESTAMPS_SIZE if stamps else size


def _path(conn: Connection) -> PathMtu:
    if conn.path is None:
        conn.path = PathMtu()
        _remember_proof(conn)
    return conn.path


def _remember_proof(conn: Connection) -> None:
    """A full segment of the size in use was acknowledged: packets like it arrive."""
    path, sender = conn.path, conn.sender
    if path is not None and 0 < sender.full_end <= sender.snd_una:
        path.proven = max(path.proven, packet_size(conn))


def _least(conn: Connection) -> int:
    return MIN_MTU4 if len(conn.laddr) == 4 else MIN_MTU6


# What routers say -------------------------------------------------------------------


def path_mtu(
    conn: Connection, mtu: int, length: int, header: int, seq: int, now: int
) -> None:
    """A router found a segment too big for the next link (RFC 1191 3, RFC 8201 4).

    It quotes a packet of `length` with an IP header of `header` and sequence number
    `seq`; `mtu` 0: it does not say what would pass.
    """
    conn.clock = now
    sender = conn.sender
    number = unwrap(seq, sender.snd_una)
    believes = conn.options.pmtud == "on" and not conn.fragments
    in_flight = sender.snd_una <= number < sender.snd_nxt
    if not mtu and len(conn.laddr) == 4:
        mtu = next_plateau(length, header, conn.mtu)
    speaks_of_us = in_flight and not conn.done and conn.agreed is not None
    if not believes or not speaks_of_us or mtu < _least(conn):
        # RFC 5927 4.1: only about what is in flight; RFC 8201 4: less than an IPv6
        # link carries cannot be
        conn.drop(DropReason.ICMP_NOT_CONCERNING)
    elif _is_about_probe(conn, number, mtu):
        probe_lost(conn, now, mtu)
    elif mtu >= packet_size(conn, sender.snd_nxt - number):
        # RFC 5927 7.2: no packet there was larger; and never upwards (RFC 1191 3)
        conn.drop(DropReason.ICMP_NOT_CONCERNING)
    else:
        path = _path(conn)
        _remember_proof(conn)
        if path.believes(mtu, number):
            _shrink(conn, mtu, now)
        elif conn.counters is not None:
            conn.counters.count("tcp.pmtu_claims_delayed")


def _shrink(conn: Connection, mtu: int, now: int) -> None:
    options, path = conn.options, _path(conn)
    if mtu < options.min_pmtu and len(conn.laddr) == 4:
        # as Linux: fragments of packets of a sensible size, not packets without
        mtu = min(options.min_pmtu, conn.mtu)
        conn.fragments = True
    path.shrank(mtu)
    if path.search is not None:
        path.search.limit(mtu)
    conn.timers.set(PATH, now + options.pmtu_age)
    _note(conn, now, mtu, "router")
    set_mtu(conn, mtu)


def _note(conn: Connection, now: int, mtu: int, reason: str) -> None:
    conn.note(now, "tcp.pmtu", mtu, reason)
    if conn.counters is not None:
        conn.counters.count(f"tcp.pmtu_{reason}")


def aged(conn: Connection, now: int) -> None:
    """The path may carry more by now (RFC 1191 6.3, RFC 4821 7.3)."""
    path = conn.path
    if path is not None and path.search is not None:
        path.search.again(_top(conn))
    elif conn.mtu < conn.link_mtu:
        mtu = _without_discovery(conn, conn.link_mtu)
        if mtu != conn.mtu:
            _note(conn, now, mtu, "aged")
            set_mtu(conn, mtu)


def timed_out(conn: Connection, now: int) -> bool:
    """The retransmission timer ran out. Was the path's MTU, not congestion, the reason?

    If so, everything in flight is to go again in smaller segments.
    """
    path, options = conn.path, conn.options
    if path is not None:
        claimed = path.claim(conn.sender.snd_una)
        if claimed:
            _shrink(conn, claimed, now)
            return True
        if path.search is not None:
            _time_out_of_search(conn, path.search, now)
    if options.plpmtud != "off" and conn.retransmits >= options.retries1:
        _full_stop(conn, now)
    return False


def _time_out_of_search(conn: Connection, search: Search, now: int) -> None:
    una = conn.sender.snd_una
    if search.size and search.start == una:
        # RFC 4821 7.6.3: nothing before it was lost, what follows may have been
        search.failed(now + 5 * _probe_interval(conn))
        _rest_if_found(conn, search, now)
    window_fell(conn, now)


def window_fell(conn: Connection, now: int) -> None:
    """For a loss: of a size on trial (RFC 4821 7.8)?"""
    search = conn.path.search if conn.path is not None else None
    if search is None:
        return
    search.inconclusive()  # a probe that is in flight may be lost among others
    fallback = search.loss(conn.sender.snd_una)
    if fallback:
        _note(conn, now, fallback, "unverified")
        set_mtu(conn, fallback)


def _rest_if_found(conn: Connection, search: Search, now: int) -> None:
    """RFC 4821 7.3: once it has converged, again in ten minutes."""
    if search.converged:
        conn.timers.set(PATH, now + conn.options.pmtu_age)


def _probe_interval(conn: Connection) -> int:
    """As long as from one loss to the next, about (RFC 4821 7.6.2): as many round trips
    as there are segments in cwnd."""
    return conn.congestion.cwnd // conn.sender.mss * conn.rtt.srtt


# Probing ----------------------------------------------------------------------------


def _top(conn: Connection) -> int:
    """The largest packet that both ends may exchange."""
    assert conn.agreed is not None
    headers, cap = headers_size(conn.laddr), conn.options.mss
    mss = conn.agreed.mss if cap is None else min(conn.agreed.mss, cap)
    return min(conn.link_mtu, mss + headers)


def _search(conn: Connection, top: int, first: bool) -> Search:
    base = conn.options.plpmtud_base + headers_size(conn.laddr)
    return Search(max(base, _least(conn)), min(top, _top(conn)), first)


def _full_stop(conn: Connection, now: int) -> None:
    """R1 time-outs: a black hole, perhaps (RFC 4821 7.7)."""
    path = _path(conn)
    if path.search is None:
        path.search = _search(conn, packet_size(conn) - 1, first=False)
    mtu = path.search.full_stop(conn.mtu, _least(conn))
    if mtu < packet_size(conn):
        _note(conn, now, mtu, "black_hole")
        path.shrank(mtu)
        conn.timers.set(PATH, now + conn.options.pmtu_age)
        set_mtu(conn, mtu)


def probe_size(conn: Connection, search: Search, room: int, now: int) -> int:
    """The packet size of a probe that may leave now, or WAIT; 0: none (RFC 4821 7.4).

    Text that left a segment for each ACK would never leave room in cwnd for a larger
    one, so it waits for that: ACKs of what is in flight make it.
    """
    sender = conn.sender
    if search.size or search.converged or now < search.not_before:
        return 0
    if conn.recovery.phase is not OPEN or conn.recovery.lost:
        return 0
    size = search.next_size()
    needed = size + FOLLOWERS * sender.mss
    window = sender.snd_una + sender.snd_wnd - sender.snd_nxt
    waiting = sender.queue_end - sender.snd_nxt
    if needed > min(conn.congestion.cwnd, window, waiting):
        return 0
    if size > room:
        return WAIT if sender.in_flight else 0
    return size


def probe_sent(conn: Connection, search: Search, size: int, start: int) -> None:
    search.sent(size, start, conn.sender.snd_nxt)
    conn.note(conn.clock, "tcp.probe", "mtu", size)
    if conn.counters is not None:
        conn.counters.count("tcp.mtu_probes")


def probe_acknowledged(conn: Connection, search: Search, now: int) -> None:
    """SND.UNA moved: over the probe that is in flight?"""
    sender = conn.sender
    if not search.size or sender.snd_una < search.end:
        return
    mtu = search.arrived(sender.snd_nxt, sender.mss)
    _rest_if_found(conn, search, now)
    _note(conn, now, mtu, "probed")
    if mtu > conn.mtu:
        set_mtu(conn, mtu)
        _path(conn).proven = mtu


def probe_at(conn: Connection, una: int) -> bool:
    """Does a probe begin where something was lost?"""
    search = conn.path.search if conn.path is not None else None
    return search is not None and search.size > 0 and search.start == una


def _is_about_probe(conn: Connection, number: int, mtu: int) -> bool:
    search = conn.path.search if conn.path is not None else None
    return (
        search is not None
        and search.start <= number < search.end
        and packet_size(conn) <= mtu < search.size
    )


def probe_lost(conn: Connection, now: int, mtu: int = 0) -> None:
    """The probe alone was lost: no sign of congestion (RFC 4821 7.6.2).

    `mtu`: what a router says of it. It goes again in segments of the usual size.
    """
    sender, path = conn.sender, conn.path
    assert path is not None
    search = path.search
    assert search is not None
    start, end, size = search.start, search.end, search.size
    search.failed(now + _probe_interval(conn))
    if mtu:
        search.limit(mtu)
    _rest_if_found(conn, search, now)
    conn.note(now, "tcp.probe", "mtu lost", size)
    # what follows the probe goes on saying that it is missing
    conn.recovery.recovery_point = sender.snd_nxt
    conn.recovery.lose(max(start, sender.snd_una), end, "mtu probe")
    conn.wake()
