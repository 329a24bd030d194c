"""Trace entries as text, and which there are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from sansio_net.trace import KINDS, Trace, format_entry, format_trace
from sansio_net.units import MILLISECOND

PACKAGE = Path(__file__).resolve().parents[1] / "sansio_net"


def test_an_entry_is_seconds_kind_and_values_by_name() -> None:
    entry = (1_500_000_000, "tcp.rto", 7, 400 * MILLISECOND, 2)
    assert format_entry(entry) == "1.500000000 tcp.rto conn=7 rto=400ms retransmits=2"


def test_addresses_are_readable() -> None:
    ip, mac = bytes((10, 0, 0, 1)), bytes((2, 0, 0, 0, 0, 1))
    assert format_entry((0, "neighbour-mac", ip, mac)) == (
        "0.000000000 neighbour-mac ip=10.0.0.1 mac=02:00:00:00:00:01"
    )
    local = bytes.fromhex("fe80" + 13 * "00" + "01" + "00000002")
    assert format_entry((0, "router", local, 1)).endswith("src=fe80::1 lifetime=1")


def test_what_nobody_knows_is_shown_as_it_is() -> None:
    entry = (1, "mine", 7, "x", b"\x0a\x00", None)
    assert format_entry(entry) == "0.000000001 mine 7 x 0a00 None"
    assert format_entry((1, "udp-queue-full", 7, 8)).endswith("sock=7 8")
    assert format_entry((1, "claim", b"\x0a", None)).endswith("ip=0a state=None")


def test_a_trace_is_lines() -> None:
    trace: Trace = [(0, "a"), (1, "b", 2)]
    assert format_trace(trace) == "0.000000000 a\n0.000000001 b 2"
    assert format_trace([]) == ""


def noted() -> Iterator[tuple[str, int, str]]:
    """Kinds in the source, with the least number of values they are given."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(
                node.func, ast.Attribute
            ):
                continue
            parts, implied = node.args, 0
            if node.func.attr == "append" and isinstance(
                node.func.value, ast.Attribute
            ):
                if node.func.value.attr != "trace" or len(parts) != 1:
                    continue
                if not isinstance(parts[0], ast.Tuple):
                    continue
                parts = parts[0].elts
            elif node.func.attr == "note":
                implied = 1  # the connection's id
            else:
                continue
            kind = parts[1] if len(parts) > 1 else None
            if isinstance(kind, ast.Constant) and isinstance(kind.value, str):
                yield kind.value, len(parts) - 2 + implied, str(path)


def test_every_kind_is_known_and_its_values_have_names() -> None:
    """Whoever notes another kind adds it to `KINDS`; docs/trace.md is drawn anew."""
    found = list(noted())
    assert {kind for kind, _, _ in found} == set(KINDS)
    for kind, n_values, path in found:
        assert n_values <= len(KINDS[kind][0].split()), (kind, path)
