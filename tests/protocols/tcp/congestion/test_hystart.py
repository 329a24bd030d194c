from __future__ import annotations

from sansio_net.protocols.tcp.congestion.hystart import CSS_ROUNDS, HyStart
from sansio_net.units import MILLISECOND

from .samples import MSS, ack


class Flow:
    """Windows of `size` segments, one ACK each, all with the same RTT."""

    def __init__(self, paced: bool = False) -> None:
        self.hystart = HyStart(MSS, paced)
        self.una = 5_000

    def round(self, rtt: int, size: int = 10, acked: int = MSS) -> int:
        """What cwnd would have grown by."""
        grown = 0
        nxt = self.una + size * acked
        for _ in range(size):
            self.una += acked
            # what each ACK lets go is sent at once
            nxt += acked
            sample = ack(acked, size * acked, rtt=rtt, una=self.una, nxt=nxt)
            grown += self.hystart.on_ack(sample)
        return grown


def test_while_the_delay_stands_it_is_slow_start() -> None:
    flow = Flow()
    for _ in range(20):
        assert flow.round(40 * MILLISECOND) == 10 * MSS
    assert not flow.hystart.css_rounds


def test_an_ack_counts_for_eight_segments_unless_text_is_paced() -> None:
    assert Flow().round(MILLISECOND, 1, 20 * MSS) == 8 * MSS
    assert Flow(paced=True).round(MILLISECOND, 1, 20 * MSS) == 20 * MSS


def raised(flow: Flow, before: int, after: int) -> bool:
    for _ in range(3):
        flow.round(before)
    for _ in range(2):
        flow.round(after)
    return flow.hystart.css_rounds > 0


def test_an_eighth_more_delay_begins_css() -> None:
    assert not raised(Flow(), 80 * MILLISECOND, 89 * MILLISECOND)
    assert raised(Flow(), 80 * MILLISECOND, 90 * MILLISECOND)


def test_but_at_least_four_and_at_most_sixteen_milliseconds() -> None:
    assert not raised(Flow(), MILLISECOND, 4 * MILLISECOND)
    assert raised(Flow(), MILLISECOND, 5 * MILLISECOND)
    assert not raised(Flow(), 400 * MILLISECOND, 415 * MILLISECOND)
    assert raised(Flow(), 400 * MILLISECOND, 416 * MILLISECOND)


def test_seven_samples_are_not_enough() -> None:
    flow = Flow()
    for _ in range(3):
        flow.round(10 * MILLISECOND, size=7)
    for _ in range(3):
        flow.round(100 * MILLISECOND, size=7)
    assert not flow.hystart.css_rounds


def test_without_samples_nothing_is_concluded() -> None:
    flow = Flow()
    for _ in range(5):
        flow.round(0)
    assert not flow.hystart.css_rounds


def test_css_grows_a_quarter_as_fast_and_ends_after_five_rounds() -> None:
    flow = Flow()
    assert raised(flow, 20 * MILLISECOND, 40 * MILLISECOND)
    for _ in range(CSS_ROUNDS - 1):
        assert not flow.hystart.done
        assert flow.round(40 * MILLISECOND) == 10 * MSS // 4
    flow.round(40 * MILLISECOND)
    assert flow.hystart.done


def test_a_false_alarm_is_taken_back() -> None:
    flow = Flow()
    assert raised(flow, 20 * MILLISECOND, 40 * MILLISECOND)
    flow.round(40 * MILLISECOND)
    flow.round(21 * MILLISECOND)
    assert not flow.hystart.css_rounds
    assert flow.round(21 * MILLISECOND) == 10 * MSS
    assert not flow.hystart.done
    # and a true one is noticed after it
    flow.round(60 * MILLISECOND)
    flow.round(60 * MILLISECOND)
    assert flow.hystart.css_rounds
