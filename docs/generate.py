"""The parts of the documentation that are drawn from the code and the tests.

``python docs/generate.py`` rewrites what stands between the marks of the files in
`GENERATED`; tests/test_docs.py fails where they differ.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import Counter
from dataclasses import fields
from pathlib import Path

from sansio_net import counters
from sansio_net.counters import DropReason
from sansio_net.protocols.tcp import options
from sansio_net.protocols.tcp.congestion import CONTROLLERS
from sansio_net.protocols.tcp.options import BOUNDS, CHOICES, SETTABLE, TcpOptions
from sansio_net.protocols.tcp.states import TRANSITIONS
from sansio_net.trace import KINDS
from sansio_net.units import format_duration

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


def docstrings(path: str | None, name: str) -> dict[str, str]:
    """The strings that follow the names of a class body."""
    tree = ast.parse(Path(path or "").read_text())
    (body,) = (
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    meanings: dict[str, str] = {}
    for node, after in zip(body, [*body[1:], None], strict=True):
        target = None
        if isinstance(node, ast.Assign):
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign):
            target = node.target
        if (
            isinstance(target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            meanings[target.id] = " ".join(str(after.value.value).split())
    return meanings


def drop_reasons() -> str:
    """Every DropReason with its docstring; the source's comments are the headings."""
    meanings = docstrings(counters.__file__, "DropReason")
    lines = ["| counter | meaning |", "|---|---|"]
    for reason in DropReason:
        meaning = meanings.get(reason.name) or in_words(reason.value)
        lines.append(f"| `drop.{reason.value}` | {meaning.rstrip('.')} |")
    return "\n".join(lines)


def option_table() -> str:
    """Every field of TcpOptions: default, unit, bound, meaning with its RFC."""
    meanings = docstrings(options.__file__, "TcpOptions")
    choices = {**CHOICES, "congestion": tuple(CONTROLLERS)}
    lines = ["| option | default | bound | set | meaning |", "|---|---|---|---|---|"]
    for field in fields(TcpOptions):
        bound = BOUNDS.get(field.name)
        if bound is None:
            words = ", ".join(choices.get(field.name, ("False", "True")))
        else:
            plain = bound.unit in ("ns", "bytes", "octet")
            least = in_units(bound.least, bound.unit) if plain else bound.least
            words = f"{least} to {in_units(bound.most, bound.unit)}"
        lines.append(
            f"| `{field.name}` | {in_units(field.default, bound and bound.unit)} "
            f"| {words} | {'yes' if field.name in SETTABLE else ''} "
            f"| {meanings[field.name]} |"
        )
    return "\n".join(lines)


def in_units(value: object, unit: str | None) -> str:
    """A number as a reader wants it: ``40ms``, ``512 KiB``, ``10 segments``."""
    if isinstance(value, bool) or not isinstance(value, int) or unit is None:
        return str(value)
    if unit == "ns":
        return "0" if not value else format_duration(value)
    if unit == "bytes" and value >= 1024 and not value % 1024:
        for size, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
            if not value % size:
                return f"{value // size} {name}"
    return str(value) if unit == "octet" else f"{value} {unit}"


TITLES = {
    "RFC 9293": "Transmission Control Protocol",
    "RFC 1191": "Path MTU Discovery",
    "RFC 2018": "TCP Selective Acknowledgment Options",
    "RFC 2883": "An Extension to the SACK Option",
    "RFC 3042": "Enhancing TCP's Loss Recovery Using Limited Transmit",
    "RFC 3168": "Explicit Congestion Notification",
    "RFC 4821": "Packetization Layer Path MTU Discovery",
    "RFC 5482": "TCP User Timeout Option",
    "RFC 5681": "TCP Congestion Control",
    "RFC 5682": "Forward RTO-Recovery (F-RTO)",
    "RFC 5927": "ICMP Attacks against TCP",
    "RFC 5961": "Robustness to Blind In-Window Attacks",
    "RFC 6191": "Reducing the TIME-WAIT State Using TCP Timestamps",
    "RFC 6298": "Computing TCP's Retransmission Timer",
    "RFC 6582": "The NewReno Modification to TCP's Fast Recovery",
    "RFC 6675": "A Conservative Loss Recovery Algorithm Based on SACK",
    "RFC 6928": "Increasing TCP's Initial Window",
    "RFC 6937": "Proportional Rate Reduction for TCP",
    "RFC 7323": "TCP Extensions for High Performance",
    "RFC 7413": "TCP Fast Open",
    "RFC 8201": "Path MTU Discovery for IPv6",
    "RFC 8985": "The RACK-TLP Loss Detection Algorithm",
    "RFC 1122": "Requirements for hosts",
    "RFC 1812": "Requirements for IP Version 4 Routers",
    "RFC 8200": "Internet Protocol, Version 6",
    "RFC 4443": "ICMPv6",
    "RFC 4861": "Neighbor Discovery for IPv6",
    "RFC 4862": "IPv6 Stateless Address Autoconfiguration",
    "RFC 6724": "Default Address Selection for IPv6",
    "RFC 4007": "IPv6 Scoped Address Architecture",
    "RFC 4191": "Default Router Preferences and More-Specific Routes",
    "RFC 4429": "Optimistic Duplicate Address Detection",
    "RFC 5095": "Deprecation of Type 0 Routing Headers",
    "RFC 5722": "Handling of Overlapping IPv6 Fragments",
    "RFC 6437": "IPv6 Flow Label",
    "RFC 6583": "Operational Neighbor Discovery Problems",
    "RFC 6946": "Processing of IPv6 Atomic Fragments",
    "RFC 6980": "Security of Fragmentation with Neighbor Discovery",
    "RFC 7112": "Implications of Oversized IPv6 Header Chains",
    "RFC 7217": "Semantically Opaque Interface Identifiers",
    "RFC 7527": "Enhanced Duplicate Address Detection",
    "RFC 7559": "Packet-Loss Resiliency for Router Solicitations",
    "RFC 8106": "Router Advertisement Options for DNS",
    "RFC 8504": "IPv6 Node Requirements",
    "RFC 8981": "Temporary Address Extensions",
}
"""The RFCs of the conformance table, in its order."""


