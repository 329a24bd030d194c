"""An address of an interface."""

from __future__ import annotations

from dataclasses import dataclass

from sansio_net.addresses import format_ip, mask_ip


@dataclass(slots=True)
class Address:
    """An address of an interface. `usable` is False while the link is asked whether
    somebody has it (RFC 5227, RFC 4862 5.4), which happens whenever a link comes up if
    `probe` was asked for.
    """

    ip: bytes
    prefixlen: int
    usable: bool = True
    broadcast: bytes | None = None
    probe: bool = False
    formed: bool = False
    """By autoconfiguration."""
    deprecated: bool = False
    """No new conversation should begin from it (RFC 4862 5.5.4)."""
    temporary: bool = False
    """It changes from time to time (RFC 8981)."""
    optimistic: bool = False
    """It is used while the link is asked (RFC 4429)."""
    known_as: bytes = b""
    """Above IP: with its zone, if it is link-local."""

    def __str__(self) -> str:
        return f"{format_ip(self.ip)}/{self.prefixlen}"

    def covers(self, ip: bytes) -> bool:
        """Is `ip` on this address's subnet?"""
        return len(ip) == len(self.ip) and mask_ip(ip, self.prefixlen) == mask_ip(
            self.ip, self.prefixlen
        )
