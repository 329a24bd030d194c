"""What `Connection.info()` says: the names of Linux's ``struct tcp_info``.

Without the ``tcpi_``; sizes are bytes where Linux counts segments, times ns, and what
Linux gives as an age is a point in time here: a connection knows no clock.
`format_info` says it in the words of ``ss -ti``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sansio_net.units import MICROSECOND, MILLISECOND, SECOND

from .congestion import Bbr
from .congestion.base import INFINITE
from .handshake import our_mss
from .states import State
from .tally import BY_BUFFER, BY_WINDOW, Tally

if TYPE_CHECKING:
    from .connection import Connection


@dataclass(slots=True, kw_only=True)
class TcpInfo:
    """Times in ns, sizes in bytes, rates in bytes a second; floats nowhere."""

    state: State = State.CLOSED
    ca_state: str = ""
    """"open", "disorder", "cwr", "recovery" or "loss"."""
    congestion: str = ""
    """The controller's name."""
    phase: str = ""
    """Where it stands, in its own words."""
    retransmits: int = 0
    """Time-outs in a row."""
    probes: int = 0
    """Unanswered keep-alives."""
    backoff: int = 0
    timestamps: bool = False
    sack: bool = False
    ecn: bool = False
    ecn_seen: bool = False
    """The peer's packets came marked as capable (ECT), or by congestion (CE)."""
    syn_data: bool = False
    """Text came or went with a SYN (RFC 7413), and was taken."""
    wscale: bool = False
    snd_wscale: int = 0
    rcv_wscale: int = 0
    rto: int = 0
    ato: int = 0
    """How long an ACK is delayed."""
    snd_mss: int = 0
    """Text in a full segment, timestamps allowed for."""
    rcv_mss: int = 0
    advmss: int = 0
    """What our SYN says or said."""
    pmtu: int = 0
    unacked: int = 0
    """In flight: SND.NXT - SND.UNA."""
    sacked: int = 0
    lost: int = 0
    """Called lost and not delivered since, sent again or not."""
    retrans: int = 0
    """Sent again and neither acknowledged nor lost again."""
    rtt: int = 0
    rttvar: int = 0
    min_rtt: int = 0
    rcv_rtt: int = 0
    """The round trip as the receiver sees it; 0: not measured."""
    snd_cwnd: int = 0
    snd_ssthresh: int = 0
    """0 until there is one."""
    reordering: int = 3
    """Segments that a later one may overtake and no loss is suspected."""
    reord_seen: int = 0
    """ACKs that told of text overtaken on the way."""
    snd_wnd: int = 0
    rcv_wnd: int = 0
    rcv_space: int = 0
    """The receive buffer's limit."""
    pacing_rate: int = 0
    delivery_rate: int = 0
    app_limited: bool = False
    delivered: int = 0
    """Acknowledged, or SACKed."""
    delivered_ce: int = 0
    """Of that, by ACKs that echo a mark of congestion (ECE)."""
    busy_time: int = 0
    """How long text waited to leave or to be acknowledged, up to the last turn."""
    rwnd_limited: int = 0
    """Of that, how long the peer's window was what it waited for."""
    sndbuf_limited: int = 0
    """Of that, how long the path had room, and a full `send_buffer` nothing to fill
    it with."""
    bbr_bw: int = 0
    """The model of BBR, where that is the controller: rate and round trip."""
    bbr_min_rtt: int = 0
    last_data_sent: int = 0
    """When text last left; 0: never."""
    last_data_recv: int = 0
    last_ack_recv: int = 0
    bytes_sent: int = 0
    """Text, what was sent again included."""
    bytes_retrans: int = 0
    bytes_acked: int = 0
    """As Linux counts it: with our SYN and our FIN."""
    bytes_received: int = 0
    segs_out: int = 0
    segs_in: int = 0
    data_segs_out: int = 0
    data_segs_in: int = 0
    total_retrans: int = 0
    """Segments sent again."""
    total_rto: int = 0
    """Time-outs, the SYN's included."""
    total_rto_recoveries: int = 0
    """Of those, the ones that were the first in a row."""
    total_rto_time: int = 0
    """From there to the ACK that ended the row."""
    dsack_dups: int = 0
    """Segments that the peer says it got twice (RFC 2883)."""
    notsent_bytes: int = 0
    receive_queue: int = 0
    """What `recv` would give: ss's Recv-Q."""
    send_queue: int = 0
    """Taken by `send` and not acknowledged: ss's Send-Q."""
    out_of_order: int = 0
    """Kept beyond a hole."""
    rcv_ooopack: int = 0
    """Segments that came so."""
    urgent: int = 0
    """To be read up to the end of the peer's urgent text."""


