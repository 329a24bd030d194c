"""What is lost: by SACKs (RFC 6675 4), by time (RFC 8985), by duplicates (RFC 6582)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .phase import CWR, DISORDER, FAST, OPEN, TIMEOUT
from .scoreboard import NEVER

if TYPE_CHECKING:
    from .congestion import AckSample
    from .recovery import Recovery
    from .scoreboard import Scoreboard
    from .sent import Sent

DUP_THRESHOLD: Final = 3
FEW: Final = 20
"""Segments in flight among which a loss is found by time as well: three duplicates
come late, one or two a round trip, where they come at all."""
MAX_THRESHOLD: Final = 127
"""However far segments are reordered: so many SACKed ranges are counted an ACK."""


def in_order(recovery: Recovery, board: Scoreboard, ack: int) -> Sent | None:
    """What an ACK acknowledges, if it tells nothing but that: text that left once, and
    nothing is missing, and nobody wants to know how fast it went."""
    records, tail = board.records, recovery.tail
    if (
        not records
        or board.sacked
        or board.lost
        or board.retransmitted
        or recovery.left
        or (tail is not None and tail.end != NEVER)
        or recovery.rack is not None
        or board.rate is not None
    ):
        return None
    record = records[0]
    return record if record.once and record.start < ack <= record.end else None


def detect(recovery: Recovery, una: int, nxt: int, mss: int, now: int) -> int:
    """What is lost, as far as one can know now; returns what is so only now."""
    board = recovery.scoreboard
    assert board is not None
    if not recovery.sack:
        # RFC 6582 3.2 (2): duplicates of what recovery itself sent do not count
        if recovery.dup_acks != DUP_THRESHOLD or recovery.phase is FAST:
            return 0
        # 4.1: unless the ACK before advanced by little, as it does when text is missing
        few = una == recovery.recovery_point and recovery.advance <= 4 * mss
        if una <= recovery.recovery_point and not few:
            return 0
        return board.lose_range(una, min(una + mss, nxt))
    if recovery.rack is not None and recovery.rack.whole:
        if not board.sacked and not board.retransmitted:
            recovery.reorder_at = NEVER
            return 0
        many = board.loss_point(una, DUP_THRESHOLD, mss) > una
        recovering = recovery.phase in (FAST, TIMEOUT)
        lost, recovery.reorder_at = recovery.rack.detect(board, now, recovering, many)
        return lost
    if not board.sacked:
        return lost_again(recovery, now)
    point = board.loss_point(una, recovery.reordering, mss)
    tail = recovery.tail
    if tail is not None and tail.end != NEVER and board.fack >= tail.end:
        # RFC 8985 7.4.1: all before the probe left a PTO and a round trip ago
        point = max(point, board.islands[-1].start)
    lost = board.lose_before(point)
    if (
        not lost
        and recovery.dup_acks == recovery.reordering
        and recovery.phase is not FAST
    ):
        # RFC 6675 5 (1): so many duplicates, whatever they covered
        lost = board.lose_range(una, min(una + mss, board.islands[0].start))
    return lost + lost_again(recovery, now, nxt - una <= FEW * mss)


def lost_again(recovery: Recovery, now: int, few: bool = False) -> int:
    """Retransmissions that are lost as well; PRR brings cwnd down, their loss is no
    further reason (RFC 8985 9.3). Where `few` segments are in flight, originals too.
    """
    board = recovery.scoreboard
    assert board is not None
    rack = recovery.rack
    if rack is None or not (board.retransmitted or (few and board.sacked)):
        recovery.reorder_at = NEVER
        return 0
    found, recovery.reorder_at = rack.detect_again(board, now, few)
    return found


def count(
    recovery: Recovery, sample: AckSample, newly: int, duplicate: bool, mss: int
) -> None:
    """What was delivered, duplicates, and how far order is not kept."""
    if newly:
        recovery.advance = newly
    board = recovery.scoreboard
    assert board is not None
    if recovery.sack:
        sample.acked = board.delivered
        if newly:
            recovery.dup_acks = 0
        elif board.newly_sacked:
            recovery.note_duplicate(sample.in_flight)
    else:
        sample.acked = without_sack(
            recovery, newly, duplicate, sample.nxt - sample.una, mss
        )
    if board.reordered and recovery.reordering < MAX_THRESHOLD:
        # Linux's measure: how far the latest was ahead of what came late
        ahead = -(-(board.fack - board.original) // mss)
        recovery.reordering = min(max(recovery.reordering, ahead), MAX_THRESHOLD)


def without_sack(
    recovery: Recovery, newly: int, duplicate: bool, in_flight: int, mss: int
) -> int:
    """What was delivered, as far as bare ACKs can say (RFC 6937 3, second note)."""
    assert recovery.scoreboard is not None
    if newly:
        recovery.dup_acks = 0
        # what was counted for duplicates is not counted again; in recovery one
        # segment of it was the hole
        counted = min(recovery.left, newly)
        if recovery.phase is FAST:
            counted = min(recovery.left, max(newly - mss, 0))
            recovery.left -= counted
        else:
            recovery.left = 0
        recovery.left = min(recovery.left, max(in_flight - recovery.scoreboard.lost, 0))
        return newly - counted
    if not duplicate:
        return 0
    # RFC 3042 2 comes of this: each of the first two makes room for one segment
    recovery.note_duplicate(in_flight)
    left = min(recovery.left + mss, max(in_flight - recovery.scoreboard.lost, 0))
    if recovery.phase in (OPEN, DISORDER, CWR):
        left = min(left, max(in_flight - mss, 0))
    gone, recovery.left = left - recovery.left, left
    return max(gone, 0)
