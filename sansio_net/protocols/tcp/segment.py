"""A segment that arrived, in the form in which the steps of `arrival.py` take it."""

from __future__ import annotations

from sansio_net.packet import Chunk
from sansio_net.wire.tcp import FIN, SYN
from sansio_net.wire.tcp_options import (
    TIMESTAMPS,
    TIMESTAMPS_START,
    parse_tcp_options,
)


class Segment:
    """What arrived, numbers unwrapped; steps trim it to the window as they go."""

    __slots__ = (
        "ack",
        "body",
        "carried",
        "cuts",
        "ecn",
        "flags",
        "sack",
        "seq",
        "ts_ecr",
        "ts_val",
        "urg",
        "wnd",
    )

    def __init__(
        self,
        seq: int,
        ack: int,
        flags: int,
        wnd: int,
        urg: int,
        body: Chunk,
        cuts: int,
        ecn: int = 0,
    ) -> None:
        self.seq = seq
        self.ack = ack
        self.flags = flags
        self.wnd = wnd
        self.urg = urg
        self.body = body
        self.cuts = cuts
        self.ecn = ecn
        # text, SYN or FIN, as it arrived, before any trimming
        self.carried = bool(body) or flags & (SYN | FIN) > 0
        self.ts_val: int | None = None
        self.ts_ecr = 0
        self.sack: tuple[tuple[int, int], ...] = ()

    @property
    def length(self) -> int:
        """SEG.LEN: text, SYN and FIN."""
        size, flags = len(self.body), self.flags
        if flags & (SYN | FIN):
            size += bool(flags & SYN) + bool(flags & FIN)
        return size

    def read_stamps(self, options: bytes) -> None:
        """The timestamps and SACK blocks among the options, if there are any."""
        if len(options) == 12:
            start1, start2, ts_val, ts_ecr = TIMESTAMPS.unpack(options)
            if (start1, start2) == TIMESTAMPS_START:
                self.ts_val, self.ts_ecr = ts_val, ts_ecr
                return
        if options:
            found = parse_tcp_options(options)
            self.ts_val, self.ts_ecr = found.ts_val, found.ts_ecr or 0
            self.sack = found.sack
