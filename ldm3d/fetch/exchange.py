"""The time limit of one attempt: a deadline that holds in every phase, enforced by a watchdog."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from ldm3d.fetch.outcome import Outcome


class Exchange:
    """One request and its answer, from DNS to the last byte.

    Socket timeouts bound silence, not duration: one byte every few seconds, in the TLS handshake, the headers or the
    body, keeps a reader waiting for ever. So at the deadline the watchdog shuts the connection down under the reader.

    Args:
        timeout_s: longest wait for one step (DNS, connect, one read), in seconds.
        budget_s: seconds for the whole exchange.
    """

    def __init__(self, timeout_s: float, budget_s: float) -> None:
        self.expired = False
        self.outcome: Outcome | None = None
        self._timeout_s, self._budget_s = timeout_s, budget_s
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self.begin()

    @property
    def is_short(self) -> bool:
        """Whether not even one step may take its time: what runs out is then ours, and not the host's."""
        return self._budget_s < self._timeout_s

    def begin(self) -> None:
        """Start the clock. Called when a thread picks the exchange up, so time in our queue does not count."""
        self.started = time.monotonic()
        self.deadline = self.started + self._budget_s

    def patience(self) -> float:
        """Return the seconds that the next step may take. Raises TimeoutError if none are left."""
        left = self.deadline - time.monotonic()
        if self.expired or left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(self._timeout_s, left)

    def watch(self, connection: socket.socket) -> None:
        """Put `connection` under the deadline.

        A duplicate of its descriptor is kept: TLS takes over the original, http.client closes it, and its number may
        belong to another connection by the time the watchdog fires.
        """
        with self._lock:
            self._connection = connection.dup()
        if self.expired:  # while the connection was being made
            self.expire()

    def expire(self) -> None:
        """End the exchange now, whatever it is waiting for."""
        with self._lock:
            self.expired = True  # before the shutdown, or the reader would take it for the end of a body
            if self._connection is not None:
                with contextlib.suppress(OSError):  # not connected any more
                    self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class Watchdog:
    """A thread that expires every exchange whose deadline has passed."""

    def __init__(self) -> None:
        self._exchanges: set[Exchange] = set()
        self._changed = threading.Condition()
        self._wakes_at = float("inf")
        self._closed = False
        threading.Thread(target=self._run, name="fetch-watchdog", daemon=True).start()

    @contextlib.contextmanager
    def guard(self, exchange: Exchange) -> Iterator[None]:
        """Hold `exchange` to its deadline, and release its connection at the end."""
        with self._changed:
            self._exchanges.add(exchange)
            if exchange.deadline < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._exchanges.discard(exchange)
            exchange.close()

    def close(self) -> None:
        """Stop the thread. Exchanges still running lose their guard, so end them first."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for exchange in [exchange for exchange in self._exchanges if exchange.deadline <= now]:
                    exchange.expire()
                    self._exchanges.discard(exchange)
                self._wakes_at = min((exchange.deadline for exchange in self._exchanges), default=float("inf"))
                self._changed.wait(None if self._wakes_at == float("inf") else self._wakes_at - now)
