"""Connections that were opened, used and closed leave no object behind.

Of a larger number: ``python -m tests.adapters.asyncio.leaks 5000``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sansio_net.adapters.asyncio import Nic

from .leaks import KINDS, left_by
from .test_cancelling import encrypted, plain, tokens

N = {plain: 1000, encrypted: 300, tokens: 100}


@pytest.mark.parametrize("program", KINDS, ids=lambda program: program.__name__)
def test_nothing_is_left(program: Callable[[Nic], Awaitable[None]]) -> None:
    assert left_by(N[program], program) == {}


def test_what_is_left_is_seen() -> None:
    kept: list[object] = []

    async def careless(nic: Nic) -> None:
        await plain(nic)
        kept.append([nic])

    assert left_by(100, careless)["builtins.list"] >= 100
