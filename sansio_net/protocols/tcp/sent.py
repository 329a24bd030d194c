"""A record of the scoreboard: text that left together and met the same since."""

from __future__ import annotations


class Sent:
    """``[start, end)``, which left together at `sent_at`.

    once: it left only once, and all of it then. retransmitted: a second transmission
    is in flight. The last four are the snapshot of `delivery.py`.
    """

    __slots__ = (
        "app_limited",
        "delivered",
        "delivered_at",
        "end",
        "first_sent_at",
        "lost",
        "once",
        "retransmitted",
        "sacked",
        "sent_at",
        "start",
    )

    def __init__(self, start: int, end: int, sent_at: int) -> None:
        self.start = start
        self.end = end
        self.sent_at = sent_at
        self.once = True
        self.sacked = False
        self.lost = False
        self.retransmitted = False
        self.delivered = self.delivered_at = self.first_sent_at = 0
        self.app_limited = False

    def __repr__(self) -> str:
        marks = ("sacked", "lost", "retransmitted")
        said = " ".join(mark for mark in marks if getattr(self, mark))
        return f"<{self.start}..{self.end} {said}>"

    def alike(self, other: Sent) -> bool:
        """The same has happened to both."""
        return (
            self.lost == other.lost
            and self.retransmitted == other.retransmitted
            and self.sacked == other.sacked
        )


def is_current(sent_at: int, record: Sent) -> bool:
    """Is what went again at `sent_at` still in flight, as far as anybody knows?"""
    again = record.retransmitted and record.sent_at == sent_at
    return again and record.start < record.end
