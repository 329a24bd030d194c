"""docs/asyncio.md says what is so."""

from __future__ import annotations

import pytest

from sansio_net.adapters.asyncio import Nic
from sansio_net.adapters.sockets import TCP_OPTIONS
from tests.test_docs import ROOT, blocks

PAGE = ROOT / "docs" / "asyncio.md"


SAID = [
    "b'CAN YOU HEAR ME?\\n' from ('10.0.0.2', 7)\n",
    "b'a' 1801.0\n",
]


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    for example, said in zip(blocks(PAGE, "python"), SAID, strict=True):
        exec(compile(example, str(PAGE), "exec"), {"__name__": "example"})
        assert capsys.readouterr().out == said


def test_every_verb_is_described() -> None:
    text = PAGE.read_text()
    verbs = [name for name in vars(Nic) if not name.startswith("_")]
    assert len(verbs) > 8
    assert [verb for verb in verbs if verb not in text] == []
    assert len(TCP_OPTIONS) == 13
