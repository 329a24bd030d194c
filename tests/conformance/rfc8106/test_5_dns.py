"""RFC 8106 5: resolvers and search lists that routers name."""

from __future__ import annotations

from sansio_net.addresses import pack_ip
from sansio_net.stack import DnsServersChanged
from sansio_net.units import SECOND
from sansio_net.wire import ndp
from tests.conformance.requirements import requirement
from tests.stack.host6 import Host, advertisement

RFC = "RFC 8106"

ONE, TWO = pack_ip("2001:db8::53"), pack_ip("fe80::53")


def settled() -> Host:
    host = Host()
    host.wait(5 * SECOND)
    return host


def told(host: Host) -> list[DnsServersChanged]:
    return [one for one in host.events if isinstance(one, DnsServersChanged)]


def servers(lifetime: int, *ips: bytes) -> bytes:
    return advertisement(dns_servers=(ndp.DnsServers(lifetime, ips),))


@requirement(RFC, "1.2-1", "A host MUST take DNS information from advertisements")
@requirement(RFC, "5.3.1-1", "Valid options SHOULD be handed on in their order")
@requirement(RFC, "5.1-2", "Link-local servers SHOULD come with their zone")
def test_they_are_told() -> None:
    host = settled()
    search = (ndp.DnsSearchList(300, ("a.example", "b.example")),)
    both = (ndp.DnsServers(300, (ONE, TWO)),)
    host.wait(0, advertisement(dns_servers=both, dns_search=search))
    assert told(host)[-1].servers == ("2001:db8::53", "fe80::53%eth0")
    assert told(host)[-1].search == ("a.example", "b.example")
    n = len(told(host))
    host.wait(0, advertisement(dns_servers=both, dns_search=search))
    assert len(told(host)) == n  # nothing is new


@requirement(RFC, "5.1-1", "A lifetime of zero: it MUST no longer be used")
@requirement(RFC, "5.2-1", "The same for domains")
def test_zero() -> None:
    host = settled()
    host.wait(0, servers(300, ONE, TWO))
    host.wait(0, servers(0, ONE))
    assert told(host)[-1].servers == ("fe80::53%eth0",)
    search = (ndp.DnsSearchList(300, ("a.example",)),)
    host.wait(0, advertisement(dns_search=search))
    host.wait(0, advertisement(dns_search=(ndp.DnsSearchList(0, ("a.example",)),)))
    assert told(host)[-1].search == ()


@requirement(RFC, "5.3.1-2", "What is over is forgotten")
def test_expiry() -> None:
    host = settled()
    host.wait(0, servers(20, ONE), servers(40, TWO))
    host.wait(30 * SECOND)
    assert told(host)[-1].servers == ("fe80::53%eth0",)
    host.wait(20 * SECOND)
    assert told(host)[-1].servers == ()
