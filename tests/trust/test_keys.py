"""Published keys: rotation, outage, floods, and a server that does not answer (T-13, T-27)."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from structlog.testing import capture_logs

from cds_service import metrics
from cds_service.trust.keys import Answer, CacheLimits, KeyCache, fetch_keys
from cds_service.trust.keyset import BadKeySet
from tests.patience import PATIENCE_S, until
from tests.trust.tokens import public_jwk

URL = "https://ehr.example/jwks"
FIRST, SECOND = public_jwk(kid="first"), public_jwk("ES384/2", kid="second", alg="ES384")


def document(*jwks: object) -> bytes:
    return json.dumps({"keys": jwks}).encode()


class Ehr:
    """A server of keys and a clock, both under the test's hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.fetched = 0
        self.answer = Answer(document(FIRST))
        self.open = threading.Event()  # a closed door holds every fetch
        self.open.set()

    def fetch(self, url: str, allow_private: bool, seconds: float) -> Answer:
        self.fetched += 1
        assert self.open.wait(PATIENCE_S)
        return self.answer

    def cache(self, **limits: float) -> KeyCache:
        return KeyCache(self.fetch, CacheLimits(**limits), lambda: self.now)  # type: ignore[arg-type]


@pytest.fixture
def ehr() -> Ehr:
    return Ehr()


def has(cache: KeyCache, kid: str) -> bool:
    found = cache.keys(URL, kid)
    return found is not None and kid in found


def settled(ehr: Ehr, fetched: int) -> None:
    """Wait for what runs in the background."""
    until(lambda: ehr.fetched >= fetched)
    for thread in threading.enumerate():
        if thread.name == "keys":
            thread.join(PATIENCE_S)


def test_a_set_is_fetched_once_while_it_is_fresh(ehr: Ehr) -> None:
    cache = ehr.cache()
    assert all(has(cache, "first") for _ in range(100))
    assert ehr.fetched == 1


def test_t27_a_new_key_is_there_within_one_refresh(ehr: Ehr) -> None:
    cache = ehr.cache()
    assert has(cache, "first")
    ehr.answer = Answer(document(FIRST, SECOND))
    ehr.now += 61
    assert has(cache, "second")
    assert ehr.fetched == 2


def test_t27_two_hundred_made_up_kids_cause_at_most_one_fetch(ehr: Ehr) -> None:
    cache = ehr.cache()
    assert has(cache, "first")
    ehr.now += 61
    assert not any(has(cache, f"random-{n}") for n in range(200))
    assert ehr.fetched == 2


def test_t27_a_kid_that_was_not_there_is_not_asked_for_again_soon(ehr: Ehr) -> None:
    cache = ehr.cache()
    assert has(cache, "first")
    ehr.now += 60
    for _ in range(4):
        assert not has(cache, "gone")
        ehr.now += 14
    assert ehr.fetched == 2
    ehr.now += 4
    assert not has(cache, "gone")
    assert ehr.fetched == 3


@pytest.mark.parametrize("published_after", [5, 70])
def test_t27_a_key_that_was_used_soon_after_a_fetch_or_before_it_was_published_is_found_within_a_minute(
    ehr: Ehr, published_after: int
) -> None:
    cache, began, refused = ehr.cache(), ehr.now, 0
    assert has(cache, "first")
    for second in range(5, 200):
        ehr.now = began + second
        if second >= published_after:
            ehr.answer = Answer(document(FIRST, SECOND))
        refused += second >= published_after and not has(cache, "second")
    assert refused <= 60


def test_t27_the_list_of_unknown_kids_stays_small(ehr: Ehr) -> None:
    cache = ehr.cache(kids=10)
    assert has(cache, "first")
    for n in range(1000):
        ehr.now += 60
        has(cache, f"random-{n}")
    assert len(cache._published[URL, False].absent) == 10


def test_t27_an_outage_of_a_day_is_survived_and_a_longer_one_is_not(ehr: Ehr) -> None:
    cache = ehr.cache()
    assert has(cache, "first")
    ehr.answer = Answer(None)
    for _ in range(20):
        ehr.now += 4000
        assert has(cache, "first")
        settled(ehr, 0)
    ehr.now += 10_000
    assert not has(cache, "first")
    ehr.answer = Answer(document(FIRST))
    ehr.now += 11
    assert has(cache, "first")


def test_a_stale_set_serves_while_it_is_refreshed_behind_the_call(ehr: Ehr) -> None:
    cache = ehr.cache()
    assert has(cache, "first")
    ehr.now, ehr.answer = ehr.now + 601, Answer(document(SECOND))
    ehr.open.clear()
    assert has(cache, "first")
    ehr.open.set()
    settled(ehr, 2)
    assert has(cache, "second")
    assert not has(cache, "first")


def test_nothing_held_and_nobody_there_is_tried_again_after_ten_seconds(ehr: Ehr) -> None:
    cache, ehr.answer = ehr.cache(), Answer(None)
    assert not any(has(cache, "first") for _ in range(50))
    assert ehr.fetched == 1
    ehr.now, ehr.answer = ehr.now + 11, Answer(document(FIRST))
    assert has(cache, "first")


@pytest.mark.parametrize(("said", "fresh"), [(None, 600), (5.0, 60), (900.0, 900), (1e9, 3600)])
def test_a_server_says_how_long_its_set_is_fresh_within_bounds(
    ehr: Ehr, said: float | None, fresh: int
) -> None:
    cache, ehr.answer = ehr.cache(), Answer(document(FIRST), said)
    assert has(cache, "first")
    ehr.now += fresh
    assert has(cache, "first")
    settled(ehr, 1)
    assert ehr.fetched == 1
    ehr.now += 1
    assert has(cache, "first")
    settled(ehr, 2)
    assert ehr.fetched == 2