def gather(conn: Connection) -> TcpInfo:
    """The parts' variables under their names in ``struct tcp_info``."""
    info = TcpInfo()
    _stance(info, conn)
    _sending(info, conn)
    _receiving(info, conn)
    _counts(info, conn)
    if isinstance(conn.congestion, Bbr):
        info.bbr_bw, info.bbr_min_rtt = conn.congestion.rate, conn.congestion.min_rtt
    return info


def _stance(info: TcpInfo, conn: Connection) -> None:
    rtt, agreed, recovery = conn.rtt, conn.agreed, conn.recovery
    info.state = conn.state
    info.ca_state = recovery.phase.value
    info.congestion = conn.options.congestion
    info.phase = conn.congestion.phase
    info.retransmits = conn.retransmits
    info.probes = conn.keepalives
    info.backoff = rtt.backoff
    if agreed is not None:
        info.timestamps, info.sack = agreed.timestamps, agreed.sack
    info.ecn = conn.ecn is not None
    info.ecn_seen = info.ecn and conn.ecn_known > 0
    info.snd_wscale, info.rcv_wscale = conn.sender.wscale, conn.receiver.wscale
    info.wscale = info.snd_wscale > 0 or info.rcv_wscale > 0
    info.rto, info.rtt, info.rttvar = rtt.rto, rtt.srtt, rtt.rttvar
    info.min_rtt = rtt.min_rtt
    info.ato = conn.options.delayed_ack
    info.pmtu = conn.mtu
    info.advmss = our_mss(conn.laddr, conn.link_mtu, conn.options)


def _sending(info: TcpInfo, conn: Connection) -> None:
    sender, congestion = conn.sender, conn.congestion
    info.snd_mss = sender.mss
    info.unacked = sender.in_flight
    info.snd_cwnd = congestion.cwnd
    if congestion.ssthresh < INFINITE:
        info.snd_ssthresh = congestion.ssthresh
    info.snd_wnd = sender.snd_wnd
    info.pacing_rate = congestion.pacing_rate
    board = conn.recovery.scoreboard
    if board is not None:
        info.delivery_rate = board.sample.rate
        info.app_limited = board.sample.app_limited
        info.sacked, info.lost = board.sacked, board.lost
        info.retrans = board.retransmitted
    info.reordering = conn.recovery.reordering
    info.send_queue = sender.queued
    if sender.queue is not None:
        info.notsent_bytes = sender.unsent
    info.last_data_sent = conn.last_sent_at


def _receiving(info: TcpInfo, conn: Connection) -> None:
    receiver = conn.receiver
    info.rcv_mss = receiver.mss
    info.rcv_wnd = max(0, receiver.rcv_adv - receiver.rcv_nxt)
    info.rcv_space = receiver.limit
    if receiver.drain is not None:
        info.rcv_rtt = receiver.drain.rtt
    info.receive_queue = receiver.pending
    if receiver.reorder is not None:
        info.out_of_order = receiver.reorder.size
    info.urgent = receiver.urgent
    info.last_data_recv = conn.text_at
    info.last_ack_recv = conn.heard_at