def conformance() -> str:
    """Every requirement with its verdict and what shows it, an RFC after the other."""
    sys.path.insert(0, str(DOCS.parent))
    from tests.conformance.requirements import table

    found = table()
    assert found.keys() == TITLES.keys()
    lines = ["| | requirements | yes | partly | no |", "|---|---|---|---|---|"]
    for rfc in TITLES:
        n = Counter(row.verdict for row in found[rfc])
        anchor = f"{rfc}: {TITLES[rfc]}".lower().replace(" ", "-")
        anchor = "".join(c for c in anchor if c.isalnum() or c == "-")
        lines.append(
            f"| [{rfc}](#{anchor}) | {n.total()} "
            f"| {n['yes']} | {n['partly']} | {n['no']} |"
        )
    for rfc, title in TITLES.items():
        lines += ["", f"## {rfc}: {title}", ""]
        lines += ["| | requirement | verdict | shown by |", "|---|---|---|---|"]
        for row in found[rfc]:
            folder = rfc.lower().replace(" ", "") + "/"
            shown = [f"`{place.removeprefix(folder)}`" for place in row.shown]
            if row.reason:
                shown.append(row.reason)
            verdict = row.verdict if row.verdict == "yes" else f"**{row.verdict}**"
            lines.append(
                f"| {row.number} | {row.text} | {verdict} | {'; '.join(shown)} |"
            )
    return "\n".join(lines)


def trace_kinds() -> str:
    """Every kind of trace entry, with the names of its values."""
    lines = ["| kind | values | meaning |", "|---|---|---|"]
    for kind, (names, meaning) in KINDS.items():
        lines.append(f"| `{kind}` | {names} | {meaning} |")
    return "\n".join(lines)


def attacks() -> str:
    """The hall of old attacks: the docstrings of tests/attacks, by year."""
    rows = []
    for path in sorted((DOCS.parent / "tests/attacks").glob("test_*.py")):
        said = ast.get_docstring(ast.parse(path.read_text())) or ""
        title, _, year = said.partition("\n")[0].rstrip(".").rpartition(", ")
        _, _, here = said.partition("\nHere: ")
        bound = " ".join(here.split())
        rows.append((int(year), title, bound[:1].upper() + bound[1:], path.name))
    lines = ["| attack | year | what holds here | test |", "|---|---|---|---|"]
    for year, title, bound, name in sorted(rows):
        link = f"[`{name}`](../tests/attacks/{name})"
        lines.append(f"| {title} | {year} | {bound} | {link} |")
    return "\n".join(lines)


def differences() -> str:
    """Where Linux and we answer odd packets differently: the files of tests/interop."""
    lines = ["| what | RFC | why we differ |", "|---|---|---|"]
    for path in sorted((DOCS.parent / "tests/interop").glob("*_differences.toml")):
        for rule in tomllib.loads(path.read_text())["rule"]:
            says = f'{rule["rfc"]}: "{rule["says"]}"'
            lines.append(f"| {rule['name']} | {says} | {rule['because']} |")
    return "\n".join(lines)


GENERATED = {
    "oracle.md": differences,
    "security.md": attacks,
    "trace.md": trace_kinds,
    "tcp.md": state_diagram,
    "options.md": option_table,
    "counters.md": drop_reasons,
    "conformance.md": conformance,
}


def rendered(name: str) -> str:
    """The file as it should be."""
    text = (DOCS / name).read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{GENERATED[name]()}\n{END}{after}"


if __name__ == "__main__":
    for each in GENERATED:
        (DOCS / each).write_text(rendered(each))
