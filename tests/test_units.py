"""Texts of durations, rates and fractions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net import units
from sansio_net.units import (
    format_duration,
    parse_duration,
    parse_fraction,
    parse_rate,
)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("200ms", 200_000_000),
        ("1.5s", 1_500_000_000),
        ("2", 2_000_000_000),
        ("0.2", 200_000_000),
        ("10us", 10_000),
        ("7ns", 7),
        ("2m", 120 * units.SECOND),
        ("2min", 120 * units.SECOND),
        ("1h", units.HOUR),
        (" 1 ".strip(), units.SECOND),
        ("1S", units.SECOND),
    ],
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "bits"),
    [("10mbit", 10**7), ("1gbit", 10**9), ("1.5kbit", 1500), ("9", 9), ("9bit", 9)],
)
def test_rates(text: str, bits: int) -> None:
    assert parse_rate(text) == bits


@pytest.mark.parametrize(
    ("text", "ppm"), [("1%", 10_000), ("0.01", 10_000), ("0.5%", 5000), ("1", 10**6)]
)
def test_fractions(text: str, ppm: int) -> None:
    assert parse_fraction(text) == ppm


@pytest.mark.parametrize(
    "text", ["", "x", "-1s", "1 s", "1.s", "1..2s", "1mbit", "1e3", "0x10", "1%"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_no_rate_and_no_fraction() -> None:
    with pytest.raises(ValueError, match="not a rate: '1ms'"):
        parse_rate("1ms")
    with pytest.raises(ValueError, match="not a fraction: '1s'"):
        parse_fraction("1s")


@given(st.text(max_size=10))
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    for parse in (parse_duration, parse_rate, parse_fraction):
        try:
            assert parse(text) >= 0
        except ValueError:
            pass


@given(st.integers(0, 10**18))
def test_nanoseconds_are_exact(ns: int) -> None:
    assert parse_duration(f"{ns}ns") == ns
    assert parse_duration(f"{ns // 10**9}.{ns % 10**9:09}s") == ns


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (1_500_000_000, "1.5s"),
        (200_000_000, "200ms"),
        (12_000, "12us"),
        (7, "7ns"),
        (0, "0ns"),
        (10 * units.SECOND, "10s"),
        (-units.SECOND, "-1s"),
    ],
)
def test_durations_as_text(ns: int, text: str) -> None:
    assert format_duration(ns) == text
