"""docs/blocking.md says what is so."""

from __future__ import annotations

import pytest

from sansio_net.adapters.blocking import Nic, Socket
from tests.test_docs import ROOT, blocks

PAGE = ROOT / "docs" / "blocking.md"


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks(PAGE, "python")
    exec(compile(example, str(PAGE), "exec"), {"__name__": "example"})
    said = capsys.readouterr().out
    assert said == "b'CAN YOU HEAR ME?\\n' from ('10.0.0.2', 7)\n"


def test_every_verb_is_described() -> None:
    text = PAGE.read_text()
    verbs = [name for name in vars(Nic) if not name.startswith("_")]
    assert len(verbs) > 8
    assert [verb for verb in verbs if verb not in text] == []
    # those apart that every socket has
    known = ("family", "type", "proto", "get", "setsockopt", "timeout", "give_up")
    verbs = [name for name in vars(Socket) if not name.startswith(("_", *known))]
    assert [verb for verb in verbs if verb not in text] == []
