"""The examples in docstrings and in docs/ run and say what they say they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import sansio_net

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(sansio_net.__path__, "sansio_net.")
    if not info.name.endswith("__main__")
)
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")])


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), raise_on_error=False)
    assert result.failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    examples = [
        case
        for name in MODULES
        for case in finder.find(importlib.import_module(name))
        if case.examples
    ]
    assert len(examples) >= 5


def code(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_docs(page: Path) -> None:
    """Sessions with ``>>>`` are doctests; other blocks must at least compile."""
    for number, block in enumerate(code(page)):
        name = f"{page.name}[{number}]"
        if ">>>" in block:
            parser = doctest.DocTestParser()
            test = parser.get_doctest(block, {}, name, str(page), 0)
            runner = doctest.DocTestRunner()
            runner.run(test)
            assert runner.failures == 0, name
        else:
            compile(block, name, "exec")
