"""What tshark says of packets that are made here."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from sansio_net.wire.pcap import build_file_header, build_record
from sansio_net.wire.records import LINKTYPE_RAW


def dissect(directory: Path, packets: Sequence[bytes], *fields: str) -> list[list[str]]:
    """The fields of raw IP packets, a row each; tshark may complain of none."""
    path = directory / "made.pcap"
    records = (build_record(n, packet) for n, packet in enumerate(packets))
    path.write_bytes(build_file_header(LINKTYPE_RAW) + b"".join(records))
    names = ("_ws.malformed", "_ws.expert.message", *fields)
    options = [word for name in names for word in ("-e", name)]
    shown = subprocess.run(
        ["tshark", "-r", path, "-T", "fields", *options],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    assert len(rows) == len(packets)
    for malformed, expert, *_ in rows:
        assert not malformed
        assert "hecksum" not in expert, expert
        assert "ength" not in expert, expert
    return [row[2:] for row in rows]
