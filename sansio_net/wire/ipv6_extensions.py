"""IPv6 extension headers: walked in their order, never beyond their lengths.

RFC 8200 4; RFC 5095 (no type 0 routing), 7112 (chains lie in the first fragment),
8504 5.3 (limits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError, WireError

from .ipv6 import HEADER_SIZE

HOP_BY_HOP: Final = 0
ROUTING: Final = 43
FRAGMENT: Final = 44
AUTHENTICATION: Final = 51
NO_NEXT_HEADER: Final = 59
DESTINATION_OPTIONS: Final = 60

EXTENSIONS: Final = frozenset((HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS))
"""Those that are walked. AH and ESP are what an upper layer would be."""

PAD1: Final = 0
PADN: Final = 1
ROUTER_ALERT: Final = 5

FRAGMENT_HEADER: Final = Struct("!BBHI")
"""next header, reserved, offset (in 8 bytes) and M flag, identification"""

ROUTER_ALERT_MLD: Final = b"\x05\x02\x00\x00"
"""RFC 2711: for multicast listener discovery."""

_MAX_PADDING: Final = 7

# codes of ICMPv6's parameter problem (RFC 4443 3.4, RFC 7112 5)
ERRONEOUS_FIELD: Final = 0
UNRECOGNIZED_NEXT_HEADER: Final = 1
UNRECOGNIZED_OPTION: Final = 2
INCOMPLETE_CHAIN: Final = 3


class ParameterProblem(WireError):
    """The source is to be told: `code` and `pointer` of an ICMPv6 parameter problem.

    pointer: from the start of the IPv6 header. multicast_too: also when the packet
    came to a group (RFC 8200 4.2, action 10).
    """

    code = 0
    pointer = 0
    multicast_too = False

    @classmethod
    def at(
        cls, pointer: int, code: int, multicast_too: bool = False
    ) -> ParameterProblem:
        problem = cls(f"parameter problem: code {code} at {pointer}")
        problem.code, problem.pointer = code, pointer
        problem.multicast_too = multicast_too
        return problem


@dataclass(slots=True)
class Chain:
    """What a walk found; positions count from the start of the IPv6 header.

    protocol, start: of what follows the last extension header, or of a fragment's
    piece. named_at: where the byte lies that names `protocol`. router_alert: its value.

    Of a fragment: identification, offset (bytes) and more; fragment_at is where its
    fragment header lies, which names `protocol`.
    """

    protocol: int
    start: int
    named_at: int
    router_alert: int | None = None
    fragment_at: int | None = None
    identification: int = 0
    offset: int = 0
    more: bool = False

    @property
    def is_fragment(self) -> bool:
        """A piece of something; an atomic fragment is whole (RFC 6946)."""
        return self.fragment_at is not None and (self.offset > 0 or self.more)


@dataclass(slots=True, kw_only=True)
class ChainLimits:
    """RFC 8504 5.3. headers: extension headers in a packet. options: that are no
    padding, in one header. size: bytes of the whole chain.
    """

    headers: int = 8
    options: int = 8
    size: int = 2048


def walk(data: bytes, start: int, end: int, limits: ChainLimits | None = None) -> Chain:
    """The extension headers of the packet at ``data[start:end]``.

    Stops behind a fragment header when the packet is a fragment: of the first, the
    rest of the chain is checked, as RFC 7112 has it. Raises ParameterProblem where the
    source is to be told, other WireErrors where the packet is dropped in silence.
    """
    limits = limits or ChainLimits()
    chain = Chain(data[start + 6], HEADER_SIZE, 6)
    _walk_on(data, start, end, chain, limits, 0)
    if chain.is_fragment and not chain.offset:
        _check_first(data, start, end, chain, limits)
    return chain


def check_hop_by_hop(
    data: bytes, start: int, end: int, limits: ChainLimits | None = None
) -> None:
    """The hop-by-hop options alone, which come first: what a router looks at.

    RFC 8200 4.3. Raises as `walk` does.
    """
    at = start + HEADER_SIZE
    if at + 8 > end or at + 8 + data[at + 1] * 8 > end:
        raise TruncatedError("an extension header is cut short")
    chain = Chain(data[start + 6], HEADER_SIZE, 6)
    stop = at + 8 + data[at + 1] * 8
    limits = limits or ChainLimits()
    _check_options(data, at + 2, stop, start, chain, limits, HOP_BY_HOP)


def _walk_on(
    data: bytes, start: int, end: int, chain: Chain, limits: ChainLimits, n: int
) -> None:
    """Go on from `chain`, of which `n` headers are done."""
    while chain.protocol in EXTENSIONS:
        kind, at = chain.protocol, start + chain.start
        if kind == HOP_BY_HOP and chain.named_at != 6:
            raise ParameterProblem.at(chain.named_at, UNRECOGNIZED_NEXT_HEADER)
        n += 1
        if n > limits.headers:
            raise MalformedError(f"more than {limits.headers} extension headers")
        if at + 8 > end:
            raise TruncatedError("an extension header is cut short")
        size = 8 if kind == FRAGMENT else 8 + data[at + 1] * 8
        if at + size > end:
            raise TruncatedError("an extension header is cut short")
        if chain.start + size - HEADER_SIZE > limits.size:
            raise MalformedError(f"more than {limits.size} bytes of extension headers")
        if kind == FRAGMENT:
            _take_fragment(data, at, end, chain)
        elif kind == ROUTING:
            # RFC 8200 4.4: no type is known here; type 0 is none (RFC 5095 3)
            if data[at + 3]:
                raise ParameterProblem.at(chain.start + 2, ERRONEOUS_FIELD)
        else:
            _check_options(data, at + 2, at + size, start, chain, limits, kind)
        chain.protocol, chain.named_at = data[at], chain.start
        chain.start += size
        if kind == FRAGMENT and chain.is_fragment:
            return


def _take_fragment(data: bytes, at: int, end: int, chain: Chain) -> None:
    _, _, word, identification = FRAGMENT_HEADER.unpack_from(data, at)
    if chain.fragment_at is not None:
        # of a packet cut twice, the second time in vain; nothing follows it for ever
        raise ParameterProblem.at(chain.start, ERRONEOUS_FIELD)
    chain.fragment_at = chain.start
    chain.identification = identification
    chain.offset, chain.more = word & 0xFFF8, bool(word & 1)
    piece = end - at - 8
    if chain.more and piece % 8:
        # RFC 8200 4.5: pointing to the payload length
        raise ParameterProblem.at(4, ERRONEOUS_FIELD)
    if chain.start - HEADER_SIZE + chain.offset + piece > 0xFFFF:
        # the whole with what comes before: pointing to the fragment offset
        raise ParameterProblem.at(chain.start + 2, ERRONEOUS_FIELD)


def _check_first(
    data: bytes, start: int, end: int, chain: Chain, limits: ChainLimits
) -> None:
    """RFC 7112 5: a first fragment has the whole chain, and the upper-layer header.

    Options are processed when the packet is whole.
    """
    protocol, at = chain.protocol, start + chain.start
    if protocol == HOP_BY_HOP:
        # RFC 8200 4: in any header other than an IPv6 header
        raise ParameterProblem.at(chain.named_at, UNRECOGNIZED_NEXT_HEADER)
    n = 0
    while protocol in EXTENSIONS:
        n += 1
        if n > limits.headers:
            raise MalformedError(f"more than {limits.headers} extension headers")
        if at + 8 > end:
            raise ParameterProblem.at(0, INCOMPLETE_CHAIN)
        size = 8 if protocol == FRAGMENT else 8 + data[at + 1] * 8
        protocol = data[at]
        at += size
    if at + _LEAST.get(protocol, 1) > end:
        raise ParameterProblem.at(0, INCOMPLETE_CHAIN)


_LEAST: Final = {6: 20, 17: 8, 58: 4, NO_NEXT_HEADER: 0}
"""What an upper-layer header takes at least: TCP, UDP, ICMPv6 (RFC 7112 3)."""


def _check_options(
    data: bytes,
    at: int,
    end: int,
    start: int,
    chain: Chain,
    limits: ChainLimits,
    header: int,
) -> None:
    """Every option in its order (RFC 8200 4.2)."""
    n = padding = 0
    while at < end:
        kind = data[at]
        if kind == PAD1:
            padding += 1
            at += 1
        else:
            if at + 2 > end or at + 2 + data[at + 1] > end:
                raise MalformedError("an option goes on beyond its header")
            size = 2 + data[at + 1]
            if kind == PADN:
                padding += size
            else:
                padding = 0
                n += 1
                if n > limits.options:
                    raise MalformedError(f"more than {limits.options} options")
                if kind != ROUTER_ALERT or header != HOP_BY_HOP:
                    # RFC 2711 2.1: for routers on the way, so nowhere else
                    _act_on_unknown(kind, at - start)
                elif size != 4:
                    raise ParameterProblem.at(at + 1 - start, ERRONEOUS_FIELD)
                else:
                    chain.router_alert = int.from_bytes(data[at + 2 : at + 4], "big")
            at += size
        if padding > _MAX_PADDING:
            raise MalformedError("more padding than any alignment needs")


def _act_on_unknown(kind: int, pointer: int) -> None:
    """The two highest bits say what to do (RFC 8200 4.2)."""
    action = kind >> 6
    if action == 1:
        raise MalformedError(f"option {kind:#04x} is not known")
    if action:
        raise ParameterProblem.at(pointer, UNRECOGNIZED_OPTION, action == 2)


# Building ---------------------------------------------------------------------------


def build_options(next_header: int, options: Sequence[tuple[int, bytes]]) -> bytes:
    """A hop-by-hop or destination options header, padded to 8 bytes."""
    body = b"".join(bytes((kind, len(data))) + data for kind, data in options)
    pad = -(len(body) + 2) % 8
    if pad == 1:
        body += b"\0"
    elif pad:
        body += bytes((PADN, pad - 2)) + bytes(pad - 2)
    size = (len(body) + 2) // 8 - 1
    if size > 0xFF:
        raise MalformedError(f"options of {len(body)} bytes")
    return bytes((next_header, size)) + body


def build_fragment(
    next_header: int, offset: int, more: bool, identification: int
) -> bytes:
    """A fragment header; `offset` in bytes."""
    if offset % 8 or not 0 <= offset <= 0xFFF8:
        raise MalformedError(f"fragment offset {offset}")
    return FRAGMENT_HEADER.pack(next_header, 0, offset | more, identification)
