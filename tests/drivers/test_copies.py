"""docs/offload.md's table of copies, against the allocator's account."""

from __future__ import annotations

import re
from pathlib import Path

from .copies import LEAST, READ_BLOCK, ROWS, allocated, measured

DOCS = Path(__file__).parents[2] / "docs" / "offload.md"
SLACK = 0.15


def promised() -> dict[str, float]:
    rows = re.findall(r"^\| (.+?) \| (\d(?:\.\d)?) \|", DOCS.read_text(), re.MULTILINE)
    return {name: float(copies) for name, copies in rows if name in ROWS}


def test_every_way_has_its_row() -> None:
    assert list(promised()) == list(ROWS)


def test_no_byte_is_copied_more_often_than_the_table_says() -> None:
    """And none less often: then the table is to be mended."""
    table = promised()
    found = measured([])
    wrong = {
        name: (found[name], copies)
        for name, copies in table.items()
        if abs(found[name] - copies) > SLACK
    }
    assert not wrong


def test_the_account_of_blocks() -> None:
    large, read = hex(LEAST), hex(READ_BLOCK)
    lines = [
        "= Start",
        f"@ python:[0x1] + 0x10 {large}",
        f"@ python:[0x1] + 0x20 {hex(LEAST - 1)}",
        f"@ python:(read+1)[0x1] + 0x30 {read}",  # given back as it was
        "@ python:[0x1] - 0x30",
        f"@ python:[0x1] + 0x40 {read}",  # as long as what was read
        "@ python:[0x1] < 0x40",
        f"@ python:[0x1] > 0x40 {large}",
        "@ python:[0x1] - 0x10",
    ]
    assert allocated("\n".join(lines)) == 2 * LEAST
