"""What kind of answer a frame is, as one line of text."""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack_from

from sansio_net.addresses import format_ip, format_mac, pack_ip
from sansio_net.wire.tcp import ACK, RST, format_flags

from .odd.tools import OUR4, OUR6, OUR_LL, PEER_MAC, Answer, Odd

ROUTERS4 = (OUR4, pack_ip("10.8.0.2"))
ROUTERS6 = (OUR6, OUR_LL, pack_ip("fd08::2"), pack_ip("fe80::3"))

NOTHING = "nothing"

_MULTICAST_REPORTS = (131, 132, 143)


def told(odd: Odd, theirs: list[Answer], mine: list[Answer]) -> tuple[str, str]:
    """What two hosts answered to one odd packet, in words."""
    return _words(odd, theirs, kind_of), _words(odd, mine, kind_of)


def told_of_transit(
    odd: Odd, theirs: list[Answer], mine: list[Answer]
) -> tuple[str, str]:
    """The same of routers; and where the words agree, do the bytes?"""
    words = _words(odd, theirs, _passed), _words(odd, mine, _passed)
    if words[0] == words[1] and not _has_stamps(odd):
        heard = [one for one in theirs if _passed(odd, one) is not None]
        said = [one for one in mine if _passed(odd, one) is not None]
        for n, (one, other) in enumerate(zip(sorted(heard), sorted(said), strict=True)):
            left, right = _comparable(one[1]), _comparable(other[1])
            if left != right:
                pairs = enumerate(zip(left, right, strict=False))
                unlike = [str(at) for at, (a, b) in pairs if a != b]
                return words[
                    0
                ], f"{words[1]}, of frame {n} unlike {' '.join(unlike[:4])}"
    return words


def _words(
    odd: Odd, answers: list[Answer], of: Callable[[Odd, Answer], str | None]
) -> str:
    """All answers, in any order, repetitions counted."""
    said = sorted(kind for one in answers if (kind := of(odd, one)) is not None)
    text = " + ".join(
        kind if said.count(kind) == 1 else f"{said.count(kind)} x {kind}"
        for kind in dict.fromkeys(said)
    )
    return text or NOTHING


def _passed(odd: Odd, answer: Answer) -> str | None:
    """A frame that was passed on, or what the router says itself."""
    link, frame = answer
    packet = frame[14:]
    if frame[12:14] == b"\x08\x00" and packet[12:16] not in ROUTERS4:
        size, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        text = f"passed on of {total}, TTL {packet[8]}, word {packet[6:8].hex()}"
        if size > 20:
            text += f", options{_options(packet[20:size])}"
    elif frame[12:14] == b"\x86\xdd" and packet[8:24] not in ROUTERS6:
        total = int.from_bytes(packet[4:6], "big") + 40
        text = f"passed on of {total}, hop limit {packet[7]}"
    else:
        said = kind_of(odd, (0, frame))
        return said and f"eth{link} {said}"
    return f"eth{link} {text} to {format_mac(frame[:6])}"


def _has_stamps(odd: Odd) -> bool:
    """Timestamps are in it, and in what quotes it."""
    return "option: TS" in odd.label or "TS twice" in odd.label


def _comparable(frame: bytes) -> bytes:
    """Without what a sender of its own chooses: identification, TTL, flow label."""
    packet = frame[14:]
    if frame[12:14] == b"\x08\x00":
        packet = packet[: int.from_bytes(packet[2:4], "big")]
        if packet[12:16] in ROUTERS4:
            return _own(packet[9], packet[(packet[0] & 15) * 4 :])
        return packet
    packet = packet[: 40 + int.from_bytes(packet[4:6], "big")]
    return _own(packet[6], packet[40:]) if packet[8:24] in ROUTERS6 else packet


def _own(protocol: int, message: bytes) -> bytes:
    """An ICMP message but for its checksum: what differs is looked for elsewhere."""
    return message[:2] + message[4:] if protocol in (1, 58) else b""


def kind_of(odd: Odd, answer_of: Answer) -> str | None:
    """None for what is no answer and said in one's own time: memberships, and probes
    whether a neighbour that was heard of is still there.
    """
    answer = answer_of[1]
    ethertype = answer[12:14]
    if ethertype == b"\x08\x06":
        if answer[21] == 1 and not answer[0] & 1:
            return None
        kind = _arp(answer[14:])
    elif ethertype == b"\x08\x00":
        four = _ipv4(odd, answer[14:])
        if four is None:
            return None
        kind = four
    elif ethertype == b"\x86\xdd":
        six = _ipv6(odd, answer[14:])
        if six is None:
            return None
        kind = six
    else:
        kind = f"ethertype {ethertype.hex()}"
    if answer[:6] != PEER_MAC:
        kind += f" at {format_mac(answer[:6])}"
    return kind


