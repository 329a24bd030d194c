"""Requirements by their numbers: which test shows each, and what is not done."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import tests.conformance

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
APPENDIX_B: Final = ROOT / "tests/data/rfc9293_appendix_b.txt"

LEVEL: Final = re.compile(
    r"\b(MUST NOT|SHOULD NOT|NOT RECOMMENDED|MUST|SHALL|SHOULD|RECOMMENDED|MAY)\b"
)
"""RFC 2119's words; the first one in a text is the level of the requirement."""


def requirement(rfc: str, number: str, text: str) -> pytest.MarkDecorator:
    """The test shows that we do `text`, which has this number in the RFC.

    Where an RFC has no numbers: the section, a dash and a count. `text` has one of
    RFC 2119's words where the RFC has one.
    """
    return pytest.mark.requirement(rfc, number, text)


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement, the verdict (yes, partly or no), and what shows it or why not."""

    rfc: str
    number: str
    text: str
    verdict: str
    shown: tuple[str, ...] = ()
    reason: str = ""

    @property
    def level(self) -> str:
        found = LEVEL.search(self.text)
        return found[0] if found else ""


def marked() -> Iterator[tuple[str, str, str, str]]:
    """RFC, number, text and test (file::name) of every mark in the suite."""
    path = tests.conformance.__path__
    for module in pkgutil.walk_packages(path, "tests.conformance."):
        if ".test_" not in module.name:
            continue
        loaded = importlib.import_module(module.name)
        where = module.name.removeprefix("tests.conformance.").replace(".", "/")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            marks = getattr(function, "pytestmark", [])
            for mark in reversed(marks):
                if mark.name == "requirement":
                    rfc, number, text = mark.args
                    yield rfc, number, text, f"{where}.py::{name}"


def order(number: str) -> tuple[tuple[int, int | str], ...]:
    """3.2-10 after 3.2-9."""
    parts = re.findall(r"\d+|[^\d]+", number)
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def appendix_b() -> list[tuple[str, str, str, str]]:
    """RFC 9293's own summary: number, level, heading, feature."""
    lines = APPENDIX_B.read_text().splitlines()
    rows = [line.split("|") for line in lines if not line.startswith("#")]
    return [(number, level, head, text) for number, level, head, text in rows]


def table() -> dict[str, list[Row]]:
    """Every requirement by RFC: from the marks, and from `rows.py`."""
    from .rows import ROWS

    shown: dict[tuple[str, str], list[str]] = {}
    texts: dict[tuple[str, str], str] = {}
    for rfc, number, text, test in marked():
        shown.setdefault((rfc, number), []).append(test)
        texts.setdefault((rfc, number), text)
    rows: dict[tuple[str, str], Row] = {
        key: Row(*key, texts[key], "yes", tuple(tests)) for key, tests in shown.items()
    }
    for row in ROWS:
        key = row.rfc, row.number
        scripts = tuple(shown.get(key, ()))
        rows[key] = Row(*key, row.text, row.verdict, scripts + row.shown, row.reason)
    places = {number: at for at, (number, *_) in reversed([*enumerate(appendix_b())])}
    found: dict[str, list[Row]] = {}
    for row in sorted(
        rows.values(), key=lambda row: (places.get(row.number, 999), order(row.number))
    ):
        found.setdefault(row.rfc, []).append(row)
    return found
