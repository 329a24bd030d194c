"""docs/embedding.md shows what the examples do, and names what there is."""

from __future__ import annotations

import importlib
import re
import textwrap

from tests.test_docs import ROOT, blocks

PAGE = ROOT / "docs" / "embedding.md"


def test_the_fragments_are_those_of_the_examples() -> None:
    examples = [path.read_text() for path in sorted((ROOT / "examples").glob("*.py"))]
    found = blocks(PAGE, "python")
    assert len(found) == 2
    for block in found:
        forms = block, textwrap.indent(block, "    ")
        assert any(form in example for form in forms for example in examples)


def test_the_examples_and_modules_named_exist() -> None:
    text = PAGE.read_text()
    named = re.findall(r"examples/\w+\.py", text)
    assert len(set(named)) == 3
    assert [name for name in named if not (ROOT / name).is_file()] == []
    for name in re.findall(r"`(sansio_net\.[\w.]+)`", text):
        importlib.import_module(name)