def _counts(info: TcpInfo, conn: Connection) -> None:
    sender, receiver = conn.sender, conn.receiver
    # a FIN or SYN takes a number and is no text
    began = sender.iss + 1
    sent = min(max(sender.snd_nxt, began), sender.queue_end) - began
    info.bytes_sent = sent
    info.bytes_acked = max(0, sender.snd_una - sender.iss)
    info.delivered = info.bytes_acked + info.sacked
    received = receiver.rcv_nxt - receiver.irs - 1 - receiver.fin_reached
    info.bytes_received = max(0, received)
    info.segs_out, info.segs_in = conn.segs_out, conn.segs_in
    info.data_segs_out = conn.data_segs_out
    info.data_segs_in = conn.data_segs_in
    info.busy_time = conn.busy_time
    if info.busy_time < 0:
        info.busy_time += conn.clock + 1
    if conn.tally is not None:
        _past(info, conn.tally, conn.clock)


def _past(info: TcpInfo, tally: Tally, clock: int) -> None:
    info.bytes_sent += tally.bytes_retrans
    info.bytes_retrans, info.total_retrans = tally.bytes_retrans, tally.total_retrans
    info.dsack_dups, info.reord_seen = tally.dsack_dups, tally.reord_seen
    info.rcv_ooopack, info.delivered_ce = tally.rcv_ooopack, tally.delivered_ce
    info.syn_data = tally.syn_data
    info.rwnd_limited, info.sndbuf_limited = tally.rwnd_limited, tally.sndbuf_limited
    if tally.limit == BY_WINDOW:
        info.rwnd_limited += clock - tally.limited_since
    elif tally.limit == BY_BUFFER:
        info.sndbuf_limited += clock - tally.limited_since
    info.total_rto, info.total_rto_time = tally.total_rto, tally.total_rto_time
    info.total_rto_recoveries = tally.total_rto_recoveries
    if info.retransmits:
        info.total_rto_time += clock - tally.rto_since


# The words of ss --------------------------------------------------------------------


