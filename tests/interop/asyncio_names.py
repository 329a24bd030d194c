"""Looks names up over a TAP, as a NetworkLoop's program does, and prints what it got.

python -m tests.interop.asyncio_names '["10.0.0.1"]' NAME...
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys

from sansio_net.adapters.asyncio import DnsConfig, open_nic, run
from sansio_net.units import SECOND


async def looked_up(name: str, family: int = 0) -> object:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            *(name, 80),
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_CANONNAME,
        )
    except socket.gaierror as error:
        return error.errno
    return [found[0][3], *sorted(info[4][0] for info in found)]


async def main(names: list[str]) -> None:
    result = dict(zip(names, await asyncio.gather(*map(looked_up, names)), strict=True))
    result["of IPv4"] = await looked_up("both.test", socket.AF_INET)
    result["of IPv6"] = await looked_up("both.test", socket.AF_INET6)
    print(json.dumps(result))


if __name__ == "__main__":
    config = DnsConfig(
        servers=json.loads(sys.argv[1]),
        search=["nowhere.test", "lab.test"],
        timeout=SECOND // 2,
        lifetime=3 * SECOND,
    )
    nic = open_nic("tap:tap0", ["10.0.0.2/24"], host_address="10.0.0.1/24", dns=config)
    run(main(sys.argv[2:]), nic=nic)
