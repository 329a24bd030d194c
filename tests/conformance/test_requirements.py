"""The conformance table is whole: every number, every test, every no with a reason."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from .requirements import LEVEL, ROOT, appendix_b, marked, table
from .rows import ROWS

TABLE = table()
ALL = [row for rows in TABLE.values() for row in rows]


def test_every_number_of_appendix_b_has_its_row() -> None:
    numbers = {number for number, *_ in appendix_b()}
    wanted = {f"MUST-{n}" for n in range(1, 70)}
    wanted |= {f"SHLD-{n}" for n in range(1, 32)} | {f"MAY-{n}" for n in range(1, 19)}
    assert numbers == wanted | {"REC-1"}
    rows = {row.number for row in TABLE["RFC 9293"]}
    assert numbers - rows == set()
    made_up = {number for number in rows - numbers if not number[0].isdigit()}
    assert made_up == set()


def test_the_words_are_those_of_appendix_b() -> None:
    levels: dict[str, set[str]] = {}
    for number, level, *_ in appendix_b():
        levels.setdefault(number, set()).add(level.split()[0])
        # the table has some in another column than the text
        kind = {"MUST": "MUST", "SHLD": "SHOULD", "MAY": "MAY", "REC": "RECOMMENDED"}
        levels[number].add(kind[number.split("-")[0]])
    for row in TABLE["RFC 9293"]:
        if row.number in levels:
            assert row.level.split()[0] in levels[row.number], row


def test_every_row_has_what_it_needs() -> None:
    for row in ALL:
        assert row.verdict in ("yes", "partly", "no")
        if row.verdict != "yes":
            assert row.reason, row
        if row.verdict != "no":
            assert row.shown, row
        if not row.number[0].isdigit():
            assert LEVEL.search(row.text), row


def test_no_two_rows_for_one_number() -> None:
    twice = [
        key for key, n in Counter((r.rfc, r.number) for r in ROWS).items() if n > 1
    ]
    assert twice == []


def test_one_text_for_one_number() -> None:
    texts: dict[tuple[str, str], set[str]] = {}
    for rfc, number, text, _ in marked():
        texts.setdefault((rfc, number), set()).add(text)
    assert {key: text for key, text in texts.items() if len(text) > 1} == {}


@pytest.mark.interpreted("looks into the sources beside the tests")
@pytest.mark.parametrize("rfc", TABLE)
def test_what_shows_it_exists(rfc: str) -> None:
    known: dict[str, set[str]] = {}
    for row in TABLE[rfc]:
        for place in row.shown:
            path, _, name = place.partition("::")
            if not path.startswith(("tests/", "sansio_net/")):
                path = f"tests/conformance/{path}"
            if path not in known:
                tree = ast.parse((ROOT / path).read_text())
                known[path] = {
                    node.name
                    for node in ast.walk(tree)
                    if isinstance(node, ast.FunctionDef)
                }
            assert not name or name in known[path], place