def format_info(info: TcpInfo, now: int, *, numeric: bool = False) -> str:
    """One line, as ``ss -tio`` (iproute2 6.1) prints below a connection.

    What is zero is left out, as there. Segments are counted by `snd_mss`. `numeric`:
    rates in full, as with ``-n``.
    """
    mss = info.snd_mss
    cwnd = info.snd_cwnd // mss
    words = [
        *(("ts",) if info.timestamps else ()),
        *(("sack",) if info.sack else ()),
        *(("ecn",) if info.ecn else ()),
        *(("ecnseen",) if info.ecn_seen else ()),
        *(("fastopen",) if info.syn_data else ()),
        info.congestion,
        *((f"wscale:{info.snd_wscale},{info.rcv_wscale}",) if info.wscale else ()),
        f"rto:{_ms(info.rto)}",
        *_some("backoff", info.backoff),
        *((f"rtt:{_ms(info.rtt)}/{_ms(info.rttvar)}",) if info.rtt else ()),
        *((f"ato:{_ms(info.ato)}",) if info.ato else ()),
        *_some("mss", mss),
        *_some("pmtu", info.pmtu),
        *_some("rcvmss", info.rcv_mss),
        *_some("advmss", info.advmss),
        *_some("cwnd", cwnd),
        *_some("ssthresh", info.snd_ssthresh // mss),
        *_some("bytes_sent", info.bytes_sent),
        *_some("bytes_retrans", info.bytes_retrans),
        *_some("bytes_acked", info.bytes_acked),
        *_some("bytes_received", info.bytes_received),
        *_some("segs_out", info.segs_out),
        *_some("segs_in", info.segs_in),
        *_some("data_segs_out", info.data_segs_out),
        *_some("data_segs_in", info.data_segs_in),
        *_bbr(info, numeric),
        *_rates(info, cwnd * mss, now, numeric),
        *_waits(info),
        *_some("unacked", -(-info.unacked // mss)),
        *_retransmissions(info),
        *_some("lost", -(-info.lost // mss)),
        *_some("sacked", -(-info.sacked // mss)),
        *_some("dsack_dups", info.dsack_dups),
        *((f"reordering:{info.reordering}",) if info.reordering != 3 else ()),
        *_some("reord_seen", info.reord_seen),
        *((f"rcv_rtt:{_ms(info.rcv_rtt)}",) if info.rcv_rtt else ()),
        *_some("rcv_space", info.rcv_space),
        *_some("rcv_ssthresh", info.rcv_wnd),
        *_some("notsent", info.notsent_bytes),
        *((f"minrtt:{_ms(info.min_rtt)}",) if info.min_rtt else ()),
        *_some("rcv_ooopack", info.rcv_ooopack),
        *_some("snd_wnd", info.snd_wnd),
    ]
    return " ".join(words)


def _some(name: str, value: int) -> tuple[str, ...]:
    return (f"{name}:{value}",) if value else ()


def _retransmissions(info: TcpInfo) -> tuple[str, ...]:
    if not info.total_retrans:
        return ()
    return (f"retrans:{-(-info.retrans // info.snd_mss)}/{info.total_retrans}",)


def _bbr(info: TcpInfo, numeric: bool) -> tuple[str, ...]:
    if not info.bbr_bw:
        return ()
    return (f"bbr:(bw:{_rate(info.bbr_bw, numeric)},mrtt:{_ms(info.bbr_min_rtt)})",)


def _rates(info: TcpInfo, window: int, now: int, numeric: bool) -> list[str]:
    words = []
    if info.rtt:
        words.append(f"send {_rate(window * SECOND // info.rtt, numeric)}")
    for name, at in (
        ("lastsnd", info.last_data_sent),
        ("lastrcv", info.last_data_recv),
        ("lastack", info.last_ack_recv),
    ):
        if at and now - at >= MILLISECOND:
            words.append(f"{name}:{(now - at) // MILLISECOND}")
    if info.pacing_rate:
        words.append(f"pacing_rate {_rate(info.pacing_rate, numeric)}")
    if info.delivery_rate:
        words.append(f"delivery_rate {_rate(info.delivery_rate, numeric)}")
    words += _some("delivered", -(-info.delivered // info.snd_mss))
    words += _some("delivered_ce", -(-info.delivered_ce // info.snd_mss))
    if info.app_limited:
        words.append("app_limited")
    return words


def _waits(info: TcpInfo) -> list[str]:
    """For how long something was to be sent, and what of it for want of room."""
    busy = info.busy_time // MILLISECOND
    words = [f"busy:{busy}ms"] if busy else []
    for name, ns in (
        ("rwnd_limited", info.rwnd_limited),
        ("sndbuf_limited", info.sndbuf_limited),
    ):
        if busy and (limited := ns // MILLISECOND):
            whole, tenth = divmod(limited * 1000 // busy, 10)
            words.append(f"{name}:{limited}ms({whole}.{tenth}%)")
    return words


def _ms(ns: int) -> str:
    """Milliseconds to the microsecond, as %g has them: ``"204"``, ``"0.05"``."""
    whole, rest = divmod(ns // MICROSECOND, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".") if rest else str(whole)


def _rate(bytes_per_second: int, numeric: bool = False) -> str:
    """Bits a second with three digits, as ss writes them: ``"1.45Gbps"``."""
    bits = bytes_per_second * 8
    for size, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K")):
        if bits >= size and not numeric:
            digits = 1 if bits >= 100 * size else 10 if bits >= 10 * size else 100
            whole, rest = divmod((bits * digits + size // 2) // size, digits)
            places = f".{rest:0{len(str(digits)) - 1}}".rstrip("0") if rest else ""
            return f"{whole}{places}{unit}bps"
    return f"{bits}bps"
