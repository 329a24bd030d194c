"""What connections that were opened, used and closed leave behind: nothing.

python -m tests.adapters.asyncio.leaks [N]      5000 of each kind by default
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from sansio_net.adapters.asyncio import Nic

from .nics import run_virtually, two_nics
from .test_cancelling import encrypted, plain, serve_all, tokens

AT_ONCE = 50
KINDS = (plain, encrypted, tokens)


def counted() -> Counter[str]:
    """Every object that the collector knows, by its type."""
    for _ in range(3):
        gc.collect()
    kinds = Counter(map(type, gc.get_objects()))
    return Counter(
        {f"{kind.__module__}.{kind.__qualname__}": n for kind, n in kinds.items()}
    )


def left_by(n: int, program: Callable[[Nic], Awaitable[None]]) -> dict[str, int]:
    """How many more objects of a type there are after `n` of them than after a few,
    where it is one for every ten of them, or thirty, or more.
    """

    async def some(a: Nic, n: int) -> None:
        for _ in range(n // AT_ONCE):
            await asyncio.gather(*(program(a) for _ in range(AT_ONCE)))
        await asyncio.sleep(600)  # TIME-WAIT, and what else is remembered for a while

    async def main() -> Counter[str]:
        async with two_nics() as (a, b):
            await serve_all(b)
            await some(a, 2 * AT_ONCE)
            before = counted()
            await some(a, n)
            assert a.stack.connections() == b.stack.connections() == []
            assert a.driver.owners == []
            after = counted()
        after.subtract(before)
        return after

    more = run_virtually(main)
    least = max(30, n // 10)  # a few come and go by themselves
    return {kind: number for kind, number in more.items() if number >= least}


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    for program in KINDS:
        began = time.process_time()
        left = left_by(n, program)
        took = time.process_time() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{n} {program.__name__}: {took:.1f} s of CPU, {peak} MiB, left: {left}")


if __name__ == "__main__":
    main()
