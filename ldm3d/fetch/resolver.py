"""Names to checked addresses, once per exchange, with a timeout that the system call does not have."""

import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from ldm3d.fetch.addresses import AddressPolicy
from ldm3d.fetch.outcome import FetchError, Outcome
from ldm3d.reason import Reason

THREADS = 16
CACHE_S = 30.0
CACHE_HOSTS = 4_096
MAX_ADDRESSES = 4


class Resolver:
    """A small pool of threads that call getaddrinfo, and a short memory of its answers.

    getaddrinfo cannot be interrupted: a thread stuck in it is waited for no longer than the caller's timeout, and it
    is a daemon, so that it keeps no process alive. Callers that ask for the same host share one lookup.
    """

    def __init__(self, policy: AddressPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._clock = policy, clock
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, Future[list[str]]]] = {}
        self._questions: queue.SimpleQueue[tuple[str, Future[list[str]]] | None] = queue.SimpleQueue()
        for place in range(THREADS):
            threading.Thread(target=self._work, name=f"resolver-{place}", daemon=True).start()

    def resolve(self, host: str, timeout_s: float) -> list[str]:
        """The addresses of `host` that the policy admits, at most four, in the resolver's order.

        Where a name has public and other addresses, the others are left out: only what is returned is connected to.

        Raises:
            FetchError: `refused_address` if none is admitted, `dns_failed` if no answer came in `timeout_s` seconds.
            socket.gaierror: the lookup failed.
        """
        try:
            addresses = self._lookup(host).result(timeout_s)
        except TimeoutError:
            detail = f"no answer in {timeout_s:.3g} s"
            raise FetchError(Outcome(Reason.DNS_FAILED, detail, transient=True, unreachable=True)) from None
        admitted = [address for address in addresses if self._policy.admits(address)]
        if not admitted:
            raise FetchError(Outcome(Reason.REFUSED_ADDRESS, f"not public: {', '.join(addresses)}"))
        return admitted[:MAX_ADDRESSES]

    def close(self) -> None:
        """Let the threads go."""
        for _ in range(THREADS):
            self._questions.put(None)

    def _lookup(self, host: str) -> Future[list[str]]:
        now = self._clock()
        with self._lock:
            asked_at, answer = self._answers.get(host, (now, None))
            if answer is not None and (not answer.done() or now - asked_at < CACHE_S):
                return answer
            answer = Future()
            self._answers.pop(host, None)
            self._answers[host] = (now, answer)
            if len(self._answers) > CACHE_HOSTS:
                del self._answers[next(iter(self._answers))]  # the oldest
        self._questions.put((host, answer))
        return answer

    def _work(self) -> None:
        while question := self._questions.get():
            host, answer = question
            try:
                answer.set_result(_getaddrinfo(host))
            except Exception as error:  # whatever it is, it belongs to the one who asked
                with self._lock:
                    self._answers.pop(host, None)  # a failure may be over by the next attempt
                answer.set_exception(error)


def _getaddrinfo(host: str) -> list[str]:
    """The addresses of `host` without repetition, with their scope where they have one."""
    found: dict[str, None] = {}
    for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        scope = f"%{address[3]}" if len(address) == 4 and address[3] else ""
        found[f"{address[0]}{scope}"] = None
    return list(found)
