"""Trace entries as text."""

from __future__ import annotations

from sansio_net.trace import Trace, format_entry, format_trace


def test_an_entry_is_seconds_kind_and_values() -> None:
    entry = (1_500_000_000, "tcp.rto", 7, "x", b"\x0a\x00", None)
    assert format_entry(entry) == "1.500000000 tcp.rto 7 x 0a00 None"


def test_a_trace_is_lines() -> None:
    trace: Trace = [(0, "a"), (1, "b", 2)]
    assert format_trace(trace) == "0.000000000 a\n0.000000001 b 2"
    assert format_trace([]) == ""
