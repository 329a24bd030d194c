from __future__ import annotations

from typing import Any

import pytest

from sansio_net.errors import StateError
from sansio_net.protocols.tcp import TcpOptions
from sansio_net.protocols.tcp.options import SETTABLE
from sansio_net.units import SECOND


@pytest.mark.parametrize(
    "wrong",
    [
        {"delayed_ack": SECOND // 2},
        {"delayed_ack": -1},
        {"mss": 10},
        {"mss": 70_000},
        {"min_rto": 0},
        {"min_rto": 2 * SECOND},
        {"max_rto": SECOND // 2},
        {"receive_buffer": 100},
        {"receive_buffer": 2 << 30},
        {"send_buffer": 100},
        {"initial_window": 0},
    ],
)
def test_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(StateError):
        TcpOptions(**wrong)


def test_a_syn_is_tried_for_three_minutes() -> None:
    options = TcpOptions()
    tries = range(options.syn_retries + 1)
    waits = [min(options.initial_rto << n, options.max_rto) for n in tries]
    assert sum(waits) >= 180 * SECOND


def test_settable_options_exist() -> None:
    assert set(TcpOptions.__slots__) >= SETTABLE
