"""How often a client may call: a moving window for each (T-50)."""

from __future__ import annotations

from cds_service.trust.throttle import RateLimit


def test_t50_two_seconds_of_calls_at_once_then_the_rate() -> None:
    now = [0.0]
    limit = RateLimit(lambda: now[0])
    assert sum(limit.admits("mercy", 60) for _ in range(200)) == 120
    now[0] = 1.9
    assert not limit.admits("mercy", 60)
    now[0] = 2.0
    assert sum(limit.admits("mercy", 60) for _ in range(200)) == 120


def test_one_client_does_not_use_up_anothers_calls() -> None:
    limit = RateLimit(lambda: 0.0)
    assert sum(limit.admits("mercy", 1) for _ in range(9)) == 2
    assert limit.admits("anne", 1)


def test_no_limit_is_no_limit() -> None:
    limit = RateLimit(lambda: 0.0)
    assert all(limit.admits("anonymous", 0) for _ in range(1000))


def test_over_time_no_more_than_the_rate_gets_in() -> None:
    now = [0.0]
    limit = RateLimit(lambda: now[0])
    admitted = 0
    for step in range(1000):
        now[0] = step / 100
        admitted += limit.admits("mercy", 10)
    assert admitted <= 10 * 10 + 20
