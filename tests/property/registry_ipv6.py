"""The machines of IPv6 for the registry: how to drive each of them."""

from __future__ import annotations

from typing import Any

from sansio_net import Entropy, Packet
from sansio_net.addresses import pack_ip
from sansio_net.counters import Counters
from sansio_net.errors import LimitError, StateError
from sansio_net.protocols.ndp import NdpConfig, NeighbourDiscovery, solicited_node
from sansio_net.protocols.ndp.frames import ALL_NODES, frame
from sansio_net.testing.damage import wreck
from sansio_net.trace import Trace
from sansio_net.wire import ndp

from .driving import Memory, Subject

MAC = b"\x02\0\0\0\0\x02"
OTHER_MAC = b"\x02\0\0\0\0\x01"
US = pack_ip("fe80::2")


def pick(dice: Entropy, *values: Any) -> Any:
    return values[dice.below(len(values))]


def neighbour(dice: Entropy) -> bytes:
    return pack_ip(f"fe80::{1 + dice.below(8)}")


def ndp_frame(dice: Entropy) -> bytes:
    """A message of any kind, mostly valid, sometimes wrecked."""
    mac = pick(dice, OTHER_MAC, OTHER_MAC, MAC, b"\x33\x33\0\0\0\1", None)
    src = pick(dice, neighbour(dice), neighbour(dice), bytes(16))
    target = pick(dice, US, neighbour(dice), ALL_NODES)
    dst = pick(dice, US, solicited_node(target), ALL_NODES)
    kind = dice.below(5)
    if kind == 0:
        nonce = pick(dice, None, dice.bytes(6))
        body = ndp.build_neighbour_solicitation(target, src, dst, mac, nonce)
    elif kind in (1, 2):
        flags = dice.below(8) << 5
        body = ndp.build_neighbour_advertisement(target, src, dst, mac, flags)
    elif kind == 3:
        router = ndp.RouterAdvertisement(64, False, False, 0, 1800, 0, 0, mac)
        body = ndp.build_router_advertisement(router, src, dst)
    else:
        body = ndp.build_router_solicitation(src, dst, mac)
    made = frame(OTHER_MAC, MAC, src, dst, body).join()
    return wreck(made, dice) if dice.below(8) == 0 else made


class TheNeighbourDiscovery(Subject):
    cls = NeighbourDiscovery
    verb_names = (
        *("resolve", "claim", "release", "add_static", "remove", "flush"),
        "set_times",
    )

    def make(self, seed: int, trace: Trace | None = None) -> NeighbourDiscovery:
        made = NeighbourDiscovery(
            MAC,
            config=NdpConfig(table_limit=4, reply_limit=3, claim_limit=2),
            entropy=Entropy.of(seed),
            counters=Counters(),
            trace=trace,
        )
        made.claim(US)
        return made

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        frames = [ndp_frame(dice) for _ in range(1 + dice.below(4))]
        return [pick(dice, one, Packet.received(one)) for one in frames]

    def malformed(self) -> list[Any]:
        body = ndp.build_neighbour_solicitation(US, US, US, OTHER_MAC)
        whole = frame(OTHER_MAC, MAC, US, US, body).join()
        return [b"", whole[:14], whole[:60], whole[:-1] + b"\xff"]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        ip = neighbour(dice)
        try:
            match dice.below(9):
                case 0 | 1 | 2:
                    machine.resolve(ip)
                case 3:
                    machine.claim(ip, bool(dice.below(2)), bool(dice.below(2)))
                case 4:
                    machine.release(ip)
                case 5:
                    machine.add_static(ip, OTHER_MAC)
                case 6:
                    machine.remove(ip)
                case 7:
                    machine.set_times(dice.below(10**11), dice.below(10**10))
                case _:
                    machine.flush()
        except (StateError, LimitError):
            pass

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine._counters.as_dict())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [("neighbours", len(machine.neighbours()), 4)]
