"""pcap files: a reader that is fed bytes, and functions that return them.

draft-ietf-opsawg-pcap; both byte orders, stamps in us or ns, always ns ints here.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError, WireError

from .records import LINKTYPE_ETHERNET, MAX_BLOCK, Interface, PacketRecord

MAGIC_US: Final = 0xA1B2C3D4
MAGIC_NS: Final = 0xA1B23C4D

_FILE: Final = {">": Struct(">IHHiIII"), "<": Struct("<IHHiIII")}
_RECORD: Final = {">": Struct(">IIII"), "<": Struct("<IIII")}
_ORDERS: Final = {"little": "<", "big": ">"}

FILE_HEADER_SIZE: Final = 24
RECORD_HEADER_SIZE: Final = 16


class FileReader:
    """What the two readers share: bytes wait until the next unit is whole.

    `feed` returns the records that are complete. Damage is reported after the records
    before it: by this call when there are none, else by the next; and by every call
    from then on.
    """

    __slots__ = ("_damage", "_needed", "_parts", "_size")

    def __init__(self, needed: int) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._needed = needed
        self._damage: WireError | None = None

    def _gather(self, data: bytes) -> bytes | None:
        """All waiting bytes once they are as many as needed."""
        if self._damage is not None:
            raise self._damage
        self._parts.append(data)
        self._size += len(data)
        if self._size < self._needed:
            return None
        whole = b"".join(self._parts) if len(self._parts) > 1 else data
        self._parts.clear()
        return whole

    def _keep(self, rest: bytes, needed: int) -> None:
        self._parts = [rest] if rest else []
        self._size = len(rest)
        self._needed = needed

    def finish(self) -> None:
        """The file has ended: raises what is wrong with its end."""
        if self._damage is not None:
            raise self._damage
        if self._size:
            raise TruncatedError(f"the file ends within a record, {self._size} bytes")


class PcapReader(FileReader):
    """Feed it a file's bytes, in pieces of any size.

    >>> reader = PcapReader()
    >>> file = build_file_header() + build_record(1_000_000_001, b"frame")
    >>> [(record.stamp, record.data) for record in reader.feed(file)]
    [(1000000001, b'frame')]
    """

    __slots__ = ("_order", "_scale", "interface")

    interface: Interface | None
    """Link type and snap length, once the file header has been read."""

    def __init__(self) -> None:
        super().__init__(FILE_HEADER_SIZE)
        self._order = "<"
        self._scale = 1000
        self.interface = None

    def feed(self, data: bytes) -> list[PacketRecord]:
        """The records completed by `data`. Raises WireError on a damaged file."""
        whole = self._gather(data)
        if whole is None:
            return []
        records: list[PacketRecord] = []
        try:
            self._parse(whole, records)
        except WireError as error:
            self._damage = error
            if not records:
                raise
        return records

    def _parse(self, data: bytes, records: list[PacketRecord]) -> None:
        at = 0
        if self.interface is None:
            self.interface = self._file_header(data)
            at = FILE_HEADER_SIZE
        unpack, scale = _RECORD[self._order].unpack_from, self._scale
        interface, end = self.interface, len(data)
        needed = RECORD_HEADER_SIZE
        while end - at >= RECORD_HEADER_SIZE:
            seconds, fraction, size, original = unpack(data, at)
            if size > MAX_BLOCK:
                raise MalformedError(f"a packet of {size} bytes")
            needed = RECORD_HEADER_SIZE + size
            if end - at < needed:
                break
            stamp = seconds * 1_000_000_000 + fraction * scale
            body = data[at + RECORD_HEADER_SIZE : at + needed]
            records.append(PacketRecord(interface, stamp, body, original))
            at += needed
            needed = RECORD_HEADER_SIZE
        self._keep(data[at:], needed)

    def _file_header(self, data: bytes) -> Interface:
        self._order = "<" if data[0] in (0xD4, 0x4D) else ">"
        magic, major, _, _, _, snaplen, link_type = _FILE[self._order].unpack_from(data)
        if magic not in (MAGIC_US, MAGIC_NS):
            raise MalformedError(f"no pcap file: it starts with {data[:4].hex()}")
        if major != 2:
            raise MalformedError(f"pcap version {major}")
        self._scale = 1000 if magic == MAGIC_US else 1
        units = 1_000_000_000 // self._scale
        # the upper bits say whether frames end with a check sequence
        return Interface(0, link_type & 0xFFFF, snaplen, units=units)


def build_file_header(
    link_type: int = LINKTYPE_ETHERNET,
    *,
    snaplen: int = 262144,
    nanoseconds: bool = True,
    byte_order: str = "little",
) -> bytes:
    magic = MAGIC_NS if nanoseconds else MAGIC_US
    return _FILE[_ORDERS[byte_order]].pack(magic, 2, 4, 0, 0, snaplen, link_type)


def build_record(
    stamp: int,
    data: bytes,
    *,
    original_size: int | None = None,
    nanoseconds: bool = True,
    byte_order: str = "little",
) -> bytes:
    """A packet stamped `stamp` ns after the epoch."""
    seconds, fraction = divmod(stamp, 1_000_000_000)
    if not 0 <= seconds <= 0xFFFFFFFF:
        raise MalformedError(f"pcap has no stamp {stamp}")
    if not nanoseconds:
        fraction //= 1000
    size = len(data)
    original = size if original_size is None else original_size
    header = _RECORD[_ORDERS[byte_order]].pack(seconds, fraction, size, original)
    return header + data
