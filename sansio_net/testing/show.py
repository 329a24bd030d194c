"""What went over a link, as text: a line a frame, trace entries where they belong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sansio_net.errors import WireError
from sansio_net.packet import Medium, Packet
from sansio_net.trace import Trace, format_entry
from sansio_net.units import SECOND
from sansio_net.wire.segment import flatten
from sansio_net.wire.summary import Flows, summary

NAMES = "ab"


def show_frames(
    sent: Iterable[tuple[int, int, Packet]],
    medium: Medium,
    traces: Sequence[Trace | None] = (),
) -> str:
    """``1.000000000 a ARP, Request ...``, in the order of time.

    Entries of `traces` (one per end) stand before the packets of the same moment.
    """
    flows = Flows()
    lines: list[tuple[int, str]] = []
    for name, trace in zip(NAMES, traces, strict=False):
        for entry in trace or ():
            now = entry[0]
            assert isinstance(now, int)
            lines.append((now, f"{' ' * 20}{name}: {format_entry(entry)}"))
    for now, end, packet in sent:
        for frame in _frames(packet):
            stamp = f"{now // SECOND}.{now % SECOND:09}"
            line = summary(frame, medium, flows)
            lines.append((now, f"{stamp} {NAMES[end]} {line}"))
    lines.sort(key=lambda line: line[0])
    return "\n".join(text for _, text in lines)


def _frames(packet: Packet) -> list[bytes]:
    try:
        return flatten(packet)
    except WireError:
        return [packet.join()]
