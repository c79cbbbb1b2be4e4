"""The longest time that fetching may take is a bound: no random schedule of the slowest fetches exceeds it."""

import heapq
import random
from dataclasses import replace

import pytest

from ldm3d.config import DownloadConfig
from ldm3d.fetch.duration import longest_fetch_s

CONFIG = DownloadConfig(threads=8, per_host=4, deadline_s=10.0, max_pause_s=0.0)


def simulated_s(shards: list[list[str]], slots: int, window: int, draw: random.Random) -> float:
    """When the first of several shards, fetched at once, has ended, if each URL takes its whole deadline.

    Whatever may begin does so, in random order: hosts have `slots`, shards have `window` threads.
    """
    waiting = [(shard, host) for shard, hosts in enumerate(shards) for host in hosts]
    left = [len(hosts) for hosts in shards]
    now, running = 0.0, []
    while True:
        draw.shuffle(waiting)
        for job in list(waiting):
            shard, host = job
            of_host = sum(other == host for _, (_, other) in running)
            of_shard = sum(other == shard for _, (other, _) in running)
            if of_host < slots and of_shard < window:
                waiting.remove(job)
                heapq.heappush(running, (now + CONFIG.deadline_s, job))
        now, (shard, _) = heapq.heappop(running)
        left[shard] -= 1
        if not left[shard]:
            return now


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("actors", "calls"), [(1, 1), (1, 4), (2, 2), (9, 4)])
def test_it_bounds_every_schedule(actors, calls, seed):
    draw = random.Random(seed)
    hosts = [f"{n}.test" for n in range(draw.choice([1, 2, 5, 40]))]
    shard = draw.choices(hosts, k=40)
    longest_s = longest_fetch_s([f"http://{host}/x.jpg" for host in shard], CONFIG, actors, calls)
    slots, window = max(1, CONFIG.per_host // actors), max(1, CONFIG.threads // calls)
    took_s = simulated_s([shard] * calls, slots, window, draw)
    assert took_s <= longest_s


def test_it_grows_with_the_urls_of_one_host_and_with_the_calls_that_share_it():
    one, two = ["http://a.test/x"] * 40, ["http://a.test/x", "http://b.test/x"] * 20
    assert longest_fetch_s(one, CONFIG) > longest_fetch_s(two, CONFIG)
    assert longest_fetch_s(one, CONFIG, calls=4) > 3 * longest_fetch_s(one, CONFIG)
    assert longest_fetch_s(one, CONFIG, share_of_host=4) > 2 * longest_fetch_s(one, CONFIG)


def test_it_grows_with_the_calls_that_share_a_thread():
    urls = [f"http://{n}.test/x" for n in range(40)]
    one, three = (DownloadConfig(threads=threads, deadline_s=10.0) for threads in (1, 3))
    assert longest_fetch_s(urls, one, calls=4) > 4 * 40 * 10.0
    assert longest_fetch_s(urls, three, calls=4) > 4 / 3 * 40 * 10.0


def test_what_nobody_is_asked_for_takes_no_time():
    assert longest_fetch_s(["", "ftp://a.test/x", "http://user@a.test/"], CONFIG) == 0.0


def test_pauses_of_a_host_are_waited_for_once():
    paused = replace(CONFIG, max_pause_s=300.0)
    assert longest_fetch_s(["http://a.test/x"], paused) == longest_fetch_s(["http://a.test/x"], CONFIG) + 300