def _arp(packet: bytes) -> str:
    op = int.from_bytes(packet[6:8], "big")
    spa, tpa = format_ip(packet[14:18]), format_ip(packet[24:28])
    return f"arp {op} of {spa} for {tpa}"


def _ends(odd: Odd, src: bytes, dst: bytes) -> str:
    """What is not as usual about its addresses."""
    text = ""
    if src not in (OUR4, OUR6, OUR_LL) or src != _asked(odd, len(src))[1]:
        text += f" from {format_ip(src)}"
    if dst != _asked(odd, len(src))[0]:
        text += f" to {format_ip(dst)}"
    return text


def _asked(odd: Odd, size: int) -> tuple[bytes, bytes]:
    at = 26 if size == 4 else 22
    return odd.frames[0][at : at + size], odd.frames[0][at + size : at + 2 * size]


def _ipv4(odd: Odd, packet: bytes) -> str | None:
    size = (packet[0] & 15) * 4
    total, word = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[6:8], "big")
    protocol, src, dst = packet[9], packet[12:16], packet[16:20]
    data = packet[size:total]
    if protocol == 2:
        return None
    if word & 0x1FFF:
        return "a later fragment"
    kind = f"protocol {protocol}"
    if protocol == 1:
        kind = _icmp4(data)
    elif protocol == 6:
        kind = _tcp(odd, data)
    if word & 0x2000:
        kind = "a first fragment of " + kind
    if size > 20:
        kind += f", options{_options(packet[20:size])}"
    return kind + _ends(odd, src, dst)


def _options(options: bytes) -> str:
    """Which, and how far they are filled; not with what: a timestamp may be in them."""
    text, at = "", 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        kind, size = options[at : at + 2]
        text += f" {kind}/{size}"
        if kind in (7, 68, 131, 137):
            text += f"@{options[at + 2]}"
        if kind == 68:
            text += f"+{options[at + 3] >> 4}"
        at += max(size, 2)
    return text


def _icmp4(data: bytes) -> str:
    kind, code = data[:2]
    if kind == 0:
        return f"echo reply of {len(data) - 8}" + (f", code {code}" if code else "")
    text = f"icmp {kind}/{code}"
    if kind == 12:
        text += f" @{data[4]}"
    if kind == 5:
        text += f" via {format_ip(data[4:8])}"
    if (kind, code) == (3, 4):
        text += f" of {int.from_bytes(data[6:8], 'big')}"
    if kind in (3, 5, 11, 12):
        text += f" quoting {len(data) - 8}"
    return text


def _ipv6(odd: Odd, packet: bytes) -> str | None:
    length, protocol = unpack_from("!HB", packet, 4)
    src, dst, data = packet[8:24], packet[24:40], packet[40 : 40 + length]
    if protocol == 0 and data[:1] == b"\x3a" and data[8] in _MULTICAST_REPORTS:
        return None
    kind = f"next header {protocol}"
    if protocol == 44:
        _, word = unpack_from("!HH", data)
        if word >> 3:
            return "a later fragment"
        protocol, data = data[0], data[8:]
        kind = "a first fragment of "
    else:
        kind = ""
    if protocol == 58:
        if data[0] in (133, 143) or (data[0] == 135 and dst[0] != 0xFF):
            return None
        kind += _icmp6(data)
    elif protocol == 6:
        kind += _tcp(odd, data)
    else:
        kind += f"next header {protocol}"
    return kind + _ends(odd, src, dst)


def _icmp6(data: bytes) -> str:
    kind, code = data[:2]
    if kind == 129:
        return f"echo reply of {len(data) - 8}" + (f", code {code}" if code else "")
    if kind == 135:
        return f"ns for {format_ip(data[8:24])}"
    if kind == 136:
        letters = "".join(
            name if data[4] & bit else ""
            for name, bit in (("R", 128), ("S", 64), ("O", 32))
        )
        option = data[24:].hex()
        return f"na of {format_ip(data[8:24])} {letters} {option}"
    text = f"icmp6 {kind}/{code}"
    if kind == 137:
        text += f" to {format_ip(data[8:24])} for {format_ip(data[24:40])}"
    if kind == 2:
        text += f" of {int.from_bytes(data[4:8], 'big')}"
    if kind == 4:
        text += f" @{int.from_bytes(data[4:8], 'big')}"
    if kind < 128:
        text += f" quoting {len(data) - 8}"
    return text


def _tcp(odd: Odd, data: bytes) -> str:
    """Numbers as distances from those that were asked with."""
    seq, ack = unpack_from("!II", data, 4)
    flags = data[13]
    text = f"tcp {format_flags(flags)}"
    if flags & RST:
        text += (
            " seq 0" if flags & ACK and not seq else f" seq {_distance(seq, odd.ack)}"
        )
    if flags & ACK:
        text += f" ack {_distance(ack, odd.seq)}"
    return text


def _distance(number: int, base: int) -> str:
    distance = (number - base) % (1 << 32)
    return f"+{distance}" if distance < 1 << 16 else "elsewhere"
