from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

from sansio_net.protocols.tcp.congestion import AckSample
from sansio_net.protocols.tcp.delivery import DeliveryRate
from sansio_net.units import MILLISECOND, SECOND

MSS = 1000


@dataclass
class Record:
    sent_at: int
    delivered: int = 0
    delivered_at: int = 0
    first_sent_at: int = 0
    app_limited: bool = False


def send(rate: DeliveryRate, now: int, in_flight: int) -> Record:
    record = Record(now)
    rate.on_sent(record, in_flight, now)
    return record


def acked(
    rate: DeliveryRate, records: list[Record], size: int, now: int, min_rtt: int = 0
) -> AckSample:
    for record in records:
        rate.on_delivered(record, now)
    sample = AckSample()
    sample.acked = size
    rate.sample(sample, now, min_rtt)
    return sample


def test_a_first_burst_is_delivered_within_its_round_trip() -> None:
    rate = DeliveryRate()
    record = send(rate, 5 * MILLISECOND, 0)
    sample = acked(rate, [record], 10 * MSS, 15 * MILLISECOND)
    assert (sample.rate, sample.interval) == (1_000_000, 10 * MILLISECOND)
    assert (sample.prior_delivered, sample.delivered) == (0, 10 * MSS)
    assert not sample.app_limited


def test_a_steady_stream_shows_the_rate_of_the_path() -> None:
    # a segment a millisecond, each acknowledged 10 ms later
    rate, sent = DeliveryRate(), list[Record]()
    rates = []
    for tick in range(40):
        now = (tick + 1) * MILLISECOND
        if tick >= 10:
            sample = acked(rate, [sent[tick - 10]], MSS, now)
            rates.append(sample.rate)
        sent.append(send(rate, now, min(tick, 10) * MSS))
    assert rates[0] == MSS * 100  # one segment in a round trip is all that is known
    assert set(rates[11:]) == {MSS * 1000}


def test_compressed_acks_do_not_look_fast() -> None:
    # sent over 10 ms, acknowledged all at once just after the last: the sending counts
    rate = DeliveryRate()
    sent = [send(rate, k * MILLISECOND, k * MSS) for k in range(11)]
    first = acked(rate, sent[:1], MSS, 10 * MILLISECOND)
    assert first.delivered == MSS
    sample = acked(rate, sent[1:], 10 * MSS, 11 * MILLISECOND)
    assert sample.interval == 11 * MILLISECOND
    assert sample.rate == 11 * MSS * SECOND // (11 * MILLISECOND)


def test_the_latest_sent_of_an_ack_counts() -> None:
    rate = DeliveryRate()
    old = send(rate, 1, 0)
    acked(rate, [old], MSS, 5 * MILLISECOND)
    a = send(rate, 6 * MILLISECOND, 0)
    b = send(rate, 8 * MILLISECOND, MSS)
    sample = acked(rate, [b, a], 2 * MSS, 20 * MILLISECOND)
    assert sample.prior_delivered == MSS
    assert sample.interval == 14 * MILLISECOND
    assert rate.first_sent_at == 8 * MILLISECOND


def test_an_interval_below_the_shortest_round_trip_is_no_sample() -> None:
    # the ACK was for the original, not for what went again just now
    rate = DeliveryRate()
    record = send(rate, 10 * MILLISECOND, 0)
    sample = acked(rate, [record], MSS, 12 * MILLISECOND, min_rtt=10 * MILLISECOND)
    assert sample.rate == sample.interval == 0
    assert sample.delivered == MSS


def test_an_ack_of_nothing_is_no_sample() -> None:
    rate = DeliveryRate()
    send(rate, 1, 0)
    sample = acked(rate, [], 0, 10)
    assert sample.rate == sample.interval == sample.delivered == 0
    assert rate.delivered_at == 1


def test_in_no_time_there_is_no_rate() -> None:
    rate = DeliveryRate()
    record = send(rate, 7, 0)
    assert acked(rate, [record], MSS, 7).rate == 0


def test_a_bubble_marks_what_follows_until_it_is_acknowledged() -> None:
    rate = DeliveryRate()
    before = send(rate, 1, 0)
    rate.on_app_limited(MSS)
    assert rate.app_limited == MSS
    after = send(rate, 2, MSS)
    assert (before.app_limited, after.app_limited) == (False, True)
    assert not acked(rate, [before], MSS, 1_000).app_limited
    assert rate.app_limited  # what was in flight is gone, the bubble is not
    assert acked(rate, [after], MSS, 2_000).app_limited
    assert not rate.app_limited
    assert not send(rate, 3_000, 0).app_limited


def test_limited_from_the_very_start() -> None:
    rate = DeliveryRate()
    rate.on_app_limited(0)
    assert send(rate, 1, 0).app_limited


def test_pickles_and_copies() -> None:
    rate = DeliveryRate()
    record = send(rate, 1, 0)
    for twin in (copy.deepcopy(rate), pickle.loads(pickle.dumps(rate))):
        assert acked(twin, [record], MSS, 1_000).delivered == MSS
