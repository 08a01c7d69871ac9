"""The rate limiter against a clock that is ours, and whom it counts."""

import pytest

from fte.channels.web_form.limits import Limiter, client_address
from fte.domain.errors import TooMany
from tests.support_webform import FakeClock


def taken(limiter: Limiter, key: str, tries: int) -> int:
    done = 0
    for _ in range(tries):
        try:
            limiter.take(key)
        except TooMany:
            continue
        done += 1
    return done


@pytest.mark.parametrize("count", [1, 7, 10, 30])
def test_the_whole_share_may_come_at_once_and_no_more(count: int) -> None:
    limiter = Limiter(count, 60, clock=FakeClock())
    assert taken(limiter, "a", count + 5) == count
    assert taken(limiter, "b", count + 5) == count


def test_waiting_as_told_is_enough_and_less_is_not() -> None:
    clock = FakeClock()
    limiter = Limiter(10, 3600, clock=clock)
    taken(limiter, "a", 10)
    with pytest.raises(TooMany) as caught:
        limiter.take("a")
    assert caught.value.retry_after == 360
    assert "7 minutes" in caught.value.message
    clock.forward(359)
    assert taken(limiter, "a", 1) == 0
    clock.forward(1)
    assert taken(limiter, "a", 2) == 1


def test_over_a_long_time_the_rate_holds() -> None:
    clock = FakeClock()
    limiter = Limiter(30, 60, clock=clock)
    done = 0
    for _ in range(3600):
        done += taken(limiter, "a", 3)
        clock.forward(1)
    assert 1800 <= done <= 1830


def test_a_refused_try_costs_nothing() -> None:
    clock = FakeClock()
    limiter = Limiter(1, 60, clock=clock)
    assert taken(limiter, "a", 50) == 1
    clock.forward(60)
    assert taken(limiter, "a", 1) == 1


def test_what_did_not_happen_is_given_back() -> None:
    limiter = Limiter(1, 60, clock=FakeClock())
    limiter.take("a")
    limiter.give_back("a")
    assert taken(limiter, "a", 2) == 1
    limiter.give_back("unknown")


def test_memory_is_bounded_and_the_active_stay_known() -> None:
    limiter = Limiter(1, 60, clock=FakeClock(), keys_max=100)
    limiter.take("busy")
    for number in range(10_000):
        limiter.take(f"key {number}")
        assert taken(limiter, "busy", 1) == 0
    assert len(limiter) == 100


@pytest.mark.parametrize(
    ("peer", "forwarded", "hops", "expected"),
    [
        ("192.0.2.1", ["203.0.113.9"], 0, "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], 1, "203.0.113.9"),
        ("192.0.2.1", ["6.6.6.6, 203.0.113.9"], 1, "203.0.113.9"),
        ("192.0.2.1", ["6.6.6.6", "203.0.113.9"], 1, "203.0.113.9"),
        ("192.0.2.1", ["6.6.6.6, 203.0.113.9, 198.51.100.1"], 2, "203.0.113.9"),
        ("192.0.2.1", [], 1, "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9"], 3, "192.0.2.1"),
        ("192.0.2.1", ["nonsense"], 1, "192.0.2.1"),
        ("192.0.2.1", ["203.0.113.9:5555"], 1, "203.0.113.9"),
        ("192.0.2.1", ["[2001:db8:1:2:3::9]:5555"], 1, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", [], 0, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", [], 0, "192.0.2.7"),
        ("", [], 0, "unknown"),
        ("unix:", [], 0, "unknown"),
    ],
)
def test_only_our_own_proxies_are_believed(peer: str, forwarded: list[str], hops: int, expected: str) -> None:
    assert client_address(peer, forwarded, hops) == expected
