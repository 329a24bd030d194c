"""Stateless address autoconfiguration. RFC 4862, RFC 7217."""

from .identifiers import LINK_LOCAL, is_reserved, stable_identifier

__all__ = ["LINK_LOCAL", "is_reserved", "stable_identifier"]
