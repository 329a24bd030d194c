"""A megabyte over our own link in real time: Linux to Linux, we to Linux, it to us."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.linux.course import PAIRS, Course
from benchmarks.linux.report import table

from .lab import Lab, pattern

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "ethtool")]

SIZE = 1_000_000
SHA256 = hashlib.sha256(pattern(SIZE)).hexdigest()
TAIL = 10 * 1448
TOO_LATE = 50_000_000
"""ns. A bridge that was not run for so long makes time-outs of its own."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    with Lab(tmp_path_factory.mktemp("course")) as lab:
        yield Course(lab)


def test_the_offloads_are_off(course: Course) -> None:
    assert len(course.offloads) == 8
    for state in course.offloads:
        assert state.endswith("tso off, gso off, gro off, tx off, rx off, sg off")


def explained(drops: list[dict[str, Any]]) -> int:
    """How many time-outs the sender's losses allow for.

    One for each segment lost that had been sent again, and for each that nothing
    followed which the receiver could tell of: the SYN, the FIN, the last ones.
    """
    return sum(
        not drop["size"] or drop["again"] or drop["left"] < TAIL for drop in drops
    )


@pytest.mark.parametrize("loss", ["0%", "1%"])
@pytest.mark.parametrize("pair", PAIRS, ids=" to ".join)
def test_every_byte_and_no_time_out_without_a_reason(
    course: Course, pair: tuple[str, str], loss: str
) -> None:
    for seed in (1, 2, 3):
        report = course.transfer(pair, "cubic", size=SIZE, loss=loss, seed=seed)
        sender, receiver, bridge = (
            report[name] for name in ("sender", "receiver", "bridge")
        )
        assert (sender["bytes"], receiver["bytes"]) == (SIZE, SIZE)
        assert receiver["sha256"] == SHA256
        assert sender["congestion"] == receiver["congestion"] == "cubic"
        assert (bridge["counts"][0]["lost"] > 0) == (loss != "0%")
        allowed = explained(bridge["drops"][0])
        if bridge["latest"] < TOO_LATE and sender["timeouts"] <= allowed:
            return
    # thrice: not for want of a processor
    assert sender["timeouts"] <= allowed, report


def test_the_table_gives_ratios_within_a_run() -> None:
    def report(seconds: float) -> dict[str, Any]:
        return {
            "sender": {"timeouts": 1},
            "receiver": {"bytes": SIZE, "seconds": seconds},
        }

    slow = {PAIRS[0]: 0.8, PAIRS[1]: 1.0, PAIRS[2]: 0.5}
    results = {
        ("cubic", "1%", run, pair): report(slow[pair] * run)
        for run in (1, 2)
        for pair in PAIRS
    }
    said = table(results, ["about"], ["offloads"])
    assert "| cubic | 1% | 2 | 7.5 (5.0..10.0), 1 |" in said
    assert "x 0.80 (0.80..0.80)" in said
    assert "x 1.60 (1.60..1.60)" in said
    assert "below 0.9: cubic at 1%, ours to Linux." in said
