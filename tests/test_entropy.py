"""Entropy: the same numbers everywhere, for ever.

`python -m tests.test_entropy` rewrites tests/data/entropy.txt.
"""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections import Counter
from hashlib import blake2s
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Entropy
from sansio_net.errors import StateError

STORED = Path(__file__).parent / "data" / "entropy.txt"


def digest() -> str:
    """Everything an Entropy does, in one number."""
    entropy = Entropy(b"a seed of sixteen bytes or more")
    got = [entropy.bytes(n) for n in (0, 1, 31, 32, 33, 1000)]
    for n in (1, 2, 3, 255, 256, 257, 10**6, 1 << 32, 1 << 200):
        got += [str(entropy.below(n)).encode()]
        got += [entropy.child(f"child {n}").bytes(7), Entropy.of(n).bytes(9)]
    return blake2s(b"|".join(got)).hexdigest()


def test_the_digest_is_the_stored_one() -> None:
    assert digest() == STORED.read_text().strip()


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_it_is_the_same_in_another_process(hash_seed: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from tests import test_entropy as t; print(t.digest())",
        ],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == STORED.read_text().strip()


@given(st.integers(0, 1 << 64), st.lists(st.integers(0, 100), max_size=10))
def test_the_stream_does_not_depend_on_how_it_is_cut(
    seed: int, cuts: list[int]
) -> None:
    entropy = Entropy.of(seed)
    assert b"".join(map(entropy.bytes, cuts)) == Entropy.of(seed).bytes(sum(cuts))


@given(st.integers(0, 1 << 64), st.integers(1, 1 << 70))
def test_below_is_below(seed: int, n: int) -> None:
    assert 0 <= Entropy.of(seed).below(n) < n


def test_below_reaches_everything_about_evenly() -> None:
    entropy = Entropy.of(1)
    counts = Counter(entropy.below(6) for _ in range(6000))
    assert set(counts) == set(range(6))
    assert max(counts.values()) - min(counts.values()) < 250


def test_a_child_depends_on_seed_and_label_alone() -> None:
    one, other = Entropy.of(1), Entropy.of(1)
    other.bytes(100)
    assert one.child("x").bytes(8) == other.child("x").bytes(8)
    assert one.child("x").bytes(8) != one.child("y").bytes(8)
    assert one.child("x").bytes(8) != Entropy.of(2).child("x").bytes(8)
    before = copy.deepcopy(one)
    one.child("x")
    assert one.bytes(8) == before.bytes(8)


def test_copies_go_on_alike() -> None:
    entropy = Entropy.of(1)
    entropy.bytes(5)
    twins = copy.deepcopy(entropy), pickle.loads(pickle.dumps(entropy))
    expected = entropy.bytes(100)
    assert [twin.bytes(100) for twin in twins] == [expected, expected]


def test_misuse() -> None:
    with pytest.raises(StateError):
        Entropy(b"too short")
    with pytest.raises(StateError):
        Entropy.of(1).below(0)


if __name__ == "__main__":
    STORED.write_text(digest() + "\n")
