"""What every machine does under fixed seeds, as one digest each.

`python -m tests.property.digests` prints them, under any Python that can import the
package; with ``--write`` it rewrites tests/data/digests.txt, which every Python and
every hash seed must meet. Rewrite it when a machine is meant to behave differently.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .laws import digest
from .registry import SUBJECTS

STORED = Path(__file__).parents[1] / "data" / "digests.txt"


def lines() -> str:
    return "".join(f"{subject.name} {digest(subject)}\n" for subject in SUBJECTS)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        STORED.write_text(lines())
    else:
        sys.stdout.write(lines())
