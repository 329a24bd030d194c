"""Options offered in a SYN and what two ends agree on.

RFC 9293 3.7.1 (MSS), RFC 7323 2 and 3, RFC 2018 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sansio_net.wire.tcp_options import SegmentOptions, build_tcp_options

from .options import TcpOptions

MAX_WSCALE: Final = 14
TIMESTAMPS_SIZE: Final = 12
MIN_MSS: Final = 48
"""Below it headers are all there is."""


@dataclass(slots=True)
class Negotiated:
    """mss: the peer's; snd_wscale and rcv_wscale: shifts of its and our windows."""

    mss: int
    snd_wscale: int
    rcv_wscale: int
    sack: bool
    timestamps: bool


def headers_size(address: bytes) -> int:
    """IP and TCP headers without options."""
    return 40 if len(address) == 4 else 60


def our_mss(address: bytes, mtu: int, options: TcpOptions) -> int:
    """What we announce: the largest segment that one packet brings us (MUST-14)."""
    mss = max(mtu - headers_size(address), MIN_MSS)
    return mss if options.mss is None else min(mss, options.mss)


def our_wscale(options: TcpOptions) -> int:
    """The least shift that lets the window field say the largest buffer."""
    size = options.receive_buffer or options.receive_buffer_max
    return min(max(size.bit_length() - 16, 0), MAX_WSCALE)


def offer(
    options: TcpOptions,
    mss: int,
    ts_val: int,
    ts_ecr: int,
    peer: SegmentOptions | None,
) -> bytes:
    """The options of our SYN; in a SYN-ACK only what the `peer`'s SYN had too."""
    wscale = options.window_scale and (peer is None or peer.wscale is not None)
    stamps = options.timestamps and (peer is None or peer.ts_val is not None)
    return build_tcp_options(
        mss=mss,
        wscale=our_wscale(options) if wscale else None,
        sack_permitted=options.sack and (peer is None or peer.sack_permitted),
        ts_val=ts_val if stamps else None,
        ts_ecr=ts_ecr if stamps else None,
    )


def agree(options: TcpOptions, peer: SegmentOptions, address: bytes) -> Negotiated:
    """What holds after both SYNs: an option only if both had it."""
    # RFC 9293 MUST-15, SHLD-6: 536, or 1220 for IPv6, when the peer says nothing
    mss = peer.mss or (536 if len(address) == 4 else 1220)
    wscale = options.window_scale and peer.wscale is not None
    return Negotiated(
        mss=max(mss, options.min_mss),
        # RFC 7323 2.3: a shift above 14 counts as 14
        snd_wscale=min(peer.wscale or 0, MAX_WSCALE) if wscale else 0,
        rcv_wscale=our_wscale(options) if wscale else 0,
        sack=options.sack and peer.sack_permitted,
        timestamps=options.timestamps and peer.ts_val is not None,
    )


def effective_mss(
    agreed: Negotiated, address: bytes, mtu: int, options: TcpOptions
) -> int:
    """Text in a full segment to the peer (RFC 9293 3.7.1, Eff.snd.MSS)."""
    mss = min(agreed.mss, our_mss(address, mtu, options))
    return mss - TIMESTAMPS_SIZE if agreed.timestamps else mss
