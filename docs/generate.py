"""The parts of the documentation that are drawn from the code.

``python docs/generate.py`` rewrites what stands between the marks in tcp.md and
counters.md; tests/test_docs.py fails where they differ from the code.
"""

from __future__ import annotations

import ast
from pathlib import Path

from sansio_net import counters
from sansio_net.counters import DropReason
from sansio_net.protocols.tcp.states import TRANSITIONS

DOCS = Path(__file__).resolve().parent
BEGIN, END = "<!-- generated -->", "<!-- end -->"


def state_diagram() -> str:
    """TRANSITIONS as a Mermaid picture. CLOSED is where it starts and ends."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> CLOSED"]
    for state, following in TRANSITIONS.items():
        lines += [f"    {state.name} --> {after.name}" for after in following]
    return "\n".join([*lines, "```"])


def in_words(name: str) -> str:
    """``"ip_bad_header"`` -> ``"IP: bad header"``."""
    layer, _, rest = name.partition("_")
    if layer not in ("arp", "ip", "icmp", "udp", "tcp"):
        return name.replace("_", " ").capitalize()
    return f"{layer.upper()}: {rest.replace('_', ' ')}"


def drop_reasons() -> str:
    """Every DropReason with its docstring; the source's comments are the headings."""
    source = Path(counters.__file__).read_text()
    tree = ast.parse(source)
    body = next(
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "DropReason"
    )
    meanings: dict[str, str] = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                text = " ".join(str(after.value.value).split())
            meanings[node.targets[0].id] = text
    lines = ["| counter | meaning |", "|---|---|"]
    for reason in DropReason:
        meaning = meanings[reason.name] or in_words(reason.value)
        lines.append(f"| `drop.{reason.value}` | {meaning.rstrip('.')} |")
    return "\n".join(lines)


GENERATED = {"tcp.md": state_diagram, "counters.md": drop_reasons}


def rendered(name: str) -> str:
    """The file as it should be."""
    text = (DOCS / name).read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{GENERATED[name]()}\n{END}{after}"


if __name__ == "__main__":
    for each in GENERATED:
        (DOCS / each).write_text(rendered(each))