def test_a_refused_set_leaves_the_one_that_is_held_in_force(ehr: Ehr) -> None:
    cache = ehr.cache()
    assert has(cache, "first")
    ehr.answer = Answer(document(SECOND, SECOND | {"d": "AAAA"}))
    ehr.now += 61
    assert not has(cache, "second")
    assert has(cache, "first")


def test_an_odd_key_costs_itself_and_is_logged_once_for_each_set(ehr: Ehr) -> None:
    cache = ehr.cache()
    ehr.answer = Answer(document({"kty": "EC", "crv": "P-384", "kid": "SENTINEL"}, FIRST))
    with capture_logs() as lines:
        for _ in range(3):
            assert has(cache, "first")
            ehr.now += 61
            assert not has(cache, "second")
        ehr.answer = Answer(document(FIRST, FIRST, SECOND))
        ehr.now += 61
        assert has(cache, "second")
    told = [(line["server"], line["reason"]) for line in lines if line["event"] == "keys"]
    start = "Keys are left out, the others work."
    assert told == [
        ("ehr.example", f"{start} key 1: cannot be read."),
        ("ehr.example", f"{start} key 2: an earlier key has its 'kid' and its algorithm."),
    ]


def test_many_calls_at_once_share_one_fetch(ehr: Ehr) -> None:
    cache = ehr.cache()
    ehr.open.clear()
    found: list[bool] = []
    callers = [threading.Thread(target=lambda: found.append(has(cache, "first"))) for _ in range(5)]
    for caller in callers:
        caller.start()
    time.sleep(
        0.2
    )  # so that they can meet; if they do not, the second finds what the first fetched
    ehr.open.set()
    for caller in callers:
        caller.join()
    assert ehr.fetched == 1
    assert found.count(True) == 5


def test_t52_few_calls_wait_for_a_slow_server_of_keys(ehr: Ehr) -> None:
    cache = ehr.cache(fetch_s=PATIENCE_S)
    ehr.open.clear()
    callers = [threading.Thread(target=has, args=(cache, "first")) for _ in range(20)]
    for caller in callers:
        caller.start()
    until(lambda: sum(not caller.is_alive() for caller in callers) >= 15)
    ehr.open.set()
    for caller in callers:
        caller.join()


def test_t27_while_an_old_set_is_refreshed_no_call_waits_and_none_fetches_again(ehr: Ehr) -> None:
    cache = ehr.cache()
    assert has(cache, "first")
    ehr.now += 601
    ehr.open.clear()
    assert all(has(cache, "first") for _ in range(50))
    ehr.open.set()
    settled(ehr, 2)
    assert ehr.fetched == 2


def test_t27_a_call_gives_up_waiting_for_a_server_of_keys_that_hangs(ehr: Ehr) -> None:
    cache = ehr.cache(fetch_s=0.05)
    ehr.open.clear()
    cache.warm([(URL, False)])
    until(lambda: ehr.fetched)
    assert cache.keys(URL, "first") is None
    ehr.open.set()
    settled(ehr, 1)


def test_keys_are_warm_before_the_first_call(ehr: Ehr) -> None:
    cache = ehr.cache()
    cache.warm([(URL, False)])
    settled(ehr, 1)
    assert has(cache, "first")
    assert ehr.fetched == 1


class Handler(BaseHTTPRequestHandler):
    """Serves keys in ways that a test names by the path."""

    seen: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append(self.path)
        body = document(FIRST)
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/jwks")
            self.end_headers()
            return
        if self.path == "/slow":
            time.sleep(4)
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Cache-Control", "public, max-age=120")
        if self.path == "/bomb":
            body = gzip.compress(b" " * 20_000_000)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_keys_are_read_from_a_real_server_with_their_age(web: str) -> None:
    got = fetch_keys(f"{web}/jwks", True, 1.0)
    assert got.body == document(FIRST)
    assert got.max_age == 120


@pytest.mark.parametrize("path", ["/redirect", "/broken", "/bomb"])
def test_t04_t13_a_redirect_an_error_and_a_bomb_are_no_keys(web: str, path: str) -> None:
    Handler.seen.clear()
    assert fetch_keys(web + path, True, 1.0).body is None
    assert Handler.seen == [path]


def test_a_slow_server_of_keys_is_left_alone_after_its_time(web: str) -> None:
    assert fetch_keys(f"{web}/slow", True, 0.3).body is None, "the keys came, after 4 s"


def test_t05_keys_are_not_fetched_from_a_private_address_unless_the_entry_says_so(web: str) -> None:
    Handler.seen.clear()
    assert fetch_keys(f"{web}/jwks", False, 1.0).body is None
    assert Handler.seen == []


def test_the_text_of_a_refusal_quotes_nothing_of_the_set() -> None:
    from cds_service.trust.keyset import read_key_set

    with pytest.raises(BadKeySet) as caught:
        read_key_set(
            document({"kty": "EC", "kid": "SENTINEL", "crv": "P-384", "x": "SENTINEL", "y": "AA"})
        )
    assert "SENTINEL" not in str(caught.value)


def test_t76_a_key_set_that_cannot_be_had_is_counted(
    ehr: Ehr, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[str, ...]] = []
    monkeypatch.setattr(metrics, "count", lambda *named: counted.append(named))
    cache = ehr.cache(retry_s=0.0)
    for answer in (Answer(None), Answer(b"no JSON"), Answer(document(FIRST))):
        ehr.answer = answer
        has(cache, "first")
    assert [outcome for _, outcome in counted] == ["failed", "refused", "ok"]
