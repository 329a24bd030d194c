"""Where most scripts begin: two ends that are connected."""

from __future__ import annotations

from typing import Any, Final

from sansio_net.errors import SansioNetError
from sansio_net.protocols.tcp import ConnectionLost, TcpOptions
from sansio_net.testing import Script
from sansio_net.units import MILLISECOND, SECOND

MS, SEC = MILLISECOND, SECOND


PLAIN: Final[dict[str, Any]] = {
    "congestion": "reno",
    "frto": False,
    "quick_acks": 0,
    "rack": False,
    "tail_loss_probe": False,
}


def plain(**options: Any) -> TcpOptions:
    """Options of a connection whose pace the script sets: the oldest algorithms alone,
    and no ACK out of turn."""
    return TcpOptions(**(PLAIN | options))


def connected(
    *,
    mss: int | None = 1000,
    win: int = 65535,
    wscale: int | None = None,
    sack_ok: bool = False,
    stamps: bool = False,
    rtt: int = 0,
    mtu: int = 1500,
    **options: Any,
) -> Script:
    """We opened; the peer's SYN-ACK came after `rtt`."""
    t = Script(options=plain(**options), mtu=mtu, stamps=stamps)
    t.connect()
    t.us("S", seq=0)
    t.wait(rtt)
    t.peer("S.", seq=0, ack=1, win=win, mss=mss, wscale=wscale, sack_ok=sack_ok)
    t.us(".", seq=1, ack=1)
    assert t.happened() == ["Connected"]
    return t


def accepted(
    *,
    mss: int | None = 1000,
    win: int = 65535,
    wscale: int | None = None,
    sack_ok: bool = False,
    stamps: bool = False,
    **options: Any,
) -> Script:
    """The peer opened, and we accepted."""
    t = Script(options=plain(**options), stamps=stamps)
    t.listen()
    t.peer("S", seq=0, win=win, mss=mss, wscale=wscale, sack_ok=sack_ok)
    t.us("S.", seq=0, ack=1)
    t.peer(".", seq=1, ack=1, win=win)
    assert t.happened() == ["Accepted"]
    return t


def sizes(t: Script) -> list[int]:
    """Text in each segment sent and not seen yet."""
    return [len(seen.data) for seen in t.sent()]


def places(t: Script) -> list[int]:
    """Where each segment sent and not seen yet begins."""
    return [t.relative(seen) for seen in t.sent()]


def in_flight(
    segments: int = 10, *, more: int = 90, ago: int = 20 * MS, **kwargs: Any
) -> Script:
    """So many segments of 1000 bytes left a while `ago`; `more` waits, or none."""
    kwargs.setdefault("sack_ok", True)
    kwargs.setdefault("initial_window", segments)
    t = connected(**kwargs)
    t.conn.send(bytes(1000 * (segments + more)))
    assert sizes(t) == [1000] * segments
    t.wait(ago)  # on its way; what goes again leaves later than this
    return t


def sacked(t: Script, *segments: int, una: int = 0) -> list[int]:
    """An ACK that has everything before segment `una` and these, the first of them the
    newest; which segments leave then. Counted from 0, 1000 bytes each."""
    held = sorted(segments)
    blocks: list[tuple[int, int]] = []
    for n in held:
        if blocks and blocks[-1][1] == n:
            blocks[-1] = (blocks[-1][0], n + 1)
        else:
            blocks.append((n, n + 1))
    if segments:
        newest = next(b for b in blocks if b[0] <= segments[0] < b[1])
        blocks.remove(newest)
        blocks = [newest, *reversed(blocks)][:4]
    t.peer(
        ".",
        ack=1 + 1000 * una,
        sack=[(1 + 1000 * a, 1 + 1000 * b) for a, b in blocks],
    )
    return segments_sent(t)


def segments_sent(t: Script) -> list[int]:
    """The segments sent and not seen yet, counted from 0."""
    return [(place - 1) // 1000 for place in places(t)]


def lost(t: Script) -> SansioNetError:
    """The error that the connection ended with."""
    (error,) = [event.error for event in t.events if isinstance(event, ConnectionLost)]
    return error
