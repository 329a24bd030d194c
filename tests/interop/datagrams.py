"""Our end of a conversation about datagrams that travel as one: what `station` does.

"send SIZE SEGMENT" is answered by so many bytes, "report" by what came since the last
one, as JSON; everything else is what came.
"""

from __future__ import annotations

import hashlib
import json
from typing import Protocol

from sansio_net import Datagram

from .lab import pattern


class Socket(Protocol):
    def send_to(
        self,
        data: bytes,
        address: tuple[str, int],
        *,
        source: tuple[str, int],
        segment_size: int = 0,
    ) -> None: ...


class Datagrams:
    def __init__(self) -> None:
        self._got: list[bytes] = []
        self._most = 0

    def arrives(self, sock: Socket, datagram: Datagram) -> None:
        word, *numbers = datagram.data[:20].split()
        back = {"address": datagram.source, "source": datagram.destination}
        if word == b"send":
            size, segment = map(int, numbers)
            sock.send_to(pattern(size), segment_size=segment, **back)
        elif word == b"report":
            sock.send_to(json.dumps(self._report()).encode(), **back)
        else:
            step = datagram.segment_size or max(len(datagram.data), 1)
            cuts = range(0, len(datagram.data), step)
            self._got += [datagram.data[at : at + step] for at in cuts]
            self._most = max(self._most, len(cuts))

    def _report(self) -> dict[str, object]:
        got, most = self._got, self._most
        self._got, self._most = [], 0
        digest = hashlib.sha256(b"".join(got)).hexdigest()
        return {"sizes": [len(one) for one in got], "sha256": digest, "most": most}
