from __future__ import annotations

from sansio_net.protocols.tcp.congestion import AckSample
from sansio_net.protocols.tcp.congestion.policer import USED_ROUNDS, Policer
from sansio_net.units import MILLISECOND, SECOND

MSS = 1_000
ROUND = 10 * MILLISECOND


class Flow:
    """Rounds of ten segments; in some of them so many more are lost."""

    def __init__(self) -> None:
        self.policer = Policer()
        self.delivered = 0
        self.now = SECOND

    def round(self, lost: int, size: int = 10, limited: bool = False) -> int:
        sample = AckSample()
        self.now += ROUND
        self.delivered += size * MSS
        sample.now, sample.delivered = self.now, self.delivered
        sample.acked, sample.lost = size * MSS, lost * MSS
        self.policer.on_ack(sample, limited, True)
        return self.policer.rate


def test_two_alike_intervals_with_heavy_loss_are_a_policer() -> None:
    flow = Flow()
    rates = [flow.round(lost=4) for _ in range(12)]
    assert rates[-1] == MSS * 10 * SECOND // ROUND
    assert not any(rates[:7])  # two intervals of four rounds


def test_a_little_loss_is_none() -> None:
    flow = Flow()
    assert not any(flow.round(lost=1) for _ in range(100))


def test_intervals_that_differ_are_none() -> None:
    flow = Flow()
    for step in range(60):
        # each interval of four rounds at another rate
        assert not flow.round(lost=20, size=10 + 10 * (step // 2 % 4))


def test_what_the_application_limits_is_not_compared() -> None:
    flow = Flow()
    assert not any(flow.round(lost=4, limited=step % 3 == 0) for step in range(60))


def test_without_a_loss_nothing_begins() -> None:
    flow = Flow()
    assert not any(flow.round(lost=0) for _ in range(30))
    assert not any(flow.round(lost=4) for _ in range(7))
    assert any(flow.round(lost=4) for _ in range(4))


def test_an_interval_without_losses_to_end_it_is_given_up() -> None:
    flow = Flow()
    flow.round(lost=9)
    for _ in range(16):
        flow.round(lost=0)
    # begins anew: the one before counts no longer
    assert not any(flow.round(lost=4) for _ in range(7))


def test_it_is_used_for_48_rounds() -> None:
    flow = Flow()
    while not flow.round(lost=4):
        pass
    policer = flow.policer
    assert not policer.expired(probing=True, round_start=False)
    used = 0
    while not policer.expired(probing=True, round_start=True):
        used += 1
        assert flow.round(lost=4)
    assert used == USED_ROUNDS - 1
    policer.reset(flow.delivered, flow.now)
    assert not policer.rate


def test_a_timeout_is_a_loss() -> None:
    flow = Flow()
    flow.policer.on_timeout(0, SECOND)
    rates = [flow.round(lost=4) for _ in range(12)]
    assert rates[-1]
    flow.policer.on_timeout(0, SECOND)  # known already
    assert flow.policer.rate == rates[-1]
