"""How many ICMP messages may leave: token buckets, for all and by destination.

RFC 1812 4.3.2.8; the figures are Linux's.
"""

from __future__ import annotations

from sansio_net.addresses import is_loopback
from sansio_net.entropy import Entropy
from sansio_net.units import SECOND
from sansio_net.wire.icmp import FRAGMENTATION_NEEDED, UNREACHABLE

from .config import IcmpOptions


class TokenBucket:
    """One token each `interval` ns, at most `burst` of them saved; full at first.

    In any span of time it gives at most span / interval + burst.
    """

    __slots__ = ("_credit", "_interval", "_limit", "_stamp")

    def __init__(self, interval: int, burst: int) -> None:
        self._interval = interval
        self._limit = burst * interval
        self._credit = self._limit  # in ns: so much time was saved up
        self._stamp: int | None = None

    def has_token(self, now: int) -> bool:
        if self._stamp is not None:
            self._credit = min(self._limit, self._credit + now - self._stamp)
        self._stamp = now
        return self._credit >= self._interval

    def take(self, n: int = 1) -> None:
        """Take the token that `has_token` saw; more, as far as they are there."""
        self._credit = max(0, self._credit - n * self._interval)


class Limits:
    """The buckets of one stack. At most `destinations` of them are kept: the one used
    longest ago goes, and would be full again soon; the common bucket holds meanwhile.
    """

    __slots__ = ("_by_destination", "_common", "_entropy", "_options")

    def __init__(self, options: IcmpOptions, entropy: Entropy) -> None:
        self._options = options
        self._entropy = entropy
        self._by_destination: dict[bytes, TokenBucket] = {}
        self._common: TokenBucket | None = None
        if options.msgs_per_sec:
            interval = -(-SECOND // options.msgs_per_sec)
            self._common = TokenBucket(interval, options.msgs_burst)

    def __len__(self) -> int:
        return len(self._by_destination)

    def allow(self, kind: int, code: int, destination: bytes, now: int) -> bool:
        """May this message leave now? If so, it is charged."""
        options = self._options
        if not options.limited or not options.ratemask >> kind & 1:
            return True
        # like Linux: path MTU discovery and this very host are never throttled
        if (kind == UNREACHABLE and code == FRAGMENTATION_NEEDED) or is_loopback(
            destination
        ):
            return True
        return self._charge(destination, now)

    def allow_error(self, destination: bytes, now: int) -> bool:
        """An ICMPv6 error (RFC 4443 2.4 (f)): all kinds are limited alike."""
        if not self._options.limited or is_loopback(destination):
            return True
        return self._charge(destination, now)

    def _charge(self, destination: bytes, now: int) -> bool:
        options = self._options
        common = self._common
        if common is not None and not common.has_token(now):
            return False
        if options.ratelimit:
            own = self._bucket(destination)
            if not own.has_token(now):
                return False
            own.take()
        if common is not None:
            # an exact count of what is left would tell a third party, by a side
            # channel, which of our ports are open (as Linux: CVE-2020-25705)
            common.take(1 + (self._entropy.below(4) == 0))
        return True

    def _bucket(self, destination: bytes) -> TokenBucket:
        buckets = self._by_destination
        bucket = buckets.pop(destination, None)
        if bucket is None:
            bucket = TokenBucket(self._options.ratelimit, self._options.burst)
            if len(buckets) >= self._options.destinations:
                del buckets[next(iter(buckets))]
        buckets[destination] = bucket  # the last used lies last
        return bucket
