"""What went by, for `info` and nothing else (RFC 4898's counters)."""

from __future__ import annotations


class Traffic:
    """Segments count as they are on the wire: a super-segment by its cuts."""

    __slots__ = (
        "bytes_retrans",
        "data_segs_in",
        "data_segs_out",
        "segs_in",
        "segs_out",
        "text_at",
        "total_retrans",
    )

    def __init__(self) -> None:
        self.segs_in = self.segs_out = 0
        self.data_segs_in = self.data_segs_out = 0
        self.total_retrans = self.bytes_retrans = 0
        self.text_at = 0  # when text last arrived
