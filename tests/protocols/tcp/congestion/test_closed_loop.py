"""Controllers against a bottleneck, without a stack."""

from __future__ import annotations

import pytest

from sansio_net.protocols.tcp.congestion import CONTROLLERS
from sansio_net.units import MILLISECOND, SECOND

from .path import MSS, Path

RATE = 1_250_000
"""10 Mbit/s."""
DELAY = 40 * MILLISECOND
BDP = 50 * MSS


def goodput(path: Path, settle: int = 5, measured: int = 10) -> float:
    """Of the link, after some seconds for it to settle."""
    path.run(settle * SECOND)
    return path.run((settle + measured) * SECOND) / (path.rate * measured)


@pytest.mark.parametrize("name", list(CONTROLLERS))
def test_a_queue_of_one_bdp_is_filled(name: str) -> None:
    path = Path(name, RATE, DELAY, BDP)
    assert goodput(path) >= 0.9
    assert not path.timeouts


@pytest.mark.parametrize("name", list(CONTROLLERS))
def test_a_slow_and_short_link(name: str) -> None:
    assert goodput(Path(name, 125_000, 2 * MILLISECOND, 8 * MSS)) >= 0.9


def test_cubic_loses_less_in_its_first_slow_start_than_reno() -> None:
    # HyStart++ sees the queue grow
    lost = {}
    for name in ("reno", "cubic"):
        path = Path(name, 2 * RATE, DELAY, 8 * BDP)
        path.run(3 * SECOND)
        lost[name] = path.dropped
    assert lost["cubic"] < lost["reno"] / 2


def test_random_loss_does_not_slow_bbr_down() -> None:
    share = {
        name: goodput(Path(name, RATE, DELAY, BDP, loss=0.01)) for name in CONTROLLERS
    }
    assert share["bbr"] >= 0.9
    assert share["bbr"] > 2 * share["cubic"] > 0.2
    assert share["cubic"] > 0.9 * share["reno"]


@pytest.mark.parametrize("name", ["reno", "cubic"])
def test_pacing_spares_a_short_queue(name: str) -> None:
    reached = []
    for paced in (False, True):
        path = Path(name, RATE, DELAY, 12 * MSS, paced=paced)
        path.run(SECOND)
        reached.append(
            max(cwnd for _, phase, cwnd in path.trace if phase != "avoidance")
        )
    # bursts of a whole window overflow it long before the path is full
    assert 3 * reached[0] < 2 * reached[1]


def test_bbr_keeps_the_queue_short() -> None:
    path = Path("bbr", RATE, DELAY, 20 * BDP)
    path.run(2 * SECOND)
    queues = []
    for step in range(100):
        path.run(2 * SECOND + step * 50 * MILLISECOND)
        queues.append(max(path.free_at - path.now, 0))
    assert max(queues) <= DELAY  # cwnd is two BDPs
    assert sum(queues) / len(queues) < DELAY // 4
    assert not path.dropped


def test_bbr_goes_through_its_states() -> None:
    path = Path("bbr", RATE, DELAY, BDP * 4)
    path.run(25 * SECOND)
    phases = list[str]()
    for _, phase, _ in path.trace:
        if not phases or phases[-1] != phase:
            phases.append(phase)
    assert phases[:3] == ["startup", "drain", "probe_bw"]
    assert phases[3:] == ["probe_rtt", "probe_bw"] * ((len(phases) - 3) // 2)
    assert len(phases) > 4
    probing = [now for now, phase, _ in path.trace if phase == "probe_rtt"]
    assert min(cwnd for _, phase, cwnd in path.trace if phase == "probe_rtt") == 4 * MSS
    assert 2 * len(probing) < len(path.trace) // 10


def test_what_the_application_holds_back_is_not_the_rate_of_the_path() -> None:
    path = Path("bbr", RATE, DELAY, BDP)
    path.run(3 * SECOND)
    cc = path.cc
    before = cc.pacing_rate
    path.wants = path.next
    for tick in range(400):  # a tenth of the rate for eight seconds
        path.wants += 2
        path.run(3 * SECOND + (tick + 1) * 16 * MILLISECOND)
    assert cc.pacing_rate >= before * 3 // 4
    path.wants = 1 << 60
    assert goodput(path, settle=10, measured=5) >= 0.9


def test_bbr_finds_a_policer() -> None:
    # what is above half the rate is dropped, without a queue to show it
    path = Path("bbr", RATE, DELAY, 0)
    assert goodput(path) > 0.3
    assert not path.timeouts


@pytest.mark.parametrize("name", list(CONTROLLERS))
def test_the_same_twice(name: str) -> None:
    one, other = (Path(name, RATE, DELAY, BDP, loss=0.02) for _ in range(2))
    one.run(3 * SECOND)
    other.run(3 * SECOND)
    assert one.trace == other.trace
