"""Hosts get few requests at a time, are left alone when they ask for it or fail, and are tried again. No sleeps."""

import pytest

from ldm3d.fetch import politeness as module
from ldm3d.fetch.backlog import Backlog, Job
from ldm3d.fetch.politeness import Politeness, Standing


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def politeness(clock):
    return Politeness(limit=2, breaker_failures=3, cooldown_s=60.0, clock=clock)


@pytest.fixture
def backlog(politeness, clock):
    return Backlog(politeness, max_pause_s=30.0, clock=clock)


def fail(politeness, host, times):
    for _ in range(times):
        politeness.begin(host)
        politeness.end(host, unreachable=True)


def test_a_host_has_so_many_slots_and_no_more(politeness):
    politeness.begin("a.test")
    assert politeness.standing("a.test") is Standing.FREE
    politeness.begin("a.test")
    assert politeness.standing("a.test") is Standing.BUSY
    assert politeness.standing("b.test") is Standing.FREE
    politeness.end("a.test", unreachable=False)
    assert politeness.standing("a.test") is Standing.FREE


def test_a_pause_lasts_as_long_as_the_longest_wish(politeness, clock):
    for pause_s in (5.0, 2.0):
        politeness.begin("a.test")
        politeness.end("a.test", unreachable=False, pause_s=pause_s)
    assert politeness.standing("a.test") is Standing.PAUSED
    assert politeness.resumes_at("a.test") == clock.now + 5
    clock.now += 4
    assert (politeness.standing("a.test"), politeness.paused_s("a.test")) == (Standing.PAUSED, 4)
    clock.now += 2
    assert (politeness.standing("a.test"), politeness.paused_s("a.test")) == (Standing.FREE, 5)


def test_the_breaker_opens_after_failures_in_a_row_only(politeness):
    fail(politeness, "a.test", 2)
    politeness.begin("a.test")
    politeness.end("a.test", unreachable=False)
    fail(politeness, "a.test", 2)
    assert politeness.standing("a.test") is Standing.FREE
    fail(politeness, "a.test", 1)
    assert politeness.standing("a.test") is Standing.UNAVAILABLE


def test_what_we_break_off_says_nothing_about_a_host(politeness):
    fail(politeness, "a.test", 2)
    politeness.begin("a.test")
    politeness.cancel("a.test")
    assert politeness.standing("a.test") is Standing.FREE
    fail(politeness, "a.test", 1)
    assert politeness.standing("a.test") is Standing.UNAVAILABLE


def test_after_the_cooldown_one_probe_decides(politeness, clock):
    fail(politeness, "a.test", 3)
    clock.now += 60
    assert politeness.standing("a.test") is Standing.FREE
    politeness.begin("a.test")
    assert politeness.standing("a.test") is Standing.BUSY  # one probe, although two slots are free
    politeness.end("a.test", unreachable=True)
    assert politeness.standing("a.test") is Standing.UNAVAILABLE
    clock.now += 60
    politeness.begin("a.test")
    politeness.end("a.test", unreachable=False)
    politeness.begin("a.test")
    assert politeness.standing("a.test") is Standing.FREE


def test_only_hosts_that_something_is_held_against_are_remembered_for_ever(politeness, clock, monkeypatch):
    monkeypatch.setattr(module, "FORGET_ABOVE", 3)
    fail(politeness, "broken.test", 3)
    politeness.begin("paused.test")
    politeness.end("paused.test", unreachable=False, pause_s=5.0)
    politeness.begin("active.test")
    for host in ("a.test", "b.test", "c.test"):
        fail(politeness, host, 1)
    assert politeness.known_hosts == {"broken.test", "paused.test", "active.test", "c.test"}


def test_jobs_come_in_order_and_step_aside_for_other_hosts_while_theirs_is_busy(backlog, politeness):
    for index, host in enumerate(["a.test", "a.test", "a.test", "b.test"]):
        backlog.add(Job(index, f"http://{host}/"))
    taken = []
    while (found := backlog.take()) is not None:
        taken.append(found[0].index)
        politeness.begin(found[0].host)
    assert taken == [0, 1, 3]
    assert backlog.wakes_in() is None  # time alone frees no slot
    politeness.end("a.test", unreachable=False)
    assert backlog.take()[0].index == 2
    assert not backlog


