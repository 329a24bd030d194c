"""The documentation says what the code does: drawn parts, names, commands."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
assert _spec is not None
assert _spec.loader is not None
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.GENERATED)
def test_what_is_drawn_from_the_code_is_up_to_date(name: str) -> None:
    """`python docs/generate.py` makes it so."""
    assert (ROOT / "docs" / name).read_text() == generate.rendered(name)
