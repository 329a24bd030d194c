"""What `Connection.info()` says: the names of Linux's ``struct tcp_info``."""

from __future__ import annotations

from dataclasses import dataclass

from .states import State


@dataclass(slots=True)
class TcpInfo:
    """Times in ns, sizes in bytes; floats nowhere."""

    state: State
    retransmits: int
    """Time-outs in a row."""
    probes: int
    backoff: int
    snd_wscale: int
    rcv_wscale: int
    timestamps: bool
    sack: bool
    rto: int
    snd_mss: int
    rcv_mss: int
    in_flight: int
    lost: int
    rtt: int
    rttvar: int
    cwnd: int
    ssthresh: int
    phase: str
    """"open", "fast" or "timeout"."""
    snd_wnd: int
    rcv_wnd: int
    unsent: int
    unacked: int
    """Bytes sent or not that the peer has not acknowledged."""
    pending: int
    reordering: int
    """Bytes kept beyond a hole."""
    total_retransmits: int
    """Segments sent again."""
    urgent: int
    """Bytes to be read up to the end of the peer's urgent text."""
    pmtu: int