def test_a_retry_waits_its_time_and_then_goes_first(backlog, clock):
    retry = Job(0, "http://a.test/", spent_s=1.0)
    backlog.add(retry, wait_s=4.0)
    assert backlog.take() is None
    assert backlog.wakes_in() == 4
    clock.now += 4
    backlog.add(Job(1, "http://a.test/"))
    assert backlog.take() == (retry, Standing.FREE)


def test_jobs_of_a_broken_host_are_handed_out_to_be_rejected(backlog, politeness):
    backlog.add(Job(0, "http://a.test/"))
    fail(politeness, "a.test", 3)
    assert backlog.take()[1] is Standing.UNAVAILABLE


def test_jobs_wait_for_pauses_up_to_the_longest_and_what_their_exchanges_took_does_not_count(
    backlog, politeness, clock
):
    backlog.add(Job(0, "http://a.test/", spent_s=29.0))
    for waited_s, standing in ((20.0, None), (10.0, None), (1.0, Standing.PAUSED)):  # more than 30 s in all
        politeness.begin("a.test")
        politeness.end("a.test", unreachable=False, pause_s=waited_s)
        found = backlog.take()
        assert (found and found[1]) is standing
        if standing is None:
            assert backlog.wakes_in() == waited_s
            clock.now += waited_s
    assert not backlog


def test_a_job_that_was_asked_to_come_back_goes_last_and_keeps_count_of_its_pauses(backlog, politeness, clock):
    odd = Job(0, "http://a.test/odd", spent_s=1.0)
    backlog.add(odd)
    assert backlog.take() == (odd, Standing.FREE)
    backlog.add(Job(1, "http://a.test/"))
    politeness.begin("a.test")
    politeness.end("a.test", unreachable=False, pause_s=25.0)
    backlog.add(odd, last=True)
    clock.now += 25
    assert backlog.take()[0].index == 1
    assert backlog.take() == (odd, Standing.FREE)
    politeness.begin("a.test")
    politeness.end("a.test", unreachable=False, pause_s=25.0)
    backlog.add(odd, last=True)
    assert backlog.take() == (odd, Standing.PAUSED)  # 50 s in all


def test_nobody_waits_for_a_host_that_only_ever_asks_for_pauses_until_it_gives_a_good_answer(
    backlog, politeness, clock
):
    for _ in range(3):
        for _ in range(2):  # answers that were under way are one pause
            politeness.begin("a.test")
        for _ in range(2):
            politeness.end("a.test", unreachable=False, pause_s=1.0)
        clock.now += 2
    politeness.begin("a.test")
    politeness.end("a.test", unreachable=False, pause_s=1.0)
    backlog.add(Job(0, "http://a.test/"))
    assert backlog.take()[1] is Standing.PAUSED  # rejected, not waited for
    clock.now += 2
    backlog.add(Job(1, "http://a.test/"))
    assert backlog.take()[1] is Standing.FREE  # asked once more
    politeness.begin("a.test")
    politeness.end("a.test", unreachable=False)
    politeness.begin("a.test")
    politeness.end("a.test", unreachable=False, pause_s=1.0)
    backlog.add(Job(2, "http://a.test/"))
    assert backlog.take() is None


def test_a_refusal_is_no_good_answer_even_if_it_asks_for_no_time(politeness):
    for _ in range(3):
        assert not politeness.is_vain("a.test")
        politeness.begin("a.test")
        politeness.end("a.test", unreachable=False, pause_s=0.0)
    assert politeness.is_vain("a.test")
    politeness.begin("a.test")
    politeness.end("a.test", unreachable=False)
    assert not politeness.is_vain("a.test")


def test_of_a_pause_that_is_under_way_what_is_left_counts(backlog, politeness, clock):
    politeness.begin("a.test")
    politeness.end("a.test", unreachable=False, pause_s=3_600.0)
    backlog.add(Job(0, "http://a.test/"))
    assert backlog.take()[1] is Standing.PAUSED  # an hour is too long
    clock.now += 3_595
    backlog.add(Job(1, "http://a.test/"))
    assert backlog.take() is None
    assert backlog.wakes_in() == 5
    clock.now += 5
    assert backlog.take()[1] is Standing.FREE
