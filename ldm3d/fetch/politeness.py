"""What each host may be asked right now: how much at once, after which pause, or nothing for a while.

Not safe for threads by itself: the fetcher's dispatchers hold its lock while they use it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

FORGET_ABOVE = 10_000
VAIN = 3  # pauses in a row after which waiting for a host is in vain


def share_of(per_host: int, fetchers: int) -> int:
    """Return one fetcher's share of the concurrent fetches per host, where there are `fetchers`; at least 1."""
    return max(1, per_host // fetchers)


class Standing(Enum):
    """Whether a host may be asked, and if not, until when."""

    FREE = auto()
    BUSY = auto()  # until a running exchange with it ends
    PAUSED = auto()  # until `resumes_at`
    UNAVAILABLE = auto()  # its circuit breaker is open


@dataclass
class _Host:
    active: int = 0
    failures: int = 0
    avoided_until: float = 0.0
    paused_until: float = 0.0
    paused_s: float = 0.0  # in all, up to `paused_until`
    refusals: int = 0  # pauses in a row, without a good answer between them


class Politeness:
    """Limits, pauses and circuit breakers of hosts.

    A breaker opens after `breaker_failures` exchanges in a row without an answer (DNS, connect, TLS, timeout). While
    it is open the host is left alone. After `cooldown_s` it gets one probe: an answer closes the breaker, silence
    opens it again.

    Args:
        limit: concurrent exchanges per host.
        breaker_failures: failures in a row that open a breaker.
        cooldown_s: seconds that a breaker stays open.
        clock: seconds, monotonic.
    """

    def __init__(
        self, limit: int, breaker_failures: int, cooldown_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._breaker_failures, self._cooldown_s = limit, breaker_failures, cooldown_s
        self._clock = clock
        self._hosts: dict[str, _Host] = {}

    @property
    def known_hosts(self) -> frozenset[str]:
        """The hosts of which anything is remembered."""
        return frozenset(self._hosts)

    def standing(self, name: str) -> Standing:
        """Return whether an exchange with the host may begin now."""
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
        """Return when the host's pause ends, on the clock; in the past if it has none."""
        return self._host(name).paused_until

    def is_vain(self, name: str) -> bool:
        """Return whether the host only ever asks for another pause: nobody need wait for the end of this one."""
        return self._host(name).refusals >= VAIN

    def paused_s(self, name: str) -> float:
        """Return the seconds for which the host has been paused so far, without the rest of a running pause."""
        host = self._host(name)
        return host.paused_s - max(0.0, host.paused_until - self._clock())

    def begin(self, name: str) -> None:
        """Record that an exchange with the host begins."""
        if len(self._hosts) > FORGET_ABOVE:
            self._forget()
        self._hosts.setdefault(name, _Host()).active += 1

    def end(self, name: str, *, unreachable: bool, pause_s: float | None = None) -> None:
        """Record that an exchange with the host has ended.

        Args:
            name: the host.
            unreachable: no answer came.
            pause_s: seconds for which the host is to be left alone because it refused to answer now, even if they are
                0; None if it did not refuse.
        """
        host, now = self._hosts[name], self._clock()
        host.active -= 1
        host.failures = host.failures + 1 if unreachable else 0
        if host.failures >= self._breaker_failures:
            host.avoided_until = now + self._cooldown_s
        if pause_s is None:
            host.refusals = host.refusals if unreachable else 0
            return
        if now >= host.paused_until:  # not one more of those that were under way
            host.refusals += 1
        if now + pause_s > host.paused_until:
            host.paused_s += now + pause_s - max(now, host.paused_until)
            host.paused_until = now + pause_s

    def cancel(self, name: str) -> None:
        """Record that we broke off an exchange with the host, which says nothing about it."""
        self._hosts[name].active -= 1

    def _host(self, name: str) -> _Host:
        return self._hosts.get(name) or _Host()

    def _forget(self) -> None:
        """Drop hosts that nothing is held against now: an actor meets millions."""
        now = self._clock()
        self._hosts = {
            name: host
            for name, host in self._hosts.items()
            if host.active or now < host.paused_until or now < host.avoided_until or host.refusals >= VAIN
        }
