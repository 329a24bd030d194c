"""How much may leave for each ACK while the window comes down.

RFC 6937 3: PRR-SSRB, and PRR-CRB on ACKs that tell of further losses, as Linux has it.
"""

from __future__ import annotations


class Prr:
    """`allowance`: what may leave still. All of it in bytes."""

    __slots__ = ("allowance", "prr_delivered", "prr_out", "recover_fs")

    def __init__(self) -> None:
        self.start(0)

    def start(self, recover_fs: int) -> None:
        """`recover_fs`: SND.NXT - SND.UNA as recovery begins."""
        self.recover_fs = recover_fs
        self.prr_delivered = self.prr_out = self.allowance = 0

    def on_ack(
        self, delivered: int, pipe: int, ssthresh: int, mss: int, safe: bool
    ) -> None:
        """`delivered` by this ACK, `pipe` after it; `safe`: it advances SND.UNA and
        tells of no further loss."""
        self.prr_delivered += delivered
        if pipe > ssthresh:
            # proportional rate reduction
            share = self.prr_delivered * ssthresh
            allowance = -(-share // max(self.recover_fs, 1)) - self.prr_out
        else:
            limit = self.prr_delivered - self.prr_out
            if safe:
                limit = max(limit, delivered) + mss
            allowance = min(ssthresh - pipe, limit)
        self.allowance = max(allowance, 0)

    def on_sent(self, size: int) -> None:
        self.prr_out += size
        self.allowance = max(self.allowance - size, 0)
