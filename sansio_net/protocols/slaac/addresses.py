"""Addresses formed of advertised prefixes, and how long each is preferred and valid.

RFC 4862 5.5.3 and 5.5.4, RFC 7217 (stable), RFC 8981 3.4 and 3.5 (temporary).
"""

from __future__ import annotations

from typing import Final

from sansio_net.counters import Counters
from sansio_net.entropy import Entropy
from sansio_net.machine import earliest
from sansio_net.units import HOUR, SECOND
from sansio_net.wire.ndp import INFINITE, PrefixInformation

from .config import (
    AddressDeprecated,
    AddressExpired,
    AddressFormed,
    SlaacConfig,
)
from .identifiers import is_reserved, stable_identifier

TWO_HOURS: Final = 2 * HOUR
REGENERATE_ADVANCE: Final = 5 * SECOND
"""RFC 8981 3.8: 2 s and what three duplicate detections take."""

AddressEvent = AddressFormed | AddressDeprecated | AddressExpired


class Formed:
    """One address. Times of its end; None: never."""

    __slots__ = (
        "created_at",
        "desync",
        "ip",
        "is_preferred",
        "is_superseded",
        "preferred_until",
        "prefix",
        "temporary",
        "valid_until",
    )

    def __init__(self, ip: bytes, prefix: bytes, temporary: bool, now: int) -> None:
        self.ip = ip
        self.prefix = prefix
        self.temporary = temporary
        self.created_at = now
        self.desync = 0
        self.is_preferred = True
        self.is_superseded = False  # its successor exists already
        self.preferred_until: int | None = None
        self.valid_until: int | None = None


def until(lifetime: int, now: int) -> int | None:
    """A lifetime in seconds as a time."""
    return None if lifetime == INFINITE else now + lifetime * SECOND


def sooner(one: int | None, other: int) -> int:
    return other if one is None or other < one else one


