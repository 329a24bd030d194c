"""RFC 2883 4: duplicates are reported in the first SACK block. The numbers are its."""

from __future__ import annotations

from sansio_net.testing import Script
from tests.conformance.peers import accepted
from tests.conformance.requirements import requirement

RFC = "RFC 2883"


def received_up_to(number: int) -> Script:
    """Everything before this number has arrived and was acknowledged."""
    t = accepted(sack_ok=True, delayed_ack=0)
    t.peer(".", seq=1, data=bytes(number - 1))
    t.us(".", ack=number, sack=[])
    return t


def comes(t: Script, first: int, last: int) -> None:
    t.peer(".", seq=first, data=bytes(last - first + 1))


@requirement(RFC, "4-1", "The first block reports the duplicate that triggered the ACK")
@requirement(RFC, "4-3", "Its edges are the first number of it and the one after it")
def test_example_1_a_duplicate_segment() -> None:
    t = received_up_to(3000)
    comes(t, 3000, 3499)
    t.us(".", ack=3500, sack=[])
    comes(t, 3500, 3999)
    t.us(".", ack=4000, sack=[])
    comes(t, 3000, 3499)
    t.us(".", ack=4000, sack=[(3000, 3500)])


@requirement(RFC, "4-5", "Other blocks follow, as in RFC 2018")
def test_example_2_out_of_order_and_a_duplicate() -> None:
    t = received_up_to(4000)
    comes(t, 4500, 4999)
    t.us(".", ack=4000, sack=[(4500, 5000)])
    comes(t, 3000, 3499)
    t.us(".", ack=4000, sack=[(3000, 3500), (4500, 5000)])


@requirement(RFC, "4-4", "The second is the larger block that the duplicate lies in")
def test_example_3_a_duplicate_of_an_out_of_order_segment() -> None:
    t = received_up_to(4000)
    comes(t, 4500, 4999)
    t.us(".", sack=[(4500, 5000)])
    comes(t, 5000, 5499)
    t.us(".", sack=[(4500, 5500)])
    comes(t, 5000, 5499)
    t.us(".", ack=4000, sack=[(5000, 5500), (4500, 5500)])


@requirement(RFC, "4.2-1", "Of a partial duplicate the duplicate part is reported")
def test_example_4_a_single_subsegment() -> None:
    t = received_up_to(1000)
    comes(t, 2000, 2499)
    t.us(".", ack=1000, sack=[(2000, 2500)])
    comes(t, 1000, 1499)
    t.us(".", ack=1500, sack=[(2000, 2500)])
    comes(t, 1000, 1999)
    t.us(".", ack=2500, sack=[(1000, 1500)])


@requirement(RFC, "4.2-2", "Of several duplicate parts the first is reported")
def test_example_5_two_subsegments_below_the_ack() -> None:
    t = received_up_to(1000)
    comes(t, 3000, 3499)
    t.us(".", sack=[(3000, 3500)])
    comes(t, 1000, 1499)
    t.us(".", ack=1500, sack=[(3000, 3500)])
    comes(t, 2000, 2499)
    t.us(".", ack=1500, sack=[(2000, 2500), (3000, 3500)])
    comes(t, 1000, 2499)
    t.us(".", ack=2500, sack=[(1000, 1500), (3000, 3500)])


@requirement(RFC, "4.2-2", "Of several duplicate parts the first is reported")
def test_example_6_two_subsegments_above_the_ack() -> None:
    t = received_up_to(1000)
    comes(t, 3500, 3999)
    t.us(".", sack=[(3500, 4000)])
    comes(t, 1500, 1999)
    t.us(".", sack=[(1500, 2000), (3500, 4000)])
    comes(t, 2500, 2999)
    t.us(".", sack=[(2500, 3000), (1500, 2000), (3500, 4000)])
    comes(t, 1500, 2999)
    t.us(".", ack=1000, sack=[(1500, 2000), (1500, 3000), (3500, 4000)])


@requirement(RFC, "4-2", "Each duplicate is reported in one ACK at most")
def test_once() -> None:
    t = received_up_to(2000)
    comes(t, 1000, 1499)
    t.us(".", ack=2000, sack=[(1000, 1500)])
    t.conn.send(b"text")
    t.us("P.", ack=2000, sack=[])
    comes(t, 1000, 1499)
    t.us(".", ack=2000, sack=[(1000, 1500)])


@requirement(RFC, "4-6", "Only where SACK was agreed on")
def test_not_without_sack() -> None:
    t = accepted(delayed_ack=0)
    comes(t, 1, 1000)
    t.us(".", ack=1001)
    comes(t, 1, 1000)
    t.us(".", ack=1001, sack=[])
