"""Resolves names to checked addresses, once per exchange, with a timeout that the system call does not have."""

import queue
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from ldm3d.fetch.addresses import AddressPolicy
from ldm3d.fetch.outcome import FetchError, NotAskedError, Outcome, OutOfTimeError
from ldm3d.reject import Reason

THREADS_PER_FETCH = 4  # one is waited for, three are stuck: we wait 10 s of the 30 or 40 that silent servers take
CACHE_S = 30.0
CACHE_HOSTS = 4_096
MAX_ADDRESSES = 4


class _Question:
    """One lookup: `taken` is set once a thread works on it, `waiting` counts the fetches that want the answer."""

    def __init__(self, host: str, asked_at: float) -> None:
        self.host, self.asked_at = host, asked_at
        self.answer: Future[list[str]] = Future()
        self.taken = threading.Event()
        self.waiting = 0


class Resolver:
    """Threads that call getaddrinfo, started as they are needed, and a short-lived cache of its answers.

    getaddrinfo cannot be interrupted. A caller waits for a stuck thread no longer than its own timeout, and the thread
    is a daemon, so that it keeps no process alive. Callers that ask for the same host share one lookup.

    Args:
        policy: decides which addresses are returned.
        fetches: most callers at a time; there are at most `THREADS_PER_FETCH` times as many threads.
        clock: seconds, monotonic.
    """

    def __init__(self, policy: AddressPolicy, fetches: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._clock = policy, clock
        self._most_threads = THREADS_PER_FETCH * fetches
        self._lock = threading.Lock()
        self._known: dict[str, _Question] = {}
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._threads = self._open = 0  # threads started; questions queued or with a thread

    def resolve(self, host: str, patience: Callable[[], float]) -> list[str]:
        """Return the addresses of `host` that the policy admits, at most four, in the resolver's order.

        If a name has public and other addresses, the others are left out: only what is returned is connected to.

        Args:
            host: a name or an address.
            patience: returns the seconds that may be waited from now; called before waiting for a thread, and again
                before waiting for its answer.

        Raises:
            FetchError: `refused_address`, because no address is admitted.
            OutOfTimeError: `dns_failed`, because no answer came in time.
            NotAskedError: `dns_failed`, because no thread was free in time.
            socket.gaierror: the lookup failed.
        """
        question = self._lookup(host)
        try:
            addresses = self._answer(question, patience)
        finally:
            with self._lock:
                question.waiting -= 1
        admitted = [address for address in addresses if self._policy.admits(address)]
        if not admitted:
            raise FetchError(Outcome(Reason.REFUSED_ADDRESS, f"not public: {', '.join(addresses)}"))
        return admitted[:MAX_ADDRESSES]

    def close(self) -> None:
        """Stop the threads."""
        for _ in range(self._threads):
            self._questions.put(None)

    def _answer(self, question: _Question, patience: Callable[[], float]) -> list[str]:
        timeout_s = patience()
        if not question.taken.wait(timeout_s):
            detail = f"not asked: {self._most_threads} lookups were under way for {timeout_s:.3g} s"
            raise NotAskedError(Outcome(Reason.DNS_FAILED, detail, transient=True, inconclusive=True))
        timeout_s = patience()
        try:
            return question.answer.result(timeout_s)
        except TimeoutError:
            detail = f"no answer in {timeout_s:.3g} s"
            raise OutOfTimeError(Outcome(Reason.DNS_FAILED, detail, transient=True, unreachable=True)) from None

    def _lookup(self, host: str) -> _Question:
        now = self._clock()
        with self._lock:
            question = self._known.get(host)
            if question is None or (question.answer.done() and now - question.asked_at >= CACHE_S):
                question = self._ask(host, now)
            question.waiting += 1
            return question

    def _ask(self, host: str, now: float) -> _Question:
        question = _Question(host, now)
        self._known.pop(host, None)
        self._known[host] = question
        if len(self._known) > CACHE_HOSTS:
            del self._known[next(iter(self._known))]  # the oldest
        self._open += 1
        self._questions.put(question)
        if self._threads < min(self._open, self._most_threads):
            threading.Thread(target=self._work, name=f"resolver-{self._threads}", daemon=True).start()
            self._threads += 1
        return question

    def _work(self) -> None:
        while question := self._questions.get():
            with self._lock:
                wanted = question.waiting > 0
                if not wanted:  # those who asked have given up
                    self._forget(question)
            if wanted:
                question.taken.set()
                try:
                    question.answer.set_result(_getaddrinfo(question.host))
                except Exception as error:  # of any kind: it is for those who asked
                    with self._lock:
                        self._forget(question)  # the next attempt may succeed
                    question.answer.set_exception(error)
            with self._lock:
                self._open -= 1

    def _forget(self, question: _Question) -> None:
        if self._known.get(question.host) is question:
            del self._known[question.host]


def _getaddrinfo(host: str) -> list[str]:
    """Return the distinct addresses of `host`, with their scope if they have one."""
    found: dict[str, None] = {}
    for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        scope = f"%{address[3]}" if len(address) == 4 and address[3] else ""
        found[f"{address[0]}{scope}"] = None
    return list(found)
