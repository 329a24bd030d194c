"""What capture files hold: packets, interfaces, and the blocks around them.

pcap and pcapng (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng) read into these.
Stamps are ns since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from sansio_net.packet import Medium

LINKTYPE_NULL: Final = 0
LINKTYPE_ETHERNET: Final = 1
LINKTYPE_RAW: Final = 101
LINKTYPE_IPV4: Final = 228
LINKTYPE_IPV6: Final = 229

MAX_BLOCK: Final = 16 * 1024 * 1024
"""Longer blocks are taken for damage: Wireshark's bound, and ours for memory."""

# option codes
OPT_END: Final = 0
OPT_COMMENT: Final = 1
OPT_CUSTOM_TEXT: Final = 2988
OPT_CUSTOM_BINARY: Final = 2989
OPT_CUSTOM_TEXT_PRIVATE: Final = 19372
"""The private ones are not to be copied by a tool that rewrites the file."""
OPT_CUSTOM_BINARY_PRIVATE: Final = 19373
CUSTOM_OPTIONS: Final = (
    OPT_CUSTOM_TEXT,
    OPT_CUSTOM_BINARY,
    OPT_CUSTOM_TEXT_PRIVATE,
    OPT_CUSTOM_BINARY_PRIVATE,
)
SHB_HARDWARE: Final = 2
SHB_OS: Final = 3
SHB_USERAPPL: Final = 4
IF_NAME: Final = 2
IF_DESCRIPTION: Final = 3
IF_MACADDR: Final = 6
IF_TSRESOL: Final = 9
IF_TSOFFSET: Final = 14
EPB_FLAGS: Final = 2
EPB_DROPCOUNT: Final = 4
ISB_STARTTIME: Final = 2
ISB_ENDTIME: Final = 3
ISB_IFRECV: Final = 4
ISB_IFDROP: Final = 5

INBOUND: Final = 1
OUTBOUND: Final = 2

NRB_IPV4: Final = 1
NRB_IPV6: Final = 2

SECRETS_TLS: Final = 0x544C534B
"""A TLS key log, as NSS and browsers write it."""


@dataclass(slots=True)
class Option:
    """One option. pen: the enterprise number of a custom option, not part of `value`.

    Integers in a value lie in the section's byte order.
    """

    code: int
    value: bytes
    pen: int | None = None


Options: TypeAlias = tuple[Option, ...]


def comments(options: Options) -> list[str]:
    """The comments among a block's options."""
    return [
        option.value.decode("utf-8", "replace")
        for option in options
        if option.code == OPT_COMMENT
    ]


def custom(options: Options, pen: int) -> list[bytes]:
    """The values of the custom options of one enterprise."""
    return [option.value for option in options if option.pen == pen]


@dataclass(slots=True)
class Section:
    """The start of a section: interfaces count from 0 again after it."""

    byte_order: str = "little"
    version: tuple[int, int] = (1, 0)
    length: int | None = None
    options: Options = ()


@dataclass(slots=True)
class Interface:
    """Where packets were captured. index: its number within the section.

    units: ticks of its stamps in a second; offset: seconds added to them.
    """

    index: int = 0
    link_type: int = LINKTYPE_ETHERNET
    snaplen: int = 0
    name: str = ""
    units: int = 1_000_000
    offset: int = 0
    options: Options = ()

    @property
    def medium(self) -> Medium | None:
        """Ethernet or bare IP; None for link types that are neither."""
        if self.link_type == LINKTYPE_ETHERNET:
            return Medium.ETHERNET
        if self.link_type in (LINKTYPE_RAW, LINKTYPE_IPV4, LINKTYPE_IPV6):
            return Medium.IP
        return None


@dataclass(slots=True)
class PacketRecord:
    """A captured packet. stamp is None in a simple packet block.

    original_size: bytes it had on the wire, of which `data` may be the beginning.
    flags: the `epb_flags` word, or 0.
    """

    interface: Interface
    stamp: int | None
    data: bytes
    original_size: int
    flags: int = 0
    options: Options = ()

    @property
    def direction(self) -> int:
        """`INBOUND`, `OUTBOUND` or 0: not said."""
        return self.flags & 3

    @property
    def comment(self) -> str:
        """All comments, a line each."""
        return "\n".join(comments(self.options))


@dataclass(slots=True)
class Statistics:
    """Counters of an interface at `stamp`."""

    interface: Interface
    stamp: int
    received: int | None = None
    dropped: int | None = None
    start: int | None = None
    end: int | None = None
    options: Options = ()


@dataclass(slots=True)
class Names:
    """Address-to-name records: (`NRB_IPV4` | `NRB_IPV6` | other, value)."""

    records: tuple[tuple[int, bytes], ...] = ()
    options: Options = ()

    def hosts(self) -> list[tuple[bytes, list[str]]]:
        """(packed address, names) of the records that are addresses."""
        found = []
        for kind, value in self.records:
            size = {NRB_IPV4: 4, NRB_IPV6: 16}.get(kind)
            if size is None or len(value) < size:
                continue
            names = value[size:].decode("utf-8", "replace").split("\0")
            found.append((value[:size], [name for name in names if name]))
        return found


@dataclass(slots=True)
class Secrets:
    """Keys that decrypt the packets that follow."""

    type: int
    data: bytes
    options: Options = ()


@dataclass(slots=True)
class CustomBlock:
    """A block of one enterprise; `data` is everything after its number."""

    pen: int
    data: bytes
    copyable: bool = True


@dataclass(slots=True)
class UnknownBlock:
    """A block of a type not known here, as it lies in the file."""

    type: int
    body: bytes


Record: TypeAlias = (
    Section
    | Interface
    | PacketRecord
    | Statistics
    | Names
    | Secrets
    | CustomBlock
    | UnknownBlock
)
