"""Verdicts and tables, of made-up figures."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.__main__ import BEGIN, END, arguments, choose, write_between_marks
from benchmarks.measure import Results, Sample
from benchmarks.metrics import METRICS
from benchmarks.peers import CUBIC, GIVEN, OTHERS, OURS, Kernel, Peer
from benchmarks.peers.given import Gvisor
from benchmarks.peers.lwip import Lwip
from benchmarks.peers.nat import Slirp
from benchmarks.peers.ours import OurTap
from benchmarks.report import Report, spread
from benchmarks.targets import TARGETS, Target, Verdict, judge
from benchmarks.workloads import WORKLOADS

FACTS = {
    "python": "CPython 3",
    "kernel": "6",
    "cores": 2,
    "processor": "one",
    "load": 0.1,
    "congestion control": "cubic",
    "commit": "abc",
    "links": {"tap": {"client tap0": {"tso": True, "gro": False}}},
}


def results(**figures: list[float]) -> Results:
    """``tcp_in__tap=[1, 2]``: values by metric and peer."""
    made = Results()
    for name, values in figures.items():
        metric, peer = name.split("__")
        made.samples[METRICS[metric].workload, peer] = [
            Sample({metric: value}, 0.5, 0.25) for value in values
        ]
    return made


def nothing_stored(peer: str, metric: str) -> None:
    return None


def verdict(target: Target, **figures: list[float]) -> Verdict:
    return judge(target, results(**figures), nothing_stored)


def test_a_ratio_is_the_median_of_those_within_a_repetition() -> None:
    found = verdict(
        Target("tcp_in", "tap", 0.5, "kernel"),
        tcp_in__tap=[6.0, 10.0, 3.0],
        tcp_in__kernel=[10.0, 40.0, 5.0],
    )
    assert found.factor == 0.6
    assert found.text == "met"


def test_what_is_missed_is_said_in_parts_of_the_target() -> None:
    more = Target("tcp_in", "tap", 0.5, "kernel")
    found = verdict(more, tcp_in__tap=[4.0], tcp_in__kernel=[10.0])
    assert found.text == "missed by 20%"
    less = Target("rr", "tap", 2, "lwip")
    assert verdict(less, rr__tap=[50.0], rr__lwip=[20.0]).text == "missed by 25%"
    assert verdict(less, rr__tap=[40.0], rr__lwip=[20.0]).text == "met"


@pytest.mark.parametrize(
    ("metric", "figure", "text"),
    [
        ("udp", 9.0, "missed by 10%"),
        ("udp", 12.0, "met"),
        ("udp", 20.0, "met, the stretch of 2 too"),
    ],
)
def test_a_stretch_is_said_when_it_is_reached(
    metric: str, figure: float, text: str
) -> None:
    target = Target(metric, "tap", 1, "lwip", 2)
    assert verdict(target, udp__tap=[figure], udp__lwip=[10.0]).text == text


def test_an_absolute_target_needs_no_other() -> None:
    target = Target("open_memory", "tap", 2000, None)
    assert verdict(target, open_memory__tap=[1500.0, 2100.0, 2500.0]).text == (
        "missed by 5%"
    )


def test_what_was_not_measured_has_no_verdict() -> None:
    target = Target("tcp_in", "tap", 0.5, "kernel")
    assert verdict(target, tcp_in__tap=[1.0]).text == "not measured"
    assert verdict(Target("open_cost", "tap", 1, None)).text == "not measured"


def test_a_stored_ratio_stands_in_and_is_said_to() -> None:
    figures = results(udp__tap=[60.0], udp__kernel=[100.0])
    target = Target("udp", "tap", 1, "gvisor")
    found = judge(target, figures, lambda peer, metric: ("kernel", 0.4))
    assert found.factor == pytest.approx(1.5)
    assert found.text == "met (stored)"
    measured = results(udp__tap=[60.0], udp__kernel=[100.0], udp__gvisor=[80.0])
    assert (
        judge(target, measured, lambda peer, metric: ("kernel", 0.4)).text
        == "missed by 25%"
    )


def report(figures: Results, *peers: Peer) -> Report:
    absent = [(Gvisor(), "a path")]
    return Report("bench", FACTS, peers, absent, figures, 1, 0.5)


def test_the_tables_have_every_row_with_its_reason() -> None:
    figures = results(ping__kernel=[10.0], ping__tap=[100.0], ping__lwip=[50.0])
    figures.samples["ping", "kernel"][0].client_cpu = 0.95
    figures.failures["rr", "lwip"] = "no answer"
    figures.samples["rr", "tap"] = [Sample({"rr": 40.0}, 0, 0)]
    text = report(figures, Kernel(), OurTap(), Slirp(), Lwip()).markdown()
    assert "| kernel, veth | 10.0 |  | 10 | 50% | 95% (the limit) |" in text
    assert "| lwIP | 50.0 | 5 | 2 | 50% | 25% |" in text
    assert "| lwIP | failed: no answer | | | | |" in text
    assert "| slirp4netns | none: a NAT, which" in text
    assert "| gVisor netstack | stored: 1.19 of lwIP | | 1.68 | | |" in text
    assert "ours, TAP: ping round trip, median <= 1.6 of lwIP | 2 | missed by 25%" in (
        text
    )
    assert ">= 14 of" not in text  # nobody asked for UDP
    assert "ours, TAP, client tap0: tso\n" in text
    assert "Congestion" not in text
    assert "congestion control of the kernel: cubic" in text


def test_the_json_holds_every_sample() -> None:
    figures = results(udp__tap=[1.0, 2.0])
    made = json.loads(json.dumps(report(figures, OurTap()).json()))
    (pair,) = made["samples"]
    assert [sample["values"]["udp"] for sample in pair["samples"]] == [1.0, 2.0]
    assert made["unavailable"] == {"gvisor": "a path"}
    assert {"metric", "verdict", "reached"} <= set(made["verdicts"][0])


class Unobtainable(Lwip):
    def missing(self) -> str | None:
        return "luck"

    def install(self) -> None:
        subprocess.run(["false"], check=True)


def test_a_peer_that_cannot_be_installed_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command, "OTHERS", (Unobtainable,))
    present, absent = choose(arguments(["rr", "--peers", "--only", "tap,lwip"]))
    assert [peer.key for peer in present] == ["kernel", "tap"]
    ((_, what),) = absent
    assert what.startswith("an installation that works: Command '['false']'")


def test_a_table_goes_between_the_marks_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "some.md"
    write_between_marks(path, "one\n")
    assert path.read_text() == "one\n"
    path.write_text(f"before\n{BEGIN}old\n{END}after\n")
    for _ in range(2):
        write_between_marks(path, "new\n")
        assert path.read_text() == f"before\n{BEGIN}\nnew\n{END}after\n"


def test_figures_are_printed_with_what_they_are_worth() -> None:
    assert spread([1234.4, 2000.0, 1500.0]) == "1,500 (1,234..2,000)"
    assert spread([14.0, 15.5]) == "14.8 (14.0..15.5)"
    assert spread([1.25]) == "1.25"


def test_every_name_means_something() -> None:
    everyone: tuple[type[Peer], ...] = (Kernel, *CUBIC, *OURS, *OTHERS, *GIVEN)
    peers = {peer.key: peer for peer in everyone}
    assert {metric.workload for metric in METRICS.values()} == set(WORKLOADS)
    for target in TARGETS:
        workload = METRICS[target.metric].workload
        assert workload in peers[target.ours].workloads
        if target.against is not None and target.metric != "ping":
            assert workload in peers[target.against].workloads
    for peer in peers.values():
        assert peer.workloads <= set(WORKLOADS)
        assert not peer.workloads & set(peer.why_not)
    for given in GIVEN:
        assert set(given.stored) <= set(METRICS)


def test_a_selection_of_peers_and_workloads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = arguments(["rr", "--only", "tap,smoltcp", "--quick"])
    present, absent = choose(asked)
    assert [peer.key for peer in present] == ["kernel", "tap"]
    assert [(peer.key, what) for peer, what in absent] == [
        ("smoltcp", "a path: --smoltcp PATH")
    ]
    for wrong in (["--only", "nobody"], ["juggling"]):
        with pytest.raises(SystemExit):
            arguments(wrong)
        assert wrong[-1] in capsys.readouterr().err
