"""pcapng files: a reader that is fed bytes.

draft-ietf-opsawg-pcapng. Any number of sections and interfaces, both byte orders, every
block type; unknown ones come through as they are. The writing half is in
`pcapng_write`.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, error
from typing import Final

from sansio_net.errors import MalformedError, WireError

from .pcap import FileReader, PcapReader
from .records import (
    CUSTOM_OPTIONS,
    EPB_FLAGS,
    IF_NAME,
    IF_TSOFFSET,
    IF_TSRESOL,
    ISB_ENDTIME,
    ISB_IFDROP,
    ISB_IFRECV,
    ISB_STARTTIME,
    MAX_BLOCK,
    OPT_END,
    CustomBlock,
    Interface,
    Names,
    Option,
    Options,
    PacketRecord,
    Record,
    Secrets,
    Section,
    Statistics,
    UnknownBlock,
)

SECTION: Final = 0x0A0D0D0A
INTERFACE: Final = 1
OBSOLETE_PACKET: Final = 2
SIMPLE_PACKET: Final = 3
NAMES: Final = 4
STATISTICS: Final = 5
PACKET: Final = 6
SECRETS: Final = 10
CUSTOM: Final = 0x00000BAD
CUSTOM_PRIVATE: Final = 0x40000BAD

BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
ORDERS: Final = {"little": "<", "big": ">"}

_MAGICS: Final = {
    BYTE_ORDER_MAGIC.to_bytes(4, "little"): "little",
    BYTE_ORDER_MAGIC.to_bytes(4, "big"): "big",
}


class _Layout:
    """The structs of one byte order."""

    __slots__ = ("block", "name", "option", "packet", "pair", "section", "word")

    def __init__(self, name: str) -> None:
        order = ORDERS[name]
        self.name = name
        self.block = Struct(order + "II")
        self.option = Struct(order + "HH")
        self.packet = Struct(order + "IIIII")
        self.pair = Struct(order + "HHI")
        self.section = Struct(order + "IHHq")
        self.word = Struct(order + "I")


_LAYOUTS: Final = {name: _Layout(name) for name in ORDERS}


class PcapngReader(FileReader):
    """Feed it a file's bytes, in pieces of any size; it returns the records.

    A packet's record carries its `Interface`, so nothing has to be looked up.
    """

    __slots__ = ("_layout", "interfaces", "section")

    section: Section | None
    """The current section, once its header has been read."""
    interfaces: list[Interface]
    """Those of the current section."""

    def __init__(self) -> None:
        super().__init__(12)
        self.section = None
        self.interfaces = []
        self._layout = _LAYOUTS["little"]

    def feed(self, data: bytes) -> list[Record]:
        """The records completed by `data`. Raises WireError on a damaged file."""
        whole = self._gather(data)
        if whole is None:
            return []
        records: list[Record] = []
        try:
            self._parse(whole, records)
        except WireError as damage:
            self._damage = damage
        except error as damage:
            # a block shorter than its fixed fields
            self._damage = MalformedError(f"block cut short: {damage}")
        if self._damage is not None and not records:
            raise self._damage
        return records

    def _parse(self, data: bytes, records: list[Record]) -> None:
        at, end, needed = 0, len(data), 12
        while end - at >= 12:
            if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
                self._turn(data[at + 8 : at + 12])
            elif self.section is None:
                raise MalformedError(f"no pcapng file: {data[at : at + 4].hex()}")
            kind, size = self._layout.block.unpack_from(data, at)
            if size < 12 or size % 4 or size > MAX_BLOCK:
                raise MalformedError(f"a block of {size} bytes")
            needed = size
            if end - at < size:
                break
            (again,) = self._layout.word.unpack_from(data, at + size - 4)
            if again != size:
                raise MalformedError(f"block lengths {size} and {again} differ")
            records.append(self._block(kind, data[at + 8 : at + size - 4]))
            at += size
            needed = 12
        self._keep(data[at:], needed)

    def _turn(self, magic: bytes) -> None:
        """A section starts: its byte order holds from its own header on."""
        name = _MAGICS.get(magic)
        if name is None:
            raise MalformedError(f"byte-order magic {magic.hex()}")
        self._layout = _LAYOUTS[name]

    def _block(self, kind: int, body: bytes) -> Record:
        parse = _PARSERS.get(kind)
        if parse is None:
            return UnknownBlock(kind, body)
        return parse(self, body)

    def _section(self, body: bytes) -> Record:
        _, major, minor, length = self._layout.section.unpack_from(body)
        if major != 1:
            raise MalformedError(f"pcapng version {major}.{minor}")
        self.interfaces = []
        known = None if length < 0 else length
        options = self._options(body[16:])
        self.section = Section(self._layout.name, (major, minor), known, options)
        return self.section

    def _interface(self, body: bytes) -> Record:
        link_type, _, snaplen = self._layout.pair.unpack_from(body)
        options = self._options(body[8:])
        interface = Interface(len(self.interfaces), link_type, snaplen, options=options)
        for option in options:
            value = option.value
            if option.code == IF_NAME:
                interface.name = value.decode("utf-8", "replace").rstrip("\0")
            elif option.code == IF_TSRESOL:
                interface.units = tick_units(value)
            elif option.code == IF_TSOFFSET:
                interface.offset = self._number(value, 8, signed=True)
        self.interfaces.append(interface)
        return interface

    def _packet(self, body: bytes) -> Record:
        index, high, low, size, original = self._layout.packet.unpack_from(body)
        interface = self._captured_on(index)
        data, options = self._data_and_options(body[20:], size)
        stamp = _stamp(interface, high << 32 | low)
        record = PacketRecord(interface, stamp, data, original, 0, options)
        for option in options:
            if option.code == EPB_FLAGS:
                record.flags = self._number(option.value, 4)
        return record

    def _obsolete_packet(self, body: bytes) -> Record:
        index, _, high = self._layout.pair.unpack_from(body)
        low, size = self._layout.block.unpack_from(body, 8)
        (original,) = self._layout.word.unpack_from(body, 16)
        interface = self._captured_on(index)
        data, options = self._data_and_options(body[20:], size)
        stamp = _stamp(interface, high << 32 | low)
        return PacketRecord(interface, stamp, data, original, 0, options)

    def _simple_packet(self, body: bytes) -> Record:
        (original,) = self._layout.word.unpack_from(body)
        interface = self._captured_on(0)
        size = min(original, interface.snaplen) if interface.snaplen else original
        if size > len(body) - 4:
            raise MalformedError(f"a simple packet of {size} bytes in {len(body)}")
        return PacketRecord(interface, None, body[4 : 4 + size], original)

    def _names(self, body: bytes) -> Record:
        found: list[tuple[int, bytes]] = []
        at = 0
        while at < len(body):
            kind, size = self._layout.option.unpack_from(body, at)
            at += 4
            if kind == 0:
                break
            if at + size > len(body):
                raise MalformedError(f"a name record of {size} bytes")
            found.append((kind, body[at : at + size]))
            at += padded(size)
        return Names(tuple(found), self._options(body[at:]))

    def _statistics(self, body: bytes) -> Record:
        index, high = self._layout.block.unpack_from(body)
        (low,) = self._layout.word.unpack_from(body, 8)
        interface = self._captured_on(index)
        options = self._options(body[12:])
        record = Statistics(
            interface, _stamp(interface, high << 32 | low), options=options
        )
        for option in options:
            value = option.value
            if option.code == ISB_IFRECV:
                record.received = self._number(value, 8)
            elif option.code == ISB_IFDROP:
                record.dropped = self._number(value, 8)
            elif option.code in (ISB_STARTTIME, ISB_ENDTIME):
                high, low = self._layout.block.unpack_from(value)
                stamp = _stamp(interface, high << 32 | low)
                if option.code == ISB_STARTTIME:
                    record.start = stamp
                else:
                    record.end = stamp
        return record

    def _secrets(self, body: bytes) -> Record:
        kind, size = self._layout.block.unpack_from(body)
        data, options = self._data_and_options(body[8:], size)
        return Secrets(kind, data, options)

    def _custom(self, body: bytes) -> Record:
        return CustomBlock(self._layout.word.unpack_from(body)[0], body[4:])

    def _custom_private(self, body: bytes) -> Record:
        return CustomBlock(self._layout.word.unpack_from(body)[0], body[4:], False)

    def _captured_on(self, index: int) -> Interface:
        if index >= len(self.interfaces):
            raise MalformedError(f"interface {index} has no description")
        return self.interfaces[index]

    def _number(self, value: bytes, size: int, signed: bool = False) -> int:
        if len(value) != size:
            raise MalformedError(f"an option of {len(value)} bytes, not {size}")
        if self._layout.name == "little":
            return int.from_bytes(value, "little", signed=signed)
        return int.from_bytes(value, "big", signed=signed)

    def _data_and_options(self, body: bytes, size: int) -> tuple[bytes, Options]:
        if size > len(body):
            raise MalformedError(f"{size} bytes of data in a block of {len(body)}")
        end = padded(size)
        options = self._options(body[end:]) if len(body) > end else ()
        return body[:size], options

    def _options(self, body: bytes) -> Options:
        found: list[Option] = []
        at, end = 0, len(body)
        while at < end:
            code, size = self._layout.option.unpack_from(body, at)
            at += 4
            if code == OPT_END:
                break
            if at + size > end:
                raise MalformedError(f"option {code} of {size} bytes leaves its block")
            value = body[at : at + size]
            pen = None
            if code in CUSTOM_OPTIONS:
                (pen,) = self._layout.word.unpack_from(value)
                value = value[4:]
            found.append(Option(code, value, pen))
            at += padded(size)
        return tuple(found)


_PARSERS: Final[dict[int, Callable[[PcapngReader, bytes], Record]]] = {
    SECTION: PcapngReader._section,
    INTERFACE: PcapngReader._interface,
    OBSOLETE_PACKET: PcapngReader._obsolete_packet,
    SIMPLE_PACKET: PcapngReader._simple_packet,
    NAMES: PcapngReader._names,
    STATISTICS: PcapngReader._statistics,
    PACKET: PcapngReader._packet,
    SECRETS: PcapngReader._secrets,
    CUSTOM: PcapngReader._custom,
    CUSTOM_PRIVATE: PcapngReader._custom_private,
}


def padded(size: int) -> int:
    return size + -size % 4


def tick_units(value: bytes) -> int:
    """if_tsresol -> ticks a second: a power of ten, or of two with the top bit set."""
    if len(value) != 1:
        raise MalformedError(f"if_tsresol of {len(value)} bytes")
    exponent: int = value[0] & 0x7F
    return 1 << exponent if value[0] & 0x80 else int(10**exponent)


def _stamp(interface: Interface, ticks: int) -> int:
    """Ticks of an interface -> ns since the epoch."""
    units = interface.units
    if units == 1_000_000_000:
        return ticks + interface.offset * 1_000_000_000
    return ticks * 1_000_000_000 // units + interface.offset * 1_000_000_000


def capture_reader(start: bytes) -> PcapReader | PcapngReader:
    """The reader for a file that begins with `start` (4 bytes); none of it is read."""
    if start[:4] == b"\x0a\x0d\x0d\x0a":
        return PcapngReader()
    return PcapReader()
