from __future__ import annotations

from pathlib import Path

import pytest

from sansio_net.cli.main import main
from sansio_net.wire.pcapng import PcapngReader
from sansio_net.wire.records import PacketRecord


def demo(tmp_path: Path, *argv: str) -> tuple[int, Path]:
    path = tmp_path / "demo.pcapng"
    return main(["demo", "-w", str(path), *argv]), path


def test_a_ping_and_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, path = demo(tmp_path, "--size", "200k", "--loss", "5%")
    out = capsys.readouterr().out
    assert status == 0
    assert "64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=" in out
    assert "100%" in out
    assert "every byte arrived" in out
    assert f"capture: {path}" in out
    assert "retransmitted" in out
    records = PcapngReader().feed(path.read_bytes())
    packets = [record for record in records if isinstance(record, PacketRecord)]
    assert sum(len(packet.data) for packet in packets) > 200 * 1024
    assert {packet.direction for packet in packets} == {1, 2}


def test_the_same_seed_gives_the_same_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = []
    for seed in ("3", "3", "4"):
        assert demo(tmp_path, "--size", "100k", "--loss", "10%", "--seed", seed)[0] == 0
        text = capsys.readouterr().out
        texts.append(text[: text.index("every byte")])
    assert texts[0] == texts[1] != texts[2]


def test_a_dead_link_is_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = demo(tmp_path, "--size", "1k", "--loss", "100%")
    assert status == 1
    out = capsys.readouterr().out
    assert "0 received, 100% packet loss" in out
    assert "the file did not arrive: " in out


def test_a_file_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "-w", "/nowhere/demo.pcapng"]) == 1
    assert capsys.readouterr().err == (
        "sansio-net: /nowhere/demo.pcapng: No such file or directory\n"
    )