class Addresses:
    """All formed addresses of one interface; what changes is left in `news`."""

    __slots__ = (
        "_config",
        "_counters",
        "_duplicates",
        "_entropy",
        "_formed",
        "_interface",
        "_secret",
        "news",
    )

    def __init__(
        self,
        config: SlaacConfig,
        interface: str,
        secret: bytes,
        entropy: Entropy,
        counters: Counters,
    ) -> None:
        self._config = config
        self._counters = counters
        self._interface = interface
        self._secret = secret
        self._entropy = entropy
        self._formed: dict[bytes, Formed] = {}
        # how often an address was a duplicate, by prefix and kind
        self._duplicates: dict[tuple[bytes, bool], int] = {}
        self.news: list[AddressEvent] = []

    def __len__(self) -> int:
        return len(self._formed)

    def get(self, ip: bytes) -> Formed | None:
        return self._formed.get(ip)

    def all(self) -> list[Formed]:
        return list(self._formed.values())

    def advertised(self, option: PrefixInformation, now: int) -> None:
        """RFC 4862 5.5.3 (c) to (e); (a) and (b) are the caller's."""
        if option.preferred_lifetime > option.valid_lifetime or option.prefixlen != 64:
            return
        prefix = option.prefix[:8]
        known = [one for one in self._formed.values() if one.prefix == prefix]
        for one in known:
            self._renew(one, option, now)
        if not option.valid_lifetime:
            return
        kinds = (False, True) if self._config.temporary else (False,)
        for temporary in kinds:
            # RFC 8981 3.5: one that is deprecated has to have a successor
            if not any(
                one.temporary is temporary and (one.is_preferred or not temporary)
                for one in known
            ):
                self._form(prefix, temporary, option, now)

    def _form(
        self, prefix: bytes, temporary: bool, option: PrefixInformation, now: int
    ) -> None:
        self._create(
            prefix,
            temporary,
            until(option.preferred_lifetime, now),
            until(option.valid_lifetime, now),
            now,
        )

    def _create(
        self,
        prefix: bytes,
        temporary: bool,
        preferred_until: int | None,
        valid_until: int | None,
        now: int,
    ) -> None:
        config = self._config
        n_duplicates = self._duplicates.get((prefix, temporary), 0)
        if n_duplicates > config.idgen_retries:
            return
        desync = 0
        if temporary:
            # RFC 8981 3.8: at most 0.4 of the preferred lifetime
            desync = self._entropy.below(config.temporary_preferred * 2 // 5 + 1)
            end = now + config.temporary_preferred - desync
            preferred_until = sooner(preferred_until, end)
            valid_until = sooner(valid_until, now + config.temporary_valid)
            if preferred_until - now <= REGENERATE_ADVANCE:
                return  # 3.4 (5)
        if len(self._formed) >= config.max_addresses:
            self._counters.count("slaac.addresses_refused")
            return
        ip = prefix + self._identifier(prefix, temporary, n_duplicates)
        made = self._formed[ip] = Formed(ip, prefix, temporary, now)
        made.desync = desync
        made.preferred_until, made.valid_until = preferred_until, valid_until
        self.news.append(AddressFormed(ip, 64, temporary))
        self._judge(made, now)

    def _identifier(self, prefix: bytes, temporary: bool, n_duplicates: int) -> bytes:
        if not temporary:
            interface, secret = self._interface, self._secret
            return stable_identifier(prefix, interface, secret, n_duplicates)
        while True:
            # RFC 8981 3.3.1
            identifier = self._entropy.bytes(8)
            if not is_reserved(identifier) and prefix + identifier not in self._formed:
                return identifier

    def _renew(self, one: Formed, option: PrefixInformation, now: int) -> None:
        """RFC 4862 5.5.3 (e): nobody ends an address within two hours."""
        advertised = until(option.valid_lifetime, now)
        left = None if one.valid_until is None else one.valid_until - now
        lifetime = option.valid_lifetime * SECOND
        if (
            option.valid_lifetime == INFINITE
            or lifetime > TWO_HOURS
            or (left is not None and lifetime > left)
        ):
            one.valid_until = advertised
        elif left is None or left > TWO_HOURS:
            one.valid_until = now + TWO_HOURS
        one.preferred_until = until(option.preferred_lifetime, now)
        if one.temporary:
            # RFC 8981 3.4 (1), (2)
            config, made_at = self._config, one.created_at
            end = made_at + config.temporary_preferred - one.desync
            one.preferred_until = sooner(one.preferred_until, end)
            one.valid_until = sooner(one.valid_until, made_at + config.temporary_valid)
        self._judge(one, now)

    def _judge(self, one: Formed, now: int) -> None:
        """Is it preferred now?"""
        preferred = one.preferred_until is None or one.preferred_until > now
        if preferred != one.is_preferred:
            one.is_preferred = preferred
            self.news.append(AddressDeprecated(one.ip, preferred))

    def duplicate(self, ip: bytes, now: int) -> None:
        """Another host has it: another identifier, a few times (RFC 7217 6)."""
        one = self._formed.pop(ip, None)
        if one is None:
            return
        key = (one.prefix, one.temporary)
        if key in self._duplicates or len(self._duplicates) < self._config.max_prefixes:
            self._duplicates[key] = self._duplicates.get(key, 0) + 1
            ends = one.preferred_until, one.valid_until
            self._create(one.prefix, one.temporary, *ends, now)

    def clear(self) -> None:
        """Another link: all are gone, and nothing is a duplicate any more."""
        self._duplicates.clear()
        for ip in list(self._formed):
            self._expire(ip)

    def _expire(self, ip: bytes) -> None:
        del self._formed[ip]
        self.news.append(AddressExpired(ip))

    # -- time

    def deadline(self) -> int | None:
        return earliest(*(self._next(one) for one in self._formed.values()))

    def _next(self, one: Formed) -> int | None:
        preferred = one.preferred_until if one.is_preferred else None
        regenerate = None
        if one.temporary and not one.is_superseded and preferred is not None:
            regenerate = preferred - REGENERATE_ADVANCE
        return earliest(one.valid_until, preferred, regenerate)

    def handle_timeout(self, now: int) -> None:
        for one in self.all():
            if one.valid_until is not None and one.valid_until <= now:
                self._expire(one.ip)
                continue
            end = one.preferred_until
            if (
                one.temporary
                and one.is_preferred
                and not one.is_superseded
                and end is not None
                and end - REGENERATE_ADVANCE <= now
            ):
                one.is_superseded = True
                self._succeed(one, now)
            self._judge(one, now)

    def _succeed(self, one: Formed, now: int) -> None:
        """RFC 8981 3.5: a successor, while the prefix itself goes on."""
        stable = next(
            (
                other
                for other in self._formed.values()
                if other.prefix == one.prefix and not other.temporary
            ),
            None,
        )
        if stable is not None:
            ends = stable.preferred_until, stable.valid_until
            self._create(one.prefix, True, *ends, now)
