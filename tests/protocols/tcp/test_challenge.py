from __future__ import annotations

from sansio_net.protocols.tcp.challenge import ChallengeLimit
from sansio_net.units import MILLISECOND, SECOND

from .dialogue import Talk


def test_so_many_in_an_interval() -> None:
    limit = ChallengeLimit()
    assert limit.renews(1, SECOND)
    limit.begin(1, 2)
    assert [limit.allows() for _ in range(3)] == [True, True, False]
    assert not limit.renews(SECOND, SECOND)
    assert limit.renews(SECOND + 1, SECOND)


def test_answers_keep_their_distance() -> None:
    limit = ChallengeLimit()
    assert limit.allows_answer(5, 10)
    assert not limit.allows_answer(14, 10)
    assert limit.allows_answer(15, 10)


def test_how_many_challenges_an_interval_allows_cannot_be_foreseen() -> None:
    talk = Talk.active(challenge_acks=100)
    counts = set()
    for _ in range(20):
        sent = 0
        for _ in range(120):
            talk.peer("R", seq=500)
            sent += len(talk.all_said())
        counts.add(sent)
        talk.now += 5 * SECOND
    assert len(counts) > 5
    assert min(counts) >= 50
    assert max(counts) <= 100


def test_an_ack_from_elsewhere_is_answered_twice_a_second_at_most() -> None:
    talk = Talk.active()
    answers = 0
    for _ in range(1000):
        talk.peer(".", seq=-100, ack=1)
        answers += len(talk.all_said())
        talk.now += 10 * MILLISECOND
    assert answers == 20
    assert talk.counters.as_dict()["tcp.stray_ack_limited"] == 980
    # text that comes again is answered each time: its answer was lost
    for _ in range(3):
        talk.peer("P.", seq=-100, ack=1, data=b"old")
        talk.us(".", seq=1, ack=1)


def test_a_syn_from_elsewhere_is_challenged_and_limited() -> None:
    talk = Talk.active()
    answers = 0
    for n in range(100):
        talk.peer("S", seq=-100 - n)
        answers += len(talk.all_said())
    assert 5 <= answers <= 10
