from __future__ import annotations

from sansio_net.protocols.tcp.congestion import AckSample

MSS = 1000


def ack(acked: int, in_flight: int, *, limited: bool = True, **more: int) -> AckSample:
    """What a connection says of an ACK; what is left out follows from the rest."""
    sample = AckSample()
    sample.acked, sample.in_flight, sample.limited = acked, in_flight, limited
    sample.pipe = max(in_flight - acked, 0)
    for name, value in more.items():
        setattr(sample, name, value)
    return sample
