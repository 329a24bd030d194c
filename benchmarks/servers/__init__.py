"""What is measured: programs that all serve the same four things, each on its stack.

ECHO, of TCP and UDP: what comes goes back. DISCARD: bytes are counted; the count, eight
bytes in network order, answers the client's FIN. SOURCE: PATTERN again and again, until
the client has enough. All write ``ready`` when they are; none needs more than the
standard library and its stack.
"""

from typing import Final

ECHO: Final = 7
DISCARD: Final = 9
SOURCE: Final = 19

PERIOD: Final = 1 << 16
PATTERN: Final = bytes((i ^ (i >> 8) * 31) & 0xFF for i in range(PERIOD))
"""Tells where in the stream a piece belongs; servers/lwip.c makes the same."""


def count_message(count: int) -> bytes:
    """What DISCARD says at the end."""
    return count.to_bytes(8, "big")
