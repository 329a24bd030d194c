"""Router discovery and stateless address autoconfiguration.

RFC 4861 6.3, RFC 4862 5.5, RFC 7217, RFC 8981.
"""

from .addresses import Formed
from .autoconfiguration import Autoconfiguration, SlaacEvent
from .config import (
    AddressDeprecated,
    AddressExpired,
    AddressFormed,
    DnsAdvertised,
    ParametersAdvertised,
    RouteChanged,
    SlaacConfig,
)
from .identifiers import LINK_LOCAL, is_reserved, stable_identifier

__all__ = [
    "LINK_LOCAL",
    "AddressDeprecated",
    "AddressExpired",
    "AddressFormed",
    "Autoconfiguration",
    "DnsAdvertised",
    "Formed",
    "ParametersAdvertised",
    "RouteChanged",
    "SlaacConfig",
    "SlaacEvent",
    "is_reserved",
    "stable_identifier",
]
