"""What each host can be asked right now: how many at a time, after which pause, or nothing for a while.

Not safe for threads by itself: the fetcher's dispatchers hold its lock when they use this.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

FORGET_ABOVE = 10_000


def share_of(per_host: int, fetchers: int) -> int:
    """Of the concurrent fetches per host, those of one fetcher among so many; at least 1."""
    return max(1, per_host // fetchers)


class Standing(Enum):
    """May a host be asked?"""

    FREE = auto()
    BUSY = auto()  # when a running exchange with it ends
    PAUSED = auto()  # at `resumes_at`
    UNAVAILABLE = auto()  # no: the circuit breaker is open


@dataclass
class _Host:
    active: int = 0
    failures: int = 0
    avoided_until: float = 0.0
    paused_until: float = 0.0
    paused_s: float = 0.0  # in all, up to `paused_until`


class Politeness:
    """Limits, pauses and circuit breakers of hosts.

    A breaker opens after `breaker_failures` exchanges in a row that brought no answer (DNS, connect, TLS, timeout).
    While it is open the host is left alone. After `cooldown_s` it takes one probe: an answer closes it, silence opens
    it again.

    Args:
        limit: concurrent exchanges per host.
        breaker_failures: failures in a row that open a breaker.
        cooldown_s: seconds a breaker stays open.
        clock: seconds, monotonic.
    """

    def __init__(
        self, limit: int, breaker_failures: int, cooldown_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._breaker_failures, self._cooldown_s = limit, breaker_failures, cooldown_s
        self._clock = clock
        self._hosts: dict[str, _Host] = {}

    def standing(self, name: str) -> Standing:
        """Whether an exchange with the host may begin now."""
        host, now = self._host(name), self._clock()
        broken = host.failures >= self._breaker_failures
        if broken and now < host.avoided_until:
            return Standing.UNAVAILABLE
        if now < host.paused_until:
            return Standing.PAUSED
        if host.active >= (1 if broken else self._limit):  # after a cooldown, one probe
            return Standing.BUSY
        return Standing.FREE

    def resumes_at(self, name: str) -> float:
        """When the host's pause ends, on the clock; in the past if it has none."""
        return self._host(name).paused_until

    def paused_s(self, name: str) -> float:
        """Seconds for which the host has been paused so far, what is ahead of a running pause excluded."""
        host = self._host(name)
        return host.paused_s - max(0.0, host.paused_until - self._clock())

    def begin(self, name: str) -> None:
        """An exchange with the host begins."""
        if len(self._hosts) > FORGET_ABOVE:
            self._forget()
        self._hosts.setdefault(name, _Host()).active += 1

    def end(self, name: str, *, unreachable: bool, pause_s: float = 0.0) -> None:
        """An exchange with the host has ended: with an answer or without, and perhaps with a wish to be left alone."""
        host, now = self._hosts[name], self._clock()
        host.active -= 1
        host.failures = host.failures + 1 if unreachable else 0
        if host.failures >= self._breaker_failures:
            host.avoided_until = now + self._cooldown_s
        if now + pause_s > host.paused_until:
            host.paused_s += now + pause_s - max(now, host.paused_until)
            host.paused_until = now + pause_s

    def cancel(self, name: str) -> None:
        """An exchange with the host was broken off on our side, which says nothing about the host."""
        self._hosts[name].active -= 1

    def _host(self, name: str) -> _Host:
        return self._hosts.get(name) or _Host()

    def _forget(self) -> None:
        """Drop hosts that nothing is held against now: an actor meets millions."""
        now = self._clock()
        self._hosts = {
            name: host
            for name, host in self._hosts.items()
            if host.active or now < host.paused_until or now < host.avoided_until
        }
