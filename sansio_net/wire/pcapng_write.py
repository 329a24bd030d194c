"""pcapng files: functions that return blocks.

draft-ietf-opsawg-pcapng. A file is a section, its interfaces, then anything. Stamps are
ns since the epoch; interfaces count them in ns unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from sansio_net.errors import MalformedError

from .pcapng import (
    BYTE_ORDER_MAGIC,
    CUSTOM,
    CUSTOM_PRIVATE,
    INTERFACE,
    NAMES,
    ORDERS,
    PACKET,
    SECRETS,
    SECTION,
    SIMPLE_PACKET,
    STATISTICS,
    padded,
    tick_units,
)
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
    LINKTYPE_ETHERNET,
    NRB_IPV4,
    NRB_IPV6,
    OPT_COMMENT,
    SECRETS_TLS,
    SHB_USERAPPL,
    Option,
)


def build_block(kind: int, body: bytes, *, byte_order: str = "little") -> bytes:
    """Any block: type, length, body padded to a whole word, length again."""
    return _block(kind, (body,), byte_order)


def _block(kind: int, parts: Sequence[bytes], byte_order: str) -> bytes:
    length = sum(map(len, parts))
    filling = bytes(padded(length) - length)
    size = 12 + padded(length)
    order = ORDERS[byte_order]
    ends = pack(order + "II", kind, size), pack(order + "I", size)
    return b"".join((ends[0], *parts, filling, ends[1]))


def build_options(options: Sequence[Option], *, byte_order: str = "little") -> bytes:
    """Options with the end mark; nothing at all for none."""
    if not options:
        return b""
    order = ORDERS[byte_order]
    parts = []
    for option in options:
        value = option.value
        if option.code in CUSTOM_OPTIONS:
            value = pack(order + "I", option.pen or 0) + value
        if len(value) > 0xFFFF:
            raise MalformedError(f"an option of {len(value)} bytes")
        parts.append(pack(order + "HH", option.code, len(value)) + _pad(value))
    return b"".join(parts) + bytes(4)


def build_section(
    *,
    application: str = "",
    comment: str = "",
    options: Sequence[Option] = (),
    byte_order: str = "little",
) -> bytes:
    order = ORDERS[byte_order]
    found = [*_comment(comment), *options]
    if application:
        found.append(Option(SHB_USERAPPL, application.encode()))
    head = pack(order + "IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)
    body = head + build_options(found, byte_order=byte_order)
    return build_block(SECTION, body, byte_order=byte_order)


def build_interface(
    link_type: int = LINKTYPE_ETHERNET,
    *,
    name: str = "",
    snaplen: int = 0,
    tsresol: int = 9,
    tsoffset: int = 0,
    comment: str = "",
    options: Sequence[Option] = (),
    byte_order: str = "little",
) -> bytes:
    """tsresol: the option's byte, that is the power of ten of ticks in a second.

    With 0x80 added it is the power of two. tsoffset: seconds added to every stamp.
    """
    order = ORDERS[byte_order]
    found = [*_comment(comment), *options]
    if name:
        found.append(Option(IF_NAME, name.encode()))
    if tsresol != 6:
        found.append(Option(IF_TSRESOL, bytes((tsresol,))))
    if tsoffset:
        found.append(Option(IF_TSOFFSET, pack(order + "q", tsoffset)))
    head = pack(order + "HHI", link_type, 0, snaplen)
    body = head + build_options(found, byte_order=byte_order)
    return build_block(INTERFACE, body, byte_order=byte_order)


def build_packet(
    interface: int,
    stamp: int,
    data: bytes,
    *,
    original_size: int | None = None,
    flags: int = 0,
    comment: str = "",
    options: Sequence[Option] = (),
    tsresol: int = 9,
    tsoffset: int = 0,
    byte_order: str = "little",
) -> bytes:
    """An enhanced packet block; flags: `INBOUND` or `OUTBOUND`, with other bits.

    tsresol and tsoffset must be the interface's.
    """
    order = ORDERS[byte_order]
    found = [*_comment(comment), *options]
    if flags:
        found.append(Option(EPB_FLAGS, pack(order + "I", flags)))
    ticks = _ticks(stamp, tsresol, tsoffset)
    size = len(data)
    original = size if original_size is None else original_size
    head = pack(
        order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, size, original
    )
    filling = bytes(padded(size) - size)
    end = build_options(found, byte_order=byte_order)
    return _block(PACKET, (head, data, filling, end), byte_order)


def build_simple_packet(
    data: bytes, *, original_size: int | None = None, byte_order: str = "little"
) -> bytes:
    """A packet of interface 0 without stamp.

    `data` shorter than `original_size` must have the interface's snap length.
    """
    original = len(data) if original_size is None else original_size
    body = pack(ORDERS[byte_order] + "I", original) + data
    return build_block(SIMPLE_PACKET, body, byte_order=byte_order)


def build_statistics(
    interface: int,
    stamp: int,
    *,
    received: int | None = None,
    dropped: int | None = None,
    start: int | None = None,
    end: int | None = None,
    comment: str = "",
    options: Sequence[Option] = (),
    tsresol: int = 9,
    byte_order: str = "little",
) -> bytes:
    order = ORDERS[byte_order]

    def halves(time: int) -> bytes:
        ticks = _ticks(time, tsresol, 0)
        return pack(order + "II", ticks >> 32, ticks & 0xFFFFFFFF)

    found = [*_comment(comment), *options]
    for code, time in ((ISB_STARTTIME, start), (ISB_ENDTIME, end)):
        if time is not None:
            found.append(Option(code, halves(time)))
    for code, count in ((ISB_IFRECV, received), (ISB_IFDROP, dropped)):
        if count is not None:
            found.append(Option(code, pack(order + "Q", count)))
    head = pack(order + "I", interface) + halves(stamp)
    body = head + build_options(found, byte_order=byte_order)
    return build_block(STATISTICS, body, byte_order=byte_order)


def build_names(
    hosts: Sequence[tuple[bytes, Sequence[str]]],
    *,
    comment: str = "",
    byte_order: str = "little",
) -> bytes:
    """(packed address, names) each, both families."""
    order = ORDERS[byte_order]
    parts = []
    for address, names in hosts:
        kind = NRB_IPV4 if len(address) == 4 else NRB_IPV6
        value = address + b"".join(name.encode() + b"\0" for name in names)
        parts.append(pack(order + "HH", kind, len(value)) + _pad(value))
    options = build_options(_comment(comment), byte_order=byte_order)
    return build_block(
        NAMES, b"".join(parts) + bytes(4) + options, byte_order=byte_order
    )


def build_secrets(
    data: bytes, kind: int = SECRETS_TLS, *, byte_order: str = "little"
) -> bytes:
    """Keys for the packets that follow: by default a TLS key log."""
    head = pack(ORDERS[byte_order] + "II", kind, len(data))
    return build_block(SECRETS, head + data, byte_order=byte_order)


def build_custom(
    pen: int, data: bytes, *, copyable: bool = True, byte_order: str = "little"
) -> bytes:
    """A block of the enterprise `pen`; the reader gets `data` padded to whole words."""
    kind = CUSTOM if copyable else CUSTOM_PRIVATE
    body = pack(ORDERS[byte_order] + "I", pen) + data
    return build_block(kind, body, byte_order=byte_order)


def _pad(data: bytes) -> bytes:
    return data + bytes(padded(len(data)) - len(data))


def _comment(text: str) -> list[Option]:
    return [Option(OPT_COMMENT, text.encode())] if text else []


def _ticks(stamp: int, tsresol: int, tsoffset: int) -> int:
    """ns since the epoch -> an interface's ticks."""
    since = stamp - tsoffset * 1_000_000_000
    ticks = since * tick_units(bytes((tsresol,))) // 1_000_000_000
    if not 0 <= ticks < 1 << 64:
        raise MalformedError(f"no stamp of this interface: {stamp}")
    return ticks
