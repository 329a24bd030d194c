"""Make a host's interface an access port: its own kernel tags and untags.

    python -m tests.interop.vlan_port IFNAME VLAN [VLAN...]       (outermost first)

There are no VLAN devices here, but two programs of four instructions or so do it, on
the way out and in: `bpf_skb_vlan_push` and `bpf_skb_vlan_pop`. What comes in without
these very tags is dropped before the host's IP sees it.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Sequence

from pyroute2 import IPRoute

from .lab import Host

SYS_BPF = 321 if os.uname().machine == "x86_64" else 280
BPF_PROG_LOAD, SCHED_CLS = 5, 3
VLAN_PUSH, VLAN_POP = 18, 19
TC_ACT_OK, TC_ACT_SHOT = 0, 2
INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
VLAN_TCI = 24  # offset in struct __sk_buff


def insn(op: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    return struct.pack("<BBhi", op, src << 4 | dst, off, imm)


def move(dst: int, value: int) -> bytes:
    return insn(0xB7, dst, imm=value)


def move_from(dst: int, src: int) -> bytes:
    return insn(0xBF, dst, src)


def call(helper: int) -> bytes:
    return insn(0x85, imm=helper)


def finish(verdict: int) -> bytes:
    return move(0, verdict) + insn(0x95)


def pushing(vlans: Sequence[int]) -> bytes:
    """The innermost tag first; those around it are 802.1ad's."""
    code = move_from(6, 1)
    for n, vlan in enumerate(reversed(vlans)):
        proto = 0x88A8 if n else 0x8100
        code += move_from(1, 6)
        code += move(2, int.from_bytes(proto.to_bytes(2, "little"), "big"))
        code += move(3, vlan) + call(VLAN_PUSH)
    return code + finish(TC_ACT_OK)


def popping(vlans: Sequence[int]) -> bytes:
    code = move_from(6, 1)
    for vlan in vlans:
        code += insn(0x61, 7, 6, VLAN_TCI)  # r7 = skb->vlan_tci
        code += insn(0x57, 7, imm=0xFFF)
        code += insn(0x15, 7, off=2, imm=vlan)
        code += finish(TC_ACT_SHOT)
        code += move_from(1, 6) + call(VLAN_POP)
    return code + finish(TC_ACT_OK)


def load(code: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    program = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(65536)
    attributes = struct.pack(
        "<IIQQIIQ",
        *(SCHED_CLS, len(code) // 8),
        *(ctypes.addressof(program), ctypes.addressof(licence)),
        *(1, len(log), ctypes.addressof(log)),
    ).ljust(128, b"\0")
    attribute = ctypes.create_string_buffer(attributes, len(attributes))
    fd: int = libc.syscall(SYS_BPF, BPF_PROG_LOAD, attribute, len(attributes))
    if fd < 0:
        raise OSError(ctypes.get_errno(), log.value.decode() or "bpf")
    return fd


def access_port(host: Host, interface: str, *vlans: int) -> None:
    """Do it on a host of the lab."""
    words = map(str, (interface, *vlans))
    host.run(sys.executable, "-m", "tests.interop.vlan_port", *words)


def main(name: str, *words: str) -> None:
    vlans = [int(word) for word in words]
    with IPRoute() as route:
        (index,) = route.link_lookup(ifname=name)
        route.tc("add", "clsact", index)
        for parent, code in ((EGRESS, pushing(vlans)), (INGRESS, popping(vlans))):
            fd = load(code)
            route.tc(
                *("add-filter", "bpf", index),
                fd=fd,
                name=name,
                parent=parent,
                direct_action=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
